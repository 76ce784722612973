//! Who gains access by a change of the configuration, and who loses it, circuit by circuit.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use vestibule_auth::membership::names;
use vestibule_config::access::Ways;
use vestibule_config::admin::{Admin, LogName, Operator, Operators, Role};
use vestibule_config::circuit::{AddressRules, AllowMatch};
use vestibule_config::user::AccountState;
use vestibule_config::{Access, AllowEntry, Circuit, Settings};

/// What a change does to one circuit, to one of its paths with a policy of its own, or to the admin port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Shift {
    /// [`ADMIN`] for the admin port.
    pub(crate) circuit: String,
    /// Absent: the circuit's own policy.
    pub(crate) path: Option<String>,
    /// People, domains, groups and tokens that may enter from now on; `everybody`; ways in. At the admin port what each of
    /// them does there.
    pub(crate) gains: BTreeSet<String>,
    /// Those that may not any more.
    pub(crate) loses: BTreeSet<String>,
    /// Rules about addresses that keep out fewer.
    pub(crate) loosened: BTreeSet<&'static str>,
    /// Rules about addresses that keep out more.
    pub(crate) tightened: BTreeSet<&'static str>,
}

impl Shift {
    /// Whether somebody may enter who may not now.
    pub(crate) fn widens(&self) -> bool {
        !(self.gains.is_empty() && self.loosened.is_empty())
    }

    fn is_nothing(&self) -> bool {
        !self.widens() && self.loses.is_empty() && self.tightened.is_empty()
    }
}

/// Among those who may enter where nobody is asked.
const EVERYBODY: &str = "everybody";

/// Stands where else a circuit's name does, which is none of a circuit's.
const ADMIN: &str = "[admin]";

/// By circuit and path; those to which nothing happens are left out.
pub(crate) fn shifts(before: &Settings, after: &Settings, now: Timestamp) -> Vec<Shift> {
    let (before, after) = (doors(before, now), doors(after, now));
    let places: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let none = Door::default();
    let shift = |place: &(&str, Option<&str>)| {
        let (was, is) = (before.get(place).unwrap_or(&none), after.get(place).unwrap_or(&none));
        let (gains, loses) = (more(&was.entrants, &is.entrants), more(&is.entrants, &was.entrants));
        let rules = was.rules.zip(is.rules);
        let tightened = rules.map(|(was, is)| loosened(is, was)).unwrap_or_default();
        let loosened = rules.map(|(was, is)| loosened(was, is)).unwrap_or_default();
        let (circuit, path) = (place.0.to_owned(), place.1.map(str::to_owned));
        Shift { circuit, path, gains, loses, loosened, tightened }
    };
    places.into_iter().map(shift).filter(|shift| !shift.is_nothing()).collect()
}

/// Those of the second who are not among the first; where everybody is, nobody is missing.
fn more(first: &BTreeSet<String>, second: &BTreeSet<String>) -> BTreeSet<String> {
    if first.contains(EVERYBODY) {
        return BTreeSet::new();
    }
    second.difference(first).cloned().collect()
}

/// Who may enter somewhere, and from where.
#[derive(Default)]
struct Door<'a> {
    entrants: BTreeSet<String>,
    /// Absent for a path: its circuit's count.
    rules: Option<&'a AddressRules>,
}

fn doors(settings: &Settings, now: Timestamp) -> BTreeMap<(&str, Option<&str>), Door<'_>> {
    let mut doors = BTreeMap::new();
    let admin = Door { entrants: administrators(&settings.admin).collect(), rules: None };
    doors.insert((ADMIN, None), admin);
    for circuit in settings.circuits.values() {
        let name = circuit.name.as_str();
        let rules = Some(&circuit.rules);
        let mut entrants = entrants(settings, circuit, &circuit.access, now);
        if !entrants.is_empty() {
            entrants.extend(circuit.trusted_addresses.iter().map(|network| format!("address {network}")));
        }
        doors.insert((name, None), Door { entrants, rules });
        for path in &circuit.paths {
            let Some(access) = &path.access else { continue };
            let entrants = self::entrants(settings, circuit, access, now);
            doors.insert((name, Some(path.prefix.as_str())), Door { entrants, rules: None });
        }
    }
    doors
}

/// What tokens and operators do at the admin port, one thing each.
fn administrators(admin: &Admin) -> impl Iterator<Item = String> + '_ {
    let tokens = admin.tokens.iter();
    let tokens = tokens.flat_map(|(name, token)| does(&format!("token {name}"), token.role, token.logs.as_deref()));
    let operators = admin.operators.iter().flat_map(|operators| {
        let Operators { provider: _, members, for_members, people } = &**operators;
        let members = members.iter().flat_map(|member| may(&member.to_string(), for_members));
        members.chain(people.iter().flat_map(|(email, operator)| may(email.as_str(), operator)))
    });
    tokens.chain(operators)
}

