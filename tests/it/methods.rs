//! Every way in against every kind of access and every state of an account, on the running program.

use std::cell::Cell;
use std::fmt::Write as _;

use harness::house::{BRAM, INES, MAYA, NOOR, PETRA};
use harness::provider::person;
use harness::secrets::{
    ADMIN_TOKEN, PASSWORD, PASSWORD_HASH, PIN, PIN_HASH, SHARED_PASSWORD, SHARED_PASSWORD_HASH, SHARED_PIN,
    SHARED_PIN_HASH,
};
use harness::{Browser, Gateway, Provider, Request, Response, Upstream};

/// Not in the file.
const EVE: &str = "eve@example.net";

/// Name and `access` of each circuit; each but the first has every way in.
const CIRCUITS: [(&str, &str); 4] = [
    ("public", "access = \"public\""),
    ("members", "project = \"docs\"\naccess = \"members\""),
    (
        "listed",
        "access = \"allowlist\"\nallow = [\"maya@example.net\", \"bram@example.net\", \"petra@example.net\", \"token:ci\", \"token:off\"]",
    ),
    ("nobody", "access = \"allowlist\"\nallow = []"),
];

/// Hashes of `vst_nightly-build`, `vst_last-week` and `0123456789abcdef`.
const MACHINES: &str = r#"
[service_tokens.ci]
hash = "sha256:2119f0325918f0b500dc81e557b25017a5919e5b8aefa58637769846fea1e3b0"
[service_tokens.off]
hash = "sha256:ac1888588eeb5d8a98156712155944f9b1cba9218db8bf3677e335a5b3461cdc"
disabled = true
"#;

fn plan(provider: &Provider, upstream: &Upstream) -> String {
    let account = |email: &str, more: &str| {
        format!("[users.\"{email}\"]\npassword_hash = \"{PASSWORD_HASH}\"\npin_hash = \"{PIN_HASH}\"\n{more}\n")
    };
    let people = [
        account(MAYA, ""),
        account(NOOR, ""),
        account(INES, ""),
        account(BRAM, "state = \"blocked\""),
        account(PETRA, "state = \"pending\""),
        format!("[projects.docs]\nmembers = [\"{MAYA}\", \"{NOOR}\", \"{BRAM}\", \"{PETRA}\", \"token:ci\"]\n"),
    ];
    let ways = format!(
        "login = [\"sso:corp\", \"password\", \"pin\"]\n\
         shared = {{ password_hash = \"{SHARED_PASSWORD_HASH}\", pin_hash = \"{SHARED_PIN_HASH}\" }}\n\
         header_auth = [{{ header = \"X-Api-Key\", hash = \"sha256:9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f\" }}]\n\
         trusted_addresses = [\"198.51.100.0/24\"]\n"
    );
    let circuits = CIRCUITS.map(|(name, access)| {
        let ways = if name == "public" { "" } else { &ways };
        format!(
            "[circuits.{name}]\nhosts = [\"{name}.localhost\"]\nupstream = \"{}\"\n{access}\n{ways}",
            upstream.url()
        )
    });
    let limits = "[login_limits]\nper_ip = \"10000/m\"\nper_user = \"10000/m\"\nper_circuit = \"10000/m\"\n\
                  failures = { count = 1000, within = \"5m\", lock = \"1s\" }\n";
    [people.concat(), provider.toml("corp", ""), MACHINES.to_owned(), circuits.concat(), limits.to_owned()].concat()
}

struct Inn {
    gateway: Gateway,
    provider: Provider,
    /// Callbacks are limited by address: each person comes from another one.
    arrivals: Cell<u8>,
}

impl Inn {
    fn get(&self, circuit: &str) -> Request {
        self.gateway.get(&host(circuit), "/").from("203.0.113.1")
    }

    fn typed(&self, circuit: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.gateway.sign_in(&host(circuit), fields).from("203.0.113.1").send();
        self.then(circuit, &answer, answer.session())
    }

    fn sso(&self, circuit: &str, email: &str) -> String {
        self.provider.person(person(email, email, &[]));
        let arrival = self.arrivals.get() + 1;
        self.arrivals.set(arrival);
        let mut browser = Browser::new(&self.gateway, &host(circuit), &format!("203.0.113.{arrival}"));
        let begun = browser.get("/.vestibule/sso/corp?return=/");
        let Some(location) = begun.header("location") else { return self.then(circuit, &begun, None) };
        let callback = self.provider.visit(location);
        let answer = browser.get(harness::browser::path(&callback));
        let session = browser.cookie("vestibule").map(|value| format!("vestibule={value}"));
        self.then(circuit, &answer, session)
    }

