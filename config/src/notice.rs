//! `[mail]`, `[alerts.NAME]` and `[hooks.NAME]`: whom the program calls. Nothing of it works yet; its shape is checked.

use std::time::Duration;

use crate::secret::SecretReference;
use crate::shape::shape;
use crate::word::spellings;

shape! {
    /// What `[mail]` may say.
    pub(crate) unread struct RawMail {
        smtp: SecretReference,
        command: String,
        from: String,
    }
}

shape! {
    /// What `[alerts.NAME]` may say.
    pub(crate) unread struct RawAlert {
        url: String,
        secret: SecretReference,
        on: Vec<Occasion>,
    }
}

shape! {
    /// What `[hooks.NAME]` may say.
    pub(crate) unread struct RawHook {
        url: String,
        secret: SecretReference,
        timeout: Duration,
        on_failure: OnFailure,
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

/// `on_failure`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    Deny,
    Allow,
}

spellings!(read OnFailure { "deny" => Deny, "allow" => Allow });
