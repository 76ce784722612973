//! One sign-in for all hosts: `[server] login_host`.

use std::time::Duration;

use harness::browser::{host, path};
use harness::house::{MAYA, NOOR, people};
use harness::provider::{CLIENT_ID, now, pairs, person};
use harness::secrets::{ADMIN_TOKEN, PASSWORD, PIN, SHARED_PIN, SHARED_PIN_HASH};
use harness::{Gateway, Provider, Response, Setup, Upstream, Window, until};
use serde_json::{Value, json};

const LOGIN: &str = "login.localhost";

/// Circuits by password (`wiki`, `board`, `own`), by the provider alone (`sso`), and by a password or a shared PIN
/// (`mixed`), with one login host.
struct Inn {
    provider: Provider,
    upstream: Upstream,
    gateway: Gateway,
}

fn circuit(name: &str, upstream: &Upstream, allow: &str, login: &str, more: &str) -> String {
    format!(
        "[circuits.{name}]\nhosts = [\"{name}.localhost\"]\nupstream = \"{}\"\naccess = \"allowlist\"\nallow = \
         [{allow}]\nlogin = [{login}]\n{more}\n",
        upstream.url()
    )
}

fn plan(provider: &Provider, upstream: &Upstream, of_provider: &str) -> String {
    let both = format!("\"{MAYA}\", \"{NOOR}\"");
    let shared = format!("shared = {{ pin_hash = \"{SHARED_PIN_HASH}\" }}");
    [
        people(),
        provider.toml("corp", &format!("label = \"Example SSO\"\n{of_provider}")),
        circuit("wiki", upstream, &both, "\"password\"", ""),
        circuit("board", upstream, &both, "\"password\", \"sso:corp\"", ""),
        circuit("own", upstream, &format!("\"{MAYA}\""), "\"password\"", ""),
        circuit("sso", upstream, &both, "\"sso:corp\"", ""),
        circuit("mixed", upstream, &both, "\"password\"", &shared),
        format!(
            "[circuits.pub]\nhosts = [\"pub.localhost\"]\nupstream = \"{}\"\naccess = \"public\"\n",
            upstream.url()
        ),
    ]
    .concat()
}

impl Inn {
    #[track_caller]
    fn start() -> Self {
        Self::with("", "")
    }

    #[track_caller]
    fn with(of_provider: &str, more: &str) -> Self {
        let (provider, upstream) = (Provider::start(), Upstream::start());
        let server = format!("login_host = \"{LOGIN}\"\ntrusted_proxies = [\"127.0.0.1\"]\nshutdown_grace = \"10s\"");
        let gateway = Setup::new(&(plan(&provider, &upstream, of_provider) + more)).server(&server).start();
        Self { provider, upstream, gateway }
    }

    fn window(&self) -> Window {
        Window::new(&self.gateway, "203.0.113.1")
    }

    /// Opens a page of a circuit, types the password on the login host's page, and goes where that leads.
    #[track_caller]
    fn sign_in(&self, window: &mut Window, address: &str, who: &str) -> (Vec<String>, Response) {
        let (way, page) = window.open(address, None);
        let at = way.last().unwrap();
        assert!(page.status == 200 && host(at) == LOGIN, "{} {way:#?} {}", page.status, page.text());
        type_password(window, at, &page, who)
    }

    #[track_caller]
    fn status(&self, circuit: &str, cookie: &str) -> (u16, String) {
        let answer = self.gateway.get(&format!("{circuit}.localhost"), "/").cookie(cookie).send();
        (answer.status, answer.reason())
    }
}

/// Sends the form of a sign-in page, with what it carries.
#[track_caller]
fn type_password(window: &mut Window, at: &str, page: &Response, who: &str) -> (Vec<String>, Response) {
    let text = page.text();
    let request = text.split("name=\"request\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let target = format!("http://{}/.vestibule/login", host(at));
    let answer = window.post(&target, &[("email", who), ("password", PASSWORD), ("request", request)]);
    window.follow(&target, answer, None)
}

fn session(window: &Window, circuit: &str) -> String {
    window.cookie(&format!("{circuit}.localhost"), "vestibule").unwrap_or_default()
}

fn code_of(way: &[String]) -> String {
    way.iter().find(|address| address.contains("/.vestibule/session?code=")).cloned().unwrap()
}

#[track_caller]
fn texts<'a>(rows: &'a [Value], field: &str) -> Vec<&'a str> {
    rows.iter().map(|row| row[field].as_str().unwrap_or_default()).collect()
}

