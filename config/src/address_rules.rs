//! `ip_allow`, `ip_block`, `country_allow` and `country_block`.

use ipnet::IpNet;

use crate::circuit::Surroundings;
use crate::name::CountryCode;
use crate::network::{self, LIST_MAX, Member};
use crate::shape::{At, Field, Reading};

/// `ip_allow`, `ip_block`, `country_allow`, `country_block`, with `@sets` resolved.
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
}

/// Countries of one list.
const COUNTRIES_MAX: usize = 50;

impl AddressRules {
    /// Whether any of them asks for the client's country.
    pub fn name_countries(&self) -> bool {
        self.country_allow.is_some() || !self.country_block.is_empty()
    }
}

pub(crate) fn check(
    ip_allow: Field<Vec<At<Member>>>,
    ip_block: Field<Vec<At<Member>>>,
    country_allow: Field<Vec<CountryCode>>,
    country_block: Field<Vec<CountryCode>>,
    around: &Surroundings<'_>,
    reading: &mut Reading<'_>,
) -> AddressRules {
    if let Some(key) = country_allow.key().or(country_block.key())
        && !around.has_geo
    {
        let message = "without [geo] nobody's country is known: this circuit refuses everybody";
        reading.findings.warning(key, message).help("write [geo] with a database");
    }
    for (list, span) in [(&country_allow, country_allow.span()), (&country_block, country_block.span())] {
        if let (Some(list), Some(span)) = (list.as_ref(), span) {
            network::bounded(list.len(), COUNTRIES_MAX, "countries", span, reading);
        }
    }
    AddressRules {
        ip_allow: check_networks(ip_allow, around, reading),
        ip_block: check_networks(ip_block, around, reading).unwrap_or_default(),
        country_allow: country_allow.optional(),
        country_block: country_block.or_default(),
    }
}

pub(crate) fn check_networks(
    list: Field<Vec<At<Member>>>,
    around: &Surroundings<'_>,
    reading: &mut Reading<'_>,
) -> Option<Vec<IpNet>> {
    let span = list.span();
    let members = list.optional()?;
    if let Some(span) = span {
        network::bounded(members.len(), LIST_MAX, "entries", span, reading);
    }
    Some(network::resolve(members, around.ip_sets, reading))
}
