//! What stands between a good credential and a session: second factor, purpose, hook.

use std::time::{Duration, Instant};

use harness::house::{MAYA, NOOR};
use harness::provider::{Fault, person};
use harness::secrets::{Folder, PASSWORD, SHARED_PIN, SHARED_PIN_HASH};
use harness::{Browser, House, Provider, Response, totp};
use serde_json::{Value, json};

/// The house, where maya has a second factor, with further circuits.
fn house(secrets: &Folder, circuits: &str) -> House {
    let mut house = House::start();
    let own = format!("name = \"Maya\"\ntotp = {}", secrets.put("maya.totp", &format!("{}\n", totp::SECRET)));
    let body = house.gateway.body().replace("name = \"Maya\"", &own);
    let circuits = circuits.replace("UPSTREAM", &house.upstream.url());
    house.gateway.reconfigure(&(body + &circuits));
    house
}

/// A circuit for the members of `docs`, with further lines.
fn circuit(name: &str, more: &str) -> String {
    format!(
        "[circuits.{name}]\nproject = \"docs\"\nhosts = [\"{name}.localhost\"]\nupstream = \"UPSTREAM\"\naccess = \
         \"members\"\nlogin = [\"password\"]\n{more}\n"
    )
}

/// Where a page's form goes on.
#[track_caller]
fn step(page: &Response) -> String {
    let html = page.text();
    let (_, rest) = html.split_once("name=\"step\" value=\"").unwrap_or_else(|| panic!("no step in {html}"));
    rest.split('"').next().unwrap().to_owned()
}

/// Signs in with a password and opens the page to which that leads.
#[track_caller]
fn asked(browser: &mut Browser<'_>, who: &str, back: &str) -> Response {
    let answer = browser.post("/.vestibule/login", &[("email", who), ("password", PASSWORD), ("return", back)]);
    assert_eq!(answer.status, 303, "{}", answer.text());
    let location = answer.header("location").unwrap().to_owned();
    assert!(location.starts_with("/.vestibule/continue?step="), "{location}");
    assert_eq!(answer.session(), None);
    browser.get(&location)
}

#[track_caller]
fn go_on(browser: &mut Browser<'_>, step: &str, name: &str, value: &str) -> Response {
    browser.post("/.vestibule/continue", &[("step", step), (name, value)])
}

fn words(entries: &[Value], field: &str) -> Vec<String> {
    entries.iter().map(|entry| entry[field].as_str().unwrap_or("-").to_owned()).collect()
}

#[test]
fn a_second_factor_follows_the_password_and_each_code_is_good_once() {
    let secrets = Folder::default();
    let house = house(&secrets, &circuit("vault", "second_factor = \"totp\""));
    let mut browser = Browser::new(&house.gateway, "vault.localhost", "203.0.113.1");

    let page = asked(&mut browser, MAYA, "/a?b=1");
    assert_eq!(page.status, 200);
    assert!(page.text().contains("autocomplete=\"one-time-code\""), "{}", page.text());
    assert_eq!(browser.get("/").status, 302, "nobody is signed in yet");
    assert_eq!(house.upstream.count(), 0);
    let code = totp::code(0);
    let good = go_on(&mut browser, &step(&page), "code", &code);
    assert_eq!((good.status, good.header("location")), (303, Some("/a?b=1")), "{}", good.text());
    assert_eq!(browser.get("/").status, 200);
    let again = go_on(&mut browser, &step(&page), "code", &code);
    assert_eq!((again.status, again.session()), (401, None), "a step is taken once");

    let mut other = Browser::new(&house.gateway, "vault.localhost", "203.0.113.2");
    let page = asked(&mut other, MAYA, "/");
    let replayed = go_on(&mut other, &step(&page), "code", &code);
    assert_eq!((replayed.status, replayed.session()), (401, None), "a code is taken once");
    let next = go_on(&mut other, &step(&replayed), "code", &totp::code(1));
    assert_eq!(next.status, 303, "{}", next.text());

    let events = house.gateway.logs_when("access", "view=events&source_ip=203.0.113.1&order=asc", 3);
    assert_eq!(words(&events, "status"), ["pending", "success", "failure"]);
    assert_eq!(events[0]["attempt_id"], events[1]["attempt_id"], "a sign-in is one attempt");
    assert_eq!((&events[0]["rule"], &events[0]["email"]), (&json!("circuits.vault.second_factor"), &json!(MAYA)));
    assert_eq!(events[2]["reason"], "code_expired");
    let rows = house.gateway.logs_when("access", "source_ip=203.0.113.2&order=asc", 2);
    assert_eq!(words(&rows, "reason"), ["second_factor_failed", "-"]);
    assert_eq!(words(&rows, "status"), ["failure", "success"]);
}

