//! Paths of a circuit with policies of their own.

use std::sync::Arc;
use std::time::Duration;

use vestibule_auth::{Credential, Gate, Outcome, Policy, RequestView, Verdict};
use vestibule_config::Email;

use crate::house::{GERMANY, HOME, House, PIN, Visit, answer, password, pin, refused, shared_pin};

/// `wiki` for members, with parts for everybody, for writers by PIN, for who knows a PIN, and one that is not special.
const PLAN: &str = r#"
[geo]
database = PLACES
[users."maya@example.net"]
password_hash = PASSWORD_HASH
pin_hash = PIN_HASH
groups = ["writers"]
[users."noor@example.net"]
password_hash = PASSWORD_HASH
pin_hash = PIN_HASH
[projects.docs]
members = ["maya@example.net", "noor@example.net"]
[circuits.wiki]
hosts = ["wiki.example.net"]
upstream = "http://127.0.0.1:9"
project = "docs"
access = "members"
login = ["password", "pin"]
trusted_addresses = ["192.0.2.0/24"]
country_block = ["DE"]
[[circuits.wiki.paths]]
prefix = "/webhook"
access = "public"
[[circuits.wiki.paths]]
prefix = "/write"
access = "allowlist"
allow = ["group:writers"]
login = ["pin"]
[[circuits.wiki.paths]]
prefix = "/kiosk"
access = "allowlist"
shared = { pin_hash = PIN_HASH }
[[circuits.wiki.paths]]
prefix = "/old"
rewrite = "strip"
"#;

const PATHS: [&str; 5] = ["/", "/webhook", "/write", "/kiosk", "/old"];

/// What a visitor is told at each of them, with the rule that refused.
fn told(policy: &Policy, visit: &Visit) -> Vec<String> {
    let own = policy.gate("wiki").unwrap();
    let gates = std::iter::once(own).chain(policy.path_gates("wiki"));
    let at = |gate: &Arc<Gate>| match gate.decide(&visit.view()).verdict {
        Verdict::Refuse(refusal) => format!("{} by {}", refused(&refusal), refusal.rule),
        pass @ (Verdict::Pass(_) | Verdict::Preflight(_)) => answer(&pass),
    };
    gates.map(at).collect()
}

async fn cookie_at(policy: &Policy, path: usize, credential: Credential) -> String {
    let visit = Visit::from(HOME);
    let view: RequestView<'_> = visit.view();
    let gate = policy.path_gates("wiki").get(path).unwrap();
    match gate.sign_in(credential, &view).await {
        Outcome::Verified(verified) => verified.open(None).unwrap().value.to_string(),
        other @ (Outcome::Failed(..) | Outcome::Forbidden(..) | Outcome::Limited(..)) => {
            panic!("{}", crate::house::told(&other))
        }
    }
}

#[tokio::test]
async fn each_path_is_decided_by_its_own_policy_and_one_without_by_the_circuits() {
    let house = House::new();
    let policy = house.policy(PLAN);
    let maya = house.cookie(&policy, "wiki", password("maya@example.net")).await;
    let maya_by_pin = house.cookie(&policy, "wiki", pin("maya@example.net")).await;
    let noor_by_pin = house.cookie(&policy, "wiki", pin("noor@example.net")).await;
    let kiosk = cookie_at(&policy, 2, shared_pin(PIN)).await;
    let home = |cookie: &str| Visit::from(HOME).with(cookie);
    let mut table = String::new();
    for (who, visit) in [
        ("nobody", Visit::from(HOME)),
        ("maya", home(&maya)),
        ("maya by PIN", home(&maya_by_pin)),
        ("noor by PIN", home(&noor_by_pin)),
        ("the kiosk", home(&kiosk)),
        ("a trusted address", Visit::from("192.0.2.9")),
        ("in Germany", Visit::from(GERMANY).with(&maya_by_pin)),
    ] {
        table.push_str(&format!("{who}\n"));
        for (path, told) in PATHS.iter().zip(told(&policy, &visit)) {
            table.push_str(&format!("    {path:<10}{told}\n"));
        }
    }
    let expected = include_str!("paths.txt");
    assert!(table == expected, "the table is now:\n{table}");
}

#[tokio::test]
async fn a_session_of_a_path_is_no_way_into_the_rest_and_the_launcher_knows() {
    let house = House::new();
    let policy = house.policy(PLAN);
    let kiosk = Visit::from(HOME).with(&cookie_at(&policy, 2, shared_pin(PIN)).await);
    let own = policy.gate("wiki").unwrap();
    assert!(own.identity(&kiosk.view()).is_none());
    let gate = policy.path_gates("wiki").get(2).unwrap();
    assert_eq!(gate.identity(&kiosk.view()).unwrap().user_id.as_ref(), "shared:wiki");
    let open = policy.open_to(gate, &kiosk.view());
    assert_eq!(open.iter().map(|open| open.path.as_str()).collect::<Vec<_>>(), ["/kiosk"]);
    let maya = Visit::from(HOME).with(&house.cookie(&policy, "wiki", password("maya@example.net")).await);
    let open = policy.open_to(own, &maya.view());
    assert_eq!(open.iter().map(|open| open.path.as_str()).collect::<Vec<_>>(), ["/"]);
}

#[tokio::test]
async fn a_grant_opens_the_circuit_and_no_path_with_a_policy_of_its_own() {
    let house = House::new();
    let settings =
        house.settings(&PLAN.replace(r#"members = ["maya@example.net", "noor@example.net"]"#, "members = []"));
    let policy = house.auth.policy(&settings);
    let noor = Email::folded("noor@example.net").unwrap();
    let wiki = settings.circuits.get("wiki").unwrap().name.clone();
    house.auth.grants().add(&noor, &wiki, Duration::from_secs(60), "ops").unwrap();
    let noor = house.cookie(&policy, "wiki", pin("noor@example.net")).await;
    assert_eq!(
        told(&policy, &Visit::from(HOME).with(&noor)),
        [
            "allow",
            "allow",
            "403 not_in_group by circuits.wiki.paths[\"/write\"].allow",
            "login account_mismatch by circuits.wiki.paths[\"/kiosk\"].login",
            "allow",
        ]
    );
}
