//! Parts of a circuit that do not work yet. Their shape is checked, so that a slip in them is found.

use std::time::Duration;

use crate::shape::shape;
use crate::word::spellings;

shape! {
    /// What `health` may say.
    pub(crate) unread struct RawHealth {
        path: String,
        every: Duration,
    }
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($text:literal => $variant:ident),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($variant),+ }
        spellings!(read $name { $($text => $variant),+ });
    )+};
}

choices! {
    /// `second_factor`
    SecondFactor { "totp" => Totp }
}