#[test]
fn one_sign_in_serves_all_hosts_and_is_one_attempt() {
    let inn = Inn::start();
    let mut window = inn.window();
    let (way, page) = inn.sign_in(&mut window, "http://wiki.localhost/a?x=1&y=%2F2", MAYA);
    assert_eq!((page.status, way.last().map(String::as_str)), (200, Some("http://wiki.localhost/a?x=1&y=%2F2")));
    assert_eq!(inn.upstream.last().header("x-vestibule-user"), Some(MAYA));
    assert_eq!(inn.upstream.last().header("cookie"), None, "none of our cookies goes to the upstream");
    assert!(host(&code_of(&way)) == "wiki.localhost");

    let rows = inn.gateway.logs_when("access", "status=success", 1);
    assert_eq!(inn.gateway.logs("access", "").len(), 1, "one attempt is one row");
    let events = inn.gateway.logs("access", "view=events&order=asc");
    assert_eq!(texts(&events, "status"), ["initiated", "pending", "pending", "success"]);
    assert_eq!(texts(&events, "host"), [LOGIN, LOGIN, LOGIN, "wiki.localhost"]);
    assert!(events.iter().all(|event| event["attempt_id"] == rows[0]["attempt_id"] && event["circuit"] == "wiki"));
    let id = &rows[0]["session_id"];
    let served = inn.gateway.logs_when("requests", "origin=backend", 1);
    assert_eq!((&served[0]["session_id"], &rows[0]["email"]), (id, &json!(MAYA)));
    assert_ne!(events[2]["session_id"], *id, "the sign-in at the login host has an id of its own");

    let (way, page) = window.open("http://own.localhost/b", None);
    assert_eq!((page.status, way.len()), (200, 4), "{way:#?}");
    assert_ne!(session(&window, "own"), session(&window, "wiki"));
    let silent = inn.gateway.logs_when("access", "circuit=own", 1);
    assert_eq!((texts(&silent, "action"), texts(&silent, "status")), (vec!["reauth"], vec!["success"]));
    assert_eq!(inn.gateway.metric("vestibule_sign_ins_wanted", &[]), 0.0);
    assert_eq!(inn.gateway.metric("vestibule_hand_over_codes", &[]), 0.0);
    let seen = inn.gateway.admin("/api/v1/users-seen").json();
    assert_eq!(seen["data"][0]["count"], 1, "{seen}");

    let codes = [code_of(&way)];
    for log in ["access", "requests", "audit"] {
        let all = inn.gateway.logs(log, "").iter().map(ToString::to_string).collect::<String>();
        for secret in codes.iter().map(|code| code.split("code=").nth(1).unwrap()) {
            assert!(!all.contains(secret) && !inn.gateway.output().contains(secret), "{log} holds {secret}");
        }
    }
}

#[test]
fn a_code_is_good_once_at_its_host_and_in_its_browser() {
    let inn = Inn::start();
    let mut window = inn.window();
    let (way, _) = inn.sign_in(&mut window, "http://wiki.localhost/", MAYA);
    let replayed = window.get(&code_of(&way));
    assert!(replayed.status == 400 && replayed.text().contains("invalid_code"), "{}", replayed.text());
    assert_eq!((replayed.header("location"), replayed.header("referrer-policy")), (None, Some("strict-origin")));

    // Everything but the last step, so that the code is not used.
    let unused = |window: &mut Window, address: &str| {
        let to_login = window.get(address).header("location").unwrap().to_owned();
        window.get(&to_login).header("location").unwrap().to_owned()
    };
    let code = unused(&mut window, "http://own.localhost/");
    let elsewhere = code.replace("own.localhost", "board.localhost");
    window.get("http://board.localhost/");
    assert_eq!(window.get(&elsewhere).status, 400, "another host");
    assert_eq!(window.get(&code).status, 400, "and now it is used");

    let code = unused(&mut window, "http://own.localhost/");
    let mut other = inn.window();
    other.get("http://own.localhost/");
    assert!(other.cookie("own.localhost", "vestibule-browser").is_some());
    assert_eq!(other.get(&code).status, 400, "another browser");
    assert_eq!(session(&other, "own"), "");
    assert_eq!(window.get(&code).status, 400, "who else had it may have it still");
    for query in ["", "?code=", "?code=x&code=y", "?code=%FF"] {
        assert_eq!(window.get(&format!("http://own.localhost/.vestibule/session{query}")).status, 400, "{query}");
    }
    assert_eq!(window.get("http://pub.localhost/.vestibule/session?code=x").status, 404);
    assert_eq!(window.get(&format!("http://{LOGIN}/.vestibule/session?code=x")).status, 404);
    let failed = inn.gateway.logs_when("access", "reason=invalid_code", 8);
    assert!(failed.iter().all(|row| row["status"] == "failure" && row["auth_method"] == "none"));
    assert_eq!(window.open("http://own.localhost/", None).1.status, 200, "a new one is good");
}

#[test]
fn a_code_of_one_host_is_none_of_the_circuits_other_host() {
    let upstream = Upstream::start();
    let both = circuit("two", &upstream, &format!("\"{MAYA}\""), "\"password\"", "");
    let inn = Inn::with("", &both.replace("[\"two.localhost\"]", "[\"one.localhost\", \"two.localhost\"]"));
    let mut window = inn.window();
    inn.sign_in(&mut window, "http://wiki.localhost/", MAYA);
    let to_login = window.get("http://one.localhost/").header("location").unwrap().to_owned();
    let code = window.get(&to_login).header("location").unwrap().to_owned();
    assert!(code.starts_with("http://one.localhost/.vestibule/session?code="), "{code}");
    // Even with the same mark, as a program could bring it.
    let mark = window.cookie("one.localhost", "vestibule-browser").unwrap();
    let elsewhere = inn.gateway.get("two.localhost", path(&code)).browser().cookie(&mark).send();
    assert!(elsewhere.status == 400 && elsewhere.session().is_none(), "{}", elsewhere.text());
    assert_eq!(window.get(&code).status, 400, "and now it is used");
}

