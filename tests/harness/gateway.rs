//! The program under test, as a child process with a configuration, folder and ports of its own.

use std::fs;
use std::net::SocketAddr;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::ports::Ports;
use crate::tls::Pair;
use crate::{geo, port, secrets, until};

/// A start or a stop takes at most this long, on a machine that is busy with other tests.
const START_BOUND: Duration = Duration::from_secs(30);

/// The program, built by `tests/run.sh`; else the one beside this test.
pub fn program() -> PathBuf {
    let path = std::env::var_os("VESTIBULE_BIN").map_or_else(
        || {
            let test = std::env::current_exe().unwrap();
            test.ancestors().nth(2).unwrap().join("vestibule")
        },
        PathBuf::from,
    );
    assert!(path.exists(), "{} is missing: cargo build --release -p vestibule-proxy", path.display());
    path
}

/// `vestibule` with arguments, without the environment of whoever runs the tests.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments);
    for name in ["VESTIBULE_CONFIG", "VESTIBULE_ADMIN_URL", "VESTIBULE_ADMIN_TOKEN", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.env("RUST_BACKTRACE", "0");
    command
}

/// Sends a signal to a process by name: `TERM`, `HUP`.
#[track_caller]
pub fn signal(process: u32, name: &str) {
    let line = format!("kill -{name} {process}");
    assert!(Command::new("sh").arg("-c").arg(&line).status().unwrap().success(), "{line}");
}

/// What a gateway is started with.
#[derive(Debug, Clone)]
pub struct Setup {
    server: String,
    body: String,
    data_dir: Option<PathBuf>,
    /// A line of `[admin]`.
    admin: String,
    /// Of each listener beside the plain one: what stands beside its address.
    listeners: Vec<String>,
    /// Variables of the program's environment.
    environment: Vec<(String, String)>,
}

impl Setup {
    /// TOML of everything but `[server]`, `[geo]` and `[admin]`, which the harness writes.
    pub fn new(body: &str) -> Self {
        let server = "trusted_proxies = [\"127.0.0.1\"]\nshutdown_grace = \"10s\"".to_owned();
        let (data_dir, admin, listeners, environment) = (None, String::new(), Vec::new(), Vec::new());
        Self { server, body: body.to_owned(), data_dir, admin, listeners, environment }
    }

    /// Other lines for `[server]` than a trusted loopback and a grace of ten seconds.
    #[must_use]
    pub fn server(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.server);
        self
    }

    /// One more listener: `tls = true`.
    #[must_use]
    pub fn listener(mut self, with: &str) -> Self {
        self.listeners.push(with.to_owned());
        self
    }

    /// An admin port with TLS; the harness's own requests to it are in clear.
    #[must_use]
    pub fn admin_tls(mut self, pair: &Pair) -> Self {
        self.admin = format!("tls = {{ cert = {:?}, key = {{ file = {:?} }} }}", pair.cert, pair.key);
        self
    }

    /// A variable of the program's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A data folder elsewhere.
    #[must_use]
    pub fn data_dir(mut self, folder: &Path) -> Self {
        self.data_dir = Some(folder.to_owned());
        self
    }

    /// Writes the files and starts the program; ready when this returns.
    #[track_caller]
    pub fn start(self) -> Gateway {
        let mut gateway = self.prepare();
        gateway.launch();
        gateway
    }

    /// Writes the files only.
    pub fn prepare(self) -> Gateway {
        let folder = tempfile::Builder::new().prefix("vestibule-it-").tempdir().unwrap();
        let proxy = SocketAddr::from(([127, 0, 0, 1], port::free()));
        let admin = SocketAddr::from(([127, 0, 0, 1], port::free()));
        fs::write(folder.path().join("geo.mmdb"), geo::database(geo::PLACES)).unwrap();
        let listeners = self.listeners.iter().map(|_| SocketAddr::from(([127, 0, 0, 1], port::free()))).collect();
        let ports = Ports::new(proxy, admin, secrets::ADMIN_TOKEN);
        let gateway = Gateway { setup: self, folder, ports, listeners, child: None };
        gateway.write();
        gateway
    }
}

