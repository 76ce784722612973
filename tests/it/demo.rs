//! `vestibule demo` does what it prints.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use harness::gateway::command;
use harness::port;

struct Demo {
    child: Child,
    introduction: String,
    folder: tempfile::TempDir,
}

impl Demo {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (port, admin) = (port::free().to_string(), port::free().to_string());
        let mut child = command(&["demo", "--port", &port, "--admin-port", &admin])
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut introduction = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        while !introduction.contains("198.51.100.7") && out.read_line(&mut introduction).unwrap() > 0 {}
        // The rest of the text, if any, must not block the program.
        std::thread::spawn(move || drop(out.read_to_end(&mut Vec::new())));
        Self { child, introduction, folder }
    }

    fn lines(&self) -> Vec<String> {
        self.introduction.lines().map(str::trim).filter(|line| line.starts_with("curl ")).map(str::to_owned).collect()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn demo_curl_lines_work_as_printed() {
    let mut demo = Demo::start();
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

    assert_eq!(std::fs::read_dir(demo.folder.path()).unwrap().count(), 1, "one folder while it runs");
    let id = demo.child.id();
    assert!(Command::new("sh").arg("-c").arg(format!("kill -TERM {id}")).status().unwrap().success());
    let status = harness::until(std::time::Duration::from_secs(10), "its end", || demo.child.try_wait().unwrap());
    assert!(status.success(), "{status}");
    assert_eq!(std::fs::read_dir(demo.folder.path()).unwrap().count(), 0, "nothing stays behind");
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
