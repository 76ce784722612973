//! The names that the configuration gives to people. Entries hold e-mail addresses only.

use std::collections::BTreeMap;

use vestibule_config::Settings;

use super::question::Condition;
use crate::admin::problem::Problem;

/// Values of one condition; see `vestibule_logstore::query`.
const VALUES: usize = 256;

/// People whom one name may mean.
const NAMED_MAX: usize = 64 * VALUES;

/// Name by e-mail, of those who have one.
#[derive(Debug, Default)]
pub(super) struct People(BTreeMap<String, String>);

impl People {
    /// Those of the configuration in force.
    pub(super) fn of(settings: &Settings) -> Self {
        let named = settings.users.iter().filter_map(|(email, user)| Some((email.to_string(), user.name.clone()?)));
        Self(named.collect())
    }

    /// By e-mail.
    pub(super) fn name(&self, email: &str) -> Option<&str> {
        self.0.get(email).map(String::as_str)
    }

    /// Conditions of which one holds where `field` is the e-mail of a person whose name has this part, whatever its
    /// case. None when there is no such person.
    ///
    /// # Errors
    /// 400 naming the parameter when there are more than 16,384.
    pub(super) fn named(&self, parameter: &str, part: &str, field: &str) -> Result<Vec<Condition>, Problem> {
        let part = part.to_lowercase();
        let named = self.0.iter().filter(|(_, name)| name.to_lowercase().contains(&part)).map(|(email, _)| email);
        let emails: Vec<_> = named.take(NAMED_MAX + 1).collect();
        if emails.len() > NAMED_MAX {
            let message = format!("is in the names of more than {NAMED_MAX} people; write more of the name");
            return Err(Problem::bad_parameter(parameter, &message));
        }
        Ok(emails.chunks(VALUES).map(|emails| Condition::words(field, emails)).collect())
    }
}

#[cfg(test)]
impl People {
    /// These alone.
    pub(super) fn from(named: &[(&str, &str)]) -> Self {
        Self(named.iter().map(|(email, name)| ((*email).to_owned(), (*name).to_owned())).collect())
    }
}
