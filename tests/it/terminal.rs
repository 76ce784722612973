//! The command line to people at terminals, to shells and to pipes.

use std::process::{Command, Stdio};
use std::time::Duration;

use harness::gateway::{command, program};
use harness::house::MAYA;
use harness::secrets::ADMIN_TOKEN;
use harness::{House, until};
use serde_json::Value;

use crate::cli::{ask, finish, run};

/// A program that finds `vestibule`, the configuration, the server and a token in its environment.
pub(crate) fn with_vestibule(house: &House, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    let path = format!("{}:{}", program().parent().unwrap().display(), std::env::var("PATH").unwrap());
    command.args(arguments).env("PATH", path).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command.env("VESTIBULE_CONFIG", house.gateway.config()).env("VESTIBULE_ADMIN_TOKEN", ADMIN_TOKEN);
    command.env("VESTIBULE_ADMIN_URL", format!("http://{}", house.gateway.admin_address()));
    command
}

#[test]
fn entries_are_said_in_every_form() {
    let house = House::start();
    house.get("pub.localhost", "/a%20b?q=1").header("user-agent", "say \"x\"").send();
    house.get("mem.localhost", "/").send();
    house.gateway.logs_when("requests", "", 2);
    let good = |arguments: &[&str]| {
        let (code, out, err) = ask(&house, &[&["logs"], arguments].concat());
        assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}");
        out
    };
    let combined = good(&["-o", "combined"]);
    let first = combined.lines().next().unwrap();
    let (head, tail) = (first.split_once(" [").unwrap().0, first.split_once("] ").unwrap().1);
    assert_eq!(head, "127.0.0.1 - -");
    assert!(
        tail.starts_with("\"GET /a%20b?q=1 HTTP/1.1\" 200 ") && tail.ends_with(" \"-\" \"say \\\"x\\\"\""),
        "{first}"
    );
    assert!(combined.lines().nth(1).unwrap().contains("\" 401 "), "{combined}");

    let (line, wide) = (good(&["circuit=pub"]), good(&["circuit=pub", "-o", "wide"]));
    assert!(
        wide.starts_with(line.trim_end()) && wide.contains("  host=pub.localhost") && wide.lines().count() == 1,
        "{wide}"
    );
    assert!(wide.contains("  user_agent=\"say \\\"x\\\"\"") && !wide.contains("  path="), "{wide}");
    let json: Value = serde_json::from_str(&good(&["circuit=pub", "-o", "json"])).unwrap();
    assert_eq!(json["host"], "pub.localhost");
    for log in ["requests", "access", "audit"] {
        let filter = "seq.max=1";
        let csv = good(&[log, "--since", "1h", filter, "-o", "csv"]);
        let (code, exported, err) = ask(&house, &["export", log, "--to", "-", "order=asc", "--since", "1h", filter]);
        assert_eq!((code, csv), (0, exported), "{log}: {err}");
    }
    let (code, out, err) = ask(&house, &["logs", "audit", "-o", "combined"]);
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert_eq!(good(&["circuit=pub", "method=POST", "-o", "csv"]).lines().count(), 1, "the header alone");
}

#[test]
fn colours_are_for_terminals() {
    let house = House::start();
    house.get("pub.localhost", "/").send();
    house.gateway.logs_when("requests", "", 1);
    let shown = |line: &str, more: &[(&str, &str)]| {
        let mut command = with_vestibule(&house, "script", &["-qec", line, "/dev/null"]);
        let (code, out, err) = finish(
            {
                command.envs(more.iter().copied());
                command
            },
            "",
        );
        assert_eq!(code, 0, "{out}{err}");
        out.contains("\x1b[32mALLOW")
    };
    let plain = "vestibule logs";
    assert!(shown(plain, &[]), "a terminal");
    assert!(!shown(plain, &[("NO_COLOR", "1")]) && !shown("vestibule logs --color never", &[]));
    assert!(!shown("vestibule logs | cat", &[]) && shown("vestibule logs --color always | cat", &[]));
    assert!(!shown("vestibule logs -o json --color always", &[]), "JSON is JSON only");
}

#[test]
fn each_end_has_its_exit_code() {
    let house = House::start();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(at("bad.toml"), "nonsense = 1\n").unwrap();
    house.get("pub.localhost", "/").send();
    let id = house.gateway.logs_when("requests", "", 1)[0]["id"].as_str().unwrap().to_owned();
    let key = house.gateway.admin("/api/v1/integrity").json()["key"].as_str().unwrap().to_owned();
    assert_eq!(ask(&house, &["prove", &id, "--to", &at("proof")]).0, 0);
    let proof = std::fs::read_to_string(at("proof")).unwrap();
    std::fs::write(at("forged"), proof.replacen("index 0", "index 1", 1)).unwrap();
    assert_ne!(proof, std::fs::read_to_string(at("forged")).unwrap());
    let nobody = format!("http://127.0.0.1:{}", harness::port::free());
    for (code, arguments) in [
        (0, &["verify", "--proof", &at("proof"), "--key", &key][..]),
        (1, &["grant", "revoke", "0000000000000000"]),
        (2, &["logs", "--nonsense"]),
        (2, &["logs", "no_field=1"]),
        (3, &["check", "-c", &at("bad.toml")]),
        (4, &["logs", "--admin-url", &nobody]),
        (5, &["verify", "--proof", &at("forged"), "--key", &key]),
    ] {
        let (got, _, err) = ask(&house, arguments);
        assert_eq!(got, code, "{arguments:?}: {err}");
    }
}

