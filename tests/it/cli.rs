//! The command line: results on stdout, all else on stderr, exit codes as documented.

use std::io::Write;
use std::process::{Output, Stdio};

use harness::House;
use harness::gateway::command;
use harness::house::MAYA;
use harness::secrets::{ADMIN_TOKEN, Folder};

fn run(arguments: &[&str], input: &str) -> (i32, String, String) {
    finish(command(arguments), input)
}

fn finish(mut command: std::process::Command, input: &str) -> (i32, String, String) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that does not read its input has closed it.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A command that talks to a running gateway.
fn ask(house: &House, arguments: &[&str]) -> (i32, String, String) {
    let mut command = command(arguments);
    command.env("VESTIBULE_ADMIN_URL", format!("http://{}", house.gateway.admin_address()));
    command.env("VESTIBULE_ADMIN_TOKEN", ADMIN_TOKEN);
    finish(command, "")
}

#[test]
fn the_version_is_the_workspaces() {
    let (code, out, _) = run(&["version"], "");
    assert_eq!((code, out.contains(env!("CARGO_PKG_VERSION"))), (0, true), "{out}");
}

#[test]
fn wrong_usage_is_2() {
    for arguments in [&["nonsense"][..], &["check", "--nonsense"], &["logs", "nonsense"], &[]] {
        assert_eq!(run(arguments, "").0, 2, "{arguments:?}");
    }
}

#[test]
fn a_configuration_with_problems_is_3_and_every_problem_has_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vestibule.toml");
    let text = "[server]\ndata_dir = \"data\"\nlisten = [{ address = \"127.0.0.1:8080\" }]\n\n[projects.a]\nmembers = []\n\n\
                [circuits.\"a/b\"]\nproject = \"a\"\nhosts = [\"a.localhost\"]\nupstream = \"http://127.0.0.1:9\"\naccess = \
                \"public\"\nip_block = [\"10.1.2.3/8\"]\n\n[circuits.c]\nproject = \"a\"\nhosts = [\"c.localhost\"]\nupstream \
                = \"http://127.0.0.1:9\"\n";
    std::fs::write(&file, text).unwrap();
    let (code, out, err) = run(&["check", "-c", file.to_str().unwrap()], "");
    assert_eq!((code, err.as_str()), (3, ""), "the report is the result: {out}");
    for part in [":8:", "a/b", ":13:", "10.0.0.0/8", "access"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let started = run(&["run", "-c", file.to_str().unwrap()], "");
    assert_eq!(started.0, 3, "a circuit without a policy never serves: {}", started.2);
}

#[test]
fn a_missing_file_is_an_error_that_names_it() {
    let (code, out, err) = run(&["check", "-c", "/nowhere/vestibule.toml"], "");
    assert!(code != 0 && (out + &err).contains("/nowhere/vestibule.toml"), "{code} {err}");
}

#[test]
fn init_writes_a_configuration_that_check_accepts() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("new");
    let (code, out, err) = run(&["init", target.to_str().unwrap()], "");
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("vsta_"), "the token is shown once: {out}");
    let file = target.join("vestibule.toml");
    let written = std::fs::read_to_string(&file).unwrap();
    let token = out.split_whitespace().find(|word| word.starts_with("vsta_")).unwrap();
    assert!(!written.contains(token));
    let (code, _, err) = run(&["check", "-c", file.to_str().unwrap()], "");
    assert_eq!(code, 0, "{err}");
    let (code, _, _) = run(&["init", target.to_str().unwrap()], "");
    assert_eq!((code, std::fs::read_to_string(&file).unwrap()), (1, written), "it overwrites nothing");
}

#[test]
fn hash_makes_argon2id_of_what_it_reads() {
    let (code, out, err) = run(&["hash"], "a long walk at dusk\n");
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && out.lines().count() == 1, "{out}");
    for pin in ["12a", "12345", "", "12 3456"] {
        let (code, out, err) = run(&["hash", "--pin"], &format!("{pin}\n"));
        assert_eq!((code, out.as_str()), (1, ""), "{pin}: {err}");
        assert!(pin.is_empty() || !err.contains(pin), "never echoed: {err}");
    }
    assert_eq!(run(&["hash", "--pin"], "482913\n").0, 0);
}

