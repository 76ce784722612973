//! Signed assertions: what they say, how long they serve, and the keys behind them.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::jwk::{JwkSet, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use vestibule_auth::assertion::Rotated;
use vestibule_auth::{Assertion, Caller, Clock, Identity, Location, Policy, Verdict};

use crate::house::{GERMANY, HOME, House, Visit, password, pin, shared_pin};

/// SHA-256 of `vst_nightly-build` and of `0123456789abcdef`.
const PLAN: &str = r#"
[geo]
database = PLACES
[users."maya@example.net"]
password_hash = PASSWORD_HASH
pin_hash = PIN_HASH
groups = ["writers", "editors"]
[service_tokens.ci]
hash = "sha256:2119f0325918f0b500dc81e557b25017a5919e5b8aefa58637769846fea1e3b0"
[projects.docs]
members = ["maya@example.net", "token:ci"]
[circuits.wiki]
project = "docs"
hosts = ["wiki.example.net", "w.example.net"]
upstream = "http://127.0.0.1:9"
access = "members"
login = ["password", "pin"]
shared = { pin_hash = PIN_HASH }
header_auth = [{ header = "X-Api-Key", hash = "sha256:9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f" }]
trusted_addresses = ["198.51.100.7"]
[circuits.list]
hosts = ["list.example.net"]
upstream = "http://127.0.0.1:9"
access = "allowlist"
allow = ["token:ci", "group:writers"]
login = ["password"]
[circuits.status]
hosts = ["status.example.net"]
upstream = "http://127.0.0.1:9"
access = "public"
"#;

const DAY: Duration = Duration::from_secs(24 * 3600);
const AGE: Duration = Duration::from_secs(90 * 24 * 3600);

/// Who was let in; absent on a public circuit.
fn let_in(visit: &Visit, policy: &Policy, circuit: &str) -> Option<(Arc<Identity>, Arc<Location>)> {
    let decision = visit.decide(policy, circuit);
    match decision.verdict {
        Verdict::Pass(permit) => match permit.caller() {
            Caller::Known(identity) => Some((identity.clone(), decision.location)),
            Caller::Anyone => None,
        },
        other @ (Verdict::Preflight(_) | Verdict::Refuse(_)) => panic!("{circuit}: {other:?}"),
    }
}

fn assertion(visit: &Visit, policy: &Policy, circuit: &str) -> Arc<Assertion> {
    let (identity, location) = let_in(visit, policy, circuit).unwrap();
    policy.gate(circuit).unwrap().assertion(&identity, &location)
}

fn text(assertion: &Assertion) -> &str {
    assertion.value.to_str().unwrap()
}

fn keys(house: &House) -> JwkSet {
    serde_json::from_str(&house.auth.assertion_keys()).unwrap()
}

/// The claims, if a published key signed them and they are for this circuit; their times are the caller's affair, for
/// the clock of this house is not the machine's.
fn verified(house: &House, token: &str, circuit: &str) -> Option<Value> {
    let kid = decode_header(token).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(keys(house).find(&kid)?).unwrap();
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_audience(&[circuit]);
    rules.validate_exp = false;
    decode(token, &key, &rules).ok().map(|decoded| decoded.claims)
}

/// Whether a verifier of now takes it.
fn is_good(house: &House, token: &str) -> bool {
    let now = house.clock.now().as_second();
    verified(house, token, "wiki").is_some_and(|claims| {
        let time = |name: &str| claims.get(name).unwrap().as_i64().unwrap();
        (time("nbf")..time("exp")).contains(&now)
    })
}