#[test]
fn an_interrupt_ends_with_130_and_says_nothing() {
    let house = House::start();
    house.get("pub.localhost", "/").send();
    house.gateway.logs_when("requests", "", 1);
    for signal in ["INT", "TERM"] {
        let said = tempfile::NamedTempFile::new().unwrap();
        let mut command = with_vestibule(&house, "vestibule", &["logs", "-f"]);
        let mut child = command.stdout(said.reopen().unwrap()).stderr(Stdio::piped()).spawn().unwrap();
        until(Duration::from_secs(10), "a line", || said.path().metadata().is_ok_and(|it| it.len() > 0).then_some(()));
        assert!(
            Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap().success()
        );
        let status = until(Duration::from_secs(10), "its end", || child.try_wait().unwrap());
        let err = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert_eq!((status.code(), err.as_str()), (Some(130), ""), "{signal}");
    }
}

/// What bash proposes for a line, as it splits it into words.
fn proposed(house: &House, words: &[&str]) -> Vec<String> {
    let script = "source <(vestibule completions bash)\nCOMP_WORDS=(\"$@\"); COMP_CWORD=$(($#-1)); COMP_TYPE=9\n\
                  _clap_complete_vestibule vestibule \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"\n\
                  printf '%s\\n' \"${COMPREPLY[@]}\"\n";
    let arguments = [&["-c", script, "bash"], words].concat();
    let (code, out, err) = finish(with_vestibule(house, "bash", &arguments), "");
    assert_eq!(code, 0, "{words:?}: {err}");
    // Flags may follow anywhere.
    let named = out.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('-'));
    named.map(str::to_owned).collect()
}

#[test]
fn a_shell_knows_the_names_of_the_configuration() {
    let mut house = House::start();
    let circuits = ["pub", "mem", "list", "pw", "pin"];
    let check = |house: &House, words: &[&str], expected: &[&str]| {
        let words = [&["vestibule"], words].concat();
        assert_eq!(proposed(house, &words), expected, "{words:?}");
    };
    check(&house, &["heal"], &["healthcheck"]);
    check(&house, &["grant", "add", MAYA, ""], &circuits);
    check(&house, &["grant", "add", "ma"], &[MAYA]);
    check(&house, &["session", "revoke", "--circuit", "pi"], &["pin"]);
    check(&house, &["logs", "acc"], &["access"]);
    check(&house, &["logs", "access", "circ"], &["circuit="]);
    check(&house, &["logs", "access", "circuit", "=", "p"], &["pub", "pw", "pin"]);
    check(&house, &["logs", "access", "status", "=", "i"], &["initiated"]);
    check(&house, &["export", "requests", "origin", "=", "pr"], &["proxy_error"]);
    check(&house, &["token", "revoke", "--admin", "op"], &["ops"]);

    // Another file on the line, one that has mistakes besides.
    let other = house.gateway.folder().join("other.toml");
    std::fs::write(&other, "what = 1\n[circuits.elsewhere]\n").unwrap();
    check(&house, &["-c", other.to_str().unwrap(), "stats", "--circuit", ""], &["elsewhere"]);
    check(&house, &["-c", "/nowhere.toml", "stats", "--circuit", ""], &[]);

    let first = house.gateway.admin("/api/v1/config").json()["revision"].as_str().unwrap().to_owned();
    let body = house.gateway.body().to_owned() + "[projects.more]\nmembers = []\n";
    house.gateway.reconfigure(&body);
    let all = proposed(&house, &["vestibule", "rollback", ""]);
    assert!(all.len() == 2 && all[1].starts_with(&first), "{all:?}");
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    let (code, out, err) = run(&["man", pages.to_str().unwrap()], "");
    assert_eq!(code, 0, "{err}");
    let read = |name: &str| {
        let file = pages.join(format!("{name}.1"));
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let main = read("vestibule");
    assert!(main.starts_with(".ie") || main.contains(".TH vestibule 1"), "{main}");
    for part in ["VESTIBULE_ADMIN_TOKEN", "130", "vestibule\\-logs(1)"] {
        assert!(main.contains(part), "{part}: {main}");
    }
    let (_, help, _) = run(&["--help"], "");
    let commands = help.split("Commands:\n").nth(1).unwrap().lines().take_while(|line| !line.is_empty());
    let names: Vec<_> = commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    let names: Vec<_> = names.into_iter().filter(|name| !name.is_empty() && *name != "help").collect();
    assert!(names.len() > 25, "{names:?}");
    for name in names {
        assert!(read(&format!("vestibule-{name}")).contains("SYNOPSIS"), "{name}");
    }
    assert!(read("vestibule-user-passwd").contains("EMAIL") && read("vestibule-logs").contains("combined"));
    let count = std::fs::read_dir(&pages).unwrap().count();
    assert_eq!(out, format!("{count} pages in {}\n", pages.display()));
}

#[test]
fn a_reader_that_leaves_ends_a_command_quietly() {
    let house = House::start();
    (0..20).for_each(|at| drop(house.get("pub.localhost", &format!("/{at}")).send()));
    house.gateway.logs_when("requests", "", 20);
    // More than a pipe holds, of which one line is read.
    let line = "set -o pipefail; for n in 1 2 3 4 5 6 7 8; do vestibule logs -o json; done | head -1; \
                vestibule completions zsh | head -1";
    let (_, out, err) = finish(with_vestibule(&house, "bash", &["-c", line]), "");
    assert!(!err.contains("panicked") && !err.to_lowercase().contains("broken pipe"), "{err}");
    assert_eq!(out.lines().count(), 2, "{out}");
    let mut command = command(&["version"]);
    command.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let output = command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "a full disk is no reader that left");
}
