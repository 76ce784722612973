//! Limits of requests and attempts, as a gate applies them.

use std::time::Duration;

use vestibule_auth::{Budget, Decision, Kind, Policy, Reason, Verdict};

use crate::house::{HOME, House, PIN, Visit, password, password_of, shared_pin};

const WIKI: &str = r#"
[login_limits]
per_ip = "5/m"
per_user = "3/m"
per_circuit = "10000/s"
[users]
"maya@example.net" = { password_hash = PASSWORD_HASH }
[rate_limits.browse]
per = "ip"
rate = "5/s"
[rate_limits.person]
per = "user"
rate = "3/m"
[rate_limits.all]
per = "circuit"
rate = "8/h"
[circuits.wiki]
hosts = ["wiki.example.net"]
upstream = "http://127.0.0.1:9"
access = "allowlist"
allow = ["maya@example.net"]
login = ["password"]
shared = { pin_hash = PIN_HASH }
rate_limits = LIMITS
[circuits.status]
hosts = ["status.example.net"]
upstream = "http://127.0.0.1:9"
access = "public"
rate_limits = LIMITS
"#;

fn with(limits: &str) -> String {
    WIKI.replace("LIMITS", limits)
}

fn limited(decision: &Decision) -> Option<(Reason, Budget)> {
    match &decision.verdict {
        Verdict::Refuse(refusal) => match &refusal.kind {
            Kind::Limited(budget) => Some((refusal.reason, budget.clone())),
            Kind::SignIn | Kind::Credential | Kind::Forbidden | Kind::Unavailable(_) | Kind::NotFound => None,
        },
        Verdict::Pass(_) | Verdict::Preflight(_) => None,
    }
}

/// How many pass before one is limited, and why it is.
fn until_limited(policy: &Policy, circuit: &str, visit: &Visit) -> (u32, Reason) {
    for passed in 0..1_000 {
        if let Some((reason, _)) = limited(&visit.decide(policy, circuit)) {
            return (passed, reason);
        }
    }
    panic!("never limited");
}

