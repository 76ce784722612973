//! Who it is that a provider speaks of.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use vestibule_config::Email;
use vestibule_config::user::is_group;

use super::provider::Provider;
use crate::verdict::{Kind, Reason, Refusal};

/// Groups of one person; the rest is not looked at.
const GROUPS_MAX: usize = 500;

/// What a provider says of a person, from a token or from its own answer.
#[derive(Default)]
pub(super) struct Told {
    pub(super) subject: String,
    pub(super) email: Option<String>,
    pub(super) email_verified: bool,
    /// Absent where the claim is.
    pub(super) groups: Option<BTreeSet<String>>,
    /// The provider's own session, for logouts that it tells of.
    pub(super) sid: Option<String>,
}

/// Somebody for whom the provider may speak.
pub(crate) struct Person {
    pub(crate) email: Email,
    pub(crate) subject: String,
    pub(crate) groups: BTreeSet<String>,
    pub(crate) sid: Option<String>,
}

impl Provider {
    /// Whether the provider may speak for the address that it told.
    pub(super) fn person(&self, told: Told) -> Result<Person, Refusal> {
        let Told { subject, email, email_verified, groups, sid } = told;
        let email = email.ok_or_else(|| self.refuse(Reason::SsoError, Kind::SignIn, "scopes"))?;
        let email = Email::folded(&email).ok_or_else(|| self.refuse(Reason::SsoError, Kind::SignIn, "claims"))?;
        if self.settings.require_verified_email && !email_verified {
            return Err(self.refuse(Reason::EmailNotVerified, Kind::Forbidden, "require_verified_email"));
        }
        if !self.speaks_for(email.domain()) {
            return Err(self.refuse(Reason::DomainNotAllowed, Kind::Forbidden, "email_domains"));
        }
        Ok(Person { email, subject, groups: groups.unwrap_or_default(), sid })
    }

    /// The groups that claims name; absent where there is no such claim.
    pub(super) fn groups(&self, claims: &BTreeMap<String, Value>) -> Option<BTreeSet<String>> {
        claims.get(self.settings.groups_claim.as_deref()?).map(groups_of)
    }
}

/// A list of names, or one; what could not stand in a list of groups is nobody's group.
fn groups_of(claim: &Value) -> BTreeSet<String> {
    let names = claim.as_array().map_or_else(|| std::slice::from_ref(claim), Vec::as_slice);
    let names = names.iter().filter_map(Value::as_str).filter(|name| is_group(name));
    names.take(GROUPS_MAX).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn groups_are_exact_strings() {
        let read = |claim: Value| groups_of(&claim).into_iter().collect::<Vec<_>>();
        assert_eq!(read(json!(["sre", "on call"])), ["on call", "sre"]);
        assert_eq!(read(json!("sre")), ["sre"]);
        for claim in [json!(null), json!(1), json!({"sre": true}), json!([]), json!(["a,b", "", " sre", 7, ["sre"]])] {
            assert_eq!(read(claim.clone()), [""; 0], "{claim}");
        }
        let many: Vec<String> = (0..GROUPS_MAX + 9).map(|number| format!("g{number}")).collect();
        assert_eq!(groups_of(&json!(many)).len(), GROUPS_MAX);
    }
}
