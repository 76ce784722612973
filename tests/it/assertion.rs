//! What upstreams can verify, with a verifier that is not ours.

use harness::house::{MAYA, NOOR};
use harness::secrets::{SHARED_PASSWORD, SHARED_PIN};
use harness::{Connection, House, Request, Response};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

/// SHA-256 of `vst_nightly-build` and of `0123456789abcdef`.
const MACHINES: &str = r#"
[service_tokens.ci]
hash = "sha256:2119f0325918f0b500dc81e557b25017a5919e5b8aefa58637769846fea1e3b0"
[circuits.machines]
hosts = ["machines.localhost", "robots.localhost"]
upstream = "UPSTREAM"
access = "allowlist"
allow = ["token:ci"]
login = ["password"]
header_auth = [{ header = "X-Api-Key", hash = "sha256:9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f" }]
trusted_addresses = ["198.51.100.0/24"]
identity = { user = "X-Auth-User", groups = "X-Auth-Groups", jwt = "X-Auth-Assertion" }
"#;

fn start() -> House {
    let mut house = House::start();
    let more = MACHINES.replace("UPSTREAM", &house.upstream.url());
    let body = house.gateway.body().to_owned() + &more;
    house.gateway.reconfigure(&body);
    house
}

/// As any host of the gateway publishes them.
fn keys(house: &House, host: &str) -> JwkSet {
    let answer = house.get(host, "/.vestibule/jwks.json").send();
    assert_eq!(answer.status, 200, "{host}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// As a careful upstream would: its own circuit, the known issuer, times included.
fn verify(keys: &JwkSet, token: &str, circuit: &str, issuer: &str) -> Option<Value> {
    let kid = decode_header(token).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(keys.find(&kid)?).unwrap();
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_audience(&[circuit]);
    rules.set_issuer(&[issuer]);
    rules.validate_nbf = true;
    rules.leeway = 0;
    decode(token, &key, &rules).ok().map(|decoded| decoded.claims)
}

/// Sends it and takes the one assertion that the upstream received, and the answer.
fn told(house: &House, request: &Request, header: &str) -> (String, Response) {
    let answer = request.send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let received = house.upstream.last();
    let sent: Vec<_> = received.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(header)).collect();
    assert_eq!(sent.len(), 1, "{:?}", received.fields);
    (sent[0].1.clone(), answer)
}

#[test]
fn every_way_in_arrives_as_a_token_that_verifies_for_its_circuit_alone() {
    let house = start();
    let shared =
        |host: &str, name: &str, secret: &str| house.gateway.sign_in(host, &[(name, secret)]).send().session().unwrap();
    let mem = |cookie: &str| house.get("mem.localhost", "/").cookie(cookie);
    let machine = || house.get("robots.localhost", "/");
    let (own, auth) = ("X-Vestibule-Assertion", "X-Auth-Assertion");
    let cases = [
        (mem(&house.session("mem.localhost", MAYA)), own, "mem", "local:maya@example.net", "password", "mem"),
        (
            house.get("pw.localhost", "/").cookie(&shared("pw.localhost", "password", SHARED_PASSWORD)),
            own,
            "pw",
            "shared:pw",
            "password",
            "pw",
        ),
        (
            house.get("pin.localhost", "/").cookie(&shared("pin.localhost", "pin", SHARED_PIN)),
            own,
            "pin",
            "shared:pin",
            "pin",
            "pin",
        ),
        (machine().bearer("vst_nightly-build"), auth, "machines", "token:ci", "token", "machines"),
        (machine().header("X-Api-Key", "0123456789abcdef"), auth, "machines", "header:machines", "header", "machines"),
        (machine().from("198.51.100.7"), auth, "machines", "ip:machines", "ip", "machines"),
    ];
    for (request, header, circuit, sub, method, host) in cases {
        let forged = request.header(header, "e30.e30.").header("X_Vestibule_Assertion", "e30.e30.");
        let (token, answer) = told(&house, &forged, header);
        let issuer = format!("https://{host}.localhost");
        let keys = keys(&house, "list.localhost");
        let claims = verify(&keys, &token, circuit, &issuer).unwrap_or_else(|| panic!("{sub}: {token}"));
        assert_eq!((&claims["sub"], &claims["method"]), (&json!(sub), &json!(method)));
        let entry = house.gateway.entry_of(&answer);
        assert_eq!((&claims["sub"], &claims["sid"]), (&entry["user_id"], &entry["session_id"]), "as the log has it");
        assert_eq!((&claims["email"], &claims["country"]), (&entry["email"], &entry["country"]));
        let time = |name: &str| claims[name].as_i64().unwrap();
        assert!(time("nbf") <= time("iat") && time("exp") - time("nbf") <= 300, "{claims}");
        assert_eq!(verify(&keys, &token, "list", &issuer), None, "another circuit's audience");
        assert!(!String::from_utf8_lossy(&house.upstream.last().head).contains("e30.e30."));
    }
}

#[test]
fn nobody_is_asserted_on_a_public_circuit_and_forged_copies_go() {
    let house = start();
    let cookie = house.session("mem.localhost", MAYA);
    for name in ["X-Vestibule-Assertion", "x_vestibule_assertion", "X-Auth-Assertion"] {
        let request = house.get("pub.localhost", "/").cookie(&cookie).bearer("vst_nightly-build");
        assert_eq!(request.header(name, "e30.e30.").send().status, 200);
        let head = String::from_utf8_lossy(&house.upstream.last().head).to_lowercase();
        assert!(!head.contains("assertion") && !head.contains("e30."), "{head}");
    }
}

#[test]
fn a_signature_serves_many_requests_and_no_other_person() {
    let house = House::with_server("trusted_proxies = []");
    let (maya, noor) = (house.session("mem.localhost", MAYA), house.session("mem.localhost", NOOR));
    let mut connection = Connection::open(house.gateway.proxy()).unwrap();
    let mut told = |cookie: &str| {
        assert_eq!(connection.send(&house.get("mem.localhost", "/").cookie(cookie)).unwrap().status, 200);
        house.upstream.last().header("x-vestibule-assertion").unwrap().to_owned()
    };
    let first = told(&maya);
    let keys = keys(&house, "mem.localhost");
    let claims = verify(&keys, &told(&noor), "mem", "https://mem.localhost").unwrap();
    assert_eq!(claims["email"], NOOR);
    for _ in 0..20 {
        assert_eq!(told(&maya), first);
    }
    house.get("mem.localhost", "/").cookie(&maya).send();
    assert_eq!(house.upstream.last().header("x-vestibule-assertion"), Some(&*first), "on another connection too");
    assert!((2.0..=4.0).contains(&house.gateway.metric("vestibule_assertions_signed_total", &[])));
    assert!((1.0..=4.0).contains(&house.gateway.metric("vestibule_assertions_cached", &[])));
}

#[test]
fn keys_are_there_for_everybody_on_every_host_whatever_the_rules_say() {
    let mut house = start();
    let rules = "[circuits.mem]\nip_allow = [\"192.0.2.0/24\"]\ncountry_allow = [\"FR\"]\nrate_limits = [\"one\"]\n";
    let body = house.gateway.body().replace("[circuits.mem]\n", rules);
    house.gateway.reconfigure(&(body + "[rate_limits.one]\nper = \"ip\"\nrate = \"1/h\"\n"));
    for _ in 0..3 {
        keys(&house, "mem.localhost");
    }
    assert_eq!(house.get("mem.localhost", "/.vestibule/whoami").send().status, 403, "everything else obeys them");
    for host in ["pub.localhost", "mem.localhost", "machines.localhost", "robots.localhost"] {
        assert_eq!(keys(&house, host).keys.len(), 1);
    }
    let answer = house.get("pub.localhost", "/.vestibule/jwks.json").send();
    assert_eq!(answer.header("content-type"), Some("application/jwk-set+json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(house.gateway.request("POST", "pub.localhost", "/.vestibule/jwks.json").send().status, 405);
    assert_eq!(house.get("nobody.localhost", "/.vestibule/jwks.json").send().status, 404);
}

#[test]
fn keys_outlive_a_reload_and_a_restart_and_are_never_printed() {
    let mut house = House::start();
    let cookie = house.session("mem.localhost", MAYA);
    let request = house.get("mem.localhost", "/").cookie(&cookie);
    let (token, _) = told(&house, &request, "X-Vestibule-Assertion");
    let body = house.gateway.body().replace("label = \"Documentation\"", "label = \"Docs\"");
    house.gateway.reconfigure(&body);
    house.gateway.stop();
    house.gateway.launch();
    let keys = keys(&house, "mem.localhost");
    assert!(verify(&keys, &token, "mem", "https://mem.localhost").is_some());
    let shown = house.gateway.admin("/api/v1/config").text() + &house.gateway.output();
    assert!(!shown.contains("pkcs8") && !shown.contains(&token));
}