#[tokio::test]
async fn each_key_has_its_bucket_over_all_circuits() {
    let house = House::new();
    let by_ip = house.policy(&with(r#"["browse"]"#));
    let ip = |address: &str, circuit| until_limited(&by_ip, circuit, &Visit::from(address));
    assert_eq!(ip("10.1.2.3", "status"), (5, Reason::RateLimitedIp));
    assert_eq!(ip("10.1.2.3", "wiki"), (0, Reason::RateLimitedIp));
    assert_eq!(ip("10.1.2.4", "wiki"), (5, Reason::RateLimitedIp));
    assert_eq!(ip("2001:db8::1", "wiki"), (5, Reason::RateLimitedIp));
    assert_eq!(ip("2001:db8::2", "status"), (0, Reason::RateLimitedIp));
    let by_circuit = house.policy(&with(r#"["all"]"#));
    let circuit = |address: &str, circuit| until_limited(&by_circuit, circuit, &Visit::from(address));
    assert_eq!(circuit("10.1.2.3", "wiki"), (8, Reason::RateLimitedCircuit));
    assert_eq!(circuit("10.1.2.4", "wiki"), (0, Reason::RateLimitedCircuit));
    assert_eq!(circuit("10.1.2.4", "status"), (8, Reason::RateLimitedCircuit));
}

#[tokio::test]
async fn a_person_is_counted_over_all_sessions_and_addresses() {
    let house = House::new();
    let policy = house.policy(&with(r#"["person"]"#));
    let one = house.cookie(&policy, "wiki", password("maya@example.net")).await;
    let other = house.cookie(&policy, "wiki", password("maya@example.net")).await;
    assert_eq!(until_limited(&policy, "wiki", &Visit::from(HOME).with(&one)), (3, Reason::RateLimitedUser));
    let elsewhere = Visit::from("10.9.9.9").with(&other);
    assert_eq!(until_limited(&policy, "wiki", &elsewhere), (0, Reason::RateLimitedUser));
    // Those who are nobody count by address; who knows a shared secret counts for himself.
    assert_eq!(until_limited(&policy, "wiki", &Visit::from("10.9.9.9")), (3, Reason::RateLimitedIp));
    for _ in 0..2 {
        let shared = house.cookie(&policy, "wiki", shared_pin(PIN)).await;
        assert_eq!(until_limited(&policy, "wiki", &Visit::from(HOME).with(&shared)), (3, Reason::RateLimitedUser));
    }
}

#[tokio::test]
async fn the_told_wait_suffices_over_all_layers() {
    let house = House::new();
    let policy = house.policy(&with(r#"["browse", "all", "person"]"#));
    let cookie = house.cookie(&policy, "wiki", password("maya@example.net")).await;
    let visit = Visit::from(HOME).with(&cookie);
    let mut waits = 0;
    for _ in 0..60 {
        let decided = visit.decide(&policy, "wiki");
        let Some((_, budget)) = limited(&decided) else { continue };
        assert_eq!(decided.budget.as_ref(), Some(&budget));
        assert!(budget.retry_after > Duration::ZERO && budget.reset >= budget.retry_after);
        house.clock.advance(budget.retry_after);
        waits += 1;
        assert!(limited(&visit.decide(&policy, "wiki")).is_none(), "after {budget:?}");
    }
    assert!(waits > 20);
}

#[tokio::test]
async fn the_tightest_budget_is_told() {
    let house = House::new();
    let policy = house.policy(&with(r#"["browse", "all", "person"]"#));
    let cookie = house.cookie(&policy, "wiki", password("maya@example.net")).await;
    let visit = Visit::from(HOME).with(&cookie);
    let budget = visit.decide(&policy, "wiki").budget.unwrap();
    assert_eq!((&*budget.limit, budget.quota, budget.remaining), ("person", 3, 2));
    let front = policy.gate("wiki").unwrap().front(&visit.view());
    assert_eq!(front.budget.map(|budget| (budget.limit.to_string(), budget.remaining)), Some(("browse".to_owned(), 3)));
}

#[tokio::test]
async fn attempts_are_limited_by_address_and_by_account() {
    let house = House::new();
    let policy = house.policy(&with("[]"));
    let told =
        async |address: &str, who: &str| Visit::from(address).sign_in(&policy, "wiki", password_of(who, "wrong")).await;
    for number in 0..5 {
        assert!(told("10.1.1.1", &format!("u{number}@example.net")).await.starts_with("failed"));
    }
    assert_eq!(told("10.1.1.1", "u9@example.net").await, r#"limited "nobody" 429 rate_limited_ip"#);
    // The right password is not looked at either.
    let right = Visit::from("10.1.1.1").sign_in(&policy, "wiki", password("maya@example.net")).await;
    assert_eq!(right, r#"limited "local:maya@example.net" 429 rate_limited_ip"#);
    for (number, spelling) in ["x@example.net", "X@EXAMPLE.NET", " x@example.net"].iter().enumerate() {
        assert!(told(&format!("10.1.2.{number}"), spelling).await.starts_with("failed"));
    }
    assert_eq!(told("10.1.2.9", "x@example.net").await, r#"limited "nobody" 429 rate_limited_user"#);
    house.clock.advance(Duration::from_secs(20));
    assert!(told("10.1.2.9", "x@example.net").await.starts_with("failed"));
}

#[tokio::test(start_paused = true)]
async fn many_attempts_at_one_circuit_are_slowed_down_not_refused() {
    let house = House::new();
    let text = with("[]").replace("10000/s", "2/m").replace("5/m", "1000/s");
    let policy = house.policy(&text);
    let attempt = async |number: u32| {
        let started = tokio::time::Instant::now();
        let visit = Visit::from(&format!("10.1.1.{number}"));
        let told = visit.sign_in(&policy, "wiki", password("maya@example.net")).await;
        (told.starts_with("verified"), started.elapsed() >= Duration::from_secs(2))
    };
    assert_eq!((attempt(1).await, attempt(2).await), ((true, false), (true, false)));
    assert_eq!(attempt(3).await, (true, true));
}
