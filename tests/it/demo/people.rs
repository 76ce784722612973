//! Who is let in, and for how long.

use std::time::Duration;

use harness::until;
use serde_json::json;

use super::{Demo, WORDS, received};

const MAYA: &str = "maya@example.net";
const NOOR: &str = "noor@example.net";
const INES: &str = "ines@partner.example";
const BRAM: &str = "bram@example.net";

#[test]
fn shared_secrets_open_their_circuit_in_a_body_alone() {
    let demo = Demo::start();
    for (host, field, good, row) in
        [("pw.localhost", "password", "s3cret", "C4"), ("pin.localhost", "pin", "123456", "C5")]
    {
        assert_eq!(demo.sign_in(host, &[(field, "bad")]).send().status, 401, "{row}");
        let answer = demo.sign_in(host, &[(field, good)]).send();
        let cookie = answer.session().unwrap_or_else(|| panic!("{row}: {}", answer.text()));
        assert_eq!(demo.get(host, "/").cookie(&cookie).send().status, 200, "{row}");
    }
    let asked = demo.get("pw.localhost", "/?password=s3cret").send();
    assert_eq!(asked.status, 401, "C6");
    let entry = demo.entry_of(&asked).to_string();
    assert!(!entry.contains("s3cret"), "C6, F11: {entry}");
    let circuits = demo.admin("/api/v1/circuits");
    assert!(circuits.status == 200 && !circuits.text().contains("argon2"), "C4: {}", circuits.text());
}

#[test]
fn members_and_listed_people_are_two_things() {
    let demo = Demo::start();
    let answer = |host: &str, person: &str, address: &str| {
        demo.sign_in(host, &[("email", person), ("password", WORDS)]).from(address).send()
    };
    assert_eq!(answer("mem.localhost", NOOR, "192.0.2.1").status, 303, "C9");
    let refused = answer("mem.localhost", INES, "192.0.2.2");
    assert_eq!((refused.status, refused.reason()), (403, "not_project_member".to_owned()), "C9");
    assert_eq!(answer("list.localhost", MAYA, "192.0.2.3").status, 303, "C10");
    let refused = answer("list.localhost", NOOR, "192.0.2.4");
    assert_eq!((refused.status, refused.reason()), (403, "not_on_allowlist".to_owned()), "C10: a member only");
    assert_eq!(answer("list.localhost", INES, "192.0.2.5").status, 303, "C11: by group");
    demo.change("groups        = [\"reviewers\"]\n", "");
    assert_eq!(answer("list.localhost", INES, "192.0.2.6").status, 403, "C11: out of the group");
}

#[test]
fn a_change_of_members_or_state_ends_what_is_open() {
    let demo = Demo::start();
    let maya = demo.get("mem.localhost", "/").cookie(&demo.session("mem.localhost", MAYA, "192.0.2.1"));
    let noor = demo.get("mem.localhost", "/").cookie(&demo.session("mem.localhost", NOOR, "192.0.2.2"));
    assert_eq!((maya.send().status, noor.send().status), (200, 200));
    demo.change("\"maya@example.net\", \"noor@example.net\"", "\"maya@example.net\"");
    let answer = noor.send();
    assert_eq!((answer.status, answer.reason()), (403, "not_project_member".to_owned()), "C9: on the next request");
    demo.change("[users.\"maya@example.net\"]\n", "[users.\"maya@example.net\"]\nstate = \"blocked\"\n");
    let answer = maya.send();
    assert_eq!((answer.status, answer.reason()), (403, "user_blocked".to_owned()), "C12: on the next request");
}

#[test]
fn refusals_tell_no_stranger_anything_and_the_log_everything() {
    let demo = Demo::start();
    let refusal = |person: &str, address: &str| {
        let answer = demo.sign_in("mem.localhost", &[("email", person), ("password", "wrong")]).from(address).send();
        let mut body = answer.json();
        body["request_id"] = json!(null);
        (answer.status, body)
    };
    let known = refusal(MAYA, "192.0.2.1");
    assert_eq!(known.0, 401, "C13");
    assert_eq!(known, refusal("nobody@example.net", "192.0.2.2"), "C13");
    assert_eq!(known, refusal(BRAM, "192.0.2.3"), "C13");
    let reason =
        |person: &str| demo.logs_when("access", &format!("email={person}&status=failure"), 1)[0]["reason"].clone();
    let reasons = [MAYA, "nobody@example.net", BRAM].map(reason);
    assert_eq!(reasons, [json!("invalid_password"), json!("user_not_found"), json!("user_blocked")], "E4, E6");

    let page =
        demo.sign_in("mem.localhost", &[("email", INES), ("password", WORDS)]).browser().from("192.0.2.4").send();
    assert_eq!(page.status, 403, "C14");
    let id = page.header("x-request-id").unwrap();
    assert!(page.text().contains(id), "C14: the page names its request");
    assert_eq!(demo.logs_when("access", &format!("request_id={id}"), 1)[0]["reason"], "not_project_member", "C14");

    let machine = demo.get("mem.localhost", "/").header("Accept", "application/json").send();
    assert_eq!(machine.status, 401, "C15");
    assert!(machine.header("www-authenticate").is_some() && machine.json()["login_url"].is_string(), "C15");
}

#[test]
fn a_session_is_of_one_circuit_and_ends_by_logout_revocation_and_age() {
    let demo = Demo::start();
    let cookie = demo.session("mem.localhost", MAYA, "192.0.2.1");
    let visit = demo.get("mem.localhost", "/").cookie(&cookie);
    let answer = visit.send();
    assert_eq!(received(&answer, "x-vestibule-user").as_deref(), Some(MAYA), "C19");
    assert_eq!(received(&answer, "cookie"), None, "C27");
    assert_eq!(demo.get("list.localhost", "/").cookie(&cookie).send().status, 401, "C23");
    demo.request("POST", "mem.localhost", "/.vestibule/logout").cookie(&cookie).form(&[]).send();
    assert_eq!(visit.send().status, 401, "C22");
    assert_eq!(demo.logs_when("access", "action=logout", 1)[0]["email"], MAYA, "C22");

    let second = demo.session("mem.localhost", MAYA, "192.0.2.2");
    assert_eq!(demo.as_admin("DELETE", "/api/v1/sessions?user=maya@example.net").send().status, 200, "C26");
    assert_eq!(demo.get("mem.localhost", "/").cookie(&second).send().status, 401, "C26");

    demo.give("mem", "session = { max_age = \"2s\" }");
    let short = demo.get("mem.localhost", "/").cookie(&demo.session("mem.localhost", MAYA, "192.0.2.3"));
    assert_eq!(short.send().status, 200, "C24");
    until(Duration::from_secs(4), "the end of a session in use", || (short.send().status == 401).then_some(()));
}
