//! People in a real browser: Chromium, with and without scripts, on the screen of a small telephone.

use harness::chromium::WIDTH;
use harness::house::MAYA;
use harness::secrets::{OTHER_PASSWORD, PASSWORD};
use harness::{Chromium, Gateway, House, RealProvider, Upstream};

use crate::sso_real::{TwoHouses, wiki};

/// The site as the browser names it.
fn site(gateway: &Gateway, name: &str) -> String {
    format!("http://{name}.localhost:{}", gateway.proxy().port())
}

/// The page fits the screen, and no rule of its own hinders it.
#[track_caller]
fn looks_right(browser: &Chromium, scripts: bool) {
    if scripts {
        assert!(browser.page_width() <= WIDTH, "{} is wider than the screen: {}", browser.url(), browser.page_width());
    }
    let picture = browser.screenshot();
    let width = picture.get(16..20).map(|bytes| u32::from_be_bytes(bytes.try_into().unwrap()));
    assert_eq!((&picture[1..4], width), (&b"PNG"[..], Some(u32::try_from(WIDTH).unwrap())));
    let complaints = browser.complaints();
    assert!(!complaints.iter().any(|complaint| complaint.contains("Content Security Policy")), "{complaints:?}");
}

#[track_caller]
fn signs_in_and_out_by_password(scripts: bool) {
    let house = House::start();
    let browser = Chromium::start(scripts);
    let mem = site(&house.gateway, "mem");
    browser.open(&format!("{mem}/a?x=1&y=2"));
    browser.arrives_at(&format!("{mem}/.vestibule/login?"));
    looks_right(&browser, scripts);
    for (field, kind, autocomplete) in [
        ("form:has([name=password]) [name=email]", "email", "username"),
        ("[name=password]", "password", "current-password"),
        ("form:has([name=pin]) [name=email]", "email", "username"),
        ("[name=pin]", "password", "one-time-code"),
    ] {
        let told = (browser.attribute(field, "type"), browser.attribute(field, "autocomplete"));
        assert_eq!(told, (Some(kind.to_owned()), Some(autocomplete.to_owned())), "{field}");
    }
    let sign_in = |password: &str| {
        browser.write("form:has([name=password]) [name=email]", MAYA);
        browser.write("[name=password]", password);
        browser.press("form:has([name=password]) button");
    };
    sign_in(OTHER_PASSWORD);
    browser.reads("[role=alert]", "These credentials are not accepted.");
    assert_eq!(browser.attribute("[name=email]", "value").as_deref(), Some(MAYA), "nobody types it twice");
    looks_right(&browser, scripts);
    sign_in(PASSWORD);
    browser.arrives_at(&format!("{mem}/a?x=1&y=2"));
    assert_eq!(house.upstream.last().header("x-vestibule-user"), Some(MAYA));

    browser.open(&format!("{mem}/.vestibule/logout"));
    looks_right(&browser, scripts);
    browser.press("form button");
    browser.reads("h1", "You are signed out");
    looks_right(&browser, scripts);
    browser.open(&format!("{mem}/a"));
    browser.arrives_at(&format!("{mem}/.vestibule/login?"));
    let ended = house.gateway.logs_when("access", "action=logout", 1);
    assert_eq!(ended[0]["email"], MAYA);
}

#[test]
#[ignore = "needs Chromium and chromedriver; tests/run.sh installs them"]
fn chromium_signs_in_and_out_by_password() {
    signs_in_and_out_by_password(true);
}

#[test]
#[ignore = "needs Chromium and chromedriver; tests/run.sh installs them"]
fn chromium_signs_in_and_out_by_password_without_scripts() {
    signs_in_and_out_by_password(false);
}

#[track_caller]
fn signs_in_and_out_at_a_provider(scripts: bool) {
    let upstream = Upstream::start();
    let mut gateway = Gateway::start("[projects.docs]\nmembers = []\n");
    let site = site(&gateway, "wiki");
    let certified = RealProvider::certified(site.trim_start_matches("http://"), gateway.proxy().port());
    let body = certified.toml("scopes = [\"openid\", \"email\", \"groups\"]") + &wiki(&upstream);
    gateway.reconfigure(&body);
    let browser = Chromium::start(scripts);
    browser.open(&format!("{site}/a?x=1&y=2"));
    browser.arrives_at(&certified.issuer());
    browser.write("[name=login]", "maya");
    browser.write("[name=password]", "any");
    browser.press("form button");
    browser.arrives_at(&format!("{site}/a?x=1&y=2"));
    assert_eq!(upstream.last().header("x-vestibule-user"), Some(MAYA));
    assert_eq!(gateway.logs_when("access", "status=success", 1)[0]["auth_method"], "sso");

    browser.open(&format!("{site}/.vestibule/logout"));
    looks_right(&browser, scripts);
    browser.press("form button");
    browser.arrives_at(&certified.issuer());
    browser.press("[name=logout]");
    browser.arrives_at(&site);
    browser.open(&format!("{site}/a"));
    browser.arrives_at(&certified.issuer());
    assert!(browser.attribute("[name=login]", "name").is_some(), "the provider asks again");
}

#[test]
#[ignore = "needs Chromium, chromedriver, and oidc-provider from npm; tests/run.sh fetches them"]
fn chromium_signs_in_and_out_at_a_certified_provider() {
    signs_in_and_out_at_a_provider(true);
}

#[test]
#[ignore = "needs Chromium, chromedriver, and oidc-provider from npm; tests/run.sh fetches them"]
fn chromium_signs_in_and_out_at_a_certified_provider_without_scripts() {
    signs_in_and_out_at_a_provider(false);
}

#[test]
#[ignore = "needs Chromium, chromedriver, and oidc-provider from npm; tests/run.sh fetches them"]
fn chromium_goes_by_a_login_host_to_a_certified_provider() {
    let all = TwoHouses::start();
    let browser = Chromium::start(true);
    browser.open(&all.at("wiki"));
    browser.arrives_at(&all.provider.issuer());
    browser.write("[name=login]", "maya");
    browser.write("[name=password]", "any");
    browser.press("form button");
    browser.arrives_at(&all.at("wiki"));
    browser.open(&all.at("board"));
    browser.arrives_at(&all.at("board"));
    assert_eq!(all.upstream.last().header("x-vestibule-user"), Some(MAYA));

    browser.open(&all.at("board").replace("/a?x=1", "/.vestibule/logout"));
    looks_right(&browser, true);
    browser.press("form button");
    browser.arrives_at(&all.provider.issuer());
    browser.press("[name=logout]");
    browser.arrives_at(&format!("http://{}", all.login));
    browser.reads("h1", "You are signed out");
    looks_right(&browser, true);
    browser.open(&all.at("wiki"));
    browser.arrives_at(&all.provider.issuer());
    assert!(browser.attribute("[name=login]", "name").is_some(), "out of the other circuit too");
}
