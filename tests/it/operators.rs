//! Operators sign in to the pages of the admin port at a provider.

use harness::browser::{Jar, path};
use harness::house::MAYA;
use harness::provider::{Fault, Token, person};
use harness::{Chromium, Gateway, Provider, RealProvider, Response};
use serde_json::{Value, json};

/// With people of its own domain, and lines of `[admin.operators]`.
fn toml(provider: &Provider, operators: &str) -> String {
    provider.toml("corp", "email_domains = [\"example.net\"]\nscopes = [\"openid\", \"email\", \"groups\"]")
        + &format!("[admin.operators]\nprovider = \"corp\"\n{operators}\n")
}

const WRITERS: &str = "members = [\"group:writers\"]\nrole = \"auditor\"";

/// A browser at the admin port.
struct Browser<'a> {
    gateway: &'a Gateway,
    jar: Jar,
}

impl<'a> Browser<'a> {
    fn new(gateway: &'a Gateway) -> Self {
        Self { gateway, jar: Jar::default() }
    }

    fn get(&mut self, target: &str) -> Response {
        self.jar.send(&self.gateway.admin_request("GET", target).browser())
    }

    /// Goes to the provider; gives the address to which that sends the browser.
    #[track_caller]
    fn at_provider(&mut self, target: &str, provider: &Provider) -> String {
        let answer = self.get(target);
        assert_eq!(answer.status, 303, "{}", answer.text());
        path(&provider.visit(answer.header("location").unwrap())).to_owned()
    }

    #[track_caller]
    fn sign_in(&mut self, provider: &Provider) -> Response {
        let callback = self.at_provider("/sign-in/sso?return=/people", provider);
        self.get(&callback)
    }

    fn is_signed_in(&mut self) -> bool {
        self.get("/").status == 200
    }
}

fn logins(gateway: &Gateway, count: usize) -> Vec<Value> {
    gateway.logs_when("audit", "action=admin.login&order=asc", count)
}

#[test]
fn operators_come_by_their_provider_and_are_named_in_entries() {
    let provider = Provider::start();
    let gateway = Gateway::start(&toml(&provider, WRITERS));
    let mut browser = Browser::new(&gateway);
    let page = browser.get("/sign-in?return=/people").text();
    assert!(page.contains("href=\"/sign-in/sso?return=/people\">Sign in with corp"), "{page}");
    let answer = browser.sign_in(&provider);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("content=\"0; url=/people\""), "{}", answer.text());
    assert_eq!(answer.header("referrer-policy"), Some("strict-origin"), "its address holds the code");
    let set = answer.header("set-cookie").unwrap();
    assert!(set.contains("HttpOnly; SameSite=Strict"), "{set}");
    let asked = &provider.received("/authorize")[0].target;
    let redirect = format!(
        "redirect_uri={}",
        harness::client::encode(&format!("http://{}/sign-in/callback", gateway.admin_address()))
    );
    assert!(asked.contains(&redirect) && asked.contains("code_challenge_method=S256"), "{asked}");

    let page = browser.get("/people");
    assert!(page.status == 200 && page.text().contains(&format!("{MAYA} · auditor")), "{}", page.text());
    assert_eq!(browser.get("/logs/audit/export?format=csv").status, 200);
    let entries = logins(&gateway, 1);
    assert_eq!((entries[0]["actor"].as_str(), entries[0]["actor_type"].as_str()), (Some(MAYA), Some("user")));
    assert_eq!(entries[0]["details"], json!({ "way": "sso", "provider": "corp", "role": "auditor" }));
    let export = gateway.logs_when("audit", "action.contains=export", 1);
    assert_eq!((export[0]["actor"].as_str(), export[0]["actor_type"].as_str()), (Some(MAYA), Some("user")));
    assert_eq!(browser.get("/api/v1/status").status, 401, "the API takes tokens alone");
}

