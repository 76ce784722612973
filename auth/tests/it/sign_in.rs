//! Attempts: what is told, what it costs, and what is remembered.

use std::time::{Duration, Instant};

use vestibule_auth::{Kind, Outcome};

use crate::house::{HOME, House, PASSWORD, PIN, Visit, password, password_of, pin, shared_pin};

const WIKI: &str = r#"
[login_limits]
per_ip = "10000/s"
per_user = "10000/s"
per_circuit = "10000/s"
failures = { count = 3, within = "5m", lock = "15m" }
shared_failures = { count = 4, within = "1h" }
[users]
"maya@example.net" = { password_hash = PASSWORD_HASH, pin_hash = PIN_HASH }
"ben@example.net" = { password_hash = PASSWORD_HASH }
"zoe@example.net" = { password_hash = PASSWORD_HASH, state = "blocked" }
"kim@example.net" = { password_hash = PASSWORD_HASH, state = "pending" }
[projects.docs]
members = ["maya@example.net", "zoe@example.net", "kim@example.net"]
[circuits.wiki]
project = "docs"
hosts = ["wiki.example.net"]
upstream = "http://127.0.0.1:9"
access = "members"
login = ["password"]
shared = { pin_hash = PIN_HASH }
[circuits.status]
hosts = ["status.example.net"]
upstream = "http://127.0.0.1:9"
access = "public"
"#;

