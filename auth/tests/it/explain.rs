//! An explanation is what the gate decides, whoever asks, and takes nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use vestibule_auth::explain::{Explained, Question, Visitor};
use vestibule_auth::{Credential, Policy, Said};
use vestibule_config::Email;

use crate::house::{GERMANY, HOME, House, PIN, Visit, password, refused, shared_pin};

const PLAN: &str = r#"
[geo]
database = PLACES
[rate_limits.few]
per = "ip"
rate = "2/h"
[rate_limits.each]
per = "user"
rate = "3/h"
[users]
"maya@example.net" = { password_hash = PASSWORD_HASH, pin_hash = PIN_HASH, groups = ["writers"] }
"ben@partner.example" = { password_hash = PASSWORD_HASH }
"zoe@example.net" = { password_hash = PASSWORD_HASH, state = "blocked" }
"ada@example.net" = { name = "Ada" }
[service_tokens.ci]
hash = "sha256:0000000000000000000000000000000000000000000000000000000000000001"
expires = 2026-07-01T00:00:00Z
[projects.docs]
members = ["group:writers", "ada@example.net", "zoe@example.net", "token:ci"]
[providers.corp]
issuer = "https://sso.example.net"
client_id = "vestibule"
email_domains = ["example.net"]
[circuits.wiki]
project = "docs"
hosts = ["wiki.example.net"]
upstream = "http://127.0.0.1:9"
access = "members"
login = ["password"]
country_block = ["DE"]
shared = { pin_hash = PIN_HASH }
expires = 2026-08-01T00:00:00Z
[circuits.sso]
project = "docs"
hosts = ["sso.example.net"]
upstream = "http://127.0.0.1:9"
access = "members"
login = ["sso:corp"]
[circuits.tight]
hosts = ["tight.example.net"]
upstream = "http://127.0.0.1:9"
access = "public"
rate_limits = ["few"]
[circuits.trusting]
hosts = ["trusting.example.net"]
upstream = "http://127.0.0.1:9"
access = "allowlist"
allow = []
login = ["password"]
trusted_addresses = ["10.1.2.3"]
observe = ["country"]
country_block = ["DE"]
rate_limits = ["each"]
"#;

const MAYA: &str = "maya@example.net";

fn ask(policy: &Policy, circuit: &str, from: &str, user: &str, groups: &[&str], login: &str) -> Explained {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let groups: BTreeSet<String> = groups.iter().map(ToString::to_string).collect();
    let visitor = Visitor::of(text(user).as_deref(), groups, text(login).as_deref()).unwrap();
    explain(policy, circuit, from, Question { visitor, at: None, live: true })
}

fn explain(policy: &Policy, circuit: &str, from: &str, question: Question) -> Explained {
    policy.gate(circuit).unwrap().explain(&Visit::from(from).view(), &question)
}

/// What it comes to, and the key that decides.
fn told(explained: &Explained) -> String {
    let answer = explained.refusal.as_ref().map_or("allow".to_owned(), refused);
    let last = explained.layers.last().unwrap();
    assert_eq!(last.said, Said::Hit, "the last layer decides: {explained:?}");
    format!("{answer} by {}", last.rule)
}