#[test]
fn operators_are_out_or_may_less_from_the_next_request_on() {
    let provider = Provider::start();
    let mut gateway = Gateway::start(&toml(&provider, WRITERS));
    let named = |role: &str| {
        format!("members = []\n[admin.operators.people.\"Maya@example.net\"]\nrole = \"{role}\"\nlogs = [\"access\"]")
    };
    let jar = {
        let mut browser = Browser::new(&gateway);
        assert_eq!(browser.sign_in(&provider).status, 200);
        browser.jar
    };
    let look = |gateway: &Gateway, target: &str| Browser { gateway, jar: jar.clone() }.get(target).status;
    assert_eq!(look(&gateway, "/logs/audit/export?format=csv"), 200);

    gateway.reconfigure(&toml(&provider, &named("reader")));
    assert_eq!(look(&gateway, "/logs/access"), 200);
    assert_eq!((look(&gateway, "/logs/access/export?format=csv"), look(&gateway, "/logs/audit")), (403, 403));
    let denied = gateway.logs_when("audit", "status=denied", 2);
    assert!(denied.iter().all(|entry| entry["actor"] == MAYA && entry["actor_type"] == "user"), "{denied:?}");

    for out in [
        toml(&provider, "members = [\"group:sre\"]"),
        toml(&provider, WRITERS) + &format!("[users.\"{MAYA}\"]\nstate = \"blocked\"\n"),
        toml(&provider, WRITERS).replace("\"example.net\"", "\"partner.example\""),
        toml(&provider, WRITERS).replace("client_id = \"vestibule\"", "client_id = \"another\""),
        "[projects.docs]\nmembers = []\n".to_owned(),
    ] {
        gateway.reconfigure(&out);
        assert_eq!(look(&gateway, "/"), 303, "{out}");
        gateway.reconfigure(&toml(&provider, WRITERS));
        assert_eq!(look(&gateway, "/"), 200);
    }
}

#[test]
fn operators_are_not_made_of_strangers_lies_and_other_browsers() {
    let provider = Provider::start();
    let mut gateway = Gateway::start(&toml(&provider, WRITERS));
    let gone = format!("{}[users.\"{MAYA}\"]\nstate = \"blocked\"\n", toml(&provider, WRITERS));
    let try_as = |gateway: &Gateway, claims: Value, status: u16, text: &str| {
        provider.person(claims);
        let mut browser = Browser::new(gateway);
        let answer = browser.sign_in(&provider);
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.text().contains(text), "{text}: {}", answer.text());
        assert!(!browser.is_signed_in());
    };
    let maya = || person("maya", MAYA, &["writers"]);
    let unverified = json!({ "sub": "maya", "email": MAYA, "email_verified": false, "groups": ["writers"] });
    try_as(&gateway, person("ines", "ines@example.net", &["readers"]), 403, "not open to ines@example.net");
    try_as(&gateway, person("eve", "eve@evil.example", &["writers"]), 403, "not open to eve@evil.example");
    try_as(&gateway, unverified, 403, "not open to maya@example.net");
    for claim in ["nonce", "iss", "aud"] {
        provider.lie(move |token: &mut Token| token.claims[claim] = json!("another"));
        try_as(&gateway, maya(), 401, "The sign-in at the provider failed.");
    }
    provider.honest();
    provider.callback("code=CODE&state=STATE&iss=https%3A%2F%2Fevil.example");
    try_as(&gateway, maya(), 401, "The sign-in at the provider failed.");
    provider.honest();
    gateway.reconfigure(&gone);
    try_as(&gateway, maya(), 403, "not open to maya@example.net");
    gateway.reconfigure(&toml(&provider, WRITERS));

    let mut browser = Browser::new(&gateway);
    let callback = browser.at_provider("/sign-in/sso", &provider);
    let other = Browser::new(&gateway).get(&callback);
    assert_eq!(other.status, 400, "{}", other.text());
    assert!(other.text().contains("was begun in another browser"));
    let entries = logins(&gateway, 9);
    let reasons: Vec<_> = entries.iter().map(|entry| entry["details"]["reason"].as_str().unwrap()).collect();
    let claims = ["sso_error"; 4];
    assert_eq!(reasons[..3], ["not_on_allowlist", "domain_not_allowed", "email_not_verified"]);
    assert_eq!((&reasons[3..7], &reasons[7..]), (&claims[..], &["user_blocked", "sso_state_invalid"][..]));
    assert!(entries.iter().all(|entry| entry["status"] == "failed"), "{entries:?}");
    assert_eq!(entries[0]["actor"], "ines@example.net");
}