#[tokio::test]
async fn every_way_in_is_told_in_full() {
    let house = House::new();
    let policy = house.policy(PLAN);
    let mut sessions = Vec::new();
    for credential in [password("maya@example.net"), pin("maya@example.net"), shared_pin("271828")] {
        sessions.push(house.cookie(&policy, "wiki", credential).await);
    }
    let now = house.clock.now().as_second();
    let groups = json!(["editors", "writers"]);
    let token = || Visit::from(HOME).showing("authorization", "Bearer vst_nightly-build");
    let cases = [
        (
            Visit::from(GERMANY).with(&sessions[0]),
            "wiki",
            json!({
                "sub": "local:maya@example.net", "email": "maya@example.net", "groups": groups, "method": "password",
                "country": "DE",
            }),
        ),
        (
            Visit::from(HOME).with(&sessions[1]),
            "wiki",
            json!({
                "sub": "local:maya@example.net", "email": "maya@example.net", "groups": groups, "method": "pin",
            }),
        ),
        (Visit::from(HOME).with(&sessions[2]), "wiki", json!({ "sub": "shared:wiki", "groups": [], "method": "pin" })),
        (token(), "wiki", json!({ "sub": "token:ci", "groups": [], "method": "token" })),
        (token(), "list", json!({ "sub": "token:ci", "groups": [], "method": "token" })),
        (
            Visit::from(HOME).showing("x-api-key", "0123456789abcdef"),
            "wiki",
            json!({ "sub": "header:wiki", "groups": [], "method": "header" }),
        ),
        (Visit::from("198.51.100.7"), "wiki", json!({ "sub": "ip:wiki", "groups": [], "method": "ip" })),
    ];
    for (visit, circuit, mut expected) in cases {
        let decision = visit.decide(&policy, circuit);
        let made = assertion(&visit, &policy, circuit);
        expected["iss"] = format!("https://{circuit}.example.net").into();
        expected["aud"] = circuit.into();
        (expected["iat"], expected["nbf"], expected["exp"]) = (now.into(), (now - 30).into(), (now + 270).into());
        if let Some(session) = &decision.session {
            expected["sid"] = session.id.as_str().into();
        }
        let mut said = verified(&house, text(&made), circuit).unwrap();
        if expected["country"].is_null() {
            said.as_object_mut().unwrap().remove("country");
        }
        assert_eq!(said, expected);
        let other = if circuit == "wiki" { "list" } else { "wiki" };
        assert_eq!(verified(&house, text(&made), other), None, "it is for one circuit only");
    }
    assert!(let_in(&Visit::from(HOME), &policy, "status").is_none());
}

#[tokio::test]
async fn one_signature_serves_half_of_a_life_and_one_identity() {
    let house = House::new();
    let policy = house.policy(PLAN);
    let cookie = house.cookie(&policy, "wiki", password("maya@example.net")).await;
    let maya = |from: &str| assertion(&Visit::from(from).with(&cookie), &policy, "wiki");
    let signed = || house.auth.figures().signed_assertions;
    let first = maya(HOME);
    house.clock.advance(Duration::from_secs(134));
    assert!(Arc::ptr_eq(&first, &maya(HOME)) && first.serves_at(house.clock.now().as_microsecond()));
    assert_eq!((signed(), house.auth.figures().cached_assertions), (1, 1));
    maya(GERMANY);
    assert_eq!(signed(), 2, "another country is said in another token");
    house.clock.advance(Duration::from_secs(1));
    assert!(!first.serves_at(house.clock.now().as_microsecond()));
    let second = maya(HOME);
    assert!(!Arc::ptr_eq(&first, &second) && is_good(&house, text(&first)));
    house.clock.set(house.clock.now() - jiff::SignedDuration::from_secs(60));
    assert!(!Arc::ptr_eq(&second, &maya(HOME)), "what is of the future is made anew");
    let before = signed();
    // Another configuration may say other groups.
    let changed = house.policy(&PLAN.replace("\"editors\"", "\"readers\""));
    let said = assertion(&Visit::from(HOME).with(&cookie), &changed, "wiki");
    assert_eq!(verified(&house, text(&said), "wiki").unwrap()["groups"], json!(["readers", "writers"]));
    assert_eq!(signed(), before + 1);
}

#[tokio::test]
async fn groups_that_would_burst_a_header_are_cut_and_that_is_said() {
    let house = House::new();
    let many: Vec<_> = (0..200).map(|number| format!("\"{number:0>100}\"")).collect();
    let policy = house.policy(&PLAN.replace("\"editors\"", &many.join(", ")));
    let cookie = house.cookie(&policy, "wiki", password("maya@example.net")).await;
    let made = assertion(&Visit::from(HOME).with(&cookie), &policy, "wiki");
    assert!(text(&made).len() < 8000, "{}", text(&made).len());
    let said = verified(&house, text(&made), "wiki").unwrap();
    assert_eq!((said["groups"].as_array().unwrap().len(), &said["groups_cut"]), (39, &json!(true)));
}

