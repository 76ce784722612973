//! The programs that are compared, each a child process on a port of its own.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use harness::house::{self, MAYA};
use harness::secrets::PASSWORD;
use harness::{Gateway, Setup, port, until};

/// Proxies run as many threads as there are cores, as Vestibule does; nginx runs one worker, which needs no more here.
fn threads() -> String {
    std::thread::available_parallelism().map_or(1, usize::from).to_string()
}

/// One line of the table.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) process: u32,
    /// Header fields that its requests carry.
    pub(crate) headers: Vec<String>,
}

/// A child that ends with the measurement.
pub(crate) struct Started {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Started {
    fn start(command: &mut Command, port: u16) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until(Duration::from_secs(10), "a contender's port", || TcpStream::connect(address).ok());
        Self { child, address }
    }

    pub(crate) fn contender(&self, name: &'static str) -> Contender {
        let headers = vec!["Host: pub.localhost".to_owned()];
        Contender { name, address: self.address, process: self.child.id(), headers }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // nginx's master ends its workers on TERM, not when it is killed.
        let line = format!("kill -TERM {}", self.child.id());
        drop(Command::new("sh").arg("-c").arg(line).status());
        drop(self.child.wait());
    }
}

fn nginx(folder: &Path, name: &str, server: &str, port: u16) -> Started {
    let file = folder.join(format!("{name}.conf"));
    let text = format!(
        "daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log /dev/null; events {{ worker_connections 1024; \
         }} http {{ client_body_temp_path {folder}/{name}.1; proxy_temp_path {folder}/{name}.2; fastcgi_temp_path \
         {folder}/{name}.3; uwsgi_temp_path {folder}/{name}.4; scgi_temp_path {folder}/{name}.5; keepalive_requests \
         1000000; {server} }}",
        folder = folder.display()
    );
    fs::write(&file, text).unwrap();
    Started::start(Command::new("nginx").arg("-c").arg(&file).arg("-p").arg(folder), port)
}

/// Answers 1 KiB and writes no log.
pub(crate) fn origin(folder: &Path) -> Started {
    let port = port::free();
    let body = "x".repeat(1024);
    nginx(
        folder,
        "origin",
        &format!("access_log off; server {{ listen 127.0.0.1:{port}; location / {{ return 200 {body}; }} }}"),
        port,
    )
}

/// With the combined access log to a file.
pub(crate) fn nginx_proxy(folder: &Path, origin: SocketAddr) -> Started {
    let port = port::free();
    let server = format!(
        "access_log {}/nginx.log combined; upstream origin {{ server {origin}; keepalive 64; keepalive_requests 1000000; }} \
         server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://origin; proxy_http_version 1.1; \
         proxy_set_header Connection \"\"; }} }}",
        folder.display()
    );
    nginx(folder, "proxy", &server, port)
}

/// With its JSON access log to a file; absent when it is not installed.
pub(crate) fn caddy(folder: &Path, origin: SocketAddr) -> Option<Started> {
    let program = std::env::var_os("CADDY")?;
    let port = port::free();
    let file = folder.join("Caddyfile");
    let log = folder.join("caddy.log");
    let text = format!(
        "{{\n admin off\n auto_https off\n}}\nhttp://127.0.0.1:{port}, http://pub.localhost:{port} {{\n log {{\n output file \
         {}\n }}\n reverse_proxy {origin}\n}}\n",
        log.display()
    );
    fs::write(&file, text).unwrap();
    Some(Started::start(
        Command::new(program).args(["run", "--adapter", "caddyfile", "--config"]).arg(&file).env("HOME", folder),
        port,
    ))
}

/// A hundred lines around Pingora.
pub(crate) fn minimal(origin: SocketAddr) -> Started {
    let program = std::env::current_exe().unwrap().with_file_name("minimal-pingora");
    let port = port::free();
    let mut command = Command::new(program);
    command.args([format!("127.0.0.1:{port}"), origin.to_string(), threads()]);
    Started::start(&mut command, port)
}

/// The standard house in front of the origin, with a request limit that is asked and never reached.
pub(crate) fn vestibule(origin: SocketAddr) -> Gateway {
    house(origin).start()
}

/// The same before it is started.
pub(crate) fn house(origin: SocketAddr) -> Setup {
    let circuits = house::circuits(&format!("http://{origin}"));
    let limits = "[rate_limits.much]\nper = \"ip\"\nrate = \"1000000/s\"\n[defaults]\nrate_limits = [\"much\"]\n\
                  [login_limits]\nper_ip = \"1000000/m\"\nper_user = \"1000000/m\"\nper_circuit = \"1000000/m\"\n\
                  failures = { count = 1000, within = \"1s\", lock = \"1s\" }\n";
    Setup::new(&(house::people() + &circuits + limits))
}

/// Its public circuit, and the one for members with a session.
pub(crate) fn circuits(gateway: &Gateway) -> [Contender; 2] {
    let answer = gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", PASSWORD)]).send();
    let cookie = answer.session().expect("maya is a member");
    let contender = |name, headers| Contender { name, address: gateway.proxy(), process: gateway.id(), headers };
    [
        contender("vestibule, public", vec!["Host: pub.localhost".to_owned()]),
        contender("vestibule, signed in", vec!["Host: mem.localhost".to_owned(), format!("Cookie: {cookie}")]),
    ]
}
