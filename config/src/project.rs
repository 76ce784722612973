//! `[projects.NAME]`.

use crate::access::AllowEntry;
use crate::name::Name;

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
