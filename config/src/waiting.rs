//! Parts of a circuit that do not work yet. Their shape is checked, so that a slip in them is found.

use std::time::Duration;

use crate::shape::shape;

shape! {
    /// What `health` may say.
    pub(crate) unread struct RawHealth {
        path: String,
        every: Duration,
    }
}
