//! `[fleet]`: several nodes. Nothing of it works yet; its shape is checked.

use crate::name::Name;
use crate::secret::SecretReference;
use crate::shape::shape;

shape! {
    /// What `[fleet]` may say.
    pub(crate) unread struct RawFleet {
        node: Name,
        redis: SecretReference,
        clickhouse: SecretReference,
    }
}
