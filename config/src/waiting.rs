//! Parts of a circuit that do not work yet. Their shape is checked, so that a slip in them is found.

use std::time::Duration;

use crate::access::{AllowEntry, Login, Policy, RawShared};
use crate::header_key::RawHeaderKey;
use crate::network::Member;
use crate::shape::{Reading, Shape, Stage, shape};
use crate::tree::{Node, Value};
use crate::upstream::RawUpstream;
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

shape! {
    /// What an element of `paths` may say.
    pub(crate) unread struct RawPath {
        prefix: String,
        upstream: RawUpstream,
        rewrite: Rewrite,
        access: Policy,
        allow: Vec<AllowEntry>,
        login: Vec<Login>,
        shared: RawShared,
        header_auth: Vec<RawHeaderKey>,
    }
}

shape! {
    /// What the table `cors` may say.
    unread struct RawCors {
        origins: Vec<String>,
        methods: Vec<String>,
        headers: Vec<String>,
    }
}

shape! {
    unread struct RawReplace {
        replace: String,
    }
}

/// `rewrite`: a word or `{ replace = "/v2" }`.
pub(crate) struct Rewrite;
/// `cors`: `"pass"` or a table.
#[derive(PartialEq)]
pub(crate) struct Cors;

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
    RewriteWord { "preserve" => Preserve, "strip" => Strip }
    CorsWord { "pass" => Pass }
}

impl Shape for Rewrite {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        if matches!(node.value, Value::Table(_)) {
            return RawReplace::read(node, reading).map(|_| Self);
        }
        RewriteWord::read(node, reading).map(|_| Self)
    }

    fn keys(path: &str, stage: Stage, visit: &mut dyn FnMut(&str, Stage)) {
        RawReplace::keys(path, stage, visit);
    }
}

impl Shape for Cors {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        if matches!(node.value, Value::Table(_)) {
            return RawCors::read(node, reading).map(|_| Self);
        }
        CorsWord::read(node, reading).map(|_| Self)
    }

    fn keys(path: &str, stage: Stage, visit: &mut dyn FnMut(&str, Stage)) {
        RawCors::keys(path, stage, visit);
    }
}
