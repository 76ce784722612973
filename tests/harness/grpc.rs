//! Ends of gRPC calls by the library that most people use, as child processes; tests/run.sh fetches it.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::tls::Authority;
use crate::{port, until};

/// A start takes at most this long, on a machine that is busy with other tests.
const START_BOUND: Duration = Duration::from_secs(60);

/// A listening service; ended when dropped.
#[derive(Debug)]
pub struct GrpcService {
    child: Child,
    address: SocketAddr,
}

impl GrpcService {
    /// gRPC over HTTP/2 in clear.
    #[track_caller]
    pub fn start() -> Self {
        Self::of("serve")
    }

    /// gRPC for browsers, over HTTP/1.
    #[track_caller]
    pub fn start_web() -> Self {
        Self::of("web")
    }

    #[track_caller]
    fn of(verb: &str) -> Self {
        let port = port::free();
        let child =
            python(&with(&[verb, &port.to_string()], &[])).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let service = Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) };
        until(START_BOUND, "the gRPC service listens", || TcpStream::connect(service.address).ok());
        service
    }

    /// For `upstream = "…"`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for GrpcService {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What comes of one call to a host at this address, over TLS.
#[track_caller]
pub fn call(to: SocketAddr, authority: &Authority, host: &str, method: &str, metadata: &[(&str, &str)]) -> Value {
    let ca = authority.file().display().to_string();
    outcome(&mut python(&with(&["call", &to.to_string(), host, &ca, method], metadata)))
}

/// The same as a browser does it, in clear; the host is in the metadata.
#[track_caller]
pub fn web_call(to: SocketAddr, method: &str, metadata: &[(&str, &str)]) -> Value {
    outcome(&mut python(&with(&["webcall", &format!("http://{to}"), method], metadata)))
}

/// A call on which nothing comes any more; ended when dropped.
#[derive(Debug)]
pub struct SilentCall {
    child: Child,
    printed: BufReader<ChildStdout>,
}

impl SilentCall {
    /// The stream is open when this returns.
    #[track_caller]
    pub fn open(to: SocketAddr, authority: &Authority, host: &str, metadata: &[(&str, &str)]) -> Self {
        let ca = authority.file().display().to_string();
        let words = with(&["call", &to.to_string(), host, &ca, "Silent"], metadata);
        let mut child = python(&words).stdout(Stdio::piped()).spawn().unwrap();
        let mut call = Self { printed: BufReader::new(child.stdout.take().unwrap()), child };
        assert_eq!(call.line(), "open\n");
        call
    }

    /// What came of it, once the other side ended it.
    #[track_caller]
    pub fn ended(mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.printed.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for SilentCall {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `words`, and a `NAME=VALUE` for each pair.
fn with(words: &[&str], metadata: &[(&str, &str)]) -> Vec<String> {
    let pairs = metadata.iter().map(|(name, value)| format!("{name}={value}"));
    words.iter().map(|word| (*word).to_owned()).chain(pairs).collect()
}

fn python(words: &[String]) -> Command {
    let python = std::env::var("VESTIBULE_GRPC").expect("tests/run.sh says where grpcio's Python is");
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/harness/grpc_peer.py")).args(words).stdin(Stdio::null());
    command
}

#[track_caller]
fn outcome(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    let (printed, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{error}");
    serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{printed}{error}"))
}
