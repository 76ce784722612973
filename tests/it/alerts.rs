//! Somebody outside is told when something happens that should not.

use std::time::Duration;

use aws_lc_rs::hmac;
use harness::house::{MAYA, NOOR};
use harness::secrets::{ADMIN_TOKEN, AUDITOR_TOKEN};
use harness::upstream::Received;
use harness::{House, Upstream, until};
use serde_json::Value;

pub(crate) const SECRET: &str = "only for tests of alerts";
const WAIT: Duration = Duration::from_secs(10);

/// A house that tells `receiver`, and keeps its secret.
fn house(receiver: &Upstream, target: &str, more: &str) -> (House, tempfile::NamedTempFile) {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), SECRET).unwrap();
    let (url, file) = (receiver.url(), secret.path());
    let alert = format!(
        "[alerts.ops]\nurl = \"{url}{target}\"\nsecret = {{ file = {file:?} }}\non = [\"brute_force\", \"lock_out\"]\n"
    );
    (House::with(&(alert + more)), secret)
}

fn fail(house: &House, person: &str, from: &str) -> u16 {
    house.gateway.sign_in("mem.localhost", &[("email", person), ("password", "wrong")]).from(from).send().status
}

/// What a receiver was told, if whoever has the secret sent it.
pub(crate) fn told(received: &Received) -> Value {
    let header = |name| received.header(name).unwrap_or_default().to_owned();
    let (id, time) = (header("webhook-id"), header("webhook-timestamp"));
    let signed = [id.as_bytes(), b".", time.as_bytes(), b".", &received.body].concat();
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), &signed);
    use base64::Engine as _;
    let expected = base64::prelude::BASE64_STANDARD.encode(signature.as_ref());
    assert_eq!(header("webhook-signature"), format!("v1,{expected}"));
    let body: Value = serde_json::from_slice(&received.body).unwrap();
    assert_eq!(body["id"], id);
    body
}

#[test]
fn a_lock_and_a_limit_are_told_once_and_listed() {
    let receiver = Upstream::start();
    let (house, _secret) = house(&receiver, "/hook", "[login_limits]\nper_ip = \"8/m\"\nper_user = \"100/m\"\n");
    for _ in 0..5 {
        assert_eq!(fail(&house, MAYA, "203.0.113.9"), 401);
    }
    let first = until(WAIT, "the lock", || (receiver.count() == 1).then(|| receiver.last()));
    let lock = told(&first);
    assert_eq!((first.method.as_str(), first.target.as_str(), &lock["type"]), ("POST", "/hook", &"lock_out".into()));
    assert_eq!((&lock["data"]["account"], &lock["data"]["circuit"]), (&MAYA.into(), &"mem".into()));
    assert_eq!((&lock["data"]["source_ip"], lock["data"]["country"].is_string()), (&"203.0.113.9".into(), true));
    assert!(!String::from_utf8_lossy(&first.head).contains(SECRET) && !lock.to_string().contains("wrong"));

    let refused = (0..10).filter(|_| fail(&house, NOOR, "203.0.113.9") == 429).count();
    assert!(refused >= 2, "{refused}");
    let second = until(WAIT, "the limit", || (receiver.count() == 2).then(|| receiver.last()));
    let limit = told(&second);
    assert_eq!((&limit["type"], &limit["data"]["limit"]), (&"brute_force".into(), &"login.per_ip".into()));
    assert_eq!(limit["data"]["key"], "203.0.113.9");

    // A delivery is listed as done after its receiver has answered.
    until(WAIT, "both as delivered", || {
        let list = house.gateway.admin("/api/v1/alerts").json();
        let rows = list["data"].as_array().unwrap();
        let delivered = |row: &&Value| row["state"] == "delivered" && row["last_status"] == 200;
        (rows.len() == 2 && rows.iter().filter(delivered).count() == 2).then_some(())
    });
    let csv = house.gateway.admin_request("GET", "/api/v1/alerts").bearer(AUDITOR_TOKEN).header("Accept", "text/csv");
    assert_eq!(csv.send().text().matches("\r\n").count(), 3);
    assert_eq!(house.gateway.logs_when("audit", "action=alert.deliver&status=success", 2).len(), 2);
    assert_eq!(house.gateway.logs("audit", "action=alert.raise&status=alert").len(), 2);
    assert_eq!(house.gateway.metric("vestibule_alerts_total", &["result=\"delivered\""]), 2.0);
    assert_eq!(receiver.count(), 2);
    assert!(house.gateway.admin_request("GET", "/api/v1/alerts").bearer(ADMIN_TOKEN).send().status == 200);
}

#[test]
fn what_a_receiver_refuses_waits_for_its_next_try_and_is_not_lost_silently() {
    let receiver = Upstream::start();
    let (mut house, _secret) = house(&receiver, "/status/500", "");
    for _ in 0..5 {
        fail(&house, MAYA, "203.0.113.9");
    }
    let row = until(WAIT, "a refused try", || {
        let list = house.gateway.admin("/api/v1/alerts").json();
        list["data"].get(0).filter(|row| row["state"] == "retrying").cloned()
    });
    assert_eq!(
        (&row["last_status"], &row["attempts"], &row["last_error"]),
        (&500.into(), &1.into(), &"it answers 500".into())
    );
    assert!(row["next_attempt"].is_string(), "{row}");
    assert_eq!(house.gateway.metric("vestibule_alerts_waiting", &[]), 1.0);
    // The next process goes on with it, under the same name, after a stop and after a crash.
    for is_crash in [false, true] {
        if is_crash {
            house.gateway.kill();
        } else {
            house.gateway.stop();
        }
        house.gateway.launch();
        let list = house.gateway.admin("/api/v1/alerts").json();
        let kept = &list["data"][0];
        assert_eq!((&kept["id"], &kept["state"], &kept["attempts"]), (&row["id"], &"retrying".into(), &1.into()));
        assert_eq!(house.gateway.logs("audit", "action=alert.deliver").len(), 0);
    }
}