#[test]
fn each_visitor_is_told_what_decides() {
    let house = House::new();
    let policy = house.policy(PLAN);
    for (circuit, from, user, groups, login, expected) in [
        ("wiki", HOME, MAYA, &[][..], "", "allow by circuits.wiki.members"),
        ("wiki", HOME, "MAYA@Example.NET", &[], "password", "allow by circuits.wiki.members"),
        ("wiki", HOME, MAYA, &[], "pin", "login account_mismatch by circuits.wiki.login"),
        ("wiki", HOME, "", &[], "", "login no_credentials by circuits.wiki.access"),
        ("wiki", HOME, "", &[], "pin", "allow by circuits.wiki.shared"),
        ("wiki", HOME, "", &[], "password", "login invalid_password by circuits.wiki.shared"),
        ("wiki", GERMANY, MAYA, &[], "", "403 country_restricted by circuits.wiki.country_block"),
        ("wiki", HOME, "ben@partner.example", &[], "", "403 not_project_member by circuits.wiki.members"),
        // A password proves a person; what a provider would say of groups does not come with it.
        ("wiki", HOME, "ben@partner.example", &["writers"], "", "403 not_project_member by circuits.wiki.members"),
        ("wiki", HOME, "zoe@example.net", &[], "", "403 user_blocked by users.state"),
        ("wiki", HOME, "ada@example.net", &[], "", "403 user_not_found by users"),
        ("wiki", HOME, "eve@example.org", &[], "", "403 not_project_member by circuits.wiki.members"),
        ("wiki", HOME, "token:ci", &[], "", "allow by circuits.wiki.members"),
        ("wiki", HOME, "token:cd", &[], "", "401 invalid_token by circuits.wiki.access"),
        ("wiki", HOME, "", &[], "header", "401 invalid_header by circuits.wiki.access"),
        ("sso", HOME, "new@example.net", &["writers"], "", "allow by circuits.sso.members"),
        ("sso", HOME, "new@example.net", &[], "", "403 not_project_member by circuits.sso.members"),
        (
            "sso",
            HOME,
            "ben@partner.example",
            &["writers"],
            "",
            "403 domain_not_allowed by providers.corp.email_domains",
        ),
        ("sso", HOME, MAYA, &[], "sso", "allow by circuits.sso.members"),
        ("sso", HOME, MAYA, &[], "sso:other", "login account_mismatch by circuits.sso.login"),
        ("tight", HOME, "", &[], "", "allow by circuits.tight.access"),
        ("trusting", HOME, "", &[], "", "allow by circuits.trusting.trusted_addresses"),
        ("trusting", GERMANY, "", &[], "", "login no_credentials by circuits.trusting.access"),
    ] {
        let found = told(&ask(&policy, circuit, from, user, groups, login));
        assert_eq!(found, expected, "{circuit} from {from} as {user:?} {groups:?} by {login:?}");
    }
}

#[tokio::test]
async fn an_explanation_says_what_a_request_is_told() {
    let house = House::new();
    let policy = house.policy(PLAN);
    for (circuit, credential, user, login) in
        [("wiki", password(MAYA), MAYA, "password"), ("wiki", shared_pin(PIN), "", "pin")]
    {
        let cookie = house.cookie(&policy, circuit, credential).await;
        for from in [HOME, GERMANY] {
            let real = Visit::from(from).with(&cookie).answer(&policy, circuit);
            let explained = ask(&policy, circuit, from, user, &[], login);
            assert_eq!(explained.refusal.as_ref().map_or("allow".to_owned(), refused), real, "{circuit} {from}");
        }
    }
    // The gate that lets a session in today judges by the file of tomorrow.
    let cookie = house.cookie(&policy, "wiki", password(MAYA)).await;
    let next = house.policy(&PLAN.replace("group:writers", "group:readers"));
    let real = Visit::from(HOME).with(&cookie).answer(&next, "wiki");
    assert_eq!(refused(ask(&next, "wiki", HOME, MAYA, &[], "").refusal.as_ref().unwrap()), real);
}

#[test]
fn limits_are_looked_at_and_nothing_is_taken() {
    let house = House::new();
    let policy = house.policy(PLAN);
    for _ in 0..5 {
        assert_eq!(told(&ask(&policy, "tight", HOME, "", &[], "")), "allow by circuits.tight.access");
    }
    assert_eq!(Visit::from(HOME).answer(&policy, "tight"), "allow");
    assert_eq!(Visit::from(HOME).answer(&policy, "tight"), "allow");
    assert_eq!(told(&ask(&policy, "tight", HOME, "", &[], "")), "429 rate_limited_ip by rate_limits.few");
    assert_eq!(told(&ask(&policy, "tight", "10.9.9.9", "", &[], "")), "allow by circuits.tight.access");
    assert_eq!(Visit::from(HOME).answer(&policy, "tight"), "429 rate_limited_ip");
    // The file by itself knows of no counts.
    let alone = Question { visitor: Visitor::Nobody, at: None, live: false };
    assert_eq!(told(&explain(&policy, "tight", HOME, alone)), "allow by circuits.tight.access");
    house.clock.advance(Duration::from_secs(1800));
    assert_eq!(told(&ask(&policy, "tight", HOME, "", &[], "")), "allow by circuits.tight.access");
}

