//! How sessions of a provider go on and end.

use std::io::Read;
use std::time::{Duration, Instant};

use harness::house::MAYA;
use harness::provider::{CLIENT_ID, Fault, now, pairs, person};
use harness::{Browser, Connection, Provider, until};
use serde_json::json;

use super::Inn;

#[test]
fn who_is_removed_at_the_provider_is_out_within_the_stated_time() {
    let inn = Inn::start("recheck = \"1s\"");
    inn.provider.offer_refresh_tokens();
    let mut maya = inn.browser("wiki.localhost", "203.0.113.1");
    assert_eq!(maya.sign_in("/", &inn.provider).status, 303);
    assert_eq!(maya.get("/a").status, 200);
    let data = inn.gateway.data_dir();
    for _ in 0..2 {
        let asked = inn.provider.received("/token").len();
        until(Duration::from_secs(5), "the session is checked", || {
            // All at once: one of them asks, and none uses a token that was used.
            let pages: Vec<_> = (0..6).map(|_| maya.clone()).collect();
            let status = |mut page: Browser<'_>| page.get("/a").status;
            let all = std::thread::scope(|scope| {
                let asked: Vec<_> = pages.into_iter().map(|page| scope.spawn(move || status(page))).collect();
                asked.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
            });
            assert_eq!(all, [200; 6], "she is still known");
            (inn.provider.received("/token").len() > asked).then_some(())
        });
    }
    inn.provider.remove_person();
    until(Duration::from_secs(5), "she is out", || (maya.get("/a").status == 302).then_some(()));
    let entry = inn.gateway.logs_when("access", "action=reauth", 1).remove(0);
    assert_eq!((entry["status"].as_str(), entry["reason"].as_str()), (Some("failure"), Some("session_revoked")));
    assert_eq!(entry["email"], MAYA);
    let found = std::process::Command::new("grep").args(["-rl", "refresh-1"]).arg(&data).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "no token of the provider rests on disk");
}

#[test]
fn a_tunnel_ends_when_the_provider_does_not_know_its_person_any_more() {
    let inn = Inn::start("recheck = \"1s\"");
    inn.provider.offer_refresh_tokens();
    let mut maya = inn.browser("wiki.localhost", "203.0.113.1");
    assert_eq!(maya.sign_in("/", &inn.provider).status, 303);
    let cookie = format!("vestibule={}", maya.cookie("vestibule").unwrap());
    let mut tunnel = Connection::open(inn.gateway.proxy()).unwrap();
    let request = inn.gateway.get("wiki.localhost", "/tunnel").from("203.0.113.1").cookie(&cookie).upgrade();
    tunnel.write(&request.bytes()).unwrap();
    let answer = tunnel.read(false).unwrap();
    assert_eq!(answer.status, 101);
    let asked = inn.provider.received("/token").len();
    until(Duration::from_secs(5), "the provider is asked", || {
        (inn.provider.received("/token").len() > asked).then_some(())
    });
    inn.provider.remove_person();
    let start = Instant::now();
    drop(tunnel.stream().read_to_end(&mut Vec::new()));
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let id = answer.header("x-request-id").unwrap();
    let entries = inn.gateway.logs_when("requests", &format!("request_id={id}&metadata.contains=closed"), 1);
    assert_eq!(entries[0]["reason"], "session_revoked");
    let entry = inn.gateway.logs_when("access", "action=reauth", 1).remove(0);
    assert_eq!((entry["status"].as_str(), entry["email"].as_str()), (Some("failure"), Some(MAYA)));
}

#[test]
fn groups_follow_the_provider_and_its_silence_is_borne_for_a_while() {
    let inn = Inn::start("recheck = \"2s\"");
    inn.provider.offer_refresh_tokens();
    inn.provider.person(person("s", "sam@example.net", &["sre"]));
    let mut sam = inn.browser("sre.localhost", "203.0.113.1");
    assert_eq!(sam.sign_in("/", &inn.provider).status, 303);
    inn.provider.fault("/token", Fault::Closed);
    assert_eq!(sam.get("/a").status, 200);
    let silent = until(Duration::from_secs(10), "the provider's silence is too long", || {
        let answer = sam.get("/a");
        (answer.status != 200).then_some(answer)
    });
    assert!(silent.status == 503 && silent.text().contains("provider_unavailable"), "{}", silent.text());
    inn.provider.honest();
    inn.provider.person(person("s", "sam@example.net", &["dev"]));
    let answer = until(Duration::from_secs(20), "the provider is asked again", || {
        let answer = sam.get("/a");
        (answer.status == 403).then_some(answer)
    });
    assert!(answer.text().contains("not_in_group"), "{}", answer.text());
}

