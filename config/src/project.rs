//! `[projects.NAME]`.

use crate::access::AllowEntry;
use crate::name::Name;
use crate::service_token::{self, Tokens};
use crate::shape::{At, Reading, shape};

/// Owns circuits; has members.
#[derive(Debug, Clone)]
pub struct Project {
    /// The table's key.
    pub name: Name,
    /// Shown on pages; the name where absent.
    pub label: Option<String>,
    /// Nobody where empty.
    pub members: Vec<AllowEntry>,
}

shape! {
    /// What `[projects.NAME]` may say.
    pub(crate) struct RawProject {
        label: String,
        members: Vec<At<AllowEntry>>,
    }
}

impl RawProject {
    pub(crate) fn check(self, name: &Name, tokens: &Tokens, reading: &mut Reading<'_>) -> Project {
        let Self { table: _unused, label, members } = self;
        let members = members.or_default();
        service_token::check_named(&members, tokens, reading);
        let members = members.into_iter().map(|member| member.value).collect();
        Project { name: name.clone(), label: label.optional(), members }
    }
}