#[test]
fn wrong_codes_lock_the_account_as_wrong_passwords_do() {
    let secrets = Folder::default();
    let house = house(
        &secrets,
        &(circuit("vault", "second_factor = \"totp\"")
            + "[login_limits]\nper_user = \"100/m\"\nfailures = { count = 3, within = \"5m\", lock = \"15m\" }\n"),
    );
    let mut browser = Browser::new(&house.gateway, "vault.localhost", "203.0.113.1");
    let page = asked(&mut browser, MAYA, "/");
    for _ in 0..3 {
        assert_eq!(go_on(&mut browser, &step(&page), "code", "000000").status, 401);
    }
    let locked = go_on(&mut browser, &step(&page), "code", &totp::code(0));
    assert_eq!((locked.status, locked.session()), (429, None), "{}", locked.text());
    let door = [("email", MAYA), ("password", PASSWORD)];
    assert_eq!(house.gateway.sign_in("mem.localhost", &door).from("203.0.113.1").send().status, 429);
    let rows = house.gateway.logs_when("access", "result=failed", 3);
    assert_eq!(words(&rows, "reason"), ["second_factor_failed"; 3]);
    house.gateway.logs_when("access", "reason=user_locked", 2);
}

#[test]
fn who_has_no_second_factor_is_refused_and_programs_are_told_what_is_next() {
    let secrets = Folder::default();
    let house = house(&secrets, &circuit("vault", "second_factor = \"totp\"\ntrusted_addresses = [\"192.0.2.9\"]"));
    let post = |path: &str, body: Value| house.gateway.request("POST", "vault.localhost", path).json(&body);
    let none = post("/.vestibule/login", json!({"email": NOOR, "password": PASSWORD})).send();
    assert_eq!((none.status, none.reason().as_str(), none.session()), (403, "second_factor_required", None));
    house.gateway.logs_when("access", "reason=second_factor_required&result=failed", 1);
    assert_eq!(house.get("vault.localhost", "/").from("192.0.2.9").send().status, 200, "an address is not asked");

    let next = post("/.vestibule/login", json!({"email": MAYA, "password": PASSWORD, "return": "/r"})).send();
    assert_eq!((next.status, next.session()), (202, None), "{}", next.text());
    let said = next.json();
    assert_eq!(
        (said["next"].as_str(), said["continue"].as_str()),
        (Some("second_factor"), Some("/.vestibule/continue"))
    );
    let cookie = next.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let body = json!({"step": said["step"], "code": totp::code(0)});
    let stolen = post("/.vestibule/continue", body.clone()).send();
    assert_eq!((stolen.status, stolen.reason().as_str()), (401, "code_expired"), "not without the browser's cookie");
    let wrong = post("/.vestibule/continue", json!({"step": said["step"], "code": "1"})).cookie(&cookie).send();
    assert_eq!((wrong.status, wrong.reason().as_str()), (401, "second_factor_failed"));
    let good = post("/.vestibule/continue", body).cookie(&cookie).send();
    assert_eq!((good.status, good.json()["return"].as_str()), (200, Some("/r")), "{}", good.text());
    assert_eq!(house.get("vault.localhost", "/").cookie(&good.session().unwrap()).send().status, 200);
}

#[test]
fn a_session_without_the_steps_of_now_opens_nothing() {
    let (secrets, provider) = (Folder::default(), Provider::start());
    let mut house = hooked(&secrets, &provider, &circuit("vault", ""));
    let cookie = house.session("vault.localhost", MAYA);
    let open = |house: &House| house.get("vault.localhost", "/").cookie(&cookie).send();
    assert_eq!(open(&house).status, 200);
    for line in ["second_factor = \"totp\"", "purpose = true", "hook = \"approval\""] {
        let plain = house.gateway.body().to_owned();
        house.gateway.reconfigure(&plain.replace("[circuits.vault]\n", &format!("[circuits.vault]\n{line}\n")));
        let refused = open(&house);
        assert_eq!((refused.status, refused.reason().as_str()), (401, "account_mismatch"), "{line}");
        house.gateway.reconfigure(&plain);
        assert_eq!(open(&house).status, 200);
    }
}