#[test]
fn signing_out_ends_the_session_here_and_leads_to_the_provider() {
    let inn = Inn::start("");
    let mut maya = inn.browser("wiki.localhost", "203.0.113.1");
    assert_eq!(maya.sign_in("/", &inn.provider).status, 303);
    let cookie = format!("vestibule={}", maya.cookie("vestibule").unwrap());
    let page = maya.get("/.vestibule/logout");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains(&format!("form-action 'self' {};", inn.provider.issuer())), "{policy}");

    let gone = maya.post("/.vestibule/logout", &[]);
    let location = gone.header("location").unwrap();
    assert!(gone.status == 303 && location.starts_with(&format!("{}/end?", inn.provider.issuer())), "{location}");
    let told = pairs(location.split_once('?').unwrap().1);
    assert_eq!(told["client_id"], CLIENT_ID);
    assert_eq!(told["post_logout_redirect_uri"], "http://wiki.localhost/.vestibule/logout");
    assert!(told["id_token_hint"].split('.').count() == 3);
    assert_eq!(inn.gateway.get("wiki.localhost", "/").cookie(&cookie).send().status, 401);
    let entry = inn.gateway.logs_when("access", "action=logout", 1).remove(0);
    assert_eq!((entry["provider"].as_str(), entry["email"].as_str()), (Some("corp"), Some(MAYA)));
    let requests = inn.gateway.logs("requests", "").iter().map(ToString::to_string).collect::<String>();
    assert!(!requests.contains(&told["id_token_hint"]));

    let other = maya.post("/.vestibule/logout", &[("return", "/a")]);
    assert_eq!(other.header("location"), Some("/.vestibule/login?return=%2Fa&another=1"));
    let choose = maya.get("/.vestibule/login?return=%2Fa&another=1");
    assert!(
        choose.status == 200 && choose.text().contains("/.vestibule/sso/corp?return=%2Fa&#38;another=1"),
        "{}",
        choose.text()
    );
    let asked = maya.get("/.vestibule/sso/corp?return=%2Fa&another=1");
    assert!(asked.header("location").unwrap().contains("prompt=select_account"));
}

#[test]
fn the_provider_ends_sessions_by_itself() {
    let inn = Inn::start("");
    let cookies: Vec<String> = (1..3)
        .map(|number| {
            let mut browser = inn.browser("wiki.localhost", &format!("203.0.113.{number}"));
            assert_eq!(browser.sign_in("/", &inn.provider).status, 303);
            format!("vestibule={}", browser.cookie("vestibule").unwrap())
        })
        .collect();
    let status = |cookie: &str| inn.gateway.get("wiki.localhost", "/").cookie(cookie).send().status;
    let event = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    let claims = |jti: &str| {
        json!({ "iss": inn.provider.issuer(), "aud": CLIENT_ID, "iat": now(), "exp": now() + 60, "jti": jti,
            "sub": "maya", "events": event })
    };
    let tell = |provider: &str, token: &str| {
        let target = format!("/.vestibule/backchannel-logout/{provider}");
        let request = inn.gateway.request("POST", "both.localhost", &target).form(&[("logout_token", token)]);
        // The circuit's rules about people's addresses are none for the provider.
        request.from("192.0.2.66").send().status
    };
    let mut with_nonce = claims("a");
    with_nonce["nonce"] = json!("n");
    let mut other = claims("b");
    other["aud"] = json!("another");
    let bad = [
        inn.provider.sign("logout+jwt", with_nonce),
        inn.provider.sign("logout+jwt", other),
        inn.provider.sign("at+jwt", claims("c")),
        Provider::start().sign("logout+jwt", claims("d")),
        "x.y.z".to_owned(),
    ];
    for token in &bad {
        assert_eq!(tell("corp", token), 400, "{token}");
    }
    let token = inn.provider.sign("logout+jwt", claims("1"));
    assert_eq!(tell("nobody", &token), 404);
    assert!(cookies.iter().all(|cookie| status(cookie) == 200));

    assert_eq!(tell("corp", &token), 200);
    assert!(cookies.iter().all(|cookie| status(cookie) == 401));
    assert_eq!(tell("corp", &token), 400, "a token is good once");
    let entries = inn.gateway.logs_when("access", "action=logout", 2);
    assert!(entries.iter().all(|entry| entry["email"] == MAYA && entry["provider"] == "corp"));
}
