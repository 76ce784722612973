//! What an identity provider, or somebody between, may not get away with: one lie a row.

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::browser::path;
use harness::house::MAYA;
use harness::provider::{CLIENT_ID, CLIENT_SECRET, Fault, Signer, Token, now, person};
use harness::{Browser, Gateway, Provider, Response, Upstream};
use serde_json::{Value, json};

/// Circuits `w0`, `w1`, … each behind a provider of its own.
fn gateway(providers: &[Provider], upstream: &Upstream) -> Gateway {
    let one = |(number, provider): (usize, &Provider)| {
        let domains = "email_domains = [\"example.net\"]\nscopes = [\"openid\", \"email\", \"groups\"]";
        format!(
            "{}[circuits.w{number}]\nhosts = [\"w{number}.localhost\"]\nupstream = \"{}\"\naccess = \"allowlist\"\n\
             allow = [\"domain:example.net\"]\nlogin = [\"sso:p{number}\"]\n",
            provider.toml(&format!("p{number}"), domains),
            upstream.url()
        )
    };
    Gateway::start(&providers.iter().enumerate().map(one).collect::<String>())
}

/// A lie, and what must come of it.
struct Row<L: ?Sized> {
    name: &'static str,
    status: u16,
    reason: &'static str,
    lie: Arc<L>,
}

type InToken = Row<dyn Fn(&mut Token) + Send + Sync>;
type AtProvider = Row<dyn Fn(&Provider)>;

impl<L: ?Sized> Row<L> {
    /// What came of it, unless it is what should; so that one run tells of all rows.
    fn believed(&self, answer: &Response) -> Option<String> {
        let page = answer.text();
        let refused = answer.status == self.status && answer.session().is_none();
        let told = page.contains(self.reason) && !page.contains("<script>");
        (!refused || !told).then(|| format!("{}: {}", self.name, answer.status))
    }
}

/// A claim that is something else; of null, not there.
fn claim(name: &'static str, claim: &'static str, value: Value) -> InToken {
    let lie = move |token: &mut Token| {
        if value.is_null() {
            token.claims.as_object_mut().unwrap().remove(claim);
        } else {
            token.claims[claim] = value.clone();
        }
    };
    Row { name, status: 401, reason: "sso_error", lie: Arc::new(lie) }
}

/// A field of the header that is something else, and with what the token is signed.
fn head(name: &'static str, field: &'static str, value: Value, signer: Signer) -> InToken {
    let lie = move |token: &mut Token| {
        token.header[field] = value.clone();
        token.signer = signer.clone();
    };
    Row { name, status: 401, reason: "sso_error", lie: Arc::new(lie) }
}

/// Text in place of the first brace of the claims.
fn text(name: &'static str, text: String) -> InToken {
    let lie = move |token: &mut Token| token.claims = json!(token.claims.to_string().replacen('{', &text, 1));
    Row { name, status: 401, reason: "sso_error", lie: Arc::new(lie) }
}

fn signatures(provider: &Provider) -> Vec<InToken> {
    let own = || Signer::Own;
    vec![
        head("alg none", "alg", json!("none"), Signer::Nothing),
        head("alg None", "alg", json!("None"), Signer::Nothing),
        head("alg none, signed", "alg", json!("none"), own()),
        head("empty signature", "typ", json!("JWT"), Signer::Nothing),
        head("MAC by the public key", "alg", json!("HS256"), Signer::Mac(provider.public_key())),
        head("MAC by the client's secret", "alg", json!("HS256"), Signer::Mac(CLIENT_SECRET.into())),
        head("a stranger's key", "typ", json!("JWT"), Signer::Stranger),
        head("a stranger's key, named", "kid", json!("2"), Signer::Stranger),
        head("an unknown key", "kid", json!("../../1"), own()),
        head("a key from elsewhere", "jku", json!("http://127.0.0.1:9/keys"), Signer::Stranger),
        head("crit", "crit", json!(["x"]), own()),
        head("another type", "typ", json!("at+jwt"), own()),
        head("a nested token", "cty", json!("JWT"), own()),
    ]
}

