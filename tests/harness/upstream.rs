//! An upstream that records what it receives, byte for byte.
//!
//! Its paths say what it does: `/status/403` answers with that status, `/slow/1500` after so many milliseconds,
//! `/bytes/1024` with so many bytes, `/ticks/3` streams so many server-sent events 200 ms apart, `/mimic` sets
//! cookies and headers that belong to the gateway, `/location?URL` sends the client there, `/break` ends within its head,
//! `/tunnel` switches protocols where it is asked to and sends back what comes. Every other path answers 200 with what
//! was received, as JSON.

use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use crate::http;

/// Time between two events of `/ticks/N`.
pub const TICK: Duration = Duration::from_millis(200);

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// `GET`.
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// Header fields in their order, names as sent.
    pub fields: Vec<(String, String)>,
    /// The whole head, byte for byte.
    pub head: Vec<u8>,
    /// Body without framing.
    pub body: Vec<u8>,
}

impl Received {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        http::header(&self.fields, name)
    }

    fn to_json(&self) -> serde_json::Value {
        json!({
            "method": self.method,
            "target": self.target,
            "headers": self.fields,
            "body_bytes": self.body.len(),
        })
    }
}

/// A listening upstream; stops when dropped.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    stopped: Arc<AtomicBool>,
    status: Arc<AtomicU16>,
}

impl Upstream {
    /// Listens on a port that the system picks.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let stopped: Arc<AtomicBool> = Arc::default();
        let status: Arc<AtomicU16> = Arc::default();
        let (record, stop, forced) = (Arc::clone(&received), Arc::clone(&stopped), Arc::clone(&status));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let (record, forced) = (Arc::clone(&record), Arc::clone(&forced));
                std::thread::spawn(move || drop(serve(&stream, &record, &forced)));
            }
        });
        Self { address, received, stopped, status }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// For `upstream = "…"`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything is answered with this status from now on; 0: as the path says.
    pub fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// How many requests of this path arrived.
    pub fn count_of(&self, path: &str) -> usize {
        self.received.lock().unwrap().iter().filter(|received| received.target == path).count()
    }

    /// How many requests arrived.
    pub fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    /// The newest request.
    #[track_caller]
    pub fn last(&self) -> Received {
        self.received.lock().unwrap().last().cloned().unwrap_or_else(|| panic!("the upstream received nothing"))
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the accept loop, which then ends.
        drop(TcpStream::connect(self.address));
    }
}

/// Answers requests of one connection until it closes.
fn serve(stream: &TcpStream, record: &Mutex<Vec<Received>>, forced: &AtomicU16) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(head) = http::read_head(&mut reader)? {
        let (first, fields) = http::parse_head(&head);
        let mut words = first.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let target = words.next().unwrap_or_default().to_owned();
        if http::header(&fields, "expect").is_some() {
            (&mut &*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let body = http::read_body(&mut reader, &fields, false)?;
        let received = Received { method, target, fields, head, body };
        record.lock().unwrap().push(received.clone());
        if received.target == "/tunnel" && received.header("upgrade").is_some() {
            return echo(reader, stream);
        }
        let status = forced.load(Ordering::Relaxed);
        if status != 0 {
            whole(&mut &*stream, status.into(), "text/plain", b"as told")?;
        } else if !answer(&mut &*stream, &received)? {
            return Ok(());
        }
    }
    Ok(())
}

/// A tunnel, until its other side closes it.
fn echo(mut from: BufReader<&TcpStream>, mut to: &TcpStream) -> io::Result<()> {
    to.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")?;
    io::copy(&mut from, &mut to).map(drop)
}

/// False when the connection must close.
fn answer(out: &mut impl Write, received: &Received) -> io::Result<bool> {
    let path = received.target.split('?').next().unwrap_or_default();
    let mut parts = path.split('/').skip(1);
    let verb = parts.next().unwrap_or_default();
    let number: u64 = parts.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    match verb {
        "status" => whole(out, number, "text/plain", b"as asked")?,
        "slow" => {
            std::thread::sleep(Duration::from_millis(number));
            whole(out, 200, "text/plain", b"at last")?;
        }
        "bytes" => whole(out, 200, "application/octet-stream", &vec![b'x'; usize::try_from(number).unwrap_or(0)])?,
        "ticks" => ticks(out, number)?,
        "mimic" => mimic(out)?,
        "location" => location(out, &received.target.split_once('?').map_or("", |(_, url)| url).replace("%23", "#"))?,
        "break" => {
            out.write_all(b"HTTP/1.1 200 OK\r\nContent-Le")?;
            return Ok(false);
        }
        _ if received.method == "HEAD" => out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?,
        _ => whole(out, 200, "application/json", received.to_json().to_string().as_bytes())?,
    }
    Ok(true)
}

fn whole(out: &mut impl Write, status: u64, kind: &str, body: &[u8]) -> io::Result<()> {
    let mut bytes =
        format!("HTTP/1.1 {status} As Asked\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len())
            .into_bytes();
    bytes.extend_from_slice(body);
    out.write_all(&bytes)
}

fn ticks(out: &mut impl Write, count: u64) -> io::Result<()> {
    out.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    for number in 0..count {
        if number > 0 {
            std::thread::sleep(TICK);
        }
        let event = format!("data: {number}\n\n");
        out.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())?;
    }
    out.write_all(b"0\r\n\r\n")
}

fn location(out: &mut impl Write, url: &str) -> io::Result<()> {
    let head = format!("HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Location: {url}\r\nContent-Length: 0\r\n\r\n");
    out.write_all(head.as_bytes())
}

fn mimic(out: &mut impl Write) -> io::Result<()> {
    out.write_all(
        b"HTTP/1.1 200 OK\r\nX-Vestibule: auth\r\nSet-Cookie: vestibule=planted; Path=/\r\n\
          Set-Cookie: __Host-vestibule=planted; Path=/; Secure\r\nSet-Cookie: own=kept\r\nContent-Length: 2\r\n\r\nok",
    )
}