fn may(who: &str, operator: &Operator) -> Vec<String> {
    does(&format!("operator {who}"), operator.role, operator.logs.as_deref())
}

fn does(who: &str, role: Role, logs: Option<&[LogName]>) -> Vec<String> {
    let all = [LogName::Access, LogName::Requests, LogName::Audit];
    let reads = logs.unwrap_or(&all).iter().map(|log| format!("{who} reads {}", log.as_str()));
    let exports = (role >= Role::Auditor).then(|| format!("{who} exports and verifies"));
    let changes = (role >= Role::Admin).then(|| format!("{who} changes"));
    reads.chain(exports).chain(changes).collect()
}

/// Nobody enters a circuit that is switched off or over.
fn entrants(settings: &Settings, circuit: &Circuit, access: &Access, now: Timestamp) -> BTreeSet<String> {
    if !circuit.enabled || circuit.expires.is_some_and(|expires| expires <= now) {
        return BTreeSet::new();
    }
    let project = circuit.project.as_ref().and_then(|name| settings.projects.get(name));
    let members = project.map(|project| &project.members[..]).unwrap_or_default();
    match access {
        Access::Public => BTreeSet::from([EVERYBODY.to_owned()]),
        Access::Members(ways) => listed(settings, members).chain(by_ways(ways)).collect(),
        Access::Allowlist { allow, ways } => listed(settings, allow).chain(by_ways(ways)).collect(),
    }
}

/// As the list spells them, and the people of the file that it means; those who may not sign in are none.
fn listed<'a>(settings: &'a Settings, list: &'a [AllowEntry]) -> impl Iterator<Item = String> + 'a {
    let is_out = |entry: &AllowEntry| match entry {
        AllowEntry::Email(email) => settings.users.get(email).is_some_and(|user| user.state != AccountState::Active),
        AllowEntry::Domain(_) | AllowEntry::Group(_) | AllowEntry::Token(_) => false,
    };
    let spelled = list.iter().filter(move |entry| !is_out(entry)).map(AllowEntry::to_string);
    let active = settings.users.values().filter(|user| user.state == AccountState::Active);
    let meant = active.filter(|user| list.iter().any(|entry| names(entry, user.email.as_str(), &user.groups)));
    spelled.chain(meant.map(|user| user.email.to_string()))
}

fn by_ways(ways: &Ways) -> impl Iterator<Item = String> + '_ {
    let shared = ways.shared.as_ref();
    let password = shared.and_then(|shared| shared.password_hash.as_ref()).map(|_| "a shared password".to_owned());
    let pin = shared.and_then(|shared| shared.pin_hash.as_ref()).map(|_| "a shared pin".to_owned());
    let keys = ways.header_auth.iter().map(|key| format!("a key in {}", key.header));
    let login = ways.names().into_iter().map(|way| format!("login {way}"));
    password.into_iter().chain(pin).chain(keys).chain(login)
}

/// Rules by which `is` lets somebody through whom `was` keeps out.
fn loosened(was: &AddressRules, is: &AddressRules) -> BTreeSet<&'static str> {
    let block = |was: &[_], is: &[_]| was.iter().any(|network| !is.contains(network));
    let countries = |was: &[_], is: &[_]| was.iter().any(|code| !is.contains(code));
    let changed = [
        ("ip_block", block(&was.ip_block, &is.ip_block)),
        ("ip_allow", allows_more(was.ip_allow.as_deref(), is.ip_allow.as_deref())),
        ("country_block", countries(&was.country_block, &is.country_block)),
        ("country_allow", allows_more(was.country_allow.as_deref(), is.country_allow.as_deref())),
        ("allow_match", was.allow_match == AllowMatch::All && is.allow_match == AllowMatch::Any),
        ("block_scanners", was.block_scanners && !is.block_scanners),
        ("reputation", block(&was.reputation.enforce, &is.reputation.enforce)),
        ("reputation", was.reputation.is_awaited && !is.reputation.is_awaited),
        ("observe", is.observe.iter().any(|rule| !was.observe.contains(rule))),
    ];
    changed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
}