fn claims(provider: &Provider) -> Vec<InToken> {
    vec![
        claim("iss with a slash", "iss", json!(format!("{}/", provider.issuer()))),
        claim("another iss", "iss", json!("https://sso.example.net")),
        claim("no iss", "iss", Value::Null),
        claim("another aud", "aud", json!("another")),
        claim("one more aud", "aud", json!([CLIENT_ID, "another"])),
        claim("no aud", "aud", Value::Null),
        claim("another azp", "azp", json!("another")),
        claim("another nonce", "nonce", json!("another")),
        claim("no nonce", "nonce", Value::Null),
        claim("expired", "exp", json!(now() - 70)),
        claim("no exp", "exp", Value::Null),
        claim("exp beyond all time", "exp", json!(1e300)),
        claim("exp as text", "exp", json!("tomorrow")),
        claim("issued tomorrow", "iat", json!(now() + 86_400)),
        claim("no iat", "iat", Value::Null),
        claim("not yet", "nbf", json!(now() + 600)),
        claim("nbf as text", "nbf", json!("tomorrow")),
        claim("no sub", "sub", Value::Null),
        claim("empty sub", "sub", json!("")),
        claim("long sub", "sub", json!("x".repeat(256))),
        claim("sub as a number", "sub", json!(7)),
        text("a name twice", "{\"groups\":[\"sre\"],".to_owned()),
        text("a list", "[{".to_owned()),
        text("too deep", format!("{{\"deep\":{}{},", "[".repeat(200), "]".repeat(200))),
    ]
}

fn people() -> Vec<InToken> {
    let told = |reason, row: InToken| Row { status: 403, reason, ..row };
    vec![
        claim("two at", "email", json!("eve@evil.test@example.net")),
        claim("not ASCII", "email", json!("m\u{e4}ya@example.net")),
        claim("empty e-mail", "email", json!("")),
        claim("verified as text", "email_verified", json!("true")),
        claim("verified as a number", "email_verified", json!(1)),
        told("email_not_verified", claim("not verified", "email_verified", json!(false))),
        told("email_not_verified", claim("verified unsaid", "email_verified", Value::Null)),
        told("domain_not_allowed", claim("another domain", "email", json!("maya@example.net.evil.test"))),
    ]
}

#[test]
fn no_lie_in_a_token_is_believed() {
    let (providers, upstream) = ([Provider::start()], Upstream::start());
    let gateway = gateway(&providers, &upstream);
    let [provider] = &providers;
    let mut believed = Vec::new();
    let rows = signatures(provider).into_iter().chain(claims(provider)).chain(people());
    for (number, row) in rows.enumerate() {
        let lie = Arc::clone(&row.lie);
        provider.lie(move |token| lie(token));
        let address = format!("203.0.113.{number}");
        let answer = Browser::new(&gateway, "w0.localhost", &address).sign_in("/secret", provider);
        if answer.status == row.status {
            let entries = gateway.logs_when("access", &format!("source_ip={address}&status=failure"), 1);
            let recorded = entries[0]["reason"].as_str().unwrap_or_default();
            believed.extend((recorded != row.reason).then(|| format!("{}: recorded as {recorded}", row.name)));
        }
        believed.extend(row.believed(&answer));
    }
    assert!(believed.is_empty(), "{believed:#?}");
    assert_eq!(upstream.count(), 0);
    assert!(provider.received("/jwks").len() <= 3, "unknown keys do not make us hammer the provider");
}

#[test]
fn two_clocks_may_differ_by_a_minute() {
    let (providers, upstream) = ([Provider::start()], Upstream::start());
    let gateway = gateway(&providers, &upstream);
    let [provider] = &providers;
    for (number, row) in [
        claim("exp", "exp", json!(now() - 30)),
        claim("iat", "iat", json!(now() + 30)),
        claim("nbf", "nbf", json!(now() + 30)),
        claim("azp", "azp", json!(CLIENT_ID)),
    ]
    .into_iter()
    .enumerate()
    {
        let lie = Arc::clone(&row.lie);
        provider.lie(move |token| lie(token));
        let answer = Browser::new(&gateway, "w0.localhost", &format!("198.51.100.{number}")).sign_in("/", provider);
        assert_eq!(answer.status, 303, "{}: {}", row.name, answer.text());
    }
}