#[test]
fn hash_makes_a_secret_of_one_time_codes_that_the_file_reads() {
    let (code, out, err) = run(&["hash", "--totp", "maya@example.net"], "");
    assert_eq!(code, 0, "{err}");
    let (secret, address) = out.trim_end().split_once('\n').unwrap();
    assert!(secret.len() == 32 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{secret}");
    assert_eq!(address, format!("otpauth://totp/Vestibule:maya@example.net?secret={secret}&issuer=Vestibule"));
    let folder = Folder::default();
    let totp = folder.put("maya.totp", &out);
    House::with(&format!("[users.\"new@example.net\"]\ntotp = {totp}\n"));
}

#[test]
fn config_show_masks_secrets() {
    let house = House::start();
    let (code, out, err) = run(&["config", "show", "-c", house.gateway.config().to_str().unwrap()], "");
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("mem.localhost") && !out.contains("argon2id$v=19"), "{out}");
}

#[test]
fn logs_are_lines_or_json() {
    let house = House::start();
    house.session("mem.localhost", MAYA);
    house.get("pub.localhost", "/one").send();
    house.gateway.logs_when("requests", "", 2);
    let (code, out, err) = ask(&house, &["logs", "requests", "-n", "10", "-o", "json"]);
    assert_eq!(code, 0, "{err}");
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{out}");
    let (code, out, _) = ask(&house, &["logs", "requests", "circuit=pub", "-o", "line"]);
    assert_eq!((code, out.lines().count()), (0, 1), "{out}");
    assert!(out.contains("/one") && out.contains("pub") && !out.contains('\u{1b}'), "{out}");
    let (code, out, _) = ask(&house, &["logs", "access", "--since", "15m", "-o", "json", "status=success"]);
    assert_eq!((code, out.lines().count()), (0, 1), "{out}");
    let (code, _, err) = ask(&house, &["logs", "access", "result=maybe"]);
    assert!(code == 2 && err.contains("result"), "{code} {err}");
}

#[test]
fn statistics_are_a_page_or_json() {
    let house = House::start();
    for path in ["/bytes/2048", "/status/404"] {
        house.get("pub.localhost", path).from("203.0.113.7").send();
    }
    house.get("mem.localhost", "/").send();
    house.gateway.logs_when("requests", "", 3);
    let (code, out, err) = ask(&house, &["stats"]);
    assert_eq!((code, err.as_str()), (0, ""), "{err}");
    for part in [
        "allowed            2   66.67 %",
        "blocked            1   33.33 %",
        "CIRCUIT\n         2  pub\n",
        "DE",
        "no_credentials",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let (code, out, _) = ask(&house, &["stats", "--since", "1h", "--circuit", "pub", "-o", "json"]);
    let stats: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, out.lines().count()), (0, 1));
    assert_eq!((&stats["range"], &stats["total"]), (&"1h".into(), &2.into()));
    let (code, out, err) = ask(&house, &["stats", "--since", "7d"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("24h"), "what can be asked is named: {err}");
}

#[test]
fn following_logs_shows_new_entries_and_ends_quietly_with_its_reader() {
    let house = House::start();
    let mut command = command(&["logs", "requests", "-f", "-o", "json"]);
    command.env("VESTIBULE_ADMIN_URL", format!("http://{}", house.gateway.admin_address()));
    command.env("VESTIBULE_ADMIN_TOKEN", ADMIN_TOKEN);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let out = std::io::BufReader::new(child.stdout.take().unwrap());
    let first = std::thread::spawn(move || std::io::BufRead::lines(out).next().unwrap().unwrap());
    harness::until(std::time::Duration::from_secs(8), "a followed line", || {
        house.get("pub.localhost", "/followed").send();
        std::thread::sleep(std::time::Duration::from_millis(200));
        first.is_finished().then_some(())
    });
    assert!(first.join().unwrap().contains("/followed"));
    // The reader is gone; the next line finds the pipe closed.
    let status = harness::until(std::time::Duration::from_secs(8), "its end", || {
        house.get("pub.localhost", "/more").send();
        child.try_wait().unwrap()
    });
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_server_that_does_not_answer_is_4() {
    let mut command = command(&["healthcheck"]);
    command.env("VESTIBULE_ADMIN_URL", format!("http://127.0.0.1:{}", harness::port::free()));
    assert_eq!(finish(command, "").0, 4);
}

#[test]
fn health_sessions_and_reload_work_from_the_command_line() {
    let house = House::start();
    assert_eq!(ask(&house, &["healthcheck"]).0, 0);
    let cookie = house.session("mem.localhost", MAYA);
    let (code, out, _) = ask(&house, &["session", "list"]);
    assert!(code == 0 && out.contains(MAYA), "{out}");
    let (code, _, err) = ask(&house, &["session", "revoke", "--user", MAYA]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(house.get("mem.localhost", "/").cookie(&cookie).send().status, 401);
    assert_eq!(ask(&house, &["reload"]).0, 0);
}
