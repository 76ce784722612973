//! Exports: over HTTP and from the command line, whole whatever happens on the way.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use harness::gateway::command;
use harness::secrets::{ADMIN_TOKEN, AUDITOR_TOKEN, READER_TOKEN};
use harness::{House, Response, until};
use serde_json::Value;

/// A house with so many requests, each entry of which is long, and a formula in one of them.
fn busy(count: usize) -> House {
    let house = House::start();
    house.get("pub.localhost", "/first").header("User-Agent", "=1+1").header("Referer", "http://a/\"b\",c").send();
    let long = "x".repeat(1900);
    harness::load::parallel(4, count - 1, |number| {
        house.get("pub.localhost", &format!("/{number}/{long}")).header("User-Agent", &long).header("Referer", &long)
    });
    house.gateway.logs_when("requests", "fields=seq", count.min(1000));
    house
}

fn export(house: &House, target: &str) -> Response {
    let answer = house.gateway.admin_request("GET", target).bearer(AUDITOR_TOKEN).send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

/// `vestibule export` by an auditor, whose admin port is at this address.
fn vestibule_export(at: SocketAddr, arguments: &[&str]) -> Command {
    let mut command = command(&["export"]);
    command.args(arguments).env("VESTIBULE_ADMIN_URL", format!("http://{at}"));
    command.env("VESTIBULE_ADMIN_TOKEN", AUDITOR_TOKEN);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn an_export_has_every_row_and_every_field_of_the_api() {
    let house = busy(60);
    let entries = house.gateway.logs("requests", "order=asc");

    let lines = export(&house, "/api/v1/logs/requests/export?format=ndjson&order=asc").text();
    let found: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(found, entries);

    let answer = export(&house, "/api/v1/logs/requests/export?format=csv&order=asc");
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
    let today = Command::new("date").args(["-u", "+%Y-%m-%d"]).output().unwrap();
    let name = format!("vestibule-requests-{}.csv", String::from_utf8(today.stdout).unwrap().trim());
    assert_eq!(answer.header("content-disposition").unwrap(), format!("attachment; filename=\"{name}\""));
    let text = answer.text();
    let header = text.lines().next().unwrap();
    let fields = entries[0].as_object().unwrap();
    assert_eq!(header.split(',').count(), fields.len());
    assert!(header.split(',').all(|name| fields.contains_key(name)), "{header}");
    assert_eq!(text.matches("\r\n").count(), 61);
    let first = text.lines().nth(1).unwrap();
    assert!(first.contains(",'=1+1,") && first.contains(",\"http://a/\"\"b\"\",c\","), "{first}");

    let filtered = export(&house, "/api/v1/logs/requests/export?path=/first&fields=path,user_agent").text();
    assert_eq!(filtered, "user_agent,path\r\n'=1+1,/first\r\n");
}

#[test]
fn only_an_auditor_exports_and_both_are_on_record() {
    let house = House::start();
    house.get("pub.localhost", "/").send();
    house.gateway.logs_when("requests", "", 1);
    let target = "/api/v1/logs/requests/export?format=csv&circuit=pub";
    assert_eq!(house.gateway.admin_request("GET", target).send().status, 401);
    assert_eq!(house.gateway.admin_request("GET", target).bearer(READER_TOKEN).send().status, 403);
    let denied = house.gateway.logs_when("audit", "action=admin.access&status=denied&actor=view", 1);
    assert_eq!(denied[0]["resource"], "/api/v1/logs/requests/export");
    assert_eq!(house.gateway.logs("audit", "action.prefix=log.").len(), 0, "nothing was exported by a list either");

    export(&house, target);

    let entry = house.gateway.logs_when("audit", "action=log.export", 1).remove(0);
    assert_eq!((&entry["actor"], &entry["resource"]), (&"audit".into(), &"requests".into()));
    assert_eq!(
        (&entry["details"]["format"], &entry["details"]["filters"]["circuit"][0]),
        (&"csv".into(), &"pub".into())
    );
    let ended = house.gateway.logs_when("audit", "action=log.exported", 1).remove(0);
    assert_eq!((&ended["details"]["rows"], &ended["details"]["outcome"]), (&1.into(), &"complete".into()));
    let lines = house.gateway.admin_request("GET", "/api/v1/logs/requests").header("Accept", "text/csv");
    assert_eq!(lines.clone().bearer(READER_TOKEN).send().status, 403);
    let answer = lines.bearer(AUDITOR_TOKEN).send();
    assert_eq!((answer.status, answer.text().lines().count()), (200, 2));
}

#[test]
fn a_reader_that_leaves_ends_its_export() {
    let house = busy(300);
    let target = "/api/v1/logs/requests/export?format=ndjson";
    let mut connection = harness::Connection::open(house.gateway.admin_address()).unwrap();
    connection.write(&house.gateway.admin_request("GET", target).bearer(AUDITOR_TOKEN).bytes()).unwrap();
    assert_eq!(connection.read_head().unwrap().0, 200);
    drop(connection);
    let ended = house.gateway.logs_when("audit", "action=log.exported", 1).remove(0);
    assert_eq!(ended["status"], "failed", "{ended}");
    assert_eq!(export(&house, target).text().lines().count(), 300, "its place is free again");
}

#[test]
fn the_command_line_writes_a_file_whole_or_not_at_all() {
    let house = busy(40);
    let at = house.gateway.admin_address();
    let to = house.gateway.folder().join("out.csv");
    let path = to.to_str().unwrap();
    let done = vestibule_export(at, &["requests", "--to", path, "path.prefix=/"]).output().unwrap();
    assert_eq!((done.status.code(), done.stdout.as_slice()), (Some(0), &b""[..]), "{done:?}");
    assert_eq!(done.stderr, b"", "no bar where no terminal is");
    assert_eq!(fs::read_to_string(&to).unwrap(), export(&house, "/api/v1/logs/requests/export").text());
    let beside: Vec<_> =
        fs::read_dir(house.gateway.folder()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(!beside.iter().any(|name| name.to_string_lossy().contains(".part")), "{beside:?}");

    let done = vestibule_export(at, &["requests", "--to", "-", "--format", "ndjson", "path=/first"]).output().unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&done.stdout).unwrap(),
        house.gateway.logs("requests", "path=/first")[0]
    );

    let code = |command: &mut Command| command.output().unwrap().status.code();
    assert_eq!(code(&mut vestibule_export(at, &["requests", "--to", path, "colour=red"])), Some(2));
    assert_eq!(code(&mut vestibule_export(at, &["requests", "--to", path, "limit=1"])), Some(2));
    assert_eq!(code(&mut vestibule_export(at, &["requests"])), Some(2), "no file");
    assert_eq!(
        code(vestibule_export(at, &["requests", "--to", path]).env("VESTIBULE_ADMIN_TOKEN", READER_TOKEN)),
        Some(1)
    );
    let nobody = SocketAddr::from(([127, 0, 0, 1], harness::port::free()));
    assert_eq!(code(&mut vestibule_export(nobody, &["requests", "--to", path])), Some(4));
    assert_eq!(fs::read_to_string(&to).unwrap().lines().count(), 41, "what failed replaced nothing");
}

#[test]
fn a_connection_that_breaks_is_made_again_and_nothing_is_missing_or_twice() {
    let house = busy(400);
    let relay = Relay::start(house.gateway.admin_address(), End::Cut, 2);
    let to = house.gateway.folder().join("out.ndjson");
    let done =
        vestibule_export(relay.at, &["requests", "--format", "ndjson", "--to", to.to_str().unwrap()]).output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert_eq!(relay.left.load(Ordering::SeqCst), 0, "it broke off twice");
    assert_eq!(fs::read_to_string(&to).unwrap(), export(&house, "/api/v1/logs/requests/export?format=ndjson").text());
}

#[test]
fn an_export_that_was_ended_in_any_way_goes_on_exactly_where_it_stopped() {
    let house = busy(400);
    for (round, (signal, code)) in [("INT", Some(130)), ("TERM", Some(130)), ("KILL", None)].into_iter().enumerate() {
        let whole = export(&house, "/api/v1/logs/requests/export?format=csv").text();
        let relay = Relay::start(house.gateway.admin_address(), End::Silence, 1);
        let beside = |ending: &str| house.gateway.folder().join(format!("{signal}.csv{ending}"));
        let (to, part, note) = (beside(""), beside(".part"), beside(".part.json"));
        let arguments = ["requests", "--to", to.to_str().unwrap(), "--since", "1h"];
        let mut running = vestibule_export(relay.at, &arguments).spawn().unwrap();
        let (all, patience) = (&relay.left, Duration::from_secs(20));
        until(patience, "the relay's silence", || (all.load(Ordering::SeqCst) == 0).then_some(()));
        until(patience, "a note of how far it is", || note.exists().then_some(()));
        let sent = Command::new("kill").args([&format!("-{signal}"), &running.id().to_string()]).status().unwrap();
        assert!(sent.success());
        assert_eq!(running.wait().unwrap().code(), code, "{signal}");
        let kept = fs::metadata(&part).unwrap().len();
        assert!(kept > 0 && kept < whole.len() as u64 && !to.exists(), "{signal}: {kept} of {}", whole.len());

        // What comes meanwhile is not of this export.
        let later = format!("/later/{signal}");
        house.get("pub.localhost", &later).send();
        house.gateway.logs_when("requests", &format!("path={later}"), 1);
        let other = vestibule_export(relay.at, &["access", "--to", to.to_str().unwrap()]).output().unwrap();
        assert_eq!(other.status.code(), Some(2), "another export does not take it over: {other:?}");
        let done = vestibule_export(relay.at, &arguments).output().unwrap();

        assert_eq!(done.status.code(), Some(0), "{signal}: {done:?}");
        assert!(String::from_utf8(done.stderr).unwrap().starts_with("going on after "), "{signal}");
        assert!(fs::read_to_string(&to).unwrap() == whole, "{signal}: another text");
        assert!(!part.exists() && !note.exists(), "{signal}");
        let ends = house.gateway.logs_when("audit", "action=log.exported&order=asc", 3 * (round + 1));
        let rows: Vec<_> = ends.iter().map(|end| end["details"]["rows"].as_u64().unwrap()).collect();
        assert!(rows.last().unwrap() < &400, "{signal}: the rest only: {rows:?}");
    }
}

/// What becomes of an export on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The connection is closed.
    Cut,
    /// Nothing comes any more.
    Silence,
}

