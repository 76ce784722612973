//! Signing in at an identity provider.

mod attempts;
mod providers;
mod sessions;

use harness::browser::path;
use harness::house::{BRAM, MAYA, people};
use harness::provider::{CLIENT_ID, pairs, person};
use harness::{Browser, Gateway, Provider, Upstream};
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
