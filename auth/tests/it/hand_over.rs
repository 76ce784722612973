//! One sign-in for all hosts.

use std::time::Duration;

use vestibule_auth::session::State;
use vestibule_auth::{Outcome, Policy, Reason, Redeemed, RequestView, SessionFilter, Want, Wanted};

use crate::house::{HOME, House, Visit, password, pin, told};

const PLAN: &str = r#"
[users."maya@example.net"]
password_hash = PASSWORD_HASH
pin_hash = PIN_HASH
[users."noor@example.net"]
password_hash = PASSWORD_HASH
[projects.docs]
members = ["maya@example.net", "noor@example.net"]
[circuits.wiki]
hosts = ["wiki.example.net", "handbook.example.net"]
upstream = "http://127.0.0.1:9"
project = "docs"
access = "members"
login = ["password"]
[circuits.pins]
hosts = ["pins.example.net"]
upstream = "http://127.0.0.1:9"
access = "allowlist"
allow = ["maya@example.net"]
login = ["pin"]
[circuits.own]
hosts = ["own.example.net"]
upstream = "http://127.0.0.1:9"
access = "allowlist"
allow = ["maya@example.net"]
login = ["password"]
"#;

const BROWSER: &str = "the cookie of this browser at the circuit's host";

fn policy(house: &House, plan: &str) -> Policy {
    house.auth.policy(&house.settings_with("login_host = \"login.example.net\"", plan))
}

/// Signs in at the login host for a circuit; gives the cookie.
async fn signed_in(policy: &Policy, circuit: &str, credential: vestibule_auth::Credential) -> String {
    let visit = Visit::from(HOME);
    match policy.gate(circuit).unwrap().sign_in(credential, &visit.view()).await {
        Outcome::Verified(verified) => {
            let verified = verified.for_all_hosts(policy.login().unwrap());
            verified.open(None).unwrap().value.to_string()
        }
        other @ (Outcome::Failed(..) | Outcome::Forbidden(..) | Outcome::Limited(..)) => panic!("{}", told(&other)),
    }
}

fn want(policy: &Policy, circuit: &str, visit: &Visit) -> Result<String, Reason> {
    let host = format!("{circuit}.example.net");
    let view = RequestView { host: &host, ..visit.view() };
    let want = Want { origin: format!("https://{host}"), back: "/a?x=1", browser: BROWSER, another: false };
    policy.gate(circuit).unwrap().want(want, &view).map_err(|refusal| refusal.reason)
}

fn wanted(policy: &Policy, circuit: &str) -> Wanted {
    let id = want(policy, circuit, &Visit::from(HOME)).unwrap();
    policy.wanted(&id).unwrap()
}

fn code(policy: &Policy, circuit: &str, cookie: &str) -> String {
    let visit = Visit::from(HOME).with(cookie);
    wanted(policy, circuit).hand_over(cookie, None, &visit.view()).unwrap().to_string()
}

fn redeem_at(
    policy: &Policy,
    (circuit, host): (&str, &str),
    code: &str,
    browser: Option<&str>,
) -> Result<Redeemed, Reason> {
    let visit = Visit::from(HOME);
    let view = RequestView { host, ..visit.view() };
    policy.redeem(policy.gate(circuit).unwrap(), code, browser, &view).map_err(|refusal| refusal.reason)
}

fn redeem(policy: &Policy, circuit: &str, code: &str) -> Result<Redeemed, Reason> {
    redeem_at(policy, (circuit, &format!("{circuit}.example.net")), code, Some(BROWSER))
}

/// Redeems a new code and gives the circuit's cookie.
fn entered(policy: &Policy, circuit: &str, cookie: &str) -> String {
    opened(redeem(policy, circuit, &code(policy, circuit, cookie)).unwrap())
}

fn opened(redeemed: Redeemed) -> String {
    match redeemed.outcome {
        Some(Outcome::Verified(verified)) => verified.open(None).unwrap().value.to_string(),
        Some(other) => panic!("{}", told(&other)),
        None => panic!("there was no session"),
    }
}

