//! Files of the state database that are not what was written, found while it is in use: nobody is let in by what they say,
//! and nobody by what they said before.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::Duration;

use harness::house::MAYA;
use harness::secrets::SHARED_PASSWORD;
use harness::{Gateway, House, Upstream, command, until};

use super::{name_of, receiver};
use crate::alerts::told;
use crate::faults::sign_in;

/// So many sessions are some blocks of each table.
const SESSIONS: usize = 40;
const LIMITS: &str = "[login_limits]\nper_ip = \"1000/m\"\nper_user = \"1000/m\"\nper_circuit = \"1000/m\"\n";

/// The tables of the state database.
fn tables(gateway: &Gateway) -> Vec<PathBuf> {
    let files = fs::read_dir(gateway.data_dir().join("state")).unwrap().flatten().map(|file| file.path());
    let tables: Vec<_> = files.filter(|file| file.extension().is_some_and(|kind| kind == "sst")).collect();
    assert!(!tables.is_empty());
    tables
}

/// Turns a bit of every byte, in place; twice is as before.
fn turn(file: &PathBuf) {
    let turned: Vec<u8> = fs::read(file).unwrap().into_iter().map(|byte| byte ^ 1).collect();
    File::options().write(true).open(file).unwrap().write_all_at(&turned, 0).unwrap();
}

/// Cookies of sessions that were made before the last start, so that they are in tables and not in memory.
fn with_sessions(more: &str) -> (House, Vec<String>) {
    let mut house = House::with(&(LIMITS.to_owned() + more));
    let shared = || house.gateway.sign_in("pw.localhost", &[("password", SHARED_PASSWORD)]).send().session().unwrap();
    let cookies = (0..SESSIONS).map(|_| shared()).collect();
    house.gateway.stop();
    house.gateway.launch();
    (house, cookies)
}

fn visit(house: &House, cookie: &str) -> (u16, String) {
    let answer = house.get("pw.localhost", "/").cookie(cookie).send();
    (answer.status, answer.reason())
}

#[test]
fn a_damaged_table_of_the_state_closes_what_is_protected_until_it_is_mended() {
    let hook = Upstream::start();
    let (alert, _secret) = receiver(&hook, "disk");
    let (mut house, cookies) = with_sessions(&alert);
    let [known, others @ ..] = cookies.as_slice() else { panic!("no session") };
    assert_eq!(visit(&house, known).0, 200);
    let tables = tables(&house.gateway);
    tables.iter().for_each(turn);

    // Who is not known yet is who finds out, unless what says so lies beside what was read already.
    let found = others.iter().map(|cookie| visit(&house, cookie).0).find(|status| *status != 200);
    assert_eq!(found, Some(503));
    let reached = house.upstream.count();
    let closed = || (503, "log_unavailable".to_owned());
    for cookie in &cookies {
        assert_eq!(visit(&house, cookie), closed());
    }
    let refused = sign_in(&house.gateway);
    assert_eq!((refused.status, refused.session()), (503, None));
    assert_eq!(house.upstream.count(), reached, "nobody was let in");
    assert_eq!(house.get("pub.localhost", "/").send().status, 200, "public circuits go on");

    let says = |text: &str| {
        tables.iter().any(|table| text.contains(name_of(table))) && text.contains("vestibule backup restore")
    };
    assert!(says(&house.gateway.output()), "{}", house.gateway.output());
    let status = house.gateway.admin("/api/v1/status").json();
    assert!(says(status["state"]["cause"].as_str().unwrap()) && status["state"]["sound"] == false, "{status}");
    let health = house.gateway.admin_request("GET", "/readyz").send();
    assert!(health.status == 503 && health.text().contains("state: a file is damaged"), "{}", health.text());
    assert_eq!(house.gateway.metric("vestibule_state_damaged", &[]) as u64, 1);
    let call = until(Duration::from_secs(10), "the alert", || (hook.count() > 0).then(|| hook.last()));
    assert!(says(told(&call)["data"]["cause"].as_str().unwrap()), "{:?}", told(&call));
    assert!(house.gateway.logs("access", &format!("email={MAYA}&status=success")).is_empty());

    house.gateway.stop();
    let output = command(&["run", "-c"]).arg(house.gateway.config()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && says(&text), "{text}");
    tables.iter().for_each(turn);
    house.gateway.launch();
    assert!(cookies.iter().all(|cookie| visit(&house, cookie).0 == 200), "put back, everybody is known again");
    assert_eq!(sign_in(&house.gateway).status, 303);
}

#[test]
fn a_bit_of_the_state_that_flips_refuses_the_next_start() {
    let (mut house, cookies) = with_sessions("");
    house.gateway.stop();
    let table = tables(&house.gateway).remove(0);
    let whole = fs::read(&table).unwrap();
    // Wherever it is, up to what RocksDB says about the table.
    for at in (0..whole.len() - 3000).step_by(whole.len() / 7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&table, bytes).unwrap();
        let output = command(&["run", "-c"]).arg(house.gateway.config()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "byte {at}: {text}");
        assert!(text.contains(name_of(&table)) && text.contains("vestibule backup restore"), "byte {at}: {text}");
    }
    // Without a backup.
    fs::rename(house.gateway.data_dir().join("state"), house.gateway.folder().join("kept")).unwrap();
    house.gateway.launch();
    assert_eq!(visit(&house, &cookies[0]).0, 401, "everybody signs in again");
    assert_eq!(sign_in(&house.gateway).status, 303);
}