#[test]
fn a_purpose_is_asked_once_a_session_and_stands_in_the_log() {
    let secrets = Folder::default();
    let provider = Provider::start();
    provider.person(person("maya-1", MAYA, &[]));
    let sso = circuit("desk", "purpose = true").replace("\"password\"", "\"sso:corp\"") + &provider.toml("corp", "");
    let shared = circuit("door", &format!("purpose = true\nshared = {{ pin_hash = \"{SHARED_PIN_HASH}\" }}"));
    let house = house(&secrets, &(sso + &shared));
    let mut browser = Browser::new(&house.gateway, "desk.localhost", "203.0.113.1");
    let back = browser.sign_in("/x", &provider);
    assert_eq!(back.status, 303, "{}", back.text());
    let page = browser.get(back.header("location").unwrap());
    for wrong in ["", "   ", "a\nb", &"é".repeat(501)] {
        let answer = go_on(&mut browser, &step(&page), "purpose", wrong);
        assert_eq!((answer.status, answer.session()), (400, None), "{wrong:?}");
    }
    let good = go_on(&mut browser, &step(&page), "purpose", " Ticket 7, <b>\"urgent\"</b>, café ");
    assert_eq!((good.status, good.header("location")), (303, Some("/x")), "{}", good.text());
    assert_eq!((browser.get("/").status, browser.get("/y").status), (200, 200), "not asked again");

    let text = "Ticket 7, <b>\"urgent\"</b>, café";
    let row = house.gateway.logs_when("access", "status=success&circuit=desk", 1).remove(0);
    assert_eq!((&row["purpose"], &row["auth_method"]), (&json!(text), &json!("sso")));
    assert_eq!(house.gateway.logs("access", "circuit=desk&purpose.contains=TICKET%207").len(), 1);
    assert_eq!(house.gateway.logs("access", "q=urgent").len(), 1);
    let csv = house.gateway.admin("/api/v1/logs/access/export?format=csv&circuit=desk&fields=purpose");
    assert!(csv.text().contains("\"Ticket 7, <b>\"\"urgent\"\"</b>, café\""), "{}", csv.text());
    let facade = house.gateway.admin("/accounts/default/access/logs/access_requests").json();
    assert_eq!(facade["result"][0]["purpose_justification_response"], text);

    let mut browser = Browser::new(&house.gateway, "door.localhost", "203.0.113.2");
    let answer = browser.post("/.vestibule/login", &[("pin", SHARED_PIN)]);
    let page = browser.get(answer.header("location").unwrap());
    assert_eq!(go_on(&mut browser, &step(&page), "purpose", "delivery").status, 303, "a shared secret is asked too");
}

/// The hook of these tests is a path of the provider's server.
fn hooked(secrets: &Folder, provider: &Provider, more: &str) -> House {
    let secret = secrets.put("hook.secret", "0123456789abcdef0123456789abcdef");
    let hook = format!("[hooks.approval]\nurl = \"{}/hook\"\nsecret = {secret}\ntimeout = \"3s\"\n", provider.issuer());
    house(secrets, &(circuit("lab", "hook = \"approval\"") + &hook + more))
}

fn says(body: Value) -> Fault {
    Fault::Says(200, "application/json", body.to_string())
}

#[test]
fn a_hook_is_asked_before_a_session_begins_and_its_no_is_told() {
    let (secrets, provider) = (Folder::default(), Provider::start());
    let house = hooked(&secrets, &provider, "");
    let sign_in = || {
        let fields = [("email", MAYA), ("password", PASSWORD)];
        house.gateway.sign_in("lab.localhost", &fields).from("203.0.113.7").header("User-Agent", "first/1.0")
    };
    provider.fault("/hook", says(json!({"decision": "ALLOW", "more": 1})));
    let allowed = sign_in().send();
    assert_eq!(allowed.status, 303, "{}", allowed.text());
    assert_eq!(house.get("lab.localhost", "/").cookie(&allowed.session().unwrap()).send().status, 200);

    let call = provider.received("/hook").remove(0);
    let asked: Value = serde_json::from_slice(&call.body).unwrap();
    let row = house.gateway.logs_when("access", "status=success", 1).remove(0);
    for (name, value) in [
        ("user", json!(MAYA)),
        ("ip", json!("203.0.113.7")),
        ("country", json!("DE")),
        ("user_agent", json!("first/1.0")),
        ("circuit", json!("lab")),
        ("method", json!("password")),
        ("attempt_id", row["attempt_id"].clone()),
    ] {
        assert_eq!(asked[name], value, "{name} in {asked}");
    }
    let timestamp = call.header("x-vestibule-timestamp").unwrap();
    let signed = [timestamp.as_bytes(), b".", &call.body].concat();
    assert_eq!(call.header("x-vestibule-signature"), Some(format!("v1={}", mac(&signed)).as_str()));

    provider.fault("/hook", says(json!({"decision": "DENY", "message": "Ask <b>Ines</b>\r\nfirst"})));
    let denied = sign_in().send();
    assert_eq!((denied.status, denied.reason().as_str(), denied.session()), (403, "hook_denied", None));
    assert_eq!(denied.json()["detail"], "Ask <b>Ines</b>  first");
    let page = sign_in().browser().send();
    assert!(page.status == 403 && page.text().contains("Ask &#60;b&#62;Ines"), "{}", page.text());
    let row = house.gateway.logs_when("access", "reason=hook_denied", 2).remove(0);
    assert_eq!(
        (&row["rule"], &row["email"], &row["result"]),
        (&json!("hooks.approval"), &json!(MAYA), &json!("failed"))
    );
    assert!(house.gateway.metric("vestibule_hook_calls_total", &["hook=\"approval\"", "result=\"denied\""]) == 2.0);
}

