//! A gateway to try: example circuits and people, an upstream of its own, a geo database of three places, all in a
//! temporary folder that goes when the gateway stops.

mod upstream;

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use tempfile::TempDir;
use vestibule_auth::hash::{NewToken, new_admin_token};

const CONFIG: &str = include_str!("../../../deploy/demo/vestibule.toml");
const PLACES: &[u8] = include_bytes!("../../../deploy/demo/places.mmdb");
/// In [`CONFIG`]; nobody can know a token of this hash.
const NO_TOKEN: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// How often, and how many times, a start is looked at before the introduction is given up.
const READY_EVERY: Duration = Duration::from_millis(50);
const READY_LOOKS_MAX: usize = 600;

/// The files of a demo, and its running upstream.
pub(crate) struct Demo {
    folder: TempDir,
    proxy: SocketAddr,
    /// Of the admin port.
    pub(crate) admin: SocketAddr,
    token: String,
}

impl Demo {
    /// Writes the files and starts the upstream.
    ///
    /// # Errors
    /// When a port is taken or the temporary folder cannot be written.
    pub(crate) fn prepare(proxy: SocketAddr, admin: SocketAddr) -> anyhow::Result<Self> {
        for (address, flag) in [(proxy, "--port"), (admin, "--admin-port")] {
            TcpListener::bind(address)
                .with_context(|| format!("cannot listen on {address}; choose another port with {flag}"))?;
        }
        let folder = tempfile::Builder::new().prefix("vestibule-demo-").tempdir()?;
        let NewToken { token, hash } = new_admin_token();
        let upstream = upstream::start().context("starting the demo's upstream")?;
        let config = CONFIG
            .replace("127.0.0.1:8080", &proxy.to_string())
            .replace("127.0.0.1:9180", &admin.to_string())
            .replace("127.0.0.1:8081", &upstream.to_string())
            .replace(&format!("sha256:{NO_TOKEN}"), &hash);
        fs::write(folder.path().join("places.mmdb"), PLACES)?;
        let demo = Self { folder, proxy, admin, token: token.to_string() };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(demo.config())?;
        file.write_all(config.as_bytes())?;
        Ok(demo)
    }

    /// The main file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("vestibule.toml")
    }

    /// Addresses, credentials, and what to type.
    pub(crate) fn introduction(&self) -> String {
        let Self { folder, proxy, admin, token } = self;
        let port = proxy.port();
        let config = folder.path().join("vestibule.toml");
        format!(
            "\
Vestibule demo. Ctrl-C stops it; nothing stays behind.

  http://pub.localhost:{port}/     public
  http://mem.localhost:{port}/     members of a project: maya@example.net, noor@example.net
  http://list.localhost:{port}/    an allowlist: maya@example.net and the group of ines@partner.example
  http://pw.localhost:{port}/      a shared password: s3cret
  http://pin.localhost:{port}/     a shared PIN: 123456
  http://rules.localhost:{port}/   public, but not from China, and 20 requests a minute

  password of everybody   a long walk at dusk
  PIN of maya             482913
  admin API, web pages    http://{admin}/   token {token}
  configuration           {config}, reloaded when it changes

Try:
  curl -i http://mem.localhost:{port}/
  curl -sL -b '' -d email=maya@example.net -d 'password=a long walk at dusk' http://mem.localhost:{port}/.vestibule/login
  curl -s -H 'Authorization: Bearer {token}' 'http://{admin}/api/v1/logs/access?limit=5'

From Beijing, which one circuit does not admit:
  curl -i -H 'X-Forwarded-For: 198.51.100.7' http://rules.localhost:{port}/
",
            config = config.display()
        )
    }
}

/// Waits until the admin port says that the gateway serves; false when it stopped or took too long.
pub(crate) fn ready(admin: SocketAddr, stopped: &AtomicBool) -> bool {
    for _ in 0..READY_LOOKS_MAX {
        if stopped.load(Ordering::Relaxed) {
            return false;
        }
        if answers(admin).unwrap_or(false) {
            return true;
        }
        thread::sleep(READY_EVERY);
    }
    false
}

fn answers(admin: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&admin, READY_EVERY)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    Ok(start.ends_with(b" 200"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_replaced_stands_in_the_file() {
        for text in ["127.0.0.1:8080", "127.0.0.1:9180", "http://127.0.0.1:8081", NO_TOKEN] {
            assert!(CONFIG.contains(text), "{text}");
        }
    }

    #[test]
    fn a_taken_port_is_named_with_the_flag_that_chooses_another() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = Demo::prepare(address, "127.0.0.1:0".parse().unwrap()).err().unwrap().to_string();
        assert_eq!(error, format!("cannot listen on {address}; choose another port with --port"));
    }
}