#[tokio::test]
async fn each_credential_has_its_result_and_its_precise_reason() {
    let house = House::new();
    let policy = house.policy(WIKI);
    for (circuit, credential, expected) in [
        ("wiki", password("maya@example.net"), r#"verified "local:maya@example.net""#),
        ("wiki", password("  MAYA@Example.NET "), r#"verified "local:maya@example.net""#),
        ("wiki", password_of("maya@example.net", "wrong"), r#"failed "local:maya@example.net" login invalid_password"#),
        ("wiki", pin("maya@example.net"), r#"failed "local:maya@example.net" login user_not_found"#),
        ("wiki", password("ben@example.net"), r#"forbidden "local:ben@example.net" 403 not_project_member"#),
        ("wiki", password_of("ben@example.net", "x"), r#"failed "local:ben@example.net" login invalid_password"#),
        ("wiki", password("zoe@example.net"), r#"failed "local:zoe@example.net" login user_blocked"#),
        ("wiki", password("kim@example.net"), r#"failed "local:kim@example.net" login pending_approval"#),
        ("wiki", password("nobody@example.net"), r#"failed "nobody" login user_not_found"#),
        ("wiki", password("maya@example.net@evil.example"), r#"failed "nobody" login user_not_found"#),
        ("wiki", password(&format!("{}@example.net", "é".repeat(9_999))), r#"failed "nobody" login user_not_found"#),
        ("wiki", shared_pin(PIN), r#"verified "shared:wiki""#),
        ("wiki", shared_pin("000000"), r#"failed "shared:wiki" login invalid_pin"#),
        ("status", shared_pin(PIN), r#"failed "shared:status" login invalid_pin"#),
        ("status", password("maya@example.net"), r#"failed "local:maya@example.net" login user_not_found"#),
    ] {
        assert_eq!(Visit::from(HOME).sign_in(&policy, circuit, credential).await, expected);
    }
}

#[tokio::test]
async fn an_attempt_alone_opens_nothing() {
    let house = House::new();
    let policy = house.policy(WIKI);
    let visit = Visit::from(HOME);
    let gate = policy.gate("wiki").unwrap();
    let Outcome::Verified(verified) = gate.sign_in(password("maya@example.net"), &visit.view()).await else {
        panic!("the password is right");
    };
    assert_eq!(house.auth.figures().sessions, 0);
    let id = verified.session_id().clone();
    let cookie = verified.open(None).unwrap();
    assert_eq!((&cookie.session.id, house.auth.figures().sessions), (&id, 1));
    let caller = Visit::from(HOME).with(&cookie.value).decide(&policy, "wiki");
    assert_eq!(caller.session.unwrap().id, id);
}

#[tokio::test]
async fn known_and_unknown_accounts_cost_the_same() {
    let house = House::new();
    let policy = house.policy(&WIKI.replace("count = 3", "count = 500"));
    let long = "x".repeat(100_000);
    let tries = [
        ("maya@example.net", "wrong"),
        ("nobody@example.net", "wrong"),
        ("zoe@example.net", PASSWORD),
        ("kim@example.net", "wrong"),
        ("maya@example.net", &long),
    ];
    // The fastest of some rounds in turn, so that a busy machine does not decide.
    let mut best = [Duration::MAX; 5];
    for _ in 0..15 {
        for (best, (who, typed)) in best.iter_mut().zip(tries) {
            let start = Instant::now();
            Visit::from(HOME).sign_in(&policy, "wiki", password_of(who, typed)).await;
            *best = start.elapsed().min(*best);
        }
    }
    let (fastest, slowest) = (best.iter().min().unwrap(), best.iter().max().unwrap());
    assert!(*slowest < *fastest * 2, "{best:?}");
}

#[tokio::test]
async fn a_locked_pair_hears_the_same_whatever_it_knows() {
    let house = House::new();
    let policy = house.policy(WIKI);
    let visit = Visit::from(HOME);
    for account in ["maya@example.net", "nobody@example.net"] {
        for spelling in [account.to_owned(), account.to_uppercase(), format!(" {account} ")] {
            let told = visit.sign_in(&policy, "wiki", password_of(&spelling, "wrong")).await;
            assert!(told.starts_with("failed"), "{told}");
        }
        let told = visit.sign_in(&policy, "wiki", password(account)).await;
        assert!(told.starts_with("limited") && told.ends_with("429 user_locked"), "{told}");
    }
    // Another address is not locked out, another account neither.
    let elsewhere = Visit::from("10.1.2.4").sign_in(&policy, "wiki", password("maya@example.net")).await;
    assert_eq!(elsewhere, r#"verified "local:maya@example.net""#);
    assert!(visit.sign_in(&policy, "wiki", password("ben@example.net")).await.starts_with("forbidden"));
    // A restart unlocks nobody; time does.
    drop(policy);
    let house = house.restart();
    let policy = house.policy(WIKI);
    assert!(visit.sign_in(&policy, "wiki", password("maya@example.net")).await.ends_with("429 user_locked"));
    house.clock.advance(Duration::from_secs(899));
    let gate = policy.gate("wiki").unwrap();
    let Outcome::Limited(_, refusal) = gate.sign_in(password("maya@example.net"), &visit.view()).await else {
        panic!("still locked");
    };
    let Kind::Limited(budget) = refusal.kind else { panic!("a lock says how long") };
    assert_eq!((&*budget.limit, budget.quota, budget.remaining), ("login.failures", 3, 0));
    house.clock.advance(budget.retry_after);
    assert!(visit.sign_in(&policy, "wiki", password("maya@example.net")).await.starts_with("verified"));
}

#[tokio::test]
async fn killing_the_process_gives_nobody_another_try() {
    let house = House::new();
    let policy = house.policy(WIKI);
    let visit = Visit::from(HOME);
    let wrong = || password_of("maya@example.net", "wrong");
    for _ in 0..2 {
        assert!(visit.sign_in(&policy, "wiki", wrong()).await.starts_with("failed"));
    }
    let house = house.after_a_kill();
    let policy = house.policy(WIKI);
    assert!(visit.sign_in(&policy, "wiki", wrong()).await.starts_with("failed"), "the third of three");
    assert!(visit.sign_in(&policy, "wiki", password("maya@example.net")).await.ends_with("429 user_locked"));
}

#[tokio::test]
async fn guessing_at_once_is_no_way_around_the_lock() {
    let house = House::new();
    let policy = house.policy(WIKI);
    let visit = Visit::from(HOME);
    let guess = || visit.sign_in(&policy, "wiki", password_of("maya@example.net", "wrong"));
    let told = tokio::join!(guess(), guess(), guess(), guess(), guess(), guess());
    let told = [told.0, told.1, told.2, told.3, told.4, told.5];
    assert_eq!(told.iter().filter(|told| told.starts_with("failed")).count(), 3, "{told:?}");
}

#[tokio::test]
async fn success_uses_up_no_failures() {
    let house = House::new();
    let policy = house.policy(WIKI);
    let visit = Visit::from(HOME);
    for _ in 0..2 {
        visit.sign_in(&policy, "wiki", password_of("maya@example.net", "wrong")).await;
    }
    for _ in 0..20 {
        assert!(visit.sign_in(&policy, "wiki", password("maya@example.net")).await.starts_with("verified"));
    }
}

#[tokio::test]
async fn a_guessed_shared_secret_is_closed_to_strangers_only() {
    let house = House::new();
    let policy = house.policy(WIKI);
    let friend = Visit::from("10.7.7.7");
    assert!(friend.sign_in(&policy, "wiki", shared_pin(PIN)).await.starts_with("verified"));
    house.cookie(&policy, "wiki", shared_pin(PIN)).await;
    for number in 0..4 {
        let stranger = Visit::from(&format!("10.2.0.{number}"));
        assert!(stranger.sign_in(&policy, "wiki", shared_pin("000000")).await.starts_with("failed"));
    }
    let stranger = Visit::from("10.3.0.1");
    let limited = r#"limited "shared:wiki" 429 rate_limited_circuit"#;
    assert_eq!(stranger.sign_in(&policy, "wiki", shared_pin(PIN)).await, limited);
    assert!(friend.sign_in(&policy, "wiki", shared_pin(PIN)).await.starts_with("verified"));
    // Other ways in are unaffected.
    assert!(stranger.sign_in(&policy, "wiki", password("maya@example.net")).await.starts_with("verified"));
    // A restart forgets neither the failures nor those whose sessions are known.
    drop(policy);
    let house = house.restart();
    let policy = house.policy(WIKI);
    assert_eq!(stranger.sign_in(&policy, "wiki", shared_pin(PIN)).await, limited);
    assert!(Visit::from(HOME).sign_in(&policy, "wiki", shared_pin(PIN)).await.starts_with("verified"));
    house.clock.advance(Duration::from_secs(3600));
    assert!(stranger.sign_in(&policy, "wiki", shared_pin(PIN)).await.starts_with("verified"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_turned_away_before_anything_is_hashed() {
    let house = House::new();
    let policy = std::sync::Arc::new(house.policy(&WIKI.replace("count = 3", "count = 500")));
    let attempts: Vec<_> = (0..200)
        .map(|number| {
            let policy = policy.clone();
            tokio::spawn(async move {
                let credential = password_of(&format!("u{number}@example.net"), "wrong");
                Visit::from(HOME).sign_in(&policy, "wiki", credential).await
            })
        })
        .collect();
    let mut full = 0;
    for attempt in attempts {
        let told = attempt.await.unwrap();
        full += u64::from(told.ends_with("503 hash_queue_full"));
    }
    // At most 64 wait, and some are hashed meanwhile.
    assert!((1..=136).contains(&full), "{full} of 200 were turned away");
    assert_eq!((house.auth.figures().hash_queue_full, house.auth.figures().hash_queue), (full, 0));
}
