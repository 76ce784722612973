//! `vestibule demo` does what it prints, and on its gateway the rows hold that a newcomer would try there.

mod addresses;
mod circuits;
mod logs;
mod people;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use harness::gateway::command;
use harness::secrets::ADMIN_TOKENS;
use harness::{Gateway, Ports, Response, Setup, port, until};

/// Everybody's password there.
const WORDS: &str = "a long walk at dusk";

struct Demo {
    child: Child,
    introduction: String,
    ports: Ports,
    /// The file that the introduction names.
    config: PathBuf,
}

impl Demo {
    fn start() -> Self {
        Self::within(&std::env::temp_dir())
    }

    /// Its folder of files is made in this one.
    fn within(folder: &Path) -> Self {
        let [proxy, admin] = [port::free(), port::free()];
        let mut child = command(&["demo", "--port", &proxy.to_string(), "--admin-port", &admin.to_string()])
            .env("TMPDIR", folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut introduction = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        while !introduction.contains("198.51.100.7") && out.read_line(&mut introduction).unwrap() > 0 {}
        // The rest of the text, if any, must not block the program.
        std::thread::spawn(move || drop(out.read_to_end(&mut Vec::new())));
        let [proxy, admin] = [proxy, admin].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let ports = Ports::new(proxy, admin, told(&introduction, "token "));
        let config = told(&introduction, "configuration ").into();
        Self { child, introduction, ports, config }
    }

    fn lines(&self) -> Vec<String> {
        self.introduction.lines().map(str::trim).filter(|line| line.starts_with("curl ")).map(str::to_owned).collect()
    }

    /// The cookie of a person who gives the password there, from an address of its own.
    #[track_caller]
    fn session(&self, host: &str, person: &str, address: &str) -> String {
        let answer = self.sign_in(host, &[("email", person), ("password", WORDS)]).from(address).send();
        assert_eq!(answer.status, 303, "{}", answer.text());
        answer.session().unwrap()
    }

    /// Edits the file that the introduction names, as a person would, and returns the answer to a reload.
    #[track_caller]
    fn edit(&self, from: &str, to: &str) -> Response {
        let text = fs::read_to_string(&self.config).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(&self.config, text.replacen(from, to, 1)).unwrap();
        self.reload()
    }

    /// The same with a change that is good.
    #[track_caller]
    fn change(&self, from: &str, to: &str) {
        let answer = self.edit(from, to);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Adds lines to a circuit.
    #[track_caller]
    fn give(&self, circuit: &str, lines: &str) {
        let head = format!("[circuits.{circuit}]\n");
        self.change(&head, &format!("{head}{lines}\n"));
    }

    /// The line that names the public circuit's upstream.
    fn upstream_line(&self) -> String {
        let text = fs::read_to_string(&self.config).unwrap();
        text.lines().find(|line| line.starts_with("upstream ")).unwrap().to_owned()
    }

    /// Puts another upstream behind the public circuit.
    #[track_caller]
    fn lead_to(&self, url: &str) {
        self.change(&self.upstream_line(), &format!("upstream = \"{url}\""));
    }

    /// Its files as they are now, copied before it stops and takes them away, on ports of their own.
    fn copy(&self) -> Gateway {
        let (gateway, places) = (Setup::new("").prepare(), "places.mmdb");
        fs::copy(self.config.with_file_name(places), gateway.folder().join(places)).unwrap();
        let mut text = fs::read_to_string(&self.config).unwrap();
        for (from, to) in [(self.proxy(), gateway.proxy()), (self.admin_address(), gateway.admin_address())] {
            text = text.replace(&from.to_string(), &to.to_string());
        }
        let (before, after) = text.split_once("[admin.tokens.demo]").unwrap();
        let (_, after) = after.split_once("\n\n").unwrap();
        fs::write(gateway.config(), format!("{before}{ADMIN_TOKENS}\n{after}")).unwrap();
        gateway
    }

    /// How many requests have reached the upstream, the one that asks among them.
    #[track_caller]
    fn reached(&self) -> u64 {
        let answer = self.get("pw.localhost", "/").cookie(&self.shared()).send();
        answer.json()["count"].as_u64().unwrap_or_else(|| panic!("{}", answer.text()))
    }

    /// A session of the shared password, from an address that no test counts.
    #[track_caller]
    fn shared(&self) -> String {
        let answer = self.sign_in("pw.localhost", &[("password", "s3cret")]).from("2001:db8::1").send();
        answer.session().unwrap_or_else(|| panic!("{}", answer.text()))
    }
}

impl Deref for Demo {
    type Target = Ports;

    fn deref(&self) -> &Ports {
        &self.ports
    }
}

/// The word after `label` in an introduction.
fn told<'a>(introduction: &'a str, label: &str) -> &'a str {
    let (_, rest) = introduction.split_once(label).unwrap_or_else(|| panic!("{introduction}"));
    rest.split_whitespace().next().unwrap().trim_end_matches(',')
}

/// What the upstream says it received under a name.
fn received(answer: &Response, name: &str) -> Option<String> {
    let body = answer.json();
    let fields = body["headers"].as_array()?.clone();
    let field = fields.iter().find(|field| field[0].as_str() == Some(name))?;
    field[1].as_str().map(str::to_owned)
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        // Unless it was stopped in order, its folder is still there.
        drop(self.config.parent().map(fs::remove_dir_all));
    }
}

#[test]
fn demo_curl_lines_work_as_printed() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Demo::within(folder.path());
    let answers: Vec<_> = demo
        .lines()
        .iter()
        .map(|line| {
            // `*.localhost` is loopback for browsers and recent curl; the resolver of a bare machine need not know.
            let line = line.replacen("curl ", "curl --noproxy '*' ", 1);
            let output = Command::new("sh").arg("-c").arg(&line).output().unwrap();
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).into_owned()
        })
        .collect();
    let [asked, entered, log, abroad] = answers.as_slice() else { panic!("{}", demo.introduction) };
    assert!(asked.starts_with("HTTP/1.1 401") && asked.contains("login_url"), "{asked}");
    assert!(entered.contains("maya@example.net") && entered.contains("x-vestibule-user"), "{entered}");
    assert!(log.contains("\"status\":\"success\"") && log.contains("maya@example.net"), "{log}");
    assert!(abroad.starts_with("HTTP/1.1 403") && abroad.contains("country_restricted"), "{abroad}");

    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "one folder while it runs");
    harness::gateway::signal(demo.child.id(), "TERM");
    let status = until(Duration::from_secs(10), "its end", || demo.child.try_wait().unwrap());
    assert!(status.success(), "{status}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing stays behind");
}

#[test]
fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = command(&["demo", "--port", &port]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains(&port) && text.contains("--port"), "{text}");
}