#[test]
fn no_lie_in_a_callback_is_believed() {
    let (providers, upstream) = ([Provider::start()], Upstream::start());
    let gateway = gateway(&providers, &upstream);
    let [provider] = &providers;
    let mut believed = Vec::new();
    for (number, (name, query, status, reason)) in [
        ("another iss", "code=CODE&state=STATE&iss=https%3A%2F%2Fsso.example.net", 401, "sso_error"),
        ("iss with a slash", "code=CODE&state=STATE&iss=ISS%2F", 401, "sso_error"),
        ("no iss where it is announced", "code=CODE&state=STATE", 401, "sso_error"),
        ("iss twice", "code=CODE&state=STATE&iss=ISS&iss=ISS", 400, "malformed_request"),
        ("code twice", "code=CODE&code=CODE&state=STATE&iss=ISS", 400, "malformed_request"),
        ("no code", "state=STATE&iss=ISS", 401, "sso_error"),
        ("an error with a code", "error=access_denied&code=CODE&state=STATE&iss=ISS", 401, "sso_error"),
        ("an error", "error=%3Cscript%3E&error_description=%3Cscript%3E&state=STATE&iss=ISS", 401, "sso_error"),
        ("another code", "code=another&state=STATE&iss=ISS", 401, "sso_error"),
        ("another state", "code=CODE&state=another&iss=ISS", 400, "sso_state_invalid"),
        ("no state", "code=CODE&iss=ISS", 400, "sso_state_invalid"),
    ]
    .into_iter()
    .enumerate()
    {
        provider.callback(query);
        let address = format!("203.0.113.{number}");
        let answer = Browser::new(&gateway, "w0.localhost", &address).sign_in("/secret", provider);
        believed.extend(AtProvider { name, status, reason, lie: Arc::new(|_| ()) }.believed(&answer));
    }
    assert!(believed.is_empty(), "{believed:#?}");
    assert_eq!(upstream.count(), 0);
    assert_eq!(provider.received("/token").len(), 1, "only the invented code was ever asked for");
}

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// A part of the provider's description that is something else.
fn described(name: &'static str, field: &'static str, value: &str) -> AtProvider {
    let value = json!(value);
    let lie = move |provider: &Provider| {
        let value = value.clone();
        provider.describe(move |described| described[field] = value.clone());
    };
    Row { name, status: 503, reason: "provider_unavailable", lie: Arc::new(lie) }
}

/// What happens at one of its paths instead.
fn fault(name: &'static str, status: u16, path: &'static str, fault: Fault) -> AtProvider {
    let reason = if status == 503 { "provider_unavailable" } else { "sso_error" };
    Row { name, status, reason, lie: Arc::new(move |provider| provider.fault(path, fault.clone())) }
}

/// What it says of people.
fn about(name: &'static str, lie: impl Fn(&Provider) + 'static) -> AtProvider {
    Row { name, status: 401, reason: "sso_error", lie: Arc::new(lie) }
}

fn back_channel(elsewhere: &Upstream) -> Vec<AtProvider> {
    let page = || Fault::Says(200, "text/html", "<h1>hello</h1>".to_owned());
    let json = |status, body: &str| Fault::Says(status, "application/json", body.to_owned());
    let away = || Fault::Redirects(format!("{}/x", elsewhere.url()));
    vec![
        described("another issuer", "issuer", "https://sso.example.net"),
        described("tokens from elsewhere", "token_endpoint", "http://sso.example.net/token"),
        described("keys without TLS", "jwks_uri", "http://sso.example.net/jwks"),
        described("a script as its page", "authorization_endpoint", "javascript:alert(1)"),
        fault("a page as description", 503, DISCOVERY, page()),
        fault("a redirect as description", 503, DISCOVERY, away()),
        fault("a description without end", 503, DISCOVERY, json(200, &"x".repeat(2 << 20))),
        fault("keys that fail", 503, "/jwks", json(500, "{}")),
        fault("no connection", 503, "/token", Fault::Closed),
        fault("tokens that take too long", 503, "/token", Fault::Slow(Duration::from_secs(15))),
        fault("a page as tokens", 401, "/token", page()),
        fault("a redirect as tokens", 401, "/token", away()),
        fault("no ID token", 401, "/token", json(200, "{\"access_token\":\"a\",\"token_type\":\"Bearer\"}")),
        about("an access token with a line break", |provider| {
            provider.access_token("a\r\nX-Injected: b");
            provider.person(json!({ "sub": "maya" }));
        }),
        about("somebody else's e-mail", |provider| {
            provider.person(json!({ "sub": "eve" }));
            provider.userinfo(person("maya", MAYA, &[]));
        }),
        about("an answer about nobody", |provider| provider.person(json!({ "sub": "eve" }))),
    ]
}

#[test]
fn no_lie_on_the_back_channel_is_believed() {
    let (elsewhere, upstream) = (Upstream::start(), Upstream::start());
    let rows = back_channel(&elsewhere);
    let providers: Vec<_> = rows.iter().map(|_| Provider::start()).collect();
    let gateway = gateway(&providers, &upstream);
    let mut believed = Vec::new();
    for (number, (row, provider)) in rows.iter().zip(&providers).enumerate() {
        (row.lie)(provider);
        let mut browser = Browser::new(&gateway, &format!("w{number}.localhost"), "203.0.113.1");
        let started = Instant::now();
        let mut answer = browser.get("/secret");
        let location = answer.header("location").filter(|location| location.starts_with(&provider.issuer()));
        if let Some(location) = location {
            let callback = provider.visit(location);
            answer = browser.get(path(&callback));
        }
        let waited = started.elapsed();
        believed.extend((waited > Duration::from_secs(14)).then(|| format!("{}: {waited:?} were waited", row.name)));
        believed.extend(row.believed(&answer));
    }
    assert!(believed.is_empty(), "{believed:#?}");
    assert_eq!((upstream.count(), elsewhere.count()), (0, 0), "no redirect is followed");
}

