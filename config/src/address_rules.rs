//! The rules of a circuit that come before anybody is asked who he is: addresses, countries, scanners, reputation.

use ipnet::IpNet;

use crate::circuit::Surroundings;
use crate::name::CountryCode;
use crate::network::{self, LIST_MAX, Member, Resolved};
use crate::shape::{At, Field, Reading, shape};
use crate::word::spellings;

/// The rules, with `@sets` resolved.
#[derive(Debug, Clone, Default)]
pub struct AddressRules {
    /// Absent: everywhere. Present: at least one must contain the address.
    pub ip_allow: Option<Vec<IpNet>>,
    /// Any match refuses, whatever `ip_allow` says.
    pub ip_block: Vec<IpNet>,
    /// Absent: every country, the unknown one too.
    pub country_allow: Option<Vec<CountryCode>>,
    /// Any match refuses.
    pub country_block: Vec<CountryCode>,
    /// How the two allow lists combine.
    pub allow_match: AllowMatch,
    /// Whether programs are refused that say of themselves that they look for holes.
    pub block_scanners: bool,
    /// Addresses with a bad name.
    pub reputation: Reputation,
    /// Rules that only record what they would refuse.
    pub observe: Vec<Observed>,
}

/// `reputation`.
#[derive(Debug, Clone, Default)]
pub struct Reputation {
    /// Any match refuses.
    pub enforce: Vec<IpNet>,
    /// A file of `enforce` is not there yet: everybody is refused.
    pub is_awaited: bool,
    /// Any match is recorded as if it would refuse.
    pub observe: Vec<IpNet>,
}

/// `allow_match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AllowMatch {
    /// `"all"`: each allow list that is there must match.
    #[default]
    All,
    /// `"any"`: one of them suffices.
    Any,
}

/// An element of `observe`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// `ip_allow`
    IpAllow,
    /// `ip_block`
    IpBlock,
    /// `country_allow` and `country_block`
    Country,
    /// `block_scanners`
    Scanner,
    /// `reputation`
    Reputation,
    /// `rate_limits`
    RateLimit,
}

spellings!(pub AllowMatch { "all" => All, "any" => Any });
spellings!(pub Observed {
    "ip_allow" => IpAllow, "ip_block" => IpBlock, "country" => Country, "scanner" => Scanner,
    "reputation" => Reputation, "rate_limit" => RateLimit,
});

shape! {
    /// What `reputation` may say.
    pub(crate) struct RawReputation {
        enforce: Vec<At<Member>>,
        observe: Vec<At<Member>>,
    }
}

/// Countries of one list.
const COUNTRIES_MAX: usize = 50;

impl AddressRules {
    /// Whether any of them asks for the client's country.
    pub fn name_countries(&self) -> bool {
        self.country_allow.is_some() || !self.country_block.is_empty()
    }
}

/// The rules as written, taken together because some only mean something with others.
pub(crate) struct RawRules {
    pub(crate) ip_allow: Field<Vec<At<Member>>>,
    pub(crate) ip_block: Field<Vec<At<Member>>>,
    pub(crate) country_allow: Field<Vec<CountryCode>>,
    pub(crate) country_block: Field<Vec<CountryCode>>,
    pub(crate) allow_match: Field<AllowMatch>,
    pub(crate) block_scanners: Field<bool>,
    pub(crate) reputation: Field<RawReputation>,
    pub(crate) observe: Field<Vec<At<Observed>>>,
}

impl RawRules {
    /// `limited`: requests of the circuit are counted.
    pub(crate) fn check(self, limited: bool, around: &Surroundings<'_>, reading: &mut Reading<'_>) -> AddressRules {
        self.check_countries(around, reading);
        self.warn_of_idle(limited, reading);
        let Self { ip_allow, ip_block, country_allow, country_block, allow_match, block_scanners, reputation, observe } =
            self;
        AddressRules {
            ip_allow: check_networks(ip_allow, around, reading),
            ip_block: check_networks(ip_block, around, reading).unwrap_or_default(),
            country_allow: country_allow.optional(),
            country_block: country_block.or_default(),
            allow_match: allow_match.or_default(),
            block_scanners: block_scanners.or_default(),
            reputation: reputation.optional().map(|raw| raw.check(around, reading)).unwrap_or_default(),
            observe: observe.or_default().into_iter().map(|rule| rule.value).collect(),
        }
    }

    fn check_countries(&self, around: &Surroundings<'_>, reading: &mut Reading<'_>) {
        if let Some(key) = self.country_allow.key().or(self.country_block.key())
            && !around.has_geo
        {
            let message = "without [geo] nobody's country is known: this circuit refuses everybody";
            reading.findings.warning(key, message).help("write [geo] with a database");
        }
        for list in [&self.country_allow, &self.country_block] {
            if let (Some(list), Some(span)) = (list.as_ref(), list.span()) {
                network::bounded(list.len(), COUNTRIES_MAX, "countries", span, reading);
            }
        }
    }

    /// What is said of rules that are not there.
    fn warn_of_idle(&self, limited: bool, reading: &mut Reading<'_>) {
        let both = !self.ip_allow.is_absent() && !self.country_allow.is_absent();
        if let (Some(AllowMatch::Any), Some(key), false) = (self.allow_match.as_ref(), self.allow_match.key(), both) {
            let message = "\"allow_match\" has no effect without both ip_allow and country_allow";
            reading.findings.warning(key, message);
        }
        for At { value, span } in self.observe.as_ref().into_iter().flatten() {
            let there = match value {
                Observed::IpAllow => !self.ip_allow.is_absent(),
                Observed::IpBlock => !self.ip_block.is_absent(),
                Observed::Country => !(self.country_allow.is_absent() && self.country_block.is_absent()),
                Observed::Scanner => self.block_scanners.as_ref() == Some(&true),
                Observed::Reputation => !self.reputation.is_absent(),
                Observed::RateLimit => limited,
            };
            if !there {
                let message = format!("there is no rule {:?} here to observe", value.as_str());
                reading.findings.warning(*span, message);
            }
        }
    }
}

impl RawReputation {
    fn check(self, around: &Surroundings<'_>, reading: &mut Reading<'_>) -> Reputation {
        let Self { table, enforce, observe } = self;
        if enforce.is_absent() && observe.is_absent() {
            let finding = reading.findings.error(table, "\"reputation\" names no list");
            finding.help("write reputation = { enforce = [\"@abuse\"] } or { observe = [\"@abuse\"] }");
        }
        let enforce = known_networks(enforce, around, reading);
        Reputation {
            is_awaited: !enforce.awaited.is_empty(),
            enforce: enforce.networks,
            observe: known_networks(observe, around, reading).networks,
        }
    }
}

pub(crate) fn check_networks(
    list: Field<Vec<At<Member>>>,
    around: &Surroundings<'_>,
    reading: &mut Reading<'_>,
) -> Option<Vec<IpNet>> {
    Some(network::resolve(members(list, reading)?, around.ip_sets, reading))
}

/// Files that are not there yet are waited for.
fn known_networks(list: Field<Vec<At<Member>>>, around: &Surroundings<'_>, reading: &mut Reading<'_>) -> Resolved {
    let members = members(list, reading).unwrap_or_default();
    network::resolve_known(members, around.ip_sets, reading)
}

fn members(list: Field<Vec<At<Member>>>, reading: &mut Reading<'_>) -> Option<Vec<At<Member>>> {
    let span = list.span();
    let members = list.optional()?;
    if let Some(span) = span {
        network::bounded(members.len(), LIST_MAX, "entries", span, reading);
    }
    Some(members)
}
