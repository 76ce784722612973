//! Signing in at an identity provider.

use std::io::Read;
use std::time::{Duration, Instant};

use harness::browser::path;
use harness::house::{BRAM, MAYA, people};
use harness::provider::{CLIENT_ID, Fault, now, pairs, person};
use harness::secrets::PASSWORD;
use harness::{Browser, Connection, Gateway, Provider, Request, Upstream, client, port, until};
use serde_json::json;

/// A circuit that is entered by `login` only.
fn circuit(name: &str, upstream: &Upstream, allow: &str, login: &str, more: &str) -> String {
    format!(
        "[circuits.{name}]\nproject = \"docs\"\nhosts = [\"{name}.localhost\"]\nupstream = \"{}\"\naccess = \
         \"allowlist\"\nallow = [{allow}]\nlogin = [{login}]\n{more}\n",
        upstream.url()
    )
}

/// The people of the house, one provider, and two circuits: `wiki` by the provider alone, `both` by passwords too.
struct Inn {
    provider: Provider,
    upstream: Upstream,
    gateway: Gateway,
}

impl Inn {
    #[track_caller]
    fn start(of_provider: &str) -> Self {
        let (provider, upstream) = (Provider::start(), Upstream::start());
        let gateway = Gateway::start(&plan(&provider, &upstream, of_provider));
        Self { provider, upstream, gateway }
    }

    fn browser(&self, host: &str, address: &str) -> Browser<'_> {
        Browser::new(&self.gateway, host, address)
    }
}

fn plan(provider: &Provider, upstream: &Upstream, of_provider: &str) -> String {
    [
        people(),
        provider.toml("corp", &format!("label = \"Example SSO\"\n{of_provider}")),
        circuit("wiki", upstream, &format!("\"{MAYA}\", \"{BRAM}\""), "\"sso:corp\"", ""),
        circuit("both", upstream, &format!("\"{MAYA}\""), "\"password\", \"sso:corp\"", "ip_block = [\"192.0.2.66\"]"),
        circuit("sre", upstream, "\"group:sre\"", "\"sso:corp\"", ""),
    ]
    .concat()
}

#[test]
fn a_person_comes_back_to_where_they_began() {
    let inn = Inn::start("");
    inn.provider.person(person("maya-1", "Maya@Example.net", &["writers", "on call"]));
    let mut browser = inn.browser("wiki.localhost", "203.0.113.1");

    let to_provider = browser.get("/a/b?x=1&y=%2F2");
    assert_eq!(to_provider.status, 302, "the only way in is taken at once");
    let location = to_provider.header("location").unwrap().to_owned();
    let asked = pairs(location.split_once('?').unwrap().1);
    assert_eq!((asked["response_type"].as_str(), asked["client_id"].as_str()), ("code", CLIENT_ID));
    assert_eq!((asked["code_challenge_method"].as_str(), asked["scope"].as_str()), ("S256", "openid email"));
    assert_eq!(asked["redirect_uri"], "http://wiki.localhost/.vestibule/callback");
    assert!(asked["state"].len() >= 43 && asked["nonce"].len() >= 43, "{asked:?}");
    assert_eq!(inn.upstream.count(), 0);

    let callback = inn.provider.visit(&location);
    let back = browser.get(path(&callback));
    assert_eq!((back.status, back.header("location")), (303, Some("/a/b?x=1&y=%2F2")), "{}", back.text());
    assert_eq!(back.header("cache-control"), Some("no-store"));
    assert_eq!(browser.get("/a/b?x=1&y=%2F2").status, 200);
    assert_eq!(inn.upstream.last().header("x-vestibule-user"), Some(MAYA));
    assert_eq!(inn.upstream.last().header("x-vestibule-groups"), Some("on call,writers"));
    let cookies = inn.upstream.last().header("cookie").map(str::to_owned);
    assert_eq!(cookies, None, "none of our cookies goes to the upstream");

    let rows = inn.gateway.logs_when("access", "status=success", 1);
    assert_eq!(rows.len(), 1);
    for (field, value) in [
        ("auth_method", json!("sso")),
        ("provider", json!("corp")),
        ("email", json!(MAYA)),
        ("user_id", json!("corp:maya-1")),
        ("circuit", json!("wiki")),
        ("result", json!("success")),
    ] {
        assert_eq!(rows[0][field], value, "{field}");
    }
    assert_eq!(inn.gateway.logs("access", "").len(), 1, "one attempt is one row");
    for secret in [&asked["state"], &asked["nonce"], &pairs(callback.split_once('?').unwrap().1)["code"]] {
        for log in ["access", "requests", "audit"] {
            let every = if log == "access" { "view=events" } else { "" };
            let all = inn.gateway.logs(log, every).iter().map(ToString::to_string).collect::<String>();
            assert!(!all.contains(secret.as_str()), "{log} holds {secret}");
        }
        assert!(!inn.gateway.output().contains(secret.as_str()));
    }
}