#[tokio::test]
async fn a_code_is_good_once_where_and_for_whom_it_was_made() {
    let house = House::new();
    let policy = policy(&house, PLAN);
    let cookie = signed_in(&policy, "wiki", password("maya@example.net")).await;
    let reason = |redeemed: Result<Redeemed, Reason>| redeemed.err();
    let bad = Some(Reason::InvalidCode);

    let good = code(&policy, "wiki", &cookie);
    let redeemed = redeem(&policy, "wiki", &good).unwrap();
    assert_eq!((&*redeemed.back, redeemed.sign_in.email.as_deref()), ("/a?x=1", Some("maya@example.net")));
    assert_eq!(reason(redeem(&policy, "wiki", &good)), bad, "once");

    for (circuit, host, browser) in [
        ("wiki", "handbook.example.net", Some(BROWSER)),
        ("own", "own.example.net", Some(BROWSER)),
        ("wiki", "wiki.example.net", Some("another browser")),
        ("wiki", "wiki.example.net", None),
    ] {
        let code = code(&policy, "wiki", &cookie);
        assert_eq!(reason(redeem_at(&policy, (circuit, host), &code, browser)), bad, "{circuit} {host} {browser:?}");
        assert_eq!(reason(redeem(&policy, "wiki", &code)), bad, "who else had it may have it still");
    }
    for made_up in ["", "x", &"A".repeat(43)] {
        assert_eq!(reason(redeem(&policy, "wiki", made_up)), bad);
    }

    let (early, late) = (code(&policy, "wiki", &cookie), code(&policy, "wiki", &cookie));
    house.clock.advance(Duration::from_secs(59));
    assert!(redeem(&policy, "wiki", &early).is_ok());
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(reason(redeem(&policy, "wiki", &late)), Some(Reason::CodeExpired));

    let of_nobody = code(&policy, "wiki", &"A".repeat(43));
    assert_eq!(reason(redeem(&policy, "wiki", &of_nobody)), bad, "a cookie that names no sign-in");
    let after = code(&policy, "wiki", &cookie);
    house.auth.sessions().end(&SessionFilter::default(), State::Revoked).unwrap();
    assert_eq!(reason(redeem(&policy, "wiki", &after)), bad, "the sign-in was ended meanwhile");
}

#[tokio::test]
async fn what_is_wanted_is_handed_over_once_within_ten_minutes() {
    let house = House::new();
    let policy = policy(&house, PLAN);
    let cookie = signed_in(&policy, "wiki", password("maya@example.net")).await;
    let visit = Visit::from(HOME);
    let (one, again) = {
        let id = want(&policy, "wiki", &visit).unwrap();
        (policy.wanted(&id).unwrap(), policy.wanted(&id).unwrap())
    };
    assert_eq!((one.origin(), one.back(), one.another()), ("https://wiki.example.net", "/a?x=1", false));
    assert!(one.hand_over(&cookie, None, &visit.view()).is_some());
    assert!(again.hand_over(&cookie, None, &visit.view()).is_none() && policy.wanted(one.id()).is_none());
    let late = want(&policy, "wiki", &visit).unwrap();
    house.clock.advance(Duration::from_secs(600));
    assert!(policy.wanted(&late).is_none() && policy.wanted("made up").is_none());
    let gone = want(&policy, "own", &visit).unwrap();
    let without = self::policy(&house, PLAN.split("[circuits.own]").next().unwrap());
    assert!(without.wanted(&gone).is_none(), "its circuit is gone");
}

#[tokio::test]
async fn a_circuit_takes_the_ways_in_that_it_names_and_its_policy_decides() {
    let house = House::new();
    let policy = policy(&house, PLAN);
    let maya = signed_in(&policy, "wiki", password("maya@example.net")).await;
    let noor = signed_in(&policy, "wiki", password("noor@example.net")).await;
    let by_pin = signed_in(&policy, "pins", pin("maya@example.net")).await;
    let takes = |circuit: &str, cookie: &str| {
        let visit = Visit::from(HOME).with(cookie);
        policy.gate(circuit).unwrap().takes(policy.login().unwrap(), &visit.view())
    };
    assert!(takes("wiki", &maya) && takes("own", &maya) && takes("pins", &by_pin));
    assert!(!takes("pins", &maya) && !takes("wiki", &by_pin), "another way in is asked for");
    assert!(takes("own", &noor), "that she is not on the list is for the circuit to say");
    let outcome = redeem(&policy, "own", &code(&policy, "own", &noor)).unwrap().outcome.unwrap();
    assert_eq!(told(&outcome), "forbidden \"local:noor@example.net\" 403 not_on_allowlist");
    let outcome = redeem(&policy, "pins", &code(&policy, "pins", &maya)).unwrap().outcome.unwrap();
    assert_eq!(told(&outcome), "forbidden \"local:maya@example.net\" login account_mismatch");

    let own = entered(&policy, "own", &maya);
    let visit = Visit::from(HOME).with(&own);
    assert_eq!(visit.answer(&policy, "own"), "allow");
    assert_eq!(visit.answer(&policy, "wiki"), "login missing_session");
    let root = Visit::from(HOME).with(&maya);
    assert_eq!(root.answer(&policy, "own"), "login missing_session", "the login host's cookie opens no circuit");

    let other = self::policy(&house, &PLAN.replace("allow = [\"maya@example.net\"]", "allow = []"));
    assert_eq!(visit.answer(&other, "own"), "403 not_on_allowlist");
    let blocked = self::policy(&house, &PLAN.replacen("pin_hash = PIN_HASH", "state = \"blocked\"", 1));
    assert_eq!(visit.answer(&blocked, "own"), "403 user_blocked");
    let changed = crate::house::hash("another");
    let changed = PLAN.replacen("PASSWORD_HASH", &format!("{changed:?}"), 1);
    assert_eq!(visit.answer(&self::policy(&house, &changed), "own"), "login account_mismatch");
    house
        .auth
        .sessions()
        .end(&SessionFilter { circuit: Some(String::new()), ..SessionFilter::default() }, State::Logout)
        .unwrap();
    assert_eq!(visit.answer(&policy, "own"), "login session_revoked");
}

