//! acme2certifier, an authority for certificates that says when it would like renewals (RFC 9773), as a child process;
//! tests/run.sh fetches it. It believes who owns a host: pebble is for the questions about that. It knows orders that name
//! what they replace no more than the authorities before RFC 9773 do.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::pebble::own_certificate;
use crate::{port, until};

/// A start takes at most this long, on a machine that is busy with other tests.
const START_BOUND: Duration = Duration::from_secs(60);
/// Days that its certificates are good for.
pub const DAYS: u32 = 30;

/// A listening authority; ended when dropped.
#[derive(Debug)]
pub struct Certifier {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Certifier {
    /// `wishes` are lines of its configuration about renewals.
    #[track_caller]
    pub fn start(wishes: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("vestibule-certifier-").tempdir().unwrap();
        own_certificate(&folder);
        let port = port::free();
        let child = serve(&folder, port, wishes);
        Self { child, port, folder }
    }

    /// The same authority with other wishes.
    #[track_caller]
    pub fn wishes(&mut self, wishes: &str) {
        drop(self.child.kill());
        drop(self.child.wait());
        self.child = serve(&self.folder, self.port, wishes);
    }

    /// `[tls.acme]`.
    pub fn toml(&self) -> String {
        format!(
            "[tls.acme]\nemail = \"ops@example.net\"\ndirectory = \"https://127.0.0.1:{}/directory\"\nca = {:?}\n",
            self.port,
            self.file("root.pem")
        )
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn python() -> String {
    std::env::var("VESTIBULE_CERTIFIER").expect("tests/run.sh says where acme2certifier's Python is")
}

#[track_caller]
fn serve(folder: &TempDir, port: u16, wishes: &str) -> Child {
    let at = |name: &str| folder.path().join(name).display().to_string();
    let config = format!(
        "[CAhandler]\nhandler_module: acme2certifier.cahandlers.openssl_ca_handler\nissuing_ca_key: {key}\n\
         issuing_ca_cert: {root}\nissuing_ca_crl: {revoked}\ncert_save_path: {certificates}\ncert_validity_days: {DAYS}\n\
         [DBhandler]\nhandler_module: acme2certifier.dbhandlers.wsgi_handler\ndbfile: {database}\n\
         [Challenge]\nchallenge_validation_disable: True\n[Renewalinfo]\n{wishes}\n",
        key = at("root.key"),
        root = at("root.pem"),
        revoked = at("revoked.pem"),
        certificates = at("certificates"),
        database = at("acme.db"),
    );
    fs::create_dir_all(at("certificates")).unwrap();
    fs::write(at("config"), config).unwrap();
    let log = fs::File::options().create(true).append(true).open(at("log")).unwrap();
    let mut command = Command::new(python());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/harness/certifier.py")).arg(port.to_string());
    command.args([at("own.pem"), at("own.key")]).env("ACME_SRV_CONFIGFILE", at("config"));
    command.env("ACME2CERTIFIER_I_KNOW_THE_RISK", "1").stdin(Stdio::null());
    let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    until(START_BOUND, "acme2certifier listens", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    child
}

impl Drop for Certifier {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("--- log of acme2certifier\n{}", fs::read_to_string(self.file("log")).unwrap_or_default());
        }
    }
}
