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

    /// The key that decides where no place is known.
    pub(crate) fn key(&self) -> &'static str {
        if self.allow.is_some() { "country_allow" } else { "country_block" }
    }

    /// Whether the allow list names this place.
    pub(crate) fn lists(&self, place: Option<&Place>) -> bool {
        let Some(place) = place.filter(|place| place.answered) else { return false };
        let country = place.location.country.as_deref();
        self.allow
            .as_ref()
            .zip(country)
            .is_some_and(|(allow, country)| allow.iter().any(|code| code.as_str() == country))
    }

    /// The reason and the key that refuse this place; absent for the place: no database answers. `is_allowed`: another
    /// allow list stands for that of countries.
    pub(crate) fn refuses(&self, place: Option<&Place>, is_allowed: bool) -> Option<(Reason, &'static str)> {
        if self.allow.is_none() && self.block.is_empty() {
            return None;
        }
        let key = self.key();
        let Some(answered) = place.filter(|place| place.answered) else {
            return Some((Reason::GeoUnavailable, key));
        };
        let country = answered.location.country.as_deref();
        if country.is_some_and(|country| self.block.iter().any(|code| code.as_str() == country)) {
            return Some((Reason::CountryRestricted, "country_block"));
        }
        let refuses = self.allow.is_some() && !is_allowed && !self.lists(place);
        refuses.then_some((Reason::CountryRestricted, "country_allow"))
    }
}