/// No list allows everything.
fn allows_more<T: PartialEq>(was: Option<&[T]>, is: Option<&[T]>) -> bool {
    match (was, is) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(was), Some(is)) => is.iter().any(|entry| !was.contains(entry)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "[users.\"maya@x.test\"]\ngroups = [\"sre\"]\n[users.\"noor@x.test\"]\nstate = \"blocked\"\n";

    fn settings(circuit: &str, users: &str) -> Settings {
        let text = format!(
            "[server]\ndata_dir = \"data\"\nlisten = [{{ address = \"127.0.0.1:8080\" }}]\n\
             [circuits.wiki]\nhosts = [\"wiki.test\"]\nupstream = \"http://127.0.0.1:9\"\n{circuit}{users}"
        );
        vestibule_config::load_text(&text, Timestamp::UNIX_EPOCH).unwrap_or_else(|report| panic!("{report}"))
    }

    fn told(before: (&str, &str), after: (&str, &str)) -> String {
        let shifts = shifts(&settings(before.0, before.1), &settings(after.0, after.1), Timestamp::UNIX_EPOCH);
        let words = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(",");
        let keys = |set: &BTreeSet<&str>| set.iter().copied().collect::<Vec<_>>().join(",");
        let told = |shift: &Shift| {
            let (gains, loses) = (words(&shift.gains), words(&shift.loses));
            format!("+{gains} -{loses} loose:{} tight:{}", keys(&shift.loosened), keys(&shift.tightened))
        };
        shifts.iter().map(told).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn each_change_of_who_may_enter_is_called_out() {
        let allow = |list: &str| format!("access = \"allowlist\"\nallow = [{list}]\nlogin = [\"password\"]\n");
        let (sre, none) = (allow("\"group:sre\""), allow(""));
        assert_eq!(told((&sre, USERS), (&sre, USERS)), "");
        assert_eq!(told((&none, USERS), (&sre, USERS)), "+group:sre,maya@x.test - loose: tight:");
        assert_eq!(told((&sre, USERS), ("access = \"public\"\n", USERS)), "+everybody - loose: tight:");
        assert_eq!(told(("access = \"public\"\n", USERS), (&sre, USERS)), "+ -everybody loose: tight:");
        let out = USERS.replace("groups = [\"sre\"]", "groups = []");
        assert_eq!(told((&sre, USERS), (&sre, &out)), "+ -maya@x.test loose: tight:");
        let noor = allow("\"noor@x.test\"");
        let back = USERS.replace("blocked", "active");
        assert_eq!(told((&noor, USERS), (&noor, &back)), "+noor@x.test - loose: tight:");
        let off = format!("{sre}enabled = false\n");
        assert_eq!(told((&off, USERS), (&sre, USERS)), "+group:sre,login password,maya@x.test - loose: tight:");
    }

    #[test]
    fn who_may_more_at_the_admin_port_is_called_out() {
        let public = "access = \"public\"\n";
        let token = |role: &str, more: &str| {
            let hash = "ab".repeat(32);
            format!("[admin.tokens.ops]\nrole = \"{role}\"\nhash = \"sha256:{hash}\"\n{more}")
        };
        let reader = token("reader", "logs = [\"access\"]\n");
        let change = |before: &str, after: &str| told((public, before), (public, after));
        assert_eq!(
            change(&reader, &token("auditor", "logs = [\"access\"]\n")),
            "+token ops exports and verifies - loose: tight:"
        );
        assert_eq!(
            change(&reader, &token("reader", "")),
            "+token ops reads audit,token ops reads requests - loose: tight:"
        );
        assert_eq!(change(&token("admin", ""), &token("auditor", "")), "+ -token ops changes loose: tight:");
        let operators = |more: &str| {
            format!(
                "[providers.corp]\nissuer = \"https://sso.test\"\nclient_id = \"v\"\n[admin.operators]\nprovider = \"corp\"\n{more}"
            )
        };
        let sre = operators("members = [\"group:sre\"]\nlogs = [\"access\"]\n");
        let maya = format!("{sre}[admin.operators.people.\"maya@x.test\"]\nrole = \"auditor\"\nlogs = []\n");
        assert_eq!(change("", &sre), "+operator group:sre reads access - loose: tight:");
        assert_eq!(change(&sre, &maya), "+operator maya@x.test exports and verifies - loose: tight:");
    }

    #[test]
    fn rules_that_keep_out_fewer_are_called_out() {
        let with = |rules: &str| format!("access = \"public\"\n{rules}");
        let rules = with("ip_block = [\"192.0.2.0/24\"]\nip_allow = [\"198.51.100.0/24\"]\nblock_scanners = true\n");
        assert_eq!(told((&rules, ""), (&with(""), "")), "+ - loose:block_scanners,ip_allow,ip_block tight:");
        assert_eq!(told((&with(""), ""), (&rules, "")), "+ - loose: tight:block_scanners,ip_allow,ip_block");
        let observed = format!("{rules}observe = [\"ip_block\"]\n");
        assert_eq!(told((&rules, ""), (&observed, "")), "+ - loose:observe tight:");
    }
}
