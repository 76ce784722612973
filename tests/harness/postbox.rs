//! A mail server that keeps what it is given.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::until;

/// One message.
#[derive(Debug, Clone)]
pub struct Letter {
    /// `RCPT TO` of the envelope.
    pub to: Vec<String>,
    /// Head and body as sent.
    pub text: String,
}

impl Letter {
    /// The line that is eight digits and nothing else.
    #[track_caller]
    pub fn code(&self) -> String {
        let is_code = |line: &&str| line.len() == 8 && line.bytes().all(|byte| byte.is_ascii_digit());
        self.text.lines().find(is_code).unwrap_or_else(|| panic!("no code in {}", self.text)).to_owned()
    }
}

/// A listening mail server; stops when dropped.
#[derive(Debug)]
pub struct Postbox {
    address: SocketAddr,
    letters: Arc<Mutex<Vec<Letter>>>,
    stopped: Arc<AtomicBool>,
}

impl Default for Postbox {
    fn default() -> Self {
        Self::start()
    }
}

impl Postbox {
    /// Listens on a port that the system picks.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let letters: Arc<Mutex<Vec<Letter>>> = Arc::default();
        let stopped: Arc<AtomicBool> = Arc::default();
        let (keep, stop) = (Arc::clone(&letters), Arc::clone(&stopped));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let keep = Arc::clone(&keep);
                std::thread::spawn(move || drop(serve(&stream, &keep)));
            }
        });
        Self { address, letters, stopped }
    }

    /// What `[mail] smtp` reads.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// How many arrived.
    pub fn count(&self) -> usize {
        self.letters.lock().unwrap().len()
    }

    /// The one of this number, from 0, once it is there.
    #[track_caller]
    pub fn letter(&self, number: usize) -> Letter {
        until(Duration::from_secs(10), "a letter", || self.letters.lock().unwrap().get(number).cloned())
    }
}

impl Drop for Postbox {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the accept loop, which then ends.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(stream: &TcpStream, letters: &Mutex<Vec<Letter>>) -> io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let mut out = stream;
    out.write_all(b"220 postbox\r\n")?;
    let mut to = Vec::new();
    while let Some(line) = lines.next().transpose()? {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => out.write_all(b"250-postbox\r\n250 8BITMIME\r\n")?,
            "RCPT" => {
                to.push(line.split(['<', '>']).nth(1).unwrap_or_default().to_owned());
                out.write_all(b"250 yes\r\n")?;
            }
            "DATA" => {
                out.write_all(b"354 go on\r\n")?;
                let mut text = String::new();
                for line in lines.by_ref() {
                    let line = line?;
                    if line == "." {
                        break;
                    }
                    text.push_str(&line);
                    text.push('\n');
                }
                letters.lock().unwrap().push(Letter { to: std::mem::take(&mut to), text });
                out.write_all(b"250 kept\r\n")?;
            }
            "QUIT" => return out.write_all(b"221 bye\r\n"),
            _ => out.write_all(b"250 yes\r\n")?,
        }
    }
    Ok(())
}
