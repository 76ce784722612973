//! Parts of a circuit that do not work yet. Their shape is checked, so that a slip in them is found.

use std::time::Duration;

use crate::network::Member;
use crate::shape::shape;
use crate::word::spellings;

shape! {
    /// What `health` may say.
    pub(crate) unread struct RawHealth {
        path: String,
        every: Duration,
    }
}

shape! {
    /// What `reputation` may say.
    pub(crate) unread struct RawReputation {
        enforce: Vec<Member>,
        observe: Vec<Member>,
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
    /// `allow_match`: how the two allow lists combine.
    AllowMatch { "all" => All, "any" => Any }
    /// An element of `observe`.
    Observed {
        "ip_allow" => IpAllow, "ip_block" => IpBlock, "country" => Country, "scanner" => Scanner,
        "reputation" => Reputation, "rate_limit" => RateLimit,
    }
    /// `second_factor`
    SecondFactor { "totp" => Totp }
}
