//! Debian's pebble, a test authority for certificates (ACME), as a child process with name servers of its own: every
//! name is at 127.0.0.1. tests/run.sh installs it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::json;
use tempfile::TempDir;

use crate::{Request, port, until};

/// A start takes at most this long, on a machine that is busy with other tests.
const START_BOUND: Duration = Duration::from_secs(60);

/// A listening authority; ended when dropped.
#[derive(Debug)]
pub struct Pebble {
    children: Vec<Child>,
    folder: TempDir,
    directory: SocketAddr,
    names: SocketAddr,
    management: SocketAddr,
}

impl Pebble {
    /// Asks hosts on `http_port`; what it makes is good for so many seconds.
    #[track_caller]
    pub fn start(http_port: u16, validity: u64) -> Self {
        let folder = tempfile::Builder::new().prefix("vestibule-pebble-").tempdir().unwrap();
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (directory, management) = (at(port::free()), at(port::free()));
        let (dns, names) = (at(port::free()), at(port::free()));
        own_certificate(&folder);
        let config = json!({ "pebble": {
            "listenAddress": directory.to_string(),
            "managementListenAddress": management.to_string(),
            "certificate": folder.path().join("own.pem"),
            "privateKey": folder.path().join("own.key"),
            "httpPort": http_port,
            "tlsPort": port::free(),
            "certificateValidityPeriod": validity,
        } });
        fs::write(folder.path().join("pebble.json"), config.to_string()).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let spawn = |command: &mut Command| {
            command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log.try_clone().unwrap());
            command.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "5").spawn().unwrap()
        };
        let mut resolver = Command::new("pebble-challtestsrv");
        resolver.args(["-dns01", &dns.to_string(), "-management", &names.to_string(), "-defaultIPv6", ""]);
        resolver.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv4", "127.0.0.1"]);
        let mut pebble = Command::new("pebble");
        pebble.arg("-config").arg(folder.path().join("pebble.json")).args(["-dnsserver", &dns.to_string()]);
        let children = vec![spawn(&mut resolver), spawn(&mut pebble)];
        let authority = Self { children, folder, directory, names, management };
        until(START_BOUND, "pebble listens", || std::net::TcpStream::connect(directory).ok());
        until(START_BOUND, "its name server listens", || std::net::TcpStream::connect(names).ok());
        authority
    }

    /// `[tls.acme]`.
    pub fn toml(&self) -> String {
        format!(
            "[tls.acme]\nemail = \"ops@example.net\"\ndirectory = \"https://{}/dir\"\nca = {:?}\n",
            self.directory,
            self.root()
        )
    }

    /// The root that vouches for its directory.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    /// What curl gets over https from a host that shows one of its certificates at this address.
    #[track_caller]
    pub fn curl(&self, to: SocketAddr, host: &str) -> String {
        let root = self.folder.path().join("issued.pem");
        let get = |root: &Path, at: &str, url: &str| {
            let output = Command::new("curl").args(["-sS", "--connect-to", at, url, "--cacert"]).arg(root).output();
            let output = output.unwrap();
            assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        fs::write(&root, get(&self.root(), "", &format!("https://{}/roots/0", self.management))).unwrap();
        String::from_utf8(get(&root, &format!("{host}:443:{to}"), &format!("https://{host}/"))).unwrap()
    }

    /// Nobody can be asked under this name any more.
    #[track_caller]
    pub fn lose(&self, host: &str) {
        let told = Request::new(self.names, "POST", &self.names.to_string(), "/set-servfail");
        let told = told.json(&json!({ "host": host })).send();
        assert_eq!(told.status, 200, "{}", told.text());
    }

    /// How many orders were placed.
    pub fn orders(&self) -> usize {
        self.log().lines().filter(|line| line.contains("Added order")).count()
    }

    /// What it printed so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// For its directory, `own.pem`, from a root of its own, `root.pem`, both with their keys.
pub(crate) fn own_certificate(folder: &TempDir) {
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    let mut root = CertificateParams::new(Vec::<String>::new()).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // Of the same name as its own certificate it would be taken for that one.
    root.distinguished_name.push(DnType::CommonName, "root of the tests");
    let root_key = KeyPair::generate().unwrap();
    write("root.pem", root.self_signed(&root_key).unwrap().pem());
    write("root.key", root_key.serialize_pem());
    let own = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let own_key = KeyPair::generate().unwrap();
    let own = own.signed_by(&own_key, &Issuer::new(root, root_key)).unwrap();
    write("own.pem", own.pem());
    write("own.key", own_key.serialize_pem());
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for child in &mut self.children {
            drop(child.kill());
            drop(child.wait());
        }
        if std::thread::panicking() {
            eprintln!("--- log of pebble\n{}", self.log());
        }
    }
}
