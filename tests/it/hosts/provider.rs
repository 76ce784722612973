//! A provider behind the login host.

use super::*;

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
