//! `[geo]`: where a client is.

use std::path::PathBuf;

use crate::shape::{Reading, shape};
use crate::word::spellings;

/// `[geo]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geo {
    /// MaxMind format.
    pub database: PathBuf,
    /// What country rules do without the database.
    pub when_unavailable: WhenUnavailable,
}

/// `when_unavailable`; only `deny` exists, so that country rules fail closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenUnavailable {
    /// Country rules refuse with `geo_unavailable`.
    Deny,
}

spellings!(pub WhenUnavailable { "deny" => Deny });

shape! {
    /// What `[geo]` may say.
    pub(crate) struct RawGeo {
        database: PathBuf,
        when_unavailable: WhenUnavailable,
    }
}

impl RawGeo {
    pub(crate) fn check(self, reading: &mut Reading<'_>) -> Option<Geo> {
        let Self { table, database, when_unavailable } = self;
        let place = database.span();
        let database = database.required("database", "\"/usr/share/GeoIP/GeoLite2-City.mmdb\"", table, reading)?;
        if let Err(error) = reading.source.probe(&database) {
            // No error: it may come later, and until then country rules refuse.
            let message = format!("cannot read {:?}: {error}", database.display().to_string());
            let finding = reading.findings.warning(place, message);
            finding.help("put a MaxMind database there; until then nobody's country is known and country rules refuse");
        }
        Some(Geo { database, when_unavailable: when_unavailable.or(WhenUnavailable::Deny) })
    }
}
