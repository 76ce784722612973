//! Who satisfies `members` and `allow`.

use std::collections::BTreeSet;

use vestibule_config::{AllowEntry, Name};

use crate::verdict::Reason;

/// `members` of the circuit's project or `allow` of the circuit, of which an empty one admits nobody.
pub(crate) enum List {
    Members(Vec<AllowEntry>),
    Allow(Vec<AllowEntry>),
    /// The login host: who has signed in there may go to a circuit, which decides.
    Anybody,
}

impl List {
    pub(crate) fn admits(&self, email: &str, groups: &BTreeSet<String>) -> Result<(), Reason> {
        let (entries, reason) = match self {
            Self::Members(entries) => (entries, Reason::NotProjectMember),
            Self::Anybody => return Ok(()),
            Self::Allow(entries) if only_groups(entries) => (entries, Reason::NotInGroup),
            Self::Allow(entries) => (entries, Reason::NotOnAllowlist),
        };
        if entries.iter().any(|entry| names(entry, email, groups)) { Ok(()) } else { Err(reason) }
    }

    /// Whether `token:NAME` is listed.
    pub(crate) fn admits_token(&self, name: &Name) -> Result<(), Reason> {
        let (entries, reason) = match self {
            Self::Members(entries) => (entries, Reason::NotProjectMember),
            Self::Allow(entries) => (entries, Reason::NotOnAllowlist),
            Self::Anybody => return Err(Reason::NotOnAllowlist),
        };
        let named = |entry: &AllowEntry| matches!(entry, AllowEntry::Token(listed) if listed == name);
        if entries.iter().any(named) { Ok(()) } else { Err(reason) }
    }

    /// The key that lists them.
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Self::Members(_) => "members",
            Self::Allow(_) | Self::Anybody => "allow",
        }
    }
}

/// Whether an entry of a list means a person.
pub fn names(entry: &AllowEntry, email: &str, groups: &BTreeSet<String>) -> bool {
    match entry {
        AllowEntry::Email(listed) => listed.as_str() == email,
        AllowEntry::Domain(listed) => email.rsplit_once('@').is_some_and(|(_, domain)| domain == listed),
        AllowEntry::Group(listed) => groups.contains(listed),
        AllowEntry::Token(_) => false,
    }
}

fn only_groups(entries: &[AllowEntry]) -> bool {
    let group = |entry: &AllowEntry| match entry {
        AllowEntry::Group(_) => true,
        AllowEntry::Email(_) | AllowEntry::Domain(_) | AllowEntry::Token(_) => false,
    };
    !entries.is_empty() && entries.iter().all(group)
}