#[test]
fn what_the_token_lacks_is_asked_for() {
    let (providers, upstream) = ([Provider::start()], Upstream::start());
    let gateway = gateway(&providers, &upstream);
    let [provider] = &providers;
    provider.person(json!({ "sub": "maya" }));
    provider.userinfo(person("maya", MAYA, &["writers"]));
    let mut browser = Browser::new(&gateway, "w0.localhost", "203.0.113.1");
    assert_eq!(browser.sign_in("/", provider).status, 303);
    assert_eq!(browser.get("/a").status, 200);
    assert_eq!(upstream.last().header("x-vestibule-groups"), Some("writers"));
    assert_eq!(provider.received("/userinfo")[0].header("authorization"), Some("Bearer an-access-token"));
    let events = gateway.logs_when("access", "view=events&rule=providers.p0.userinfo", 1);
    assert_eq!(events[0]["status"], "pending");
}

const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn in_logout_token(provider: &Provider) -> Vec<InToken> {
    vec![
        claim("another iss", "iss", json!("https://sso.example.net")),
        claim("no iss", "iss", Value::Null),
        claim("another aud", "aud", json!("another")),
        claim("no aud", "aud", Value::Null),
        claim("no iat", "iat", Value::Null),
        claim("issued tomorrow", "iat", json!(now() + 86_400)),
        claim("issued yesterday", "iat", json!(now() - 86_400)),
        claim("expired", "exp", json!(now() - 70)),
        claim("exp as text", "exp", json!("tomorrow")),
        claim("no events", "events", Value::Null),
        claim("another event", "events", json!({ "http://schemas.openid.net/event/another": {} })),
        claim("event as text", "events", json!({ LOGOUT: "yes" })),
        claim("a nonce, as in an ID token", "nonce", json!("n")),
        claim("nobody's", "sub", Value::Null),
        claim("empty sub", "sub", json!("")),
        claim("no jti", "jti", Value::Null),
        head("an ID token", "typ", json!("at+jwt"), Signer::Own),
        head("alg none", "alg", json!("none"), Signer::Nothing),
        head("MAC by the public key", "alg", json!("HS256"), Signer::Mac(provider.public_key())),
        head("MAC by the client's secret", "alg", json!("HS256"), Signer::Mac(CLIENT_SECRET.into())),
        head("a stranger's key", "typ", json!("logout+jwt"), Signer::Stranger),
        head("empty signature", "typ", json!("logout+jwt"), Signer::Nothing),
        head("crit", "crit", json!(["x"]), Signer::Own),
        text("a name twice", "{\"sub\":\"another\",".to_owned()),
    ]
}

#[test]
fn no_lie_in_a_logout_token_is_believed() {
    let (providers, upstream) = ([Provider::start()], Upstream::start());
    let gateway = gateway(&providers, &upstream);
    let [provider] = &providers;
    let mut browser = Browser::new(&gateway, "w0.localhost", "203.0.113.1");
    assert_eq!(browser.sign_in("/", provider).status, 303);
    let tell = |number: usize, change: &dyn Fn(&mut Token)| {
        let claims = json!({ "iss": provider.issuer(), "aud": CLIENT_ID, "iat": now(), "exp": now() + 60, "sub": "maya",
            "jti": number.to_string(), "events": { LOGOUT: {} } });
        let token = provider.sign_after("logout+jwt", claims, change);
        let request = gateway.request("POST", "w0.localhost", "/.vestibule/backchannel-logout/p0");
        request.form(&[("logout_token", &token)]).send().status
    };
    let rows = in_logout_token(provider);
    let told = rows.iter().enumerate().map(|(number, row)| (row.name, tell(number, &*row.lie)));
    let believed: Vec<_> = told.filter(|(_, status)| *status != 400).collect();
    assert!(believed.is_empty(), "{believed:#?}");
    assert_eq!(browser.get("/").status, 200, "she is still in");
    assert_eq!((tell(rows.len(), &|_| ()), browser.get("/").status), (200, 302), "the truth is believed");
}