/// So much of an export passes before that.
const PASSES: usize = 600_000;

/// Stands between a client and the admin port, and stops the first exports in their midst.
struct Relay {
    at: SocketAddr,
    /// Exports that will be stopped.
    left: Arc<AtomicUsize>,
}

impl Relay {
    fn start(to: SocketAddr, end: End, stops: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (at, left) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(stops)));
        let counted = left.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, left) = (TcpStream::connect(to).unwrap(), counted.clone());
                std::thread::spawn(move || relay(&client, &server, end, &left));
            }
        });
        Self { at, left }
    }
}

fn relay(client: &TcpStream, server: &TcpStream, end: End, left: &AtomicUsize) {
    let exports = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pass(client, server, |bytes| {
                exports.fetch_add(usize::from(bytes.windows(8).any(|part| part == b"/export?")), Ordering::SeqCst);
                true
            });
        });
        let mut passed = 0;
        pass(server, client, |bytes| {
            passed += if exports.load(Ordering::SeqCst) > 0 { bytes.len() } else { 0 };
            let stop = passed > PASSES && left.load(Ordering::SeqCst) > 0;
            if stop {
                left.fetch_sub(1, Ordering::SeqCst);
                if end == End::Silence {
                    // Until the client has left.
                    drop((&*client).read(&mut [0]));
                }
            }
            !stop
        });
        drop((client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both)));
    });
}

/// Until the end, or until `see` has seen enough.
fn pass(mut from: &TcpStream, mut to: &TcpStream, mut see: impl FnMut(&[u8]) -> bool) {
    let mut bytes = [0; 16384];
    while let Ok(count) = from.read(&mut bytes) {
        if count == 0 || !see(&bytes[..count]) || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Write));
}

#[test]
fn an_admin_exports_too_and_what_is_no_parameter_is_named() {
    let house = House::start();
    let answer = house.gateway.admin("/api/v1/logs/audit/export?format=ndjson");
    assert!(answer.status == 200 && answer.text().contains("system.start"), "{}", answer.text());
    let wrong = house.gateway.admin_request("GET", "/api/v1/logs/audit/export?format=xls").bearer(ADMIN_TOKEN).send();
    assert!(wrong.status == 400 && wrong.text().contains("format"), "{}", wrong.text());
    assert_eq!(
        house.gateway.admin_request("DELETE", "/api/v1/logs/audit/export").bearer(ADMIN_TOKEN).send().status,
        405
    );
}