/// Ids of the published keys, that of the one that signs first.
fn ids(house: &House) -> Vec<String> {
    keys(house).keys.iter().map(|key| key.common.key_id.clone().unwrap()).collect()
}

fn rotate(house: &House) -> Option<Rotated> {
    house.auth.rotate_assertion_keys(AGE).unwrap()
}

#[test]
fn published_keys_are_public_halves_named_by_their_thumbprints() {
    let house = House::new();
    let set: Value = serde_json::from_str(&house.auth.assertion_keys()).unwrap();
    let names: Vec<_> = set["keys"][0].as_object().unwrap().keys().collect();
    assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    let key = keys(&house).keys.remove(0);
    assert_eq!(key.common.key_id.clone().unwrap(), key.thumbprint(ThumbprintHash::SHA256).unwrap());
}

#[tokio::test]
async fn a_key_is_known_before_it_signs_and_until_what_it_signed_is_over() {
    let house = House::new();
    let policy = house.policy(PLAN);
    let machine = || Visit::from("198.51.100.7");
    let first = ids(&house);
    house.clock.advance(AGE - DAY - Duration::from_secs(1));
    assert_eq!(rotate(&house), None);
    assert_eq!(ids(&house), first);

    house.clock.advance(Duration::from_secs(1));
    let published = rotate(&house);
    let [old, new] = ids(&house).try_into().unwrap();
    assert_eq!(first, std::slice::from_ref(&old));
    assert_eq!(published, Some(Rotated::Published(new.clone())));
    house.clock.advance(DAY - Duration::from_secs(1));
    rotate(&house);
    let last = assertion(&machine(), &policy, "wiki");
    assert_eq!(decode_header(text(&last)).unwrap().kid.as_deref(), Some(&*old));

    house.clock.advance(Duration::from_secs(1));
    assert_eq!([rotate(&house), rotate(&house)], [Some(Rotated::Signs(new.clone())), None]);
    assert_eq!(ids(&house), [new.clone(), old.clone()]);
    house.clock.advance(Duration::from_secs(268));
    assert!(is_good(&house, text(&last)), "it was signed with the previous key");
    let next = assertion(&machine(), &policy, "wiki");
    assert_eq!(decode_header(text(&next)).unwrap().kid.as_deref(), Some(&*new));

    house.clock.advance(AGE);
    rotate(&house);
    house.clock.advance(DAY);
    rotate(&house);
    let third = ids(&house);
    assert!(third.len() == 2 && third[1] == new && !third.contains(&old), "the current and the previous: {third:?}");
    assert!(verified(&house, text(&last), "wiki").is_none());
}

#[tokio::test]
async fn keys_survive_a_restart_a_kill_and_a_clock_that_was_set_back() {
    let house = House::new();
    house.clock.advance(AGE);
    rotate(&house);
    let published = house.auth.assertion_keys();
    assert_eq!(house.after_a_kill().auth.assertion_keys(), published);
    let house = house.restart();
    assert_eq!(house.auth.assertion_keys(), published);
    let token = {
        let policy = house.policy(PLAN);
        text(&assertion(&Visit::from("198.51.100.7"), &policy, "wiki")).to_owned()
    };
    house.clock.advance(DAY);
    rotate(&house);
    let house = house.restart();
    assert!(verified(&house, &token, "wiki").is_some());
    let published = house.auth.assertion_keys();
    house.clock.set(house.clock.now() - jiff::SignedDuration::from_hours(24 * 365));
    rotate(&house);
    assert_eq!(house.auth.assertion_keys(), published);
}

#[test]
fn after_a_long_stop_the_next_key_still_waits_to_be_known() {
    let house = House::new();
    house.clock.advance(AGE * 3);
    let house = house.restart();
    let first = ids(&house);
    rotate(&house);
    rotate(&house);
    assert_eq!(ids(&house)[..1], first, "made, and not in force yet");
    house.clock.advance(DAY);
    rotate(&house);
    assert_eq!(ids(&house)[1..], first);
}
