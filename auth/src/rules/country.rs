//! `country_allow` and `country_block`.

use vestibule_config::{AddressRules, CountryCode};

use crate::geo::Place;
use crate::verdict::Reason;

/// The countries of one circuit.
pub(crate) struct Countries {
    allow: Option<Vec<CountryCode>>,
    block: Vec<CountryCode>,
}

impl Countries {
    pub(crate) fn new(rules: &AddressRules) -> Self {
        Self { allow: rules.country_allow.clone(), block: rules.country_block.clone() }
    }

    /// The reason and the key that refuse this place; absent for the place: no database answers.
    pub(crate) fn refuses(&self, place: Option<&Place>) -> Option<(Reason, &'static str)> {
        let key = match (&self.allow, self.block.is_empty()) {
            (None, true) => return None,
            (Some(_), _) => "country_allow",
            (None, false) => "country_block",
        };
        let Some(place) = place.filter(|place| place.answered) else {
            return Some((Reason::GeoUnavailable, key));
        };
        let country = place.location.country.as_deref();
        if country.is_some_and(|country| self.block.iter().any(|code| code.as_str() == country)) {
            return Some((Reason::CountryRestricted, "country_block"));
        }
        let allow = self.allow.as_ref()?;
        let allowed = country.is_some_and(|country| allow.iter().any(|code| code.as_str() == country));
        (!allowed).then_some((Reason::CountryRestricted, "country_allow"))
    }
}
