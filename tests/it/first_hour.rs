//! The first hour, as the README walks through it: each command as it stands there, and what it prints as it stands
//! there. `…` in the text stands for what is another at each time.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use harness::gateway::{command, program};
use harness::{Request, Upstream, port, until};

/// A command and what it prints.
struct Step {
    command: String,
    printed: Vec<String>,
}

/// The blocks of a text between ```` ```console ```` and ```` ``` ````.
fn blocks(text: &str) -> Vec<Vec<Step>> {
    let blocks = text.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(steps).collect()
}

fn steps(block: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step { command: command.to_owned(), printed: Vec::new() }),
            (None, Some(step)) => step.printed.push(line.to_owned()),
            (None, None) => panic!("{line:?} is printed by no command"),
        }
    }
    steps
}

/// What the README has, and what is there here in its place.
#[derive(Default)]
struct Here(Vec<(String, String)>);

impl Here {
    fn has(&mut self, there: &str, here: impl ToString) {
        self.0.push((there.to_owned(), here.to_string()));
    }

    fn as_here(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (there, here)| text.replace(there, here))
    }

    fn as_there(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (there, here)| text.replace(here, there))
    }
}

/// Runs the commands of a block, one behind the other; what each of them prints.
fn run(steps: &[&Step], folder: &Path, here: &Here) -> Vec<String> {
    const BETWEEN: char = '\u{1e}';
    let lines = steps.iter().map(|step| format!("{}{}\nprintf '\\036'\n", before(step), here.as_here(&step.command)));
    let script =
        format!("set -e\ncurl() {{ command curl --noproxy '*' \"$@\"; }}\nexec 2>&1\n{}", lines.collect::<String>());
    let path = format!("{}:{}", program().parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash").args(["-c", &script]).current_dir(folder).env("PATH", path).output().unwrap();
    let printed = here.as_there(&String::from_utf8(output.stdout).unwrap());
    assert!(output.status.success(), "{script}\n{printed}");
    printed.split(BETWEEN).map(str::to_owned).collect()
}

/// Entries of requests are readable within a second: what reads a log waits until it has as many as it will print.
fn before(step: &Step) -> String {
    let Step { command, printed } = step;
    if !command.starts_with("vestibule logs") {
        return String::new();
    }
    let count = printed.len();
    format!("for _ in $(seq 100); do [ \"$({command} | wc -l)\" = {count} ] && break; sleep 0.05; done\n")
}

/// Whether a line is what the README says of it.
fn is_as_said(line: &str, said: &str) -> bool {
    let mut parts = said.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[track_caller]
fn check(step: &Step, printed: &str) {
    let lines: Vec<&str> = printed.lines().map(str::trim_end).collect();
    let same = lines.len() == step.printed.len()
        && lines.iter().zip(&step.printed).all(|(line, said)| is_as_said(line, said.trim_end()));
    assert!(same, "$ {}\nthe README says\n{}\nand it prints\n{printed}", step.command, step.printed.join("\n"));
}

/// The gateway; ended when dropped.
struct Running(Child);

impl Running {
    /// As in another terminal; ready when this returns.
    fn start(folder: &Path, admin: u16) -> Self {
        let output = File::create(folder.join("output")).unwrap();
        let mut command = command(&["run", "-c", "gateway/vestibule.toml"]);
        command.current_dir(folder).stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let running = Self(command.spawn().unwrap());
        until(Duration::from_secs(30), "readyz 200", || {
            let asked = Request::new(([127, 0, 0, 1], admin).into(), "GET", "localhost", "/readyz").try_send();
            asked.ok().filter(|answer| answer.status == 200)
        });
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn the_first_hour_of_the_readme_is_as_it_says() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let blocks = blocks(&readme);
    let [begin, serve, rest @ ..] = blocks.as_slice() else { panic!("{} blocks", blocks.len()) };
    let (begin, rest): (Vec<_>, Vec<_>) = (begin.iter().collect(), rest.iter().flatten().collect());
    assert!(rest.len() > 10);
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start());

    let printed = run(&begin, folder.path(), &Here::default());
    begin.iter().zip(&printed).for_each(|(step, printed)| check(step, printed));
    let word = |name: &str| {
        let line = printed[0].lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    };
    let mut here = Here::default();
    here.has("vsta_…", word("admin token"));
    here.has("PIN=…", format!("PIN={}", word("PIN")));
    here.has("127.0.0.1:3000", upstream.address());
    let (proxy, admin) = (port::free(), port::free());
    here.has("host:8080", format!("host:{proxy}"));
    here.has("127.0.0.1:8080", format!("127.0.0.1:{proxy}"));
    here.has("127.0.0.1:9180", format!("127.0.0.1:{admin}"));
    let file = folder.path().join("gateway/vestibule.toml");
    // The hand that puts the upstream into the file.
    fs::write(&file, here.as_here(&fs::read_to_string(&file).unwrap())).unwrap();

    assert!(matches!(serve.as_slice(), [step] if step.command == "vestibule run -c gateway/vestibule.toml"));
    let _running = Running::start(folder.path(), admin);
    check(&serve[0], &here.as_there(&fs::read_to_string(folder.path().join("output")).unwrap()));
    let printed = run(&rest, folder.path(), &here);
    rest.iter().zip(&printed).for_each(|(step, printed)| check(step, printed));
}
