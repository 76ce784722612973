//! How sessions of one sign-in live and end together.

use super::*;

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