#[tokio::test]
async fn a_browser_that_loses_its_sessions_is_not_sent_in_circles() {
    let house = House::new();
    let policy = policy(&house, PLAN);
    let cookie = signed_in(&policy, "wiki", password("maya@example.net")).await;
    let loses = || want(&policy, "wiki", &Visit::from(HOME)).err();
    for _ in 0..3 {
        assert_eq!(loses(), None);
        entered(&policy, "wiki", &cookie);
    }
    assert_eq!(loses(), Some(Reason::LoopDetected));
    assert_eq!(want(&policy, "own", &Visit::from(HOME)).err(), None, "another circuit");
    house.clock.advance(Duration::from_secs(60));
    assert_eq!(loses(), None);

    let short =
        self::policy(&house, &PLAN.replace("project = \"docs\"", "project = \"docs\"\nsession = { max_age = \"1s\" }"));
    let mut visit = Visit::from(HOME);
    for round in 0..9 {
        let id = want(&short, "wiki", &visit).unwrap_or_else(|reason| panic!("{round}: {}", reason.code()));
        let code = short.wanted(&id).unwrap().hand_over(&cookie, None, &visit.view()).unwrap();
        visit = Visit::from(HOME).with(&opened(redeem(&short, "wiki", &code).unwrap()));
        house.clock.advance(Duration::from_secs(1));
        assert_eq!(visit.answer(&short, "wiki"), "login session_expired", "it keeps what is over");
    }
}

#[tokio::test]
async fn tabs_that_come_back_together_share_a_session() {
    let house = House::new();
    let policy = policy(&house, PLAN);
    let cookie = signed_in(&policy, "wiki", password("maya@example.net")).await;
    let (one, two) = (wanted(&policy, "wiki"), wanted(&policy, "wiki"));
    let at_login = Visit::from(HOME).with(&cookie);
    let hand_over = |wanted: &Wanted| wanted.hand_over(&cookie, None, &at_login.view()).unwrap();
    let (one, two) = (hand_over(&one), hand_over(&two));
    let Some(Outcome::Verified(first)) = redeem(&policy, "wiki", &one).unwrap().outcome else { panic!("it is good") };
    let session = first.open(None).unwrap().value.to_string();
    let visit = Visit::from(HOME).with(&session);
    let redeemed = policy.redeem(policy.gate("wiki").unwrap(), &two, Some(BROWSER), &visit.view()).unwrap();
    assert!(redeemed.outcome.is_none(), "the other tab has opened one");
}

#[tokio::test]
async fn a_flood_of_wishes_stays_within_its_bounds() {
    let house = House::new();
    let policy = policy(&house, PLAN);
    let first = want(&policy, "wiki", &Visit::from(HOME)).unwrap();
    for _ in 0..40 {
        want(&policy, "wiki", &Visit::from(HOME)).unwrap();
    }
    assert!(policy.wanted(&first).is_none(), "the oldest of a browser went");
    assert_eq!(house.auth.figures().wanted_sign_ins, 32);
}

#[tokio::test]
async fn sign_ins_survive_a_restart_and_codes_do_not() {
    let house = House::new();
    let before = policy(&house, PLAN);
    let cookie = signed_in(&before, "wiki", password("maya@example.net")).await;
    let child = entered(&before, "wiki", &cookie);
    let code = code(&before, "wiki", &cookie);
    drop(before);
    let house = house.restart();
    let policy = policy(&house, PLAN);
    assert_eq!(redeem(&policy, "wiki", &code).err(), Some(Reason::InvalidCode));
    assert_eq!(Visit::from(HOME).with(&child).answer(&policy, "wiki"), "allow");
    let again = entered(&policy, "wiki", &cookie);
    assert_eq!(Visit::from(HOME).with(&again).answer(&policy, "wiki"), "allow");
}
