//! How sessions begin, live and end.

use std::time::Duration;

use harness::house::{MAYA, NOOR};
use harness::secrets::{ADMIN_TOKEN, OTHER_PASSWORD_HASH, PASSWORD, PASSWORD_HASH};
use harness::{House, until};
use serde_json::Value;

fn status(house: &House, host: &str, cookie: &str) -> (u16, String) {
    let answer = house.get(host, "/").cookie(cookie).send();
    (answer.status, answer.reason())
}

fn delete(house: &House, target: &str) -> u16 {
    house.gateway.admin_request("DELETE", target).bearer(ADMIN_TOKEN).send().status
}

#[test]
fn a_session_survives_a_restart() {
    let mut house = House::start();
    let cookie = house.session("mem.localhost", MAYA);
    house.gateway.stop();
    house.gateway.launch();
    assert_eq!(status(&house, "mem.localhost", &cookie).0, 200);
    house.gateway.kill();
    house.gateway.launch();
    assert_eq!(status(&house, "mem.localhost", &cookie).0, 200, "a killed gateway remembers it too");
}

#[test]
fn an_ended_session_stays_ended_after_kill() {
    let mut house = House::start();
    let cookie = house.session("mem.localhost", MAYA);
    assert_eq!(delete(&house, "/api/v1/sessions?user=maya@example.net"), 200);
    house.gateway.kill();
    house.gateway.launch();
    assert_eq!(status(&house, "mem.localhost", &cookie), (401, "session_revoked".to_owned()));
}

#[test]
fn a_session_is_good_for_its_circuit_only() {
    let house = House::start();
    let cookie = house.session("mem.localhost", MAYA);
    assert_eq!(status(&house, "mem.localhost", &cookie).0, 200);
    assert_eq!(status(&house, "list.localhost", &cookie), (401, "missing_session".to_owned()));
}

#[test]
fn logout_ends_the_session_here_and_is_logged() {
    let house = House::start();
    let cookie = house.session("mem.localhost", MAYA);
    let button = house.get("mem.localhost", "/.vestibule/logout").cookie(&cookie).browser().send();
    assert_eq!(button.status, 200);
    assert_eq!(status(&house, "mem.localhost", &cookie).0, 200, "showing the button ends nothing");

    let answer = house.gateway.request("POST", "mem.localhost", "/.vestibule/logout").cookie(&cookie).form(&[]).send();

    assert!(matches!(answer.status, 200 | 303), "{}", answer.status);
    let cleared = answer.header("set-cookie").unwrap();
    assert!(cleared.starts_with("vestibule=;") && cleared.contains("Max-Age=0"), "{cleared}");
    assert_eq!(status(&house, "mem.localhost", &cookie), (401, "session_revoked".to_owned()));
    let entry = house.gateway.logs_when("access", "action=logout", 1).remove(0);
    assert_eq!((entry["email"].as_str(), entry["status"].as_str()), (Some(MAYA), Some("success")));
    let foreign =
        house.gateway.request("POST", "mem.localhost", "/.vestibule/logout").header("Origin", "https://evil.example");
    assert_eq!(foreign.send().status, 403);
}

#[test]
fn a_session_ends_when_its_time_is_over_despite_activity() {
    let house = House::with("[sessions]\nmax_age = \"2s\"\n");
    let cookie = house.session("mem.localhost", MAYA);
    assert_eq!(status(&house, "mem.localhost", &cookie).0, 200);
    let reason = until(Duration::from_secs(5), "the session's end", || {
        let (status, reason) = status(&house, "mem.localhost", &cookie);
        (status != 200).then_some(reason)
    });
    assert_eq!(reason, "session_expired");
}

#[test]
fn an_idle_session_ends_and_a_used_one_does_not() {
    let house = House::with("[sessions]\nidle = \"2s\"\n");
    let (used, idle) = (house.session("mem.localhost", MAYA), house.session("mem.localhost", NOOR));
    let start = std::time::Instant::now();
    until(Duration::from_secs(6), "four seconds of use", || {
        assert_eq!(status(&house, "mem.localhost", &used).0, 200);
        (start.elapsed() > Duration::from_secs(4)).then_some(())
    });
    assert_eq!(status(&house, "mem.localhost", &idle), (401, "session_expired".to_owned()));
}

