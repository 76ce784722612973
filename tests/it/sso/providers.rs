//! Several providers, and those that are down or change their keys.

use std::time::Duration;

use harness::browser::path;
use harness::house::{MAYA, people};
use harness::provider::{Fault, pairs, person};
use harness::secrets::PASSWORD;
use harness::{Browser, Gateway, Provider, Request, Upstream, client, port, until};

use super::{Inn, circuit, plan};

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
