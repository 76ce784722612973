//! The command line: results on stdout, all else on stderr, exit codes as documented.

use std::io::Write;
use std::process::{Output, Stdio};

use harness::gateway::command;
use harness::house::{MAYA, NOOR};
use harness::secrets::{ADMIN_TOKEN, Folder};
use harness::{House, until};
use serde_json::Value;

pub(crate) fn run(arguments: &[&str], input: &str) -> (i32, String, String) {
    finish(command(arguments), input)
}

pub(crate) fn finish(mut command: std::process::Command, input: &str) -> (i32, String, String) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that does not read its input has closed it.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A command that talks to a running gateway, or edits its file.
pub(crate) fn ask(house: &House, arguments: &[&str]) -> (i32, String, String) {
    ask_typing(house, arguments, "")
}

/// The same, with something on its stdin.
pub(crate) fn ask_typing(house: &House, arguments: &[&str], typed: &str) -> (i32, String, String) {
    let mut command = command(arguments);
    command.env("VESTIBULE_CONFIG", house.gateway.config());
    command.env("VESTIBULE_ADMIN_URL", format!("http://{}", house.gateway.admin_address()));
    command.env("VESTIBULE_ADMIN_TOKEN", ADMIN_TOKEN);
    finish(command, typed)
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
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
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
    let stats: Value = serde_json::from_str(&out).unwrap();
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
    until(std::time::Duration::from_secs(8), "a followed line", || {
        house.get("pub.localhost", "/followed").send();
        std::thread::sleep(std::time::Duration::from_millis(200));
        first.is_finished().then_some(())
    });
    assert!(first.join().unwrap().contains("/followed"));
    // The reader is gone; the next line finds the pipe closed.
    let status = until(std::time::Duration::from_secs(8), "its end", || {
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
fn health_and_reload_work_from_the_command_line() {
    let house = House::start();
    assert_eq!(ask(&house, &["healthcheck"]).0, 0);
    assert_eq!(ask(&house, &["reload"]).0, 0);
}

#[test]
fn sessions_are_listed_and_ended_one_by_one_or_by_person_or_circuit() {
    let house = House::start();
    let sign_in = |host: &str, person: &str| house.session(&format!("{host}.localhost"), person);
    let is_open =
        |host: &str, cookie: &str| house.get(&format!("{host}.localhost"), "/").cookie(cookie).send().status == 200;
    let [one, two] = [sign_in("mem", MAYA), sign_in("mem", MAYA)];
    let [three, four] = [sign_in("list", MAYA), sign_in("mem", NOOR)];

    let (code, out, _) = ask(&house, &["session", "list"]);
    assert!(code == 0 && out.lines().count() == 5 && out.starts_with("ID "), "{out}");
    let (_, out, _) = ask(&house, &["session", "list", "--circuit", "list"]);
    assert_eq!((out.lines().count(), out.contains(MAYA)), (2, true), "{out}");
    let (_, out, _) = ask(&house, &["session", "list", "--user", "MAYA@example.net", "-o", "json"]);
    let listed: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(listed.len() == 3 && listed.iter().all(|session| session["email"] == MAYA), "{out}");

    let oldest = listed[2]["id"].as_str().unwrap();
    assert_eq!(ask(&house, &["session", "revoke", oldest]), (0, "1 ended\n".to_owned(), String::new()));
    assert_eq!([is_open("mem", &one), is_open("mem", &two), is_open("list", &three)], [false, true, true]);
    assert_eq!(ask(&house, &["session", "revoke", oldest]).0, 1, "it is ended already");
    assert_eq!(ask(&house, &["session", "revoke", "--user", MAYA, "--circuit", "mem"]).1, "1 ended\n");
    assert_eq!([is_open("mem", &two), is_open("list", &three), is_open("mem", &four)], [false, true, true]);
    assert_eq!(ask(&house, &["session", "revoke", "--circuit", "mem"]).1, "1 ended\n");
    assert_eq!(ask(&house, &["session", "revoke", "--all"]).1, "1 ended\n");
    assert_eq!([is_open("list", &three), is_open("mem", &four)], [false, false]);
    for wrong in [
        &["session", "revoke"][..],
        &["session", "revoke", "x", "--all"],
        &["session", "revoke", "--all", "--user", MAYA],
    ] {
        assert_eq!(ask(&house, wrong).0, 2, "{wrong:?}");
    }
    let (_, out, _) = ask(&house, &["session", "list"]);
    assert_eq!(out.matches(" revoked ").count(), 4, "{out}");
}

#[test]
fn bans_grants_and_tokens_are_listed_alike() {
    let house = House::start();
    let (code, out, _) = ask(&house, &["ban", "add", "203.0.113.0/24", "--for", "1h", "--note", "scans"]);
    let ban = out.trim().to_owned();
    assert!(code == 0 && ban.len() == 16, "{out}");
    let (code, out, err) = ask(&house, &["grant", "add", NOOR, "list", "--for", "2h"]);
    let grant = out.trim().to_owned();
    assert!(code == 0 && grant.len() == 16 && err.is_empty(), "{out}{err}");
    let (code, _, err) = ask(&house, &["grant", "add", "eve@example.net", "list", "--for", "2h"]);
    assert!(code == 0 && err.contains("nobody can sign in as eve@example.net at list"), "{err}");
    for (list, columns, row) in [
        ("ban", 6, [ban.as_str(), "203.0.113.0/24", "scans"]),
        ("grant", 6, [grant.as_str(), NOOR, "password"]),
        ("token", 6, ["ops", "admin", "127.0.0.1"]),
    ] {
        let (_, out, _) = ask(&house, &[list, "list"]);
        let titles = out.lines().next().unwrap();
        assert_eq!(titles.split("  ").filter(|title| !title.is_empty()).count(), columns, "{out}");
        assert!(out.lines().any(|line| row.iter().all(|text| line.contains(text))), "{out}");
        let (_, out, _) = ask(&house, &[list, "list", "-o", "json"]);
        assert!(out.lines().all(|line| serde_json::from_str::<Value>(line).is_ok_and(|row| row.is_object())), "{out}");
    }
    assert_eq!(ask(&house, &["ban", "remove", &ban]), (0, "1 removed\n".to_owned(), String::new()));
    assert_eq!(ask(&house, &["grant", "revoke", &grant]), (0, "1 revoked\n".to_owned(), String::new()));
    assert_eq!(ask(&house, &["grant", "revoke", &grant]).0, 1);
    assert_eq!(ask(&house, &["grant", "add", NOOR, "list", "--for", "25h"]).0, 2, "the server says what to write");
}

#[test]
fn tokens_are_made_rotated_and_revoked_in_the_file() {
    let upstream = harness::Upstream::start();
    let more = format!(
        "# Machines below.\n[circuits.robots]\nhosts = [\"robots.localhost\"]\nupstream = \"{}\"\naccess = \
         \"allowlist\"\nallow = [] # nobody yet\nlogin = [\"password\"]\n",
        upstream.url()
    );
    let house = House::with(&more);
    let file = || std::fs::read_to_string(house.gateway.config()).unwrap();
    let status = |token: &str| house.get("robots.localhost", "/").bearer(token).send().status;
    let before = file();

    let (code, out, err) = ask(&house, &["token", "new", "ci", "--for", "90d"]);
    let first = out.trim().to_owned();
    assert!(code == 0 && first.starts_with("vst_") && first.len() == 47 && err.contains("token:ci"), "{out}{err}");
    let made = file();
    assert!(made.starts_with(&before) && made.contains("[service_tokens.ci]") && !made.contains(&first), "{made}");
    assert_eq!(status(&first), 403, "in force, and listed nowhere");
    std::fs::write(house.gateway.config(), made.replace("allow = [] # nobody yet", "allow = [\"token:ci\"] # one"))
        .unwrap();
    assert_eq!(ask(&house, &["reload"]).0, 0);
    assert_eq!(status(&first), 200);

    let (code, out, _) = ask(&house, &["token", "rotate", "ci", "--grace", "1h"]);
    let second = out.trim().to_owned();
    assert!(code == 0 && second != first, "{out}");
    assert_eq!([status(&first), status(&second)], [200, 200], "the one before in its grace");
    let (_, out, _) = ask(&house, &["token", "rotate", "ci"]);
    let third = out.trim().to_owned();
    assert_eq!([status(&first), status(&second), status(&third)], [401, 401, 200], "none without a grace");
    assert_eq!(ask(&house, &["token", "revoke", "ci"]).0, 0);
    let refused = house.get("robots.localhost", "/").bearer(&third).send();
    assert_eq!((refused.status, refused.reason().as_str()), (401, "token_disabled"));
    assert!(file().contains("# Machines below.\n") && file().contains("allow = [\"token:ci\"] # one"), "{}", file());
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(house.gateway.config()).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    let acts = house.gateway.logs("audit", "resource_type=api_token&order=asc");
    let told: Vec<_> =
        acts.iter().map(|act| (act["action"].as_str().unwrap(), act["resource"].as_str().unwrap())).collect();
    assert_eq!(told, [("token.add", "ci"), ("token.rotate", "ci"), ("token.rotate", "ci"), ("token.revoke", "ci")]);
    let everything = acts.iter().map(Value::to_string).collect::<String>() + &house.gateway.output() + &file();
    assert!([first, second, third].iter().all(|token| !everything.contains(token)), "printed once, kept nowhere");
}

#[test]
fn admin_tokens_come_from_the_command_line_and_bad_changes_do_not_reach_the_file() {
    let house = House::start();
    let file = || std::fs::read_to_string(house.gateway.config()).unwrap();
    let status = |token: &str| house.gateway.admin_request("GET", "/api/v1/status").bearer(token).send().status;
    let (code, out, err) = ask(&house, &["token", "new", "night", "--role", "reader", "--logs", "access,audit"]);
    let token = out.trim().to_owned();
    assert!(code == 0 && token.starts_with("vsta_"), "{out}{err}");
    assert_eq!(status(&token), 200);
    let logs =
        |log: &str| house.gateway.admin_request("GET", &format!("/api/v1/logs/{log}")).bearer(&token).send().status;
    assert_eq!([logs("access"), logs("requests")], [200, 403]);
    let (_, out, _) = ask(&house, &["token", "rotate", "night", "--admin"]);
    assert_eq!([status(&token), status(out.trim())], [401, 200]);
    assert_eq!(ask(&house, &["token", "revoke", "night", "--admin"]).0, 0);
    assert_eq!(status(out.trim()), 401);

    let before = file();
    for (arguments, code, message) in [
        (&["token", "new", "ops", "--role", "admin"][..], 1, "admin.tokens.ops is there already"),
        (&["token", "rotate", "nobody"], 1, "there is no service_tokens.nobody"),
        (&["token", "revoke", "nobody", "--admin"], 1, "there is no admin.tokens.nobody"),
        (&["token", "new", " x"], 3, "is not a name"),
        (&["token", "new", "x", "--for", "soon"], 2, "90d"),
        (&["token", "new", "x", "--role", "admin", "--for", "1d"], 2, "cannot be used with"),
        (&["token", "new", "x", "--logs", "access"], 2, "--role"),
    ] {
        let (got, out, err) = ask(&house, arguments);
        assert_eq!((got, out.as_str()), (code, ""), "{arguments:?}: {err}");
        assert!(err.contains(message), "{arguments:?}: {err}");
    }
    assert_eq!(file(), before);
}

#[test]
fn a_token_in_an_included_file_changes_there_and_a_server_sees_it_by_itself() {
    let mut house = House::start();
    let folder = house.gateway.folder().to_owned();
    let part = folder.join("machines.toml");
    std::fs::write(&part, "[service_tokens.ci]   # of the builds\nhash = \"sha256:2119f0325918f0b500dc81e557b25017a5919e5b8aefa58637769846fea1e3b0\"\n").unwrap();
    let body = house.gateway.body().to_owned();
    house.gateway.reconfigure(&body);
    let main = std::fs::read_to_string(house.gateway.config()).unwrap();
    std::fs::write(house.gateway.config(), format!("include = [\"machines.toml\"]\n{main}")).unwrap();
    let mut quiet = command(&["token", "rotate", "ci", "--grace", "1d"]);
    quiet.env("VESTIBULE_CONFIG", house.gateway.config());
    let (code, out, err) = finish(quiet, "");
    assert!(code == 0 && err.contains("two seconds"), "{err}");
    assert!(std::fs::read_to_string(&part).unwrap().starts_with("[service_tokens.ci]   # of the builds\n"));
    until(std::time::Duration::from_secs(5), "the change is in force", || {
        let tokens = house.gateway.admin("/api/v1/tokens").json()["data"].as_array().cloned().unwrap();
        tokens.iter().any(|token| token["name"] == "ci" && token["previous_until"].is_string()).then_some(())
    });
    assert_eq!(house.get("mem.localhost", "/").bearer(out.trim()).send().reason(), "not_project_member");
}