#[test]
fn who_is_sent_the_request_of_another_gains_nothing() {
    let inn = Inn::start();
    let mut attacker = inn.window();
    let bait = attacker.get("http://wiki.localhost/").header("location").unwrap().to_owned();
    let mut victim = inn.window();
    inn.sign_in(&mut victim, "http://own.localhost/", MAYA);
    let code = victim.get(&bait).header("location").unwrap().to_owned();
    assert_eq!(victim.get(&code).status, 400, "it was not begun in her browser");
    assert_eq!(attacker.get(&code).status, 400, "and is used now");
    assert_eq!(session(&attacker, "wiki"), "");

    // The other way round: the attacker's own sign-in does not become hers.
    let to_login = attacker.get("http://wiki.localhost/").header("location").unwrap().to_owned();
    let page = attacker.get(&to_login);
    let request = page.text().split("name=\"request\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let fields = [("email", NOOR), ("password", PASSWORD), ("request", &*request)];
    let answer = attacker.post(&format!("http://{LOGIN}/.vestibule/login"), &fields);
    let code = answer.header("location").unwrap().to_owned();
    victim.get("http://wiki.localhost/");
    assert_eq!((victim.get(&code).status, session(&victim, "wiki")), (400, String::new()));
}

#[test]
fn targets_that_lead_elsewhere_are_not_kept() {
    let inn = Inn::start();
    for target in ["//evil.test/", "/%2fevil.test/", "/\\evil.test/", "https://evil.test/", "/.vestibule/logout"] {
        let mut window = inn.window();
        let address = format!("http://wiki.localhost/.vestibule/login?return={target}");
        let (way, _) = inn.sign_in(&mut window, &address, MAYA);
        assert_eq!(way.last().map(String::as_str), Some("http://wiki.localhost/"), "{target}");
    }
    let mut window = inn.window();
    let at_login = window.get(&format!("http://{LOGIN}/.vestibule/login?return=https://evil.test/"));
    assert!(at_login.status == 200 && !at_login.text().contains("evil"), "{}", at_login.text());
    let forged = inn.gateway.get("wiki.localhost", "/").browser().header("X-Forwarded-Host", "evil.test").send();
    assert!(forged.header("location").unwrap().starts_with(&format!("http://{LOGIN}/.vestibule/login?request=")));
}

#[test]
fn several_tabs_come_back_each_to_its_own_page() {
    let inn = Inn::start();
    let mut window = inn.window();
    let tabs: Vec<_> = (0..4)
        .map(|tab| {
            let (way, page) = window.open(&format!("http://wiki.localhost/tab/{tab}"), None);
            (way.last().cloned().unwrap(), page)
        })
        .collect();
    for (tab, (at, page)) in tabs.iter().enumerate().take(2) {
        let (way, page) = type_password(&mut window, at, page, MAYA);
        assert_eq!((page.status, way.last().cloned()), (200, Some(format!("http://wiki.localhost/tab/{tab}"))));
    }
    for (tab, (at, _)) in tabs.iter().enumerate().skip(2) {
        let (way, page) = window.open(at, None);
        assert_eq!((page.status, way.last().cloned()), (200, Some(format!("http://wiki.localhost/tab/{tab}"))));
    }
    let used = window.get(&tabs[0].0);
    assert!(used.status == 400 && used.text().contains("invalid_code"), "{}", used.text());
    assert_eq!(inn.gateway.logs_when("access", "status=success&action=login", 2).len(), 2);
}

#[test]
fn a_session_that_is_over_is_renewed_in_silence_and_the_policy_asked_again() {
    let mut inn = Inn::start();
    let hosts = "hosts = [\"own.localhost\"]";
    let body = inn.gateway.body().replace(hosts, &format!("{hosts}\nsession = {{ max_age = \"1s\" }}"));
    inn.gateway.reconfigure(&body);
    let mut window = inn.window();
    assert_eq!(inn.sign_in(&mut window, "http://own.localhost/a", MAYA).1.status, 200);
    for round in 1..=4 {
        let before = session(&window, "own");
        until(Duration::from_secs(5), "the session's end", || (inn.status("own", &before).0 == 401).then_some(()));
        assert_eq!(inn.status("own", &before).1, "session_expired", "a program is told");
        let (way, page) = window.open("http://own.localhost/a", None);
        assert_eq!((page.status, way.len()), (200, 4), "{round}: no page to sign in: {way:#?}");
        assert_ne!(session(&window, "own"), before);
    }
    let renewed = inn.gateway.logs_when("access", "action=reauth", 4);
    assert!(renewed.iter().all(|row| row["status"] == "success" && row["email"] == MAYA && row["circuit"] == "own"));
    assert_eq!(inn.gateway.logs("access", "action=login").len(), 1);

    let before = session(&window, "own");
    until(Duration::from_secs(5), "the session's end", || (inn.status("own", &before).0 == 401).then_some(()));
    inn.gateway.reconfigure(&body.replace(&format!("allow = [\"{MAYA}\"]"), &format!("allow = [\"{NOOR}\"]")));
    let (_, refused) = window.open("http://own.localhost/a", None);
    let page = refused.text();
    assert!(refused.status == 403 && page.contains("not_on_allowlist") && page.contains(MAYA), "{page}");
    let policy = refused.header("content-security-policy").unwrap();
    assert!(policy.contains(&format!("form-action 'self' http://{LOGIN};")), "{policy}");
    assert_eq!(window.open("http://own.localhost/a", None).1.status, 403);
    let failed = inn.gateway.logs_when("access", "circuit=own&status=failure", 1);
    assert_eq!((failed.len(), failed[0]["reason"].as_str()), (1, Some("not_on_allowlist")), "once a session");

    let another = window.post("http://own.localhost/.vestibule/logout", &[("return", "/a")]);
    let (way, page) = window.follow("http://own.localhost/.vestibule/logout", another, None);
    assert!(page.status == 200 && page.text().contains("name=\"password\""), "asked again: {way:#?} {}", page.text());
    let (way, page) = type_password(&mut window, way.last().unwrap(), &page, NOOR);
    assert_eq!((page.status, way.last().map(String::as_str)), (200, Some("http://own.localhost/a")));
    assert_eq!(inn.upstream.last().header("x-vestibule-user"), Some(NOOR));
}

#[test]
fn a_browser_without_cookies_gets_a_page_that_explains() {
    let inn = Inn::start();
    let mut window = inn.window();
    let (way, page) = window.open("http://wiki.localhost/", None);
    window.forget_all("wiki.localhost");
    let (_, told) = type_password(&mut window, way.last().unwrap(), &page, MAYA);
    let text = told.text();
    assert!(told.status == 400 && text.contains("cookies") && text.contains("clock"), "{text}");
    assert!(text.contains(told.header("x-request-id").unwrap()) && told.header("location").is_none());

    // The mark stays, what is given does not: the browser asks again and again, and nobody types anything.
    let mut rounds = 0;
    let told = until(Duration::from_secs(20), "the circle is seen", || {
        rounds += 1;
        window.forget("wiki.localhost", "vestibule");
        let answer = window.get("http://wiki.localhost/a");
        match answer.header("location").map(str::to_owned) {
            Some(to_login) => {
                window.open(&to_login, None);
                None
            }
            None => Some(answer),
        }
    });
    let text = told.text();
    assert!(told.status == 400 && text.contains("loop_detected") && text.contains("cookies"), "{text}");
    assert!(text.contains(told.header("x-request-id").unwrap()) && rounds == 4, "{rounds} {text}");
    assert_eq!(inn.gateway.entry_of(&told)["reason"], "loop_detected");
    assert_eq!(window.open("http://own.localhost/", None).1.status, 200, "other circuits are open");
}

#[test]
fn signing_out_anywhere_ends_it_everywhere() {
    let inn = Inn::start();
    let mut window = inn.window();
    inn.sign_in(&mut window, "http://wiki.localhost/", MAYA);
    window.open("http://own.localhost/", None);
    let cookies = [("wiki", session(&window, "wiki")), ("own", session(&window, "own"))];
    let page = window.get("http://wiki.localhost/.vestibule/logout");
    let policy = page.header("content-security-policy").unwrap();
    assert!(page.status == 200 && policy.contains(&format!("form-action 'self' http://{LOGIN};")), "{policy}");
    assert!(cookies.iter().all(|(circuit, cookie)| inn.status(circuit, cookie).0 == 200));

    let answer = window.post("http://wiki.localhost/.vestibule/logout", &[]);
    let (way, page) = window.follow("http://wiki.localhost/.vestibule/logout", answer, None);
    assert!(page.status == 200 && page.text().contains("You are signed out"), "{way:#?} {}", page.text());
    assert_eq!(way.last().map(String::as_str), Some("http://login.localhost/.vestibule/logout"));
    for (circuit, cookie) in &cookies {
        assert_eq!(inn.status(circuit, cookie), (401, "session_revoked".to_owned()), "{circuit}");
    }
    let rows = inn.gateway.logs_when("access", "action=logout", 3);
    assert_eq!(
        texts(&rows, "circuit").into_iter().collect::<std::collections::BTreeSet<_>>(),
        ["", "own", "wiki"].into()
    );
    let (way, page) = window.open("http://own.localhost/", None);
    assert!(host(way.last().unwrap()) == LOGIN && page.text().contains("name=\"password\""), "{way:#?}");

    inn.sign_in(&mut window, "http://own.localhost/", MAYA);
    let cookie = session(&window, "own");
    let there = format!("http://{LOGIN}/.vestibule/logout");
    assert!(window.get(&there).text().contains(MAYA));
    let answer = window.post(&there, &[]);
    assert!(window.follow(&there, answer, None).1.text().contains("You are signed out"));
    assert_eq!(inn.status("own", &cookie).0, 401, "at the login host too");
}

#[test]
fn an_administrator_ends_a_sign_in_with_all_that_came_from_it() {
    let inn = Inn::start();
    let (mut one, mut other) = (inn.window(), inn.window());
    inn.sign_in(&mut one, "http://wiki.localhost/", MAYA);
    inn.sign_in(&mut other, "http://wiki.localhost/", NOOR);
    one.open("http://own.localhost/", None);
    let cookies = [("wiki", session(&one, "wiki")), ("own", session(&one, "own"))];
    let listed = inn.gateway.admin("/api/v1/sessions?user=maya@example.net").json();
    let circuits: Vec<_> = listed["data"].as_array().unwrap().iter().map(|row| row["circuit"].clone()).collect();
    assert_eq!(circuits, [json!("own"), json!("wiki"), json!("")]);
    let id = listed["data"][0]["id"].as_str().unwrap();
    let target = format!("/api/v1/sessions/{id}");
    let ended = inn.gateway.admin_request("DELETE", &target).bearer(ADMIN_TOKEN).send();
    assert_eq!((ended.status, ended.json()["ended"].as_u64()), (200, Some(3)), "{}", ended.text());
    for (circuit, cookie) in &cookies {
        assert_eq!(inn.status(circuit, cookie), (401, "session_revoked".to_owned()), "{circuit}");
    }
    let (way, page) = one.open("http://own.localhost/", None);
    assert!(host(way.last().unwrap()) == LOGIN && page.text().contains("name=\"password\""), "asked again: {way:#?}");
    assert_eq!(inn.status("wiki", &session(&other, "wiki")).0, 200, "nobody else");
    assert_eq!(inn.gateway.logs_when("access", "action=revoke", 3).len(), 3);
}

#[test]
fn a_shared_secret_stays_on_its_own_host() {
    let inn = Inn::start();
    let mut window = inn.window();
    let (way, page) = window.open("http://mixed.localhost/a?x=1", None);
    let text = page.text();
    assert!(host(way.last().unwrap()) == LOGIN && !text.contains("name=\"pin\""), "{text}");
    let own = "http://mixed.localhost/.vestibule/login?return=%2Fa%3Fx%3D1&shared=1";
    assert!(text.contains(&own.replace('&', "&#38;")), "{text}");
    let request = text.split("name=\"request\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let there = format!("http://{LOGIN}/.vestibule/login");
    let refused = window.post(&there, &[("pin", SHARED_PIN), ("request", request)]);
    assert!(refused.status == 400 && refused.text().contains("email is missing"), "{}", refused.text());

    let page = window.get(own).text();
    assert!(page.contains("name=\"pin\"") && !page.contains("name=\"email\""), "{page}");
    assert!(page.contains("href=\"/.vestibule/login?return=%2Fa%3Fx%3D1\""), "{page}");
    let answer = window.post("http://mixed.localhost/.vestibule/login", &[("pin", SHARED_PIN), ("return", "/a?x=1")]);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/a?x=1")));
    assert_eq!(window.get("http://mixed.localhost/a?x=1").status, 200);
    assert_eq!(window.cookie(LOGIN, "vestibule"), None);
    let (way, _) = window.open("http://wiki.localhost/", None);
    assert_eq!(host(way.last().unwrap()), LOGIN, "it is good nowhere else");
}

#[test]
fn a_path_with_a_policy_of_its_own_asks_for_its_own_way_in() {
    let path = format!(
        "[[circuits.wiki.paths]]\nprefix = \"/vault\"\naccess = \"allowlist\"\nallow = [\"{MAYA}\"]\nlogin = [\"pin\"]\n"
    );
    let inn = Inn::with("", &path);
    let mut window = inn.window();
    assert_eq!(inn.sign_in(&mut window, "http://wiki.localhost/", MAYA).1.status, 200);
    let (way, page) = window.open("http://wiki.localhost/vault/a?x=1", None);
    let text = page.text();
    assert!(host(way.last().unwrap()) == LOGIN && text.contains("name=\"pin\""), "{way:#?}");
    assert!(!text.contains("name=\"password\""), "{text}");
    let request = text.split("name=\"request\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let there = format!("http://{LOGIN}/.vestibule/login");
    let answer = window.post(&there, &[("email", MAYA), ("pin", PIN), ("request", request)]);
    let (way, page) = window.follow(&there, answer, None);
    assert_eq!((page.status, way.last().map(String::as_str)), (200, Some("http://wiki.localhost/vault/a?x=1")));
    let (way, _) = window.open("http://wiki.localhost/", None);
    assert_eq!(host(way.last().unwrap()), LOGIN, "the rest asks for the password again");
}

#[test]
fn what_a_circuit_asks_beyond_a_credential_is_asked_on_its_own_host() {
    let mut inn = Inn::start();
    let hosts = "hosts = [\"own.localhost\"]";
    let body = inn.gateway.body().replace(hosts, &format!("{hosts}\npurpose = true"));
    inn.gateway.reconfigure(&body);
    let mut window = inn.window();
    let purpose = |window: &mut Window, at: &str, page: &Response| {
        assert!(at.starts_with("http://own.localhost/.vestibule/continue?step="), "{at}");
        assert_eq!((page.status, session(window, "own").as_str()), (200, ""), "nobody is in yet");
        let step = page.text().split("name=\"step\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let target = "http://own.localhost/.vestibule/continue";
        let answer = window.post(target, &[("step", &step), ("purpose", "a look at the door")]);
        window.follow(target, answer, None)
    };
    let (way, page) = inn.sign_in(&mut window, "http://own.localhost/a?x=1", MAYA);
    assert_eq!(inn.upstream.count(), 0);
    let (way, page) = purpose(&mut window, way.last().unwrap(), &page);
    assert_eq!((page.status, way.last().map(String::as_str)), (200, Some("http://own.localhost/a?x=1")));
    let rows = inn.gateway.logs_when("access", "status=success", 1);
    assert_eq!((&rows[0]["purpose"], &rows[0]["action"]), (&json!("a look at the door"), &json!("login")));
    assert_eq!(inn.gateway.logs("access", "").len(), 1, "one attempt is one row");

    // Without the credential again, and not without the purpose.
    window.forget("own.localhost", "vestibule");
    let (way, page) = window.open("http://own.localhost/b", None);
    let (_, page) = purpose(&mut window, way.last().unwrap(), &page);
    assert_eq!(page.status, 200);
    assert_eq!(window.open("http://wiki.localhost/", None).1.status, 200, "others ask for nothing more");
}

#[test]
fn a_provider_knows_the_login_host_alone() {
    let inn = Inn::start();
    inn.provider.person(person("maya-1", MAYA, &[]));
    let mut window = inn.window();
    let (way, page) = window.open("http://sso.localhost/a?x=1", Some(&inn.provider));
    assert_eq!((page.status, way.last().map(String::as_str)), (200, Some("http://sso.localhost/a?x=1")), "{way:#?}");
    let to_provider = way.iter().find(|address| address.starts_with(&inn.provider.issuer())).unwrap();
    let asked = pairs(to_provider.split_once('?').unwrap().1);
    assert_eq!(asked["redirect_uri"], format!("http://{LOGIN}/.vestibule/callback"));
    assert!(way[1].starts_with(&format!("http://{LOGIN}/.vestibule/login?request=")), "no page between: {way:#?}");
    let events = inn.gateway.logs_when("access", "view=events&order=asc&circuit=sso", 6);
    assert_eq!(
        texts(&events, "status"),
        ["initiated", "pending", "pending", "pending", "pending", "success"],
        "redirect, callback, token, claims, what is vouched for, and the circuit"
    );
    assert!(events.iter().all(|event| event["attempt_id"] == events[0]["attempt_id"]));

    let (way, page) = window.open("http://board.localhost/", Some(&inn.provider));
    assert_eq!((page.status, way.len()), (200, 4), "the provider is not asked twice: {way:#?}");
    let (way, page) = window.open("http://wiki.localhost/", None);
    assert!(
        host(way.last().unwrap()) == LOGIN && page.text().contains("name=\"password\""),
        "another way in: {way:#?}"
    );
    assert_eq!(window.get("http://sso.localhost/.vestibule/callback?state=x&code=y").status, 400);

    let callback = way_to_callback(&inn, &mut inn.window());
    let mut stranger = inn.window();
    stranger.get(&format!("http://{LOGIN}/"));
    let foreign = stranger.get(&callback);
    assert!(foreign.status == 400 && foreign.text().contains("sso_state_invalid"), "{}", foreign.text());

    let cookies = [("sso", session(&window, "sso")), ("board", session(&window, "board"))];
    let gone = window.post("http://board.localhost/.vestibule/logout", &[]);
    let location = gone.header("location").unwrap();
    assert!(location.starts_with(&format!("{}/end?", inn.provider.issuer())), "{location}");
    let told = pairs(location.split_once('?').unwrap().1);
    assert_eq!(told["post_logout_redirect_uri"], format!("http://{LOGIN}/.vestibule/logout"));
    assert!(told["id_token_hint"].split('.').count() == 3 && told["client_id"] == CLIENT_ID);
    for (circuit, cookie) in &cookies {
        assert_eq!(inn.status(circuit, cookie).0, 401, "{circuit}");
    }
}

/// A sign-in of its own, up to the address to which the provider sends the browser.
fn way_to_callback(inn: &Inn, window: &mut Window) -> String {
    let to_login = window.get("http://sso.localhost/").header("location").unwrap().to_owned();
    let to_provider = window.get(&to_login).header("location").unwrap().to_owned();
    inn.provider.visit(&to_provider)
}

#[test]
fn the_provider_is_asked_about_the_sign_in_and_not_about_each_host() {
    let inn = Inn::with("recheck = \"1s\"", "");
    inn.provider.offer_refresh_tokens();
    inn.provider.person(person("maya-1", MAYA, &[]));
    let mut window = inn.window();
    assert_eq!(window.open("http://sso.localhost/", Some(&inn.provider)).1.status, 200);
    assert_eq!(window.open("http://board.localhost/", Some(&inn.provider)).1.status, 200);
    let cookies = [("sso", session(&window, "sso")), ("board", session(&window, "board"))];
    for _ in 0..2 {
        let asked = inn.provider.received("/token").len();
        until(Duration::from_secs(5), "the sign-in is checked", || {
            assert!(cookies.iter().all(|(circuit, cookie)| inn.status(circuit, cookie).0 == 200), "she is still known");
            (inn.provider.received("/token").len() > asked).then_some(())
        });
    }
    inn.provider.remove_person();
    until(Duration::from_secs(5), "she is out", || (inn.status("sso", &cookies[0].1).0 == 401).then_some(()));
    assert_eq!(inn.status("board", &cookies[1].1), (401, "session_revoked".to_owned()), "everywhere at once");
    let found =
        std::process::Command::new("grep").args(["-rl", "refresh-1"]).arg(inn.gateway.data_dir()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "no token of the provider rests on disk");
}

#[test]
fn a_provider_ends_the_sign_in_and_all_that_came_from_it() {
    let inn = Inn::start();
    inn.provider.person(person("maya-1", MAYA, &[]));
    let mut window = inn.window();
    assert_eq!(window.open("http://sso.localhost/", Some(&inn.provider)).1.status, 200);
    assert_eq!(window.open("http://board.localhost/", Some(&inn.provider)).1.status, 200);
    let claims = json!({ "iss": inn.provider.issuer(), "aud": CLIENT_ID, "iat": now(), "exp": now() + 60, "jti": "1",
        "sub": "maya-1", "events": { "http://schemas.openid.net/event/backchannel-logout": {} } });
    let token = inn.provider.sign("logout+jwt", claims);
    let tell = inn.gateway.request("POST", LOGIN, "/.vestibule/backchannel-logout/corp");
    assert_eq!(tell.form(&[("logout_token", &token)]).send().status, 200);
    for circuit in ["sso", "board"] {
        assert_eq!(inn.status(circuit, &session(&window, circuit)).0, 401, "{circuit}");
    }
    assert_eq!(inn.gateway.logs_when("access", "action=logout", 3).len(), 3);
}

#[test]
fn the_login_host_shows_the_circuits_and_nothing_else() {
    let inn = Inn::start();
    let mut window = inn.window();
    let root = format!("http://{LOGIN}/");
    let (way, page) = window.open(&root, None);
    let text = page.text();
    assert_eq!(way.last().map(String::as_str), Some("http://login.localhost/.vestibule/login?return=%2F"));
    assert!(text.contains("Example SSO") && text.contains("name=\"password\"") && !text.contains("shared"), "{text}");
    let there = format!("http://{LOGIN}/.vestibule/login");
    let (way, page) = {
        let answer = window.post(&there, &[("email", NOOR), ("password", PASSWORD)]);
        window.follow(&there, answer, None)
    };
    assert_eq!((page.status, way.last()), (200, Some(&root)));
    let text = page.text();
    assert!(
        text.contains("http://wiki.localhost/") && text.contains("http://pub.localhost/") && text.contains(NOOR),
        "{text}"
    );
    assert!(!text.contains("own.localhost") && !text.contains("sso.localhost"), "{text}");
    assert_eq!(window.open("http://wiki.localhost/", None).1.status, 200, "and opens them");
    let row = inn.gateway.logs_when("access", "action=login&status=success", 1).remove(0);
    assert_eq!((&row["circuit"], &row["host"], &row["email"]), (&Value::Null, &json!(LOGIN), &json!(NOOR)));
    let who = window.get(&format!("http://{LOGIN}/.vestibule/whoami"));
    assert_eq!((who.status, who.json()["email"].as_str()), (200, Some(NOOR)));
    for target in ["/a", "/index.html", "/.vestibule/x"] {
        assert_eq!(window.get(&format!("http://{LOGIN}{target}")).status, 404, "{target}");
    }
    let upgrade = inn.gateway.get(LOGIN, "/").header("Upgrade", "websocket").header("Connection", "Upgrade").send();
    assert_eq!(upgrade.status, 401);
    let ban = json!({ "network": "203.0.113.0/24", "for": "1h", "note": "test" });
    let banned = inn.gateway.admin_request("POST", "/api/v1/bans").bearer(ADMIN_TOKEN).json(&ban).send();
    assert!(banned.status < 300, "{}", banned.text());
    assert_eq!(window.get(&root).status, 403, "bans hold here too");
}

#[test]
fn programs_are_told_where_to_sign_in_and_plain_hosts_refuse() {
    let inn = Inn::start();
    let answer = inn.gateway.get("wiki.localhost", "/a?x=1").send();
    assert_eq!((answer.status, answer.reason()), (401, "no_credentials".to_owned()));
    let login_url = answer.json()["login_url"].as_str().unwrap().to_owned();
    let mut window = inn.window();
    let (way, page) = inn.sign_in(&mut window, &login_url, MAYA);
    assert_eq!((page.status, way.last().map(String::as_str)), (200, Some("http://wiki.localhost/a?x=1")));
    let posted = inn.gateway.request("POST", "wiki.localhost", "/a").browser().form(&[]).send();
    assert_eq!(posted.header("location"), Some("/.vestibule/login?return=%2F"), "a form is not sent on");

    let body = json!({ "email": MAYA, "password": PASSWORD });
    let signed_in = inn.gateway.request("POST", LOGIN, "/.vestibule/login").json(&body).send();
    assert_eq!((signed_in.status, signed_in.json()["return"].as_str()), (200, Some("/")));
    let unknown = json!({ "email": MAYA, "password": PASSWORD, "request": "made-up" });
    let unknown = inn.gateway.request("POST", LOGIN, "/.vestibule/login").json(&unknown).send();
    assert_eq!((unknown.status, unknown.reason()), (400, "invalid_code".to_owned()));
    let wrong = inn.gateway.sign_in(LOGIN, &[("email", MAYA), ("password", "wrong")]).send();
    assert_eq!((wrong.status, wrong.reason()), (401, "invalid_credentials".to_owned()));
    let here = json!({ "email": MAYA, "password": PASSWORD, "request": "x" });
    assert_eq!(inn.gateway.request("POST", "wiki.localhost", "/.vestibule/login").json(&here).send().status, 400);
}

#[test]
fn sign_in_needs_tls_and_the_cookies_say_so() {
    let (provider, upstream) = (Provider::start(), Upstream::start());
    let plan = plan(&provider, &upstream, "").replace("wiki.localhost", "wiki.test");
    let gateway = Setup::new(&plan).server("login_host = \"login.test\"\ntrusted_proxies = [\"127.0.0.1\"]").start();
    let ask = |host: &str, target: &str, scheme: &str| {
        gateway.get(host, target).browser().header("X-Forwarded-Proto", scheme).send()
    };
    for (host, target) in
        [("wiki.test", "/"), ("wiki.test", "/.vestibule/session?code=x"), ("login.test", "/.vestibule/login")]
    {
        let plain = ask(host, target, "http");
        assert!(plain.status == 400 && plain.text().contains("tls_required"), "{host}{target}: {}", plain.text());
    }
    let secure = ask("wiki.test:8443", "/a", "https");
    let location = secure.header("location").unwrap();
    assert!(location.starts_with("https://login.test:8443/.vestibule/login?request="), "{location}");
    let set = secure.header("set-cookie").unwrap();
    assert!(set.starts_with("__Host-vestibule-browser=") && set.contains("; Secure; HttpOnly; SameSite=Lax"), "{set}");
    assert_eq!(ask("login.test:8443", "/.vestibule/login", "https").status, 200);
    assert!(gateway.logs("access", "status=failure").is_empty());
}

#[test]
fn requests_that_are_never_finished_stay_bounded() {
    let inn = Inn::start();
    let mut window = inn.window();
    let first = window.get("http://wiki.localhost/first").header("location").unwrap().to_owned();
    for _ in 0..60 {
        assert_eq!(window.get("http://wiki.localhost/").status, 302);
    }
    assert_eq!(window.get(&first).status, 400, "the oldest of a browser went");
    assert_eq!(inn.gateway.metric("vestibule_sign_ins_wanted", &[]), 32.0);
    assert!(
        window.cookie("wiki.localhost", "vestibule-browser").unwrap().len() < 100,
        "one cookie, however many begin"
    );
    for _ in 0..540 {
        inn.gateway.get("wiki.localhost", "/").browser().from("203.0.113.77").send();
    }
    assert_eq!(inn.gateway.metric("vestibule_sign_ins_wanted", &[]), 532.0, "of an address");
    assert_eq!(inn.gateway.logs("access", "").len(), 0, "nobody was shown anything yet");
}

#[test]
fn sessions_outlive_a_restart_and_what_is_on_its_way_does_not() {
    let mut inn = Inn::start();
    let mut window = inn.window();
    inn.sign_in(&mut window, "http://wiki.localhost/", MAYA);
    let to_login = window.get("http://own.localhost/").header("location").unwrap().to_owned();
    inn.gateway.stop();
    inn.gateway.launch();
    assert_eq!(window.get("http://wiki.localhost/").status, 200);
    assert_eq!(window.get(&to_login).status, 400, "it is begun once more");
    assert_eq!(window.open("http://own.localhost/", None).1.status, 200, "in silence");
}
