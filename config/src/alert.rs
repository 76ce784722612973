//! `[alerts.NAME]`: who is told when something happens that should not.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::name::Name;
use crate::secret::{self, Secret};
use crate::shape::{At, Named, Reading, shape};
use crate::web_address::WebAddress;
use crate::word::{Word as _, spellings};

/// One receiver of alerts.
#[derive(Debug, Clone)]
pub struct Alert {
    /// The table's key.
    pub name: Name,
    /// Where they are sent: `https`, or `http` on loopback.
    pub url: Arc<str>,
    /// Signs what is sent; at least 16 bytes.
    pub secret: Secret,
    /// What it wants to hear of; never empty.
    pub on: Vec<Occasion>,
}

/// An element of `on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Occasion {
    /// A limit of sign-ins is reached.
    BruteForce,
    /// An account is locked for an address.
    LockOut,
    /// A log is not what it was.
    Verification,
    /// The latest anchor that every place has is older than twice the time between them.
    AnchorAge,
    /// The disk is full, or does not take entries.
    Disk,
}

spellings!(pub Occasion {
    "brute_force" => BruteForce,
    "lock_out" => LockOut,
    "verification" => Verification,
    "anchor_age" => AnchorAge,
    "disk" => Disk,
});

impl Occasion {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::BruteForce, Self::LockOut, Self::Verification, Self::AnchorAge, Self::Disk];
}

shape! {
    /// What `[alerts.NAME]` may say.
    pub(crate) struct RawAlert {
        url: WebAddress,
        secret: At<Secret>,
        on: Vec<Occasion>,
    }
}

/// Checks each.
pub(crate) fn check_all(alerts: Named<Name, RawAlert>, reading: &mut Reading<'_>) -> BTreeMap<Name, Arc<Alert>> {
    let check = |(At { value: name, .. }, alert): (At<Name>, Option<RawAlert>)| {
        let alert = alert?.check(&name, reading).map(Arc::new)?;
        Some((name, alert))
    };
    alerts.0.into_iter().filter_map(check).collect()
}

impl RawAlert {
    fn check(self, name: &Name, reading: &mut Reading<'_>) -> Option<Alert> {
        let Self { table, url, secret, on } = self;
        let url = url.required("url", WebAddress::EXAMPLE, table, reading);
        let secret = secret.required("secret", "{ file = \"…\" }", table, reading);
        if let Some(secret) = &secret {
            secret::must_sign(secret, reading);
        }
        let place = on.span();
        let on = on.required("on", "[\"brute_force\", \"lock_out\"]", table, reading);
        if on.as_ref().is_some_and(Vec::is_empty) {
            let finding = reading.findings.error(place, "\"on\" is empty: nothing would ever be sent");
            finding.help("name occasions, such as \"verification\"");
        }
        Some(Alert { name: name.clone(), url: url?.0, secret: secret?.value, on: on? })
    }
}