/// A gateway; ended when dropped.
#[derive(Debug)]
pub struct Gateway {
    setup: Setup,
    folder: TempDir,
    ports: Ports,
    listeners: Vec<SocketAddr>,
    child: Option<Child>,
}

impl Gateway {
    /// As [`Setup::start`] with nothing but circuits and what they need.
    #[track_caller]
    pub fn start(body: &str) -> Self {
        Setup::new(body).start()
    }

    /// Where one of [`Setup::listener`] is, counted from 0.
    #[track_caller]
    pub fn listener(&self, number: usize) -> SocketAddr {
        self.listeners[number]
    }

    /// The folder of configuration, geo database, output and data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The store's folder.
    pub fn data_dir(&self) -> PathBuf {
        self.setup.data_dir.clone().unwrap_or_else(|| self.folder().join("data"))
    }

    /// The main file.
    pub fn config(&self) -> PathBuf {
        self.folder().join("vestibule.toml")
    }

    /// What the program printed so far.
    pub fn output(&self) -> String {
        fs::read_to_string(self.folder().join("output")).unwrap_or_default()
    }

    /// Process id while it runs.
    #[track_caller]
    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// The most memory that the program has held so far, in bytes.
    #[track_caller]
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Replaces the configuration's body; the running program has not read it yet.
    pub fn rewrite(&mut self, body: &str) {
        body.clone_into(&mut self.setup.body);
        self.write();
    }

    /// Replaces the configuration's body and waits until it is in force.
    #[track_caller]
    pub fn reconfigure(&mut self, body: &str) {
        self.rewrite(body);
        let answer = self.reload();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// The configuration's body as it was written last.
    pub fn body(&self) -> &str {
        &self.setup.body
    }

    /// Starts the program on the files that are there; ready when this returns.
    #[track_caller]
    pub fn launch(&mut self) {
        self.spawn();
        until(START_BOUND, "readyz 200", || {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().unwrap()) {
                panic!("the gateway ended with {status}:\n{}", self.output());
            }
            self.admin_request("GET", "/readyz").try_send().ok().filter(|answer| answer.status == 200)
        });
    }

    /// Starts the program without waiting for it.
    pub fn spawn(&mut self) {
        let output = fs::OpenOptions::new().create(true).append(true).open(self.folder().join("output")).unwrap();
        let child = command(&["run", "-c"])
            .arg(self.config())
            .envs(self.setup.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Sends a signal by name: `TERM`, `HUP`.
    pub fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    /// Waits for the program's own end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        until(START_BOUND, "the gateway's end", || child.try_wait().unwrap())
    }

    /// Ends the program in order.
    #[track_caller]
    pub fn stop(&mut self) {
        self.signal("TERM");
        let status = self.wait();
        assert!(status.success(), "stopped with {status}:\n{}", self.output());
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    fn write(&self) {
        let Self { setup, folder, ports, listeners, child: _ } = self;
        let (proxy, admin) = (ports.proxy(), ports.admin_address());
        let others = listeners.iter().zip(&setup.listeners);
        let others: String = others.map(|(address, with)| format!(", {{ address = \"{address}\", {with} }}")).collect();
        let folder = folder.path().display();
        let data_dir = self.data_dir();
        let text = format!(
            "[server]\ndata_dir = {data_dir:?}\nlisten = [{{ address = \"{proxy}\" }}{others}]\n{}\n\n[geo]\ndatabase = \
             \"{folder}/geo.mmdb\"\n\n[admin]\nlisten = \"{admin}\"\n{}\n{}\n{}\n",
            setup.server,
            setup.admin,
            secrets::ADMIN_TOKENS,
            setup.body,
        );
        // Renamed into place, so that a running program never reads half a file.
        let next = self.folder.path().join("next");
        fs::write(&next, text).unwrap();
        fs::set_permissions(&next, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(next, self.config()).unwrap();
    }
}

/// Tests ask a gateway what they ask its ports.
impl Deref for Gateway {
    type Target = Ports;

    fn deref(&self) -> &Ports {
        &self.ports
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- output of the gateway\n{}", self.output());
        }
    }
}