#[tokio::test]
async fn locks_bans_and_grants_of_now_count_unless_the_file_alone_is_asked() {
    let house = House::new();
    let text = &format!("[login_limits]\nfailures = {{ count = 1, within = \"5m\", lock = \"15m\" }}\n{PLAN}");
    let settings = house.settings(text);
    let policy = house.auth.policy(&settings);
    let wrong = |email: &str| Credential::Own {
        email: email.to_owned(),
        secret: vestibule_auth::Secret::Password(zeroize::Zeroizing::new("wrong".to_owned())),
    };
    Visit::from(HOME).sign_in(&policy, "wiki", wrong(MAYA)).await;
    let alone = |email: &str| {
        let visitor = Visitor::of(Some(email), BTreeSet::new(), None).unwrap();
        told(&explain(&policy, "wiki", HOME, Question { visitor, at: None, live: false }))
    };
    let now = |email: &str, from: &str| told(&ask(&policy, "wiki", from, email, &[], ""));
    assert_eq!(now(MAYA, HOME), "429 user_locked by login_limits.failures");
    assert_eq!(now(MAYA, "10.9.9.9"), "allow by circuits.wiki.members");
    assert_eq!(alone(MAYA), "allow by circuits.wiki.members");

    let ben = "ben@partner.example";
    let wiki = settings.circuits.get("wiki").unwrap().name.clone();
    let grant = house.auth.grants().add(&Email::folded(ben).unwrap(), &wiki, Duration::from_secs(3600), "ops").unwrap();
    assert_eq!(now(ben, HOME), format!("allow by grants.{}", grant.id));
    assert_eq!(alone(ben), "403 not_project_member by circuits.wiki.members");
    let later = |at: &str| {
        let visitor = Visitor::of(Some(ben), BTreeSet::new(), None).unwrap();
        told(&explain(&policy, "wiki", HOME, Question { visitor, at: Some(at.parse().unwrap()), live: true }))
    };
    assert_eq!(later("2026-06-01T12:59:59Z"), format!("allow by grants.{}", grant.id));
    assert_eq!(later("2026-06-01T13:00:00Z"), format!("403 grant_expired by grants.{}", grant.id));
    assert_eq!(later("2026-08-01T00:00:00Z"), "404 circuit_expired by circuits.wiki.expires");

    house.auth.bans().add("10.0.0.0/8".parse().unwrap(), None, "ops", None).unwrap();
    assert_eq!(now(MAYA, "10.9.9.9"), "403 ip_banned by bans");
    assert_eq!(alone(MAYA), "allow by circuits.wiki.members");
}

#[test]
fn a_token_is_explained_as_of_then() {
    let house = House::new();
    let policy = house.policy(PLAN);
    let at = |at: &str| {
        let visitor = Visitor::Token("ci".to_owned());
        told(&explain(&policy, "wiki", HOME, Question { visitor, at: Some(at.parse().unwrap()), live: true }))
    };
    assert_eq!(at("2026-06-30T23:59:59Z"), "allow by circuits.wiki.members");
    assert_eq!(at("2026-07-01T00:00:00Z"), "401 token_expired by service_tokens.ci");
    assert_eq!(house.auth.uses().of("service:ci").last(), None, "an explanation is no use");
}

#[test]
fn what_observes_is_told_and_does_not_decide() {
    let house = House::new();
    let policy = house.policy(PLAN);
    let explained = ask(&policy, "trusting", GERMANY, "", &[], "");
    let observed: Vec<_> = explained.layers.iter().filter(|heard| heard.said == Said::Observed).collect();
    assert_eq!(observed.len(), 1);
    assert_eq!(observed[0].rule, "circuits.trusting.country_block");
    assert_eq!(explained.observed.iter().map(|reason| reason.code()).collect::<Vec<_>>(), ["country_restricted"]);
}

#[test]
fn the_pin_of_somebody_is_a_way_of_its_own() {
    let house = House::new();
    let policy =
        house.policy(&PLAN.replace("login = [\"password\"]\ncountry", "login = [\"password\", \"pin\"]\ncountry"));
    assert_eq!(told(&ask(&policy, "wiki", HOME, MAYA, &[], "pin")), "allow by circuits.wiki.members");
    assert_eq!(told(&ask(&policy, "wiki", HOME, "ada@example.net", &[], "pin")), "403 user_not_found by users");
}
