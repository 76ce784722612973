//! `[alerts.NAME]`: who is told. It does not work yet; its shape is checked.

use crate::secret::SecretReference;
use crate::shape::shape;
use crate::word::spellings;

shape! {
    /// What `[alerts.NAME]` may say.
    pub(crate) unread struct RawAlert {
        url: String,
        secret: SecretReference,
        on: Vec<Occasion>,
    }
}

/// An element of `on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    BruteForce,
    LockOut,
    Verification,
    AnchorAge,
    Disk,
}

spellings!(read Occasion {
    "brute_force" => BruteForce,
    "lock_out" => LockOut,
    "verification" => Verification,
    "anchor_age" => AnchorAge,
    "disk" => Disk,
});
