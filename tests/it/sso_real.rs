//! Signing in at providers that others made, which tests/run.sh fetches: oidc-provider, certified, and canaille.

use std::time::{Duration, Instant};

use harness::browser::{Jar, path};
use harness::house::MAYA;
use harness::provider::pairs;
use harness::{Browser, Gateway, RealProvider, Response, Upstream, until};

/// A circuit of the group writers, who sign in at the provider alone.
pub(crate) fn wiki(upstream: &Upstream) -> String {
    format!(
        "[circuits.wiki]\nhosts = [\"wiki.localhost\"]\nupstream = \"{}\"\naccess = \"allowlist\"\n\
         allow = [\"group:writers\"]\nlogin = [\"sso:corp\"]\n",
        upstream.url()
    )
}

/// To where an answer leads.
#[track_caller]
fn location(answer: &Response) -> String {
    let location = answer.header("location");
    location.unwrap_or_else(|| panic!("nothing leads on: {} {}", answer.status, answer.text())).to_owned()
}

/// Maya comes, stays past two checks of her session by its refresh token, and leaves.
#[track_caller]
fn comes_stays_and_leaves(gateway: &Gateway, upstream: &Upstream, provider: &RealProvider) {
    let (mut browser, mut jar) = (Browser::new(gateway, "wiki.localhost", "203.0.113.1"), Jar::default());
    let callback = provider.sign_in(&mut jar, &location(&browser.get("/a?x=1")));
    let back = browser.get(path(&callback));
    assert_eq!((back.status, back.header("location")), (303, Some("/a?x=1")), "{}", back.text());
    assert_eq!(browser.get("/a?x=1").status, 200);
    assert_eq!(upstream.last().header("x-vestibule-user"), Some(MAYA));
    assert_eq!(upstream.last().header("x-vestibule-groups"), Some("writers"));
    let entry = gateway.logs_when("access", "status=success", 1).remove(0);
    assert_eq!((entry["user_id"].as_str(), entry["provider"].as_str()), (Some("corp:maya"), Some("corp")));
    assert_eq!(browser.get(path(&callback)).status, 400, "a callback is good once");

    let start = Instant::now();
    until(Duration::from_secs(10), "two checks", || {
        let answer = browser.get("/a");
        assert_eq!(answer.status, 200, "{}", answer.text());
        (start.elapsed() > Duration::from_millis(2500)).then_some(())
    });
    assert_eq!(gateway.logs("access", "action=reauth").len(), 0);

    let session = browser.cookie("vestibule").unwrap().to_owned();
    let away = location(&browser.post("/.vestibule/logout", &[]));
    assert!(pairs(away.split_once('?').unwrap().1).contains_key("id_token_hint"), "{away}");
    let page = jar.send(&provider.ask("GET", path(&away)));
    assert!(matches!(page.status, 200 | 302), "the provider knows where the person goes: {}", page.text());
    let gone = gateway.get("wiki.localhost", "/a").cookie(&format!("vestibule={session}")).send();
    assert_eq!(gone.status, 401);
}

#[test]
#[ignore = "needs oidc-provider from npm; tests/run.sh fetches it"]
fn sso_certified_provider_signs_a_person_in_and_out() {
    let upstream = Upstream::start();
    let mut gateway = Gateway::start("[projects.docs]\nmembers = []\n");
    let certified = RealProvider::certified("wiki.localhost", gateway.proxy().port());
    let of_provider = "scopes = [\"openid\", \"email\", \"groups\", \"offline_access\"]\nrecheck = \"1s\"";
    gateway.reconfigure(&(certified.toml(of_provider) + &wiki(&upstream)));
    comes_stays_and_leaves(&gateway, &upstream, &certified);
}

#[test]
#[ignore = "needs canaille from PyPI; tests/run.sh fetches it"]
fn sso_canaille_signs_a_person_in_and_out_once_its_word_is_taken_for_addresses() {
    let (upstream, canaille) = (Upstream::start(), RealProvider::canaille("wiki.localhost"));
    let of_provider = "scopes = [\"openid\", \"email\", \"groups\"]\nrecheck = \"1s\"\n";
    let mut gateway = Gateway::start(&(canaille.toml(of_provider) + &wiki(&upstream)));
    let (mut browser, mut jar) = (Browser::new(&gateway, "wiki.localhost", "203.0.113.1"), Jar::default());
    let callback = canaille.sign_in(&mut jar, &location(&browser.get("/a")));
    let refused = browser.get(path(&callback));
    assert_eq!(refused.status, 403, "it vouches for no address: {}", refused.text());
    let entry = gateway.logs_when("access", "status=failure", 1).remove(0);
    assert_eq!((entry["reason"].as_str(), entry["email"].as_str()), (Some("email_not_verified"), Some(MAYA)));

    let trusting = format!("{of_provider}require_verified_email = false");
    gateway.reconfigure(&(canaille.toml(&trusting) + &wiki(&upstream)));
    comes_stays_and_leaves(&gateway, &upstream, &canaille);
}
