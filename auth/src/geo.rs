//! Where an address is.

use std::sync::Arc;

/// From the geo database; all absent without one, or for an unmapped address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Location {
    /// ISO 3166-1 alpha-2, upper case.
    pub country: Option<Arc<str>>,
    /// ISO 3166-2 without the country: `BE`.
    pub subdivision: Option<Arc<str>>,
    /// English name.
    pub city: Option<Arc<str>>,
    /// Autonomous system number, where the database has it.
    pub asn: Option<u32>,
}