fn mac(text: &[u8]) -> String {
    use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
    let tag = sign(&Key::new(HMAC_SHA256, b"0123456789abcdef0123456789abcdef"), text);
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_hook_that_does_not_answer_fails_as_the_file_says() {
    let (secrets, provider) = (Folder::default(), Provider::start());
    let mut house = hooked(&secrets, &provider, "[login_limits]\nper_ip = \"100/m\"\nper_user = \"100/m\"\n");
    let sign_in =
        |house: &House| house.gateway.sign_in("lab.localhost", &[("email", MAYA), ("password", PASSWORD)]).send();
    let elsewhere = format!("{}/yes", provider.issuer());
    provider.fault("/yes", says(json!({"decision": "ALLOW"})));
    let unusable = [
        Fault::Closed,
        Fault::Slow(Duration::from_secs(8)),
        Fault::Redirects(elsewhere),
        Fault::Says(500, "application/json", json!({"decision": "ALLOW"}).to_string()),
        Fault::Says(200, "text/html", "<html>".to_owned()),
        says(json!({"decision": "allow"})),
        says(json!({"decision": "ALLOW", "fill": "x".repeat(20_000)})),
        says(json!({})),
    ];
    for fault in &unusable {
        provider.fault("/hook", fault.clone());
        let begun = Instant::now();
        let answer = sign_in(&house);
        assert_eq!(
            (answer.status, answer.reason().as_str(), answer.session()),
            (403, "hook_unavailable", None),
            "{fault:?}"
        );
        assert!(begun.elapsed() < Duration::from_secs(7), "{fault:?}");
    }
    assert_eq!(provider.received("/yes").len(), 0, "no redirect is followed");
    let rows = house.gateway.logs_when("access", "reason=hook_unavailable", unusable.len());
    assert_eq!(rows[0]["rule"], "hooks.approval.on_failure");

    let open = house.gateway.body().replace("timeout = \"3s\"\n", "timeout = \"3s\"\non_failure = \"allow\"\n");
    house.gateway.reconfigure(&open);
    let passed = sign_in(&house);
    assert_eq!(passed.status, 303, "{}", passed.text());
    let row = house.gateway.logs_when("access", "status=success", 1).remove(0);
    assert_eq!(row["rule"], "hooks.approval.on_failure", "it is noted");
    provider.fault("/hook", says(json!({"decision": "DENY"})));
    assert_eq!(sign_in(&house).reason(), "hook_denied", "a no is a no");
}

#[test]
fn the_steps_come_in_order() {
    let (secrets, provider) = (Folder::default(), Provider::start());
    let house =
        hooked(&secrets, &provider, &circuit("all", "second_factor = \"totp\"\npurpose = true\nhook = \"approval\""));
    provider.fault("/hook", says(json!({"decision": "ALLOW"})));
    let mut browser = Browser::new(&house.gateway, "all.localhost", "203.0.113.1");
    let page = asked(&mut browser, MAYA, "/");
    let then = go_on(&mut browser, &step(&page), "code", &totp::code(0));
    let page = browser.get(then.header("location").unwrap());
    assert_eq!(provider.received("/hook").len(), 0);
    let done = go_on(&mut browser, &step(&page), "purpose", "because");
    assert_eq!((done.status, browser.get("/").status), (303, 200), "{}", done.text());
    let call: Value = serde_json::from_slice(&provider.received("/hook").remove(0).body).unwrap();
    assert_eq!(call["purpose"], "because");
    let events = house.gateway.logs_when("access", "view=events&order=asc", 4);
    let rules = ["circuits.all.second_factor", "circuits.all.purpose", "hooks.approval", "-"];
    assert_eq!(words(&events, "rule"), rules);
    assert_eq!(words(&events, "status"), ["pending", "pending", "pending", "success"]);
    assert!(events.iter().all(|event| event["attempt_id"] == events[0]["attempt_id"]), "one attempt");
    assert!(house.gateway.metric("vestibule_sign_ins_pending", &[]) < 1.0, "what is done is forgotten");
}