    /// What follows a sign-in: a visit, or why there is none.
    fn then(&self, circuit: &str, answer: &Response, session: Option<String>) -> String {
        match session {
            Some(cookie) => told(&self.get(circuit).cookie(&cookie).send()),
            // There is nothing to sign in to.
            None if answer.status == 404 => told(&self.get(circuit).send()),
            None => format!("not in {}", answer.status),
        }
    }
}

fn host(circuit: &str) -> String {
    format!("{circuit}.localhost")
}

fn told(answer: &Response) -> String {
    format!("{} {}", answer.status, answer.reason()).trim_end().to_owned()
}

/// Comes to a circuit and tells what it got.
type Way = fn(&Inn, &str, &str) -> String;

/// What a person signs in with.
const OWN: [(&str, Way); 3] = [
    ("password", |inn, circuit, email| inn.typed(circuit, &[("email", email), ("password", PASSWORD)])),
    ("pin", |inn, circuit, email| inn.typed(circuit, &[("email", email), ("pin", PIN)])),
    ("sso", |inn, circuit, email| inn.sso(circuit, email)),
];

const PEOPLE: [(&str, &str); 6] = [
    ("maya, in both lists", MAYA),
    ("noor, a member", NOOR),
    ("ines, in none", INES),
    ("bram, blocked", BRAM),
    ("petra, pending", PETRA),
    ("eve, unknown", EVE),
];

/// What is nobody's in particular.
const OTHERS: [(&str, Way); 11] = [
    ("shared password", |inn, circuit, _| inn.typed(circuit, &[("password", SHARED_PASSWORD)])),
    ("shared pin", |inn, circuit, _| inn.typed(circuit, &[("pin", SHARED_PIN)])),
    ("shared, wrong", |inn, circuit, _| inn.typed(circuit, &[("password", "wrong")])),
    ("token", |inn, circuit, _| told(&inn.get(circuit).bearer("vst_nightly-build").send())),
    ("token, disabled", |inn, circuit, _| told(&inn.get(circuit).bearer("vst_last-week").send())),
    ("token, wrong", |inn, circuit, _| told(&inn.get(circuit).bearer("vst_wrong").send())),
    ("header", |inn, circuit, _| told(&inn.get(circuit).header("X-Api-Key", "0123456789abcdef").send())),
    ("header, wrong", |inn, circuit, _| told(&inn.get(circuit).header("X-Api-Key", "wrong").send())),
    ("ip", |inn, circuit, _| told(&inn.gateway.get(&host(circuit), "/").from("198.51.100.7").send())),
    ("ip, wrong token", |inn, circuit, _| {
        told(&inn.gateway.get(&host(circuit), "/").from("198.51.100.7").bearer("vst_wrong").send())
    }),
    ("nothing", |inn, circuit, _| told(&inn.get(circuit).send())),
];

fn row(table: &mut String, inn: &Inn, name: &str, way: Way, email: &str) {
    let cells = CIRCUITS.map(|(circuit, _)| format!("{:26}", way(inn, circuit, email)));
    writeln!(table, "{name:40}{}", cells.concat().trim_end()).unwrap();
}

fn grant(gateway: &Gateway, email: &str, circuit: &str) {
    let wanted = serde_json::json!({ "email": email, "circuit": circuit, "for": "1h" });
    let made = gateway.admin_request("POST", "/api/v1/grants").bearer(ADMIN_TOKEN).json(&wanted).send();
    assert_eq!(made.status, 201, "{}", made.text());
}

#[test]
fn every_way_in_against_every_access_and_every_state() {
    let (provider, upstream) = (Provider::start(), Upstream::start());
    let gateway = Gateway::start(&plan(&provider, &upstream));
    let inn = Inn { gateway, provider, arrivals: Cell::new(0) };
    let mut table = format!("{:40}", "");
    table += CIRCUITS.map(|(name, _)| format!("{name:26}")).concat().trim_end();
    table.push('\n');
    for (way, enter) in OWN {
        for (name, email) in PEOPLE {
            row(&mut table, &inn, &format!("{way}: {name}"), enter, email);
        }
    }
    OTHERS.iter().for_each(|(name, way)| row(&mut table, &inn, name, *way, ""));
    for email in [INES, BRAM, EVE] {
        CIRCUITS[1..].iter().for_each(|(circuit, _)| grant(&inn.gateway, email, circuit));
    }
    for (way, enter) in OWN {
        for (name, email) in [PEOPLE[2], PEOPLE[3], PEOPLE[5]] {
            row(&mut table, &inn, &format!("{way} and grant: {name}"), enter, email);
        }
    }
    let expected = include_str!("methods.txt");
    assert!(table == expected, "the table is now:\n{table}");
}