#[test]
fn each_step_of_an_attempt_is_an_event_of_it() {
    let inn = Inn::start("");
    let mut browser = inn.browser("wiki.localhost", "203.0.113.1");
    let callback = browser.at_provider("/", &inn.provider);
    let begun = inn.gateway.logs_when("access", "", 1);
    assert_eq!((begun[0]["status"].as_str(), begun[0]["result"].as_str()), (Some("initiated"), None));

    assert_eq!(browser.get(path(&callback)).status, 303);

    let events = inn.gateway.logs_when("access", "view=events&order=asc", 5);
    let steps: Vec<_> =
        events.iter().map(|event| (event["status"].as_str().unwrap(), event["rule"].as_str())).collect();
    assert_eq!(
        steps,
        [
            ("initiated", Some("providers.corp.redirect")),
            ("pending", Some("providers.corp.callback")),
            ("pending", Some("providers.corp.token")),
            ("pending", Some("providers.corp.claims")),
            ("success", None),
        ]
    );
    for event in &events {
        assert_eq!((&event["attempt_id"], &event["provider"]), (&events[0]["attempt_id"], &json!("corp")));
        assert!(event["duration_ms"].is_u64(), "{event}");
    }
    assert_eq!(inn.gateway.logs("access", "")[0]["attempt_id"], events[0]["attempt_id"]);
}