#[test]
fn the_stricter_of_circuit_and_general_limits_wins() {
    let mut house = House::with("[sessions]\nmax_age = \"1h\"\n");
    let cookie = house.session("mem.localhost", MAYA);
    let body = house
        .gateway
        .body()
        .replace("hosts = [\"mem.localhost\"]", "hosts = [\"mem.localhost\"]\nsession = { max_age = \"1s\" }");
    house.gateway.reconfigure(&body);
    let reason = until(Duration::from_secs(4), "the session's end", || {
        let (status, reason) = status(&house, "mem.localhost", &cookie);
        (status != 200).then_some(reason)
    });
    assert_eq!(reason, "session_expired");
}

#[test]
fn a_session_keeps_the_limits_of_its_sign_in_when_the_file_becomes_laxer() {
    for (limit, lax) in [("max_age = \"3s\"", "max_age = \"1h\""), ("idle = \"3s\"", "idle = \"1h\"")] {
        let mut house = House::with(&format!("[sessions]\n{limit}\n"));
        let cookie = house.session("mem.localhost", MAYA);
        let start = std::time::Instant::now();
        let body = house.gateway.body().replace(limit, lax);
        house.gateway.reconfigure(&body);
        until(Duration::from_secs(6), "the session's time", || {
            (start.elapsed() > Duration::from_millis(3500)).then_some(())
        });
        assert_eq!(status(&house, "mem.localhost", &cookie), (401, "session_expired".to_owned()), "{limit}");
        let later = house.session("mem.localhost", MAYA);
        assert_eq!(status(&house, "mem.localhost", &later).0, 200, "the next one is of the new file");
    }
}

#[test]
fn an_administrator_ends_one_session_those_of_a_person_or_of_a_circuit() {
    let house = House::start();
    let sessions = || house.gateway.admin("/api/v1/sessions").json()["data"].as_array().cloned().unwrap();
    let one = house.session("mem.localhost", MAYA);
    let id = sessions()[0]["id"].as_str().unwrap().to_owned();
    assert!(!one.contains(&id), "the id is not the cookie");
    let other = house.session("list.localhost", MAYA);
    let third = house.session("mem.localhost", NOOR);

    assert_eq!(delete(&house, &format!("/api/v1/sessions/{id}")), 200);
    assert_eq!(status(&house, "mem.localhost", &one), (401, "session_revoked".to_owned()));
    assert_eq!(status(&house, "list.localhost", &other).0, 200);
    assert_eq!(delete(&house, "/api/v1/sessions?user=MAYA@example.net"), 200);
    assert_eq!(status(&house, "list.localhost", &other).0, 401);
    assert_eq!(status(&house, "mem.localhost", &third).0, 200);
    assert_eq!(delete(&house, "/api/v1/sessions?circuit=mem"), 200);
    assert_eq!(status(&house, "mem.localhost", &third).0, 401);

    assert_eq!(delete(&house, "/api/v1/sessions"), 400, "without a filter nothing ends");
    assert_eq!(delete(&house, "/api/v1/sessions?everybody=true"), 400);
    let states: Vec<_> = sessions().iter().map(|session| session["state"].clone()).collect();
    assert!(states.iter().all(|state| state == "revoked"), "{states:?}");
    let revoked = house.gateway.logs_when("access", "action=revoke", 3);
    assert_eq!(revoked.len(), 3);
    let audit = house.gateway.logs_when("audit", "resource_type=session", 3);
    assert!(audit.iter().all(|entry| entry["actor"] == "ops" && entry["status"] == "success"), "{audit:?}");
}

#[test]
fn a_reader_cannot_end_sessions() {
    let house = House::start();
    let cookie = house.session("mem.localhost", MAYA);
    for token in [harness::secrets::READER_TOKEN, harness::secrets::AUDITOR_TOKEN] {
        let answer = house.gateway.admin_request("DELETE", "/api/v1/sessions?all=true").bearer(token).send();
        assert_eq!(answer.status, 403);
    }
    assert_eq!(status(&house, "mem.localhost", &cookie).0, 200);
}

