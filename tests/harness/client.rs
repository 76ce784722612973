//! The client of the tests: sends exactly what it is told and keeps what comes back.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::http;

/// No answer of a test takes longer.
const ANSWER_BOUND: Duration = Duration::from_secs(20);

/// A request to one host of a gateway.
#[derive(Debug, Clone)]
pub struct Request {
    to: SocketAddr,
    method: String,
    target: String,
    fields: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// A request with `Host` alone.
    pub fn new(to: SocketAddr, method: &str, host: &str, target: &str) -> Self {
        let fields = vec![("Host".to_owned(), host.to_owned())];
        Self { to, method: method.to_owned(), target: target.to_owned(), fields, body: None }
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The client address, as the trusted fronting proxy on loopback reports it.
    #[must_use]
    pub fn from(self, address: &str) -> Self {
        self.header("X-Forwarded-For", address)
    }

    /// What a browser sends when a person opens a page.
    #[must_use]
    pub fn browser(self) -> Self {
        self.header("Accept", "text/html,application/xhtml+xml").header("Sec-Fetch-Mode", "navigate")
    }

    /// `Cookie`, when there is one.
    #[must_use]
    pub fn cookie(self, cookie: &str) -> Self {
        if cookie.is_empty() { self } else { self.header("Cookie", cookie) }
    }

    /// `Authorization: Bearer`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Asks for a tunnel, as a browser's page of the same host does.
    #[must_use]
    pub fn upgrade(self) -> Self {
        self.header("Connection", "keep-alive, Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("Sec-WebSocket-Version", "13")
    }

    /// A body with its `Content-Length`.
    #[must_use]
    pub fn body(mut self, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.header("Content-Type", kind)
    }

    /// A form; names and values are percent-encoded.
    #[must_use]
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let pairs: Vec<_> = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        self.body("application/x-www-form-urlencoded", pairs.join("&"))
    }

    /// A JSON body.
    #[must_use]
    pub fn json(self, value: &serde_json::Value) -> Self {
        self.body("application/json", value.to_string())
    }

    /// The bytes that go out.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.fields {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if let Some(body) = &self.body {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            bytes.extend_from_slice(body);
        } else {
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    }

    /// Sends on a connection of its own and reads the whole answer.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub fn try_send(&self) -> io::Result<Response> {
        Connection::open(self.to)?.send(self)
    }

    /// As [`Self::try_send`]; without an answer the test fails.
    #[track_caller]
    pub fn send(&self) -> Response {
        self.try_send().unwrap_or_else(|error| panic!("{} {}: {error}", self.method, self.target))
    }
}

/// A connection that may carry several requests.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, ANSWER_BOUND)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_BOUND))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// One request and its answer.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub fn send(&mut self, request: &Request) -> io::Result<Response> {
        self.write(&request.bytes())?;
        self.read(request.method == "HEAD")
    }

    /// Bytes as they are.
    ///
    /// # Errors
    /// When the other side is gone.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// One answer; `headless_body` is an answer to HEAD. Interim answers (1xx) are passed over.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub fn read(&mut self, headless_body: bool) -> io::Result<Response> {
        loop {
            let (status, head) = self.read_head()?;
            let (_, fields) = http::parse_head(&head);
            if (100..200).contains(&status) && status != 101 {
                continue;
            }
            let empty = headless_body || matches!(status, 101 | 204 | 304);
            let body = if empty { Vec::new() } else { http::read_body(&mut self.stream, &fields, true)? };
            return Ok(Response { status, fields, body });
        }
    }

    /// The head of an answer alone, for those who read its body as it comes.
    ///
    /// # Errors
    /// When none comes.
    pub fn read_head(&mut self) -> io::Result<(u16, Vec<u8>)> {
        let head = http::read_head(&mut self.stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        Ok((status.ok_or_else(|| io::Error::other("no status line"))?, head))
    }

    /// What follows a head, as it comes.
    pub fn stream(&mut self) -> &mut BufReader<TcpStream> {
        &mut self.stream
    }

    /// True when the other side closes within the bound.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0; 1]), Ok(0))
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header fields in their order.
    pub fields: Vec<(String, String)>,
    /// Body without framing.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        http::header(&self.fields, name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// `reason` of a problem body.
    pub fn reason(&self) -> String {
        self.json()["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// `NAME=VALUE` of the session cookie that was set.
    pub fn session(&self) -> Option<String> {
        self.fields
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
            .filter_map(|(_, value)| value.split(';').next())
            .find(|pair| {
                pair.split_once('=').is_some_and(|(name, value)| name.ends_with("vestibule") && !value.is_empty())
            })
            .map(str::to_owned)
    }
}

/// Sends bytes as they are; what comes back until the other side closes, or is silent.
pub fn raw(to: SocketAddr, bytes: &[u8]) -> String {
    let mut connection = Connection::open(to).unwrap();
    // It may be closed before all is written.
    drop(connection.write(bytes));
    let mut answer = Vec::new();
    drop(connection.stream().read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

/// Percent-encodes all but unreserved characters.
pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