#[test]
fn operators_callbacks_count_once_and_are_limited_by_address() {
    let provider = Provider::start();
    let gateway = Gateway::start(&toml(&provider, WRITERS));
    let mut browser = Browser::new(&gateway);
    let callback = browser.at_provider("/sign-in/sso", &provider);
    assert_eq!(browser.get(&callback).status, 200);
    assert_eq!(browser.get(&callback).status, 400, "it is used up");
    assert!(browser.is_signed_in());
    let limited = (0..20).map(|_| browser.get("/sign-in/callback?state=x&code=y")).find(|answer| answer.status != 400);
    let limited = limited.expect("callbacks of one address are limited");
    assert!(limited.status == 429 && limited.header("retry-after").is_some(), "{limited:?}");
    assert_eq!(browser.get("/sign-in/sso?return=//evil.example/&colour=1").status, 400);
}

#[test]
fn operators_provider_that_is_down_leaves_the_other_ways_in() {
    let provider = Provider::start();
    let gateway = Gateway::start(&toml(&provider, WRITERS));
    provider.fault("/.well-known/openid-configuration", Fault::Closed);
    let mut browser = Browser::new(&gateway);
    let answer = browser.get("/sign-in/sso");
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.text().contains("The provider does not answer") && answer.text().contains("name=\"token\""));
    let form = [("token", harness::secrets::READER_TOKEN)];
    assert_eq!(gateway.admin_request("POST", "/sign-in").form(&form).send().status, 303);
}

#[test]
#[ignore = "needs oidc-provider from npm; tests/run.sh fetches it"]
fn operators_come_by_a_certified_provider() {
    let mut gateway = Gateway::start("[projects.docs]\nmembers = []\n");
    let callback = format!("http://{}/sign-in/callback", gateway.admin_address());
    let certified = RealProvider::certified_for("wiki.localhost", gateway.proxy().port(), &callback);
    gateway.reconfigure(
        &(certified.toml("scopes = [\"openid\", \"email\", \"groups\"]")
            + &format!("[admin.operators]\nprovider = \"corp\"\n{WRITERS}\n")),
    );
    let (mut browser, mut jar) = (Browser::new(&gateway), Jar::default());
    let location = browser.get("/sign-in/sso").header("location").unwrap().to_owned();
    let callback = certified.sign_in(&mut jar, &location);
    let answer = browser.get(path(&callback));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(browser.get("/").text().contains(&format!("{MAYA} · auditor")));
    assert_eq!(browser.get(path(&callback)).status, 400, "a callback is good once");
}

/// The provider is another site to the browser than `localhost`: no strict cookie leaves with what it begins.
#[test]
#[ignore = "needs Chromium and chromedriver; tests/run.sh installs them"]
fn operators_come_by_their_provider_in_a_real_browser() {
    let provider = Provider::start();
    let gateway = Gateway::start(&toml(&provider, WRITERS));
    for scripts in [true, false] {
        let browser = Chromium::start(scripts);
        let at = |target: &str| format!("http://localhost:{}{target}", gateway.admin_address().port());
        browser.open(&at("/logs/access?range=1h"));
        browser.arrives_at(&at("/sign-in?return="));
        browser.press(".button");
        browser.arrives_at(&at("/logs/access?range=1h"));
        browser.reads("h1", "Access log");
        assert_eq!(browser.complaints(), [""; 0]);
    }
    assert_eq!(logins(&gateway, 2)[1]["actor"], MAYA);
}
