//! aiosmtpd, a mail server that speaks TLS and asks who sends, as a child process; tests/run.sh fetches it.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::postbox::Letter;
use crate::tls::Pair;
use crate::{port, until};

/// A start takes at most this long, on a machine that is busy with other tests.
const START_BOUND: Duration = Duration::from_secs(30);
/// Who may send.
pub const NAME: &str = "vestibule@example.net";
/// With this; a URL must encode some of it.
pub const PASSWORD: &str = "only: for/tests";

/// When the server begins to speak TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// With the first byte.
    AtOnce,
    /// After the command STARTTLS, without which it takes nothing.
    WhenAsked,
}

/// A listening mail server; ended when dropped.
#[derive(Debug)]
pub struct MailServer {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl MailServer {
    /// Shows this certificate.
    #[track_caller]
    pub fn start(begins: Begins, pair: &Pair) -> Self {
        let python = std::env::var("VESTIBULE_AIOSMTPD").expect("tests/run.sh says where aiosmtpd's Python is");
        let (port, folder) = (port::free(), tempfile::tempdir().unwrap());
        let kind = if begins == Begins::AtOnce { "tls" } else { "starttls" };
        let mut command = Command::new(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/harness/mail_server.py")).args([&port.to_string(), kind]);
        command.args([&pair.cert, &pair.key]).args([NAME, PASSWORD]).arg(folder.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { child, port, folder };
        until(START_BOUND, "the mail server's start", || server.file("ready").exists().then_some(()));
        server
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The message of this number, from 0, once it is there.
    #[track_caller]
    pub fn letter(&self, number: usize) -> Letter {
        let text =
            until(Duration::from_secs(10), "a letter", || fs::read_to_string(self.file(&number.to_string())).ok());
        let (envelope, text) = text.split_once("\n\n").unwrap();
        let to = envelope.lines().filter_map(|line| line.strip_prefix("To: ")).map(str::to_owned).collect();
        Letter { to, text: text.to_owned() }
    }

    /// Of each time that somebody named himself: the mechanism, `good` or `bad`, and `tls` or `plain`.
    pub fn authenticated(&self) -> Vec<String> {
        fs::read_to_string(self.file("authenticated")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