#[test]
fn signing_in_again_makes_a_new_session_and_ends_the_old_one() {
    let house = House::start();
    let old = house.session("mem.localhost", MAYA);
    let answer = house.gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", PASSWORD)]).cookie(&old).send();
    let new = answer.session().unwrap();
    assert_ne!(old, new);
    assert_eq!(status(&house, "mem.localhost", &new).0, 200);
    assert_eq!(status(&house, "mem.localhost", &old).0, 401);
}

#[test]
fn one_session_more_than_a_person_may_have_ends_the_oldest() {
    let house = House::with("[sessions]\nper_person = 2\n");
    let maya: Vec<_> =
        ["mem.localhost", "list.localhost", "mem.localhost"].map(|host| (host, house.session(host, MAYA))).into();
    let noor = house.session("mem.localhost", NOOR);
    let seen: Vec<_> = maya.iter().map(|(host, cookie)| status(&house, host, cookie).0).collect();
    assert_eq!(seen, [401, 200, 200], "over all circuits");
    assert_eq!(status(&house, "mem.localhost", &maya[0].1), (401, "session_revoked".to_owned()));
    assert_eq!(status(&house, "mem.localhost", &noor).0, 200, "of another person");
}

#[test]
fn a_planted_session_id_is_never_adopted() {
    let house = House::start();
    let planted = format!("vestibule={}", "B".repeat(43));
    let answer =
        house.gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", PASSWORD)]).cookie(&planted).send();
    assert_ne!(answer.session().unwrap(), planted);
    assert_eq!(status(&house, "mem.localhost", &planted).0, 401);
}

#[test]
fn a_corrupt_cookie_is_not_signed_in() {
    let house = House::start();
    let good = house.session("mem.localhost", MAYA);
    let other = if &good[12..13] == "A" { "B" } else { "A" };
    let flipped = [&good[..12], other, &good[13..]].concat();
    let long = format!("vestibule={}", "x".repeat(5000));
    for cookie in [
        "vestibule=",
        "vestibule=x",
        "vestibule=%00",
        "vestibule=\"quoted\"",
        &flipped,
        &long,
        &format!("{good}; {flipped}"),
    ] {
        let answer = house.get("mem.localhost", "/").cookie(cookie).send();
        assert_eq!(answer.status, 401, "{cookie}");
    }
    assert_eq!(house.upstream.count(), 0);
}

#[test]
fn a_changed_secret_ends_the_sessions_that_it_opened() {
    let mut house = House::start();
    let (maya, noor) = (house.session("mem.localhost", MAYA), house.session("mem.localhost", NOOR));
    let shared = house.gateway.sign_in("pw.localhost", &[("password", "s3cret")]).send().session().unwrap();
    let body = house.gateway.body().replacen(PASSWORD_HASH, OTHER_PASSWORD_HASH, 1);
    let body = body.replace(harness::secrets::SHARED_PASSWORD_HASH, OTHER_PASSWORD_HASH);
    house.gateway.reconfigure(&body);
    assert_eq!(status(&house, "mem.localhost", &maya).0, 401);
    assert_eq!(status(&house, "mem.localhost", &noor).0, 200);
    assert_eq!(status(&house, "pw.localhost", &shared).0, 401);
}

#[test]
fn requests_of_a_session_share_its_id_in_the_log_and_make_no_attempts() {
    let house = House::start();
    let cookie = house.session("mem.localhost", MAYA);
    for _ in 0..50 {
        house.get("mem.localhost", "/").cookie(&cookie).send();
    }
    for _ in 0..10 {
        house.get("pub.localhost", "/").send();
    }
    let requests = house.gateway.logs_when("requests", "circuit=mem&action=allowed", 50);
    assert!(requests.len() >= 50);
    let attempts = house.gateway.logs_when("access", "", 1);
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    let id = &attempts[0]["session_id"];
    assert_ne!(id, &Value::Null);
    assert!(requests.iter().filter(|entry| entry["origin"] == "backend").all(|entry| entry["session_id"] == *id));
    assert!(!cookie.contains(id.as_str().unwrap()), "a keyed hash, not the cookie");
}