#[test]
fn a_page_that_was_shown_and_its_form_are_one_attempt() {
    let inn = Inn::start("");
    let mut browser = inn.browser("both.localhost", "203.0.113.1");
    assert_eq!(browser.get("/.vestibule/login?return=%2Fa").status, 200);
    assert_eq!(browser.get("/.vestibule/login?return=%2Fa").status, 200, "shown once more");
    let begun = inn.gateway.logs_when("access", "", 1);
    assert_eq!((begun.len(), begun[0]["status"].as_str()), (1, Some("initiated")));

    let form = [("email", MAYA), ("password", PASSWORD), ("return", "/a")];
    assert_eq!(browser.post("/.vestibule/login", &form).status, 303);

    let rows = inn.gateway.logs_when("access", "status=success", 1);
    assert_eq!(rows[0]["attempt_id"], begun[0]["attempt_id"]);
    let events = inn.gateway.logs("access", "view=events&order=asc");
    let statuses: Vec<_> = events.iter().map(|event| event["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["initiated", "pending", "success"]);
    assert_eq!(browser.post("/.vestibule/login", &form).status, 303, "a second form is an attempt of its own");
    assert_eq!(inn.gateway.logs_when("access", "status=success", 2).len(), 2);
}

#[test]
fn a_callback_is_good_once_and_in_its_browser_alone() {
    let inn = Inn::start("");
    let mut browser = inn.browser("wiki.localhost", "203.0.113.1");
    let callback = browser.at_provider("/a", &inn.provider);

    let mut other = inn.browser("wiki.localhost", "203.0.113.2");
    let foreign = other.get(path(&callback));
    assert_eq!((foreign.status, other.cookie("vestibule")), (400, None), "a browser without the cookie");
    other.get("/.vestibule/sso/corp");
    assert_eq!(other.get(path(&callback)).status, 400, "a browser with a cookie of its own");
    let mut neighbour = browser.clone();
    let elsewhere = inn.gateway.get("both.localhost", path(&callback)).browser();
    let cookie = format!("vestibule-browser={}", neighbour.cookie("vestibule-browser").unwrap());
    assert_eq!(elsewhere.cookie(&cookie).send().status, 400, "another circuit");

    assert_eq!(browser.get(path(&callback)).status, 303, "none of them took it away");
    let again = neighbour.get(path(&callback));
    assert_eq!(again.status, 400);
    assert!(again.text().contains("sso_state_invalid"), "{}", again.text());
    assert_eq!(again.header("referrer-policy"), Some("strict-origin"), "the code goes nowhere from here");
    for query in ["", "?code=x", "?state=x", "?code=x&state=x&state=y", &format!("?code={}", "x".repeat(5000))] {
        let mut fresh = browser.clone();
        assert_eq!(fresh.get(&format!("/.vestibule/callback{query}")).status, 400, "{query:.40}");
    }
    let entries = inn.gateway.logs_when("access", "reason=sso_state_invalid", 7);
    assert!(entries.iter().all(|entry| entry["auth_method"] == "sso" && entry["status"] == "failure"));
    assert_eq!(inn.provider.received("/token").len(), 1, "the code went to the provider once");
}

#[test]
fn several_ways_in_are_offered_on_a_page_and_programs_get_401() {
    let inn = Inn::start("");
    let mut browser = inn.browser("both.localhost", "203.0.113.1");
    let asked = browser.get("/a?x=1");
    assert_eq!((asked.status, asked.header("location")), (302, Some("/.vestibule/login?return=%2Fa%3Fx%3D1")));
    let page = browser.get("/.vestibule/login?return=%2Fa%3Fx%3D1").text();
    assert!(page.contains("Sign in with Example SSO") && page.contains("name=\"password\""), "{page}");
    assert!(page.find("Example SSO") < page.find("name=\"password\"") && !page.contains("<script"));
    let link = "/.vestibule/sso/corp?return=%2Fa%3Fx%3D1";
    assert!(page.contains(&format!("href=\"{link}\"")), "{page}");
    let back = browser.sign_in(link, &inn.provider);
    assert_eq!((back.status, back.header("location")), (303, Some("/a?x=1")));

    for host in ["wiki.localhost", "both.localhost"] {
        let answer = inn.gateway.get(host, "/a").header("Accept", "application/json").send();
        assert_eq!((answer.status, answer.reason()), (401, "no_credentials".to_owned()));
        assert!(answer.header("www-authenticate").is_some() && answer.json()["login_url"].is_string());
        let posted = inn.gateway.request("POST", host, "/a").browser().form(&[]).send();
        assert_eq!(posted.header("location"), Some("/.vestibule/login?return=%2F"), "a form is not sent on");
    }
    assert_eq!(inn.gateway.get("both.localhost", "/.vestibule/sso/nobody").browser().send().status, 404);
    assert_eq!(inn.gateway.request("POST", "both.localhost", "/.vestibule/sso/corp").form(&[]).send().status, 405);
}

#[test]
fn the_policy_decides_about_people_of_a_provider_on_every_request() {
    let mut inn = Inn::start("email_domains = [\"example.net\"]");
    inn.provider.person(person("eve", "eve@example.net", &["writers"]));
    let refused = inn.browser("wiki.localhost", "203.0.113.1").sign_in("/a", &inn.provider);
    let page = refused.text();
    assert!(refused.status == 403 && page.contains("not_on_allowlist") && page.contains("eve@example.net"), "{page}");
    let refused = inn.browser("sre.localhost", "203.0.113.2").sign_in("/a", &inn.provider);
    assert!(refused.status == 403 && refused.text().contains("not_in_group"), "{}", refused.text());
    inn.provider.person(person("b", BRAM, &[]));
    let blocked = inn.browser("wiki.localhost", "203.0.113.3").sign_in("/a", &inn.provider);
    let page = blocked.text();
    assert!(blocked.status == 401 && page.contains("invalid_credentials") && !page.contains("user_blocked"), "{page}");
    inn.provider.person(person("m", "maya@example.org", &[]));
    let elsewhere = inn.browser("wiki.localhost", "203.0.113.4").sign_in("/a", &inn.provider);
    assert!(elsewhere.status == 403 && elsewhere.text().contains("domain_not_allowed"), "{}", elsewhere.text());
    for (reason, email) in [
        ("not_on_allowlist", "eve@example.net"),
        ("not_in_group", "eve@example.net"),
        ("user_blocked", BRAM),
        ("domain_not_allowed", "maya@example.org"),
    ] {
        let entries = inn.gateway.logs_when("access", &format!("reason={reason}"), 1);
        assert_eq!((entries[0]["email"].as_str(), entries[0]["provider"].as_str()), (Some(email), Some("corp")));
    }
    assert_eq!(inn.upstream.count(), 0);

    inn.provider.person(person("s", "sam@example.net", &["sre"]));
    let mut sam = inn.browser("sre.localhost", "203.0.113.5");
    assert_eq!(sam.sign_in("/a", &inn.provider).status, 303);
    assert_eq!(sam.get("/a").status, 200, "an account in the file is not needed");
    let cookie = format!("vestibule={}", sam.cookie("vestibule").unwrap());
    let body = inn.gateway.body().replace("\"group:sre\"", "\"group:dev\"");
    inn.gateway.reconfigure(&body);
    assert_eq!(inn.gateway.get("sre.localhost", "/a").cookie(&cookie).send().reason(), "not_in_group");
    let body = body.replace("\"group:dev\"", "\"group:sre\"").replace("[\"example.net\"]", "[\"example.org\"]");
    inn.gateway.reconfigure(&body);
    assert_eq!(inn.gateway.get("sre.localhost", "/a").cookie(&cookie).send().reason(), "domain_not_allowed");
}

#[test]
fn a_code_of_another_provider_is_good_for_nothing() {
    let (one, two, upstream) = (Provider::start(), Provider::start(), Upstream::start());
    let gateway = Gateway::start(
        &[
            people(),
            one.toml("one", "email_domains = [\"example.net\"]"),
            two.toml("two", "email_domains = [\"partner.example\"]"),
            circuit("wiki", &upstream, "\"domain:example.net\"", "\"sso:one\", \"sso:two\"", ""),
        ]
        .concat(),
    );
    // The attacker's provider is `two`; the person believes to sign in there, and its callback brings what `one` gave.
    let mut browser = Browser::new(&gateway, "wiki.localhost", "203.0.113.1");
    let to_two = browser.get("/.vestibule/sso/two").header("location").unwrap().to_owned();
    let state = pairs(to_two.split_once('?').unwrap().1)["state"].clone();
    let from_one = one.visit(&to_two.replace(&two.issuer(), &one.issuer()));
    assert!(from_one.contains(&client::encode(&state)));
    let answer = browser.get(path(&from_one));
    assert!(answer.status == 401 && answer.text().contains("sso_error"), "{}", answer.text());
    assert!(two.received("/token").is_empty() && one.received("/token").is_empty(), "the code goes to nobody");

    two.person(person("m", MAYA, &[]));
    let answer = browser.sign_in("/.vestibule/sso/two", &two);
    assert_eq!(answer.status, 403, "no provider speaks for another's people: {}", answer.text());
    assert_eq!(browser.sign_in("/.vestibule/sso/one", &one).status, 303);
}

#[test]
fn a_provider_that_is_down_stops_nothing_else() {
    let (upstream, port) = (Upstream::start(), port::free());
    let provider = Provider::start_at(port);
    let plan = plan(&provider, &upstream, "");
    let secret = std::fs::read_to_string(plan_secret(&plan)).unwrap();
    drop(provider);
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept.secret");
    std::fs::write(&kept, secret).unwrap();
    std::fs::set_permissions(&kept, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let gateway = Gateway::start(&plan.replace(&plan_secret(&plan), kept.to_str().unwrap()));

    let page = gateway.get("wiki.localhost", "/a").browser().send();
    assert!(page.status == 503 && page.text().contains("provider_unavailable"), "{}", page.text());
    assert!(page.header("retry-after").is_some());
    let program = gateway.get("both.localhost", "/.vestibule/sso/corp").send();
    assert_eq!((program.status, program.reason()), (503, "provider_unavailable".to_owned()));
    let password = gateway.sign_in("both.localhost", &[("email", MAYA), ("password", PASSWORD)]).send();
    assert_eq!(password.status, 303, "other ways in are open");
    let entries = gateway.logs_when("access", "reason=provider_unavailable", 2);
    assert!(entries.iter().all(|entry| entry["status"] == "failure" && entry["provider"] == "corp"));

    let provider = Provider::start_at(port);
    let mut browser = Browser::new(&gateway, "wiki.localhost", "203.0.113.1");
    until(Duration::from_secs(10), "the provider is asked again", || (browser.get("/a").status == 302).then_some(()));
    assert_eq!(browser.sign_in("/a", &provider).status, 303);

    provider.fault("/token", Fault::Says(500, "text/plain", "oh".to_owned()));
    browser.forget();
    let failed = browser.sign_in("/a", &provider);
    assert!(failed.status == 503 && failed.text().contains("provider_unavailable"), "{}", failed.text());
    provider.honest();
    assert_eq!(browser.sign_in("/a", &provider).status, 303);
}

/// The path of the client's secret in a plan.
fn plan_secret(plan: &str) -> String {
    plan.split("client_secret = { file = \"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[test]
fn new_keys_are_fetched_without_hammering_the_provider() {
    let inn = Inn::start("");
    assert_eq!(inn.browser("wiki.localhost", "203.0.113.1").sign_in("/", &inn.provider).status, 303);
    assert_eq!(inn.provider.received("/jwks").len(), 1);
    inn.provider.rotate();
    let mut tries = 0;
    until(Duration::from_secs(25), "the new key is known", || {
        tries += 1;
        let address = format!("198.18.{}.{}", tries / 250, tries % 250);
        (inn.browser("wiki.localhost", &address).sign_in("/", &inn.provider).status == 303).then_some(())
    });
    assert!(tries > 20, "{tries} sign-ins were tried meanwhile");
    assert_eq!(inn.provider.received("/jwks").len(), 2);
    let fetched = inn.gateway.logs_when("access", "view=events&rule=providers.corp.keys&status=pending", 1);
    assert_eq!(fetched[0]["provider"], "corp");
}

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

#[test]
fn callbacks_of_one_address_are_limited() {
    let inn = Inn::start("");
    let callback = || inn.gateway.get("wiki.localhost", "/.vestibule/callback?state=x&code=y");
    for number in 1..=15 {
        assert_eq!(callback().from("203.0.113.9").send().status, 400, "{number}");
    }
    let limited = callback().from("203.0.113.9").send();
    assert_eq!((limited.status, limited.reason()), (429, "rate_limited_ip".to_owned()));
    assert!(limited.header("retry-after").is_some());
    assert_eq!(callback().from("203.0.113.10").send().status, 400, "another address");
    let entries = inn.gateway.logs_when("access", "result=rate_limited", 1);
    assert_eq!(entries[0]["auth_method"], "sso");
}

#[test]
fn a_provider_sends_browsers_back_over_the_scheme_and_port_that_they_use() {
    let (provider, upstream) = (Provider::start(), Upstream::start());
    let plan = plan(&provider, &upstream, "").replace("hosts = [\"wiki.localhost\"]", "hosts = [\"wiki.test\"]");
    let gateway = Gateway::start(&plan);
    let ask = |host: &str, scheme: &str| {
        let request = Request::new(gateway.proxy(), "GET", host, "/a").browser();
        request.header("X-Forwarded-Proto", scheme).send()
    };
    let plain = ask("wiki.test", "http");
    assert!(plain.status == 400 && plain.text().contains("tls_required"), "{}", plain.text());
    for (host, uri) in [
        ("wiki.test", "https://wiki.test/.vestibule/callback"),
        ("wiki.test:443", "https://wiki.test/.vestibule/callback"),
        ("WIKI.test:8443", "https://wiki.test:8443/.vestibule/callback"),
    ] {
        let answer = ask(host, "https");
        let location = answer.header("location").unwrap_or_else(|| panic!("{host}: {}", answer.text()));
        assert_eq!(pairs(location.split_once('?').unwrap().1)["redirect_uri"], uri, "{host}");
        let set = answer.header("set-cookie").unwrap();
        assert!(set.starts_with("__Host-vestibule-browser="), "{set}");
        for attribute in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/", "; Max-Age=600"] {
            assert!(set.contains(attribute), "{set}");
        }
    }
    assert!(gateway.logs("access", "reason=tls_required").is_empty());
}

#[test]
fn sign_ins_that_are_never_finished_stay_bounded() {
    let inn = Inn::start("");
    let mut browser = inn.browser("wiki.localhost", "203.0.113.1");
    let first = browser.at_provider("/first", &inn.provider);
    for _ in 0..20 {
        assert_eq!(browser.get("/").status, 302);
    }
    assert_eq!(browser.get(path(&first)).status, 400, "the oldest of a browser went");
    let last = browser.at_provider("/last", &inn.provider);
    let sent: usize = browser.cookie("vestibule-browser").unwrap().len();
    assert!(sent < 100, "one cookie, however many begin");
    assert_eq!(browser.get(path(&last)).header("location"), Some("/last"));
    assert!(inn.gateway.metric("vestibule_sign_ins_started", &[]) <= 8.0);

    for _ in 0..40 {
        inn.gateway.get("wiki.localhost", "/").browser().from("203.0.113.77").send();
    }
    let recorded = inn.gateway.logs_when("access", "source_ip=203.0.113.77", 30);
    assert_eq!(recorded.len(), 30, "the rest is only counted");
    assert!(inn.gateway.metric("vestibule_attempts_unrecorded_total", &[]) >= 10.0);
}
