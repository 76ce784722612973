//! Those who have an account: people with browsers, and programs with tokens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::agents::Agents;
use super::chance::{Chance, Zipf};
use super::places::{PLACES, Place};

/// Accounts.
pub(super) const PEOPLE: usize = 5000;

/// One in so many is a program.
const PROGRAM_EVERY: usize = 40;

const FIRST: [&str; 32] = [
    "anna", "bela", "carla", "david", "elena", "felix", "greta", "hassan", "irina", "jonas", "katja", "luca", "maya",
    "noor", "oskar", "petra", "quentin", "rosa", "stefan", "tara", "ulrich", "vera", "walter", "xenia", "yusuf",
    "zora", "amir", "birgit", "chiara", "dario", "edda", "fynn",
];
const LAST: [&str; 32] = [
    "keller", "brunner", "moser", "huber", "wagner", "fischer", "lang", "vogel", "frei", "roth", "baumann", "gerber",
    "suter", "egli", "hofer", "steiner", "berger", "koch", "winkler", "lorenz", "arnold", "haas", "graf", "kuhn",
    "peters", "sommer", "brandt", "conti", "ricci", "dubois", "laurent", "novak",
];
const DOMAINS: [&str; 4] = ["example.net", "example.net", "example.com", "partner.example"];
const TASKS: [&str; 12] = [
    "backup", "sync", "crawler", "exporter", "deploy", "monitor", "mailer", "indexer", "billing", "scanner", "report",
    "mirror",
];

/// An account.
#[derive(Debug)]
pub(super) struct Person {
    /// None for a program.
    pub(super) email: Option<String>,
    pub(super) user_id: String,
    pub(super) auth_method: &'static str,
    /// At home, at work, on the way.
    pub(super) addresses: Vec<IpAddr>,
    pub(super) place: Place,
    /// Of their devices, each at a place in [`Agents`].
    pub(super) agents: Vec<usize>,
}

impl Person {
    pub(super) const fn is_program(&self) -> bool {
        self.email.is_none()
    }
}

/// All accounts, the busiest first.
pub(super) fn people(agents: &Agents, chance: &mut Chance) -> Vec<Person> {
    let places = Zipf::new(PLACES.len(), 1.0);
    (0..PEOPLE)
        .map(|number| {
            let place = *PLACES.get(places.draw(chance)).unwrap();
            if number % PROGRAM_EVERY == 7 {
                program(number, place, agents, chance)
            } else {
                human(number, place, agents, chance)
            }
        })
        .collect()
}

fn human(number: usize, place: Place, agents: &Agents, chance: &mut Chance) -> Person {
    let (first, last, domain) = (chance.one(&FIRST), chance.one(&LAST), chance.one(&DOMAINS));
    let email = format!("{first}.{last}{number}@{domain}");
    let auth_method = *chance.one(&["sso", "sso", "sso", "sso", "password", "pin"]);
    let user_id = if auth_method == "sso" { format!("corp:{:020}", chance.bits()) } else { format!("local:{email}") };
    let addresses = (0..1 + chance.below(3)).map(|_| home(chance)).collect();
    let devices = (0..1 + chance.below(2)).map(|_| agents.browser(chance)).collect();
    Person { email: Some(email), user_id, auth_method, addresses, place, agents: devices }
}

fn program(number: usize, place: Place, agents: &Agents, chance: &mut Chance) -> Person {
    let user_id = format!("token:{}-{number}", chance.one(&TASKS));
    let addresses = vec![IpAddr::V4(Ipv4Addr::new(10, 20, (number >> 8) as u8, number as u8))];
    Person { email: None, user_id, auth_method: "token", addresses, place, agents: vec![agents.library(chance)] }
}

/// One in four has IPv6, with an interface of its own in a network of its own.
fn home(chance: &mut Chance) -> IpAddr {
    if chance.percent(25) {
        let network = 0x2a02_0000_0000_0000 | (chance.bits() >> 16);
        return IpAddr::V6(Ipv6Addr::from(u128::from(network) << 64 | u128::from(chance.bits())));
    }
    IpAddr::V4(Ipv4Addr::from(0x5000_0000 | chance.bits() as u32 >> 4))
}
