//! Which circuits somebody may open.

use vestibule_auth::Policy;

use crate::house::{GERMANY, HOME, House, Visit, password, pin, shared_pin};

const PLAN: &str = r#"
[geo]
database = PLACES
[users."maya@example.net"]
password_hash = PASSWORD_HASH
pin_hash = PIN_HASH
groups = ["writers"]
[users."noor@example.net"]
password_hash = PASSWORD_HASH
[projects.docs]
members = ["maya@example.net", "noor@example.net"]
"#;

fn plan() -> String {
    let circuit = |name: &str, more: &str| {
        let own = format!("hosts = [\"{name}.example.net\"]\nupstream = \"http://127.0.0.1:9\"\nproject = \"docs\"\n");
        format!("[circuits.{name}]\n{own}{more}\n")
    };
    let members = "access = \"members\"\nlogin = [\"password\"]";
    [
        PLAN.to_owned(),
        circuit("wiki", "access = \"members\"\nlogin = [\"password\", \"pin\"]\nshared = { pin_hash = PIN_HASH }"),
        circuit("board", members),
        circuit("away", &format!("{members}\ncountry_block = [\"DE\"]")),
        circuit("off", &format!("{members}\nenabled = false")),
        circuit("over", &format!("{members}\nexpires = 2026-06-01T13:00:00Z")),
        circuit("shared", "access = \"allowlist\"\nallow = []\nshared = { pin_hash = PIN_HASH }"),
        circuit("status", "access = \"public\""),
        circuit("writers", "access = \"allowlist\"\nallow = [\"group:writers\"]\nlogin = [\"password\"]"),
    ]
    .concat()
}

/// Their names, for a session of `wiki`.
fn open(policy: &Policy, from: &str, cookie: &str) -> String {
    let visit = Visit::from(from).with(cookie);
    let open = policy.open_to(policy.gate("wiki").unwrap(), &visit.view());
    open.iter().map(|open| open.circuit.name.as_str()).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn two_people_see_two_lists_and_nobody_what_is_closed_to_them() {
    let house = House::new();
    let policy = house.policy(&plan());
    let maya = house.cookie(&policy, "wiki", password("maya@example.net")).await;
    let noor = house.cookie(&policy, "wiki", password("noor@example.net")).await;
    assert_eq!(open(&policy, HOME, &maya), "away board over status wiki writers");
    assert_eq!(open(&policy, HOME, &noor), "away board over status wiki");
    assert_eq!(open(&policy, GERMANY, &noor), "board over status wiki", "not from there");
    assert_eq!(open(&policy, HOME, "made up"), "");

    house.clock.advance(std::time::Duration::from_secs(3600));
    assert_eq!(open(&policy, HOME, &noor), "away board status wiki", "its time is over");
    let changed = house.policy(&plan().replace("groups = [\"writers\"]", ""));
    assert_eq!(open(&changed, HOME, &maya), "away board status wiki", "the policy of now");
    let blocked = house.policy(&plan().replace("groups = [\"writers\"]", "state = \"blocked\""));
    assert_eq!(open(&blocked, HOME, &maya), "");
}

#[tokio::test]
async fn only_the_way_in_that_was_used_counts() {
    let house = House::new();
    let policy = house.policy(&plan());
    let by_pin = house.cookie(&policy, "wiki", pin("maya@example.net")).await;
    assert_eq!(open(&policy, HOME, &by_pin), "status wiki", "the others do not take a PIN");
    let nobody = house.cookie(&policy, "wiki", shared_pin("271828")).await;
    assert_eq!(open(&policy, HOME, &nobody), "status wiki", "the same secret elsewhere is another circuit's");
}
