//! How a sign-in comes from the login host to a circuit.

use super::*;

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
