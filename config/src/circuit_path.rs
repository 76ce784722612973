//! `[[circuits.NAME.paths]]`: parts of a circuit that go elsewhere, or let others in.

use std::borrow::Cow;

use crate::access::{Access, AllowEntry, Login, Policy, RawPolicy, RawShared};
use crate::circuit::{Surroundings, check_policy};
use crate::header_key::RawHeaderKey;
use crate::identity::IdentityHeaders;
use crate::network::{self, LIST_MAX};
use crate::path::PathPrefix;
use crate::shape::{At, Field, Reading, Shape, Stage, shape};
use crate::text::Span;
use crate::tree::{Node, Value};
use crate::upstream::{RawHealth, RawUpstream, RawUpstreamList, RawUpstreams, Upstreams, Whereabouts};
use crate::word::spellings;

/// What differs for the requests whose paths begin so. Everything else is the circuit's.
#[derive(Debug, Clone)]
pub struct CircuitPath {
    /// Of the paths that are meant; the longest one counts.
    pub prefix: PathPrefix,
    /// Absent: the circuit's.
    pub upstreams: Option<Upstreams>,
    /// What the upstream gets in place of the prefix.
    pub rewrite: Rewrite,
    /// In place of the circuit's whole policy; absent: the circuit's.
    pub access: Option<Access>,
    /// Line of the `prefix` key, for explanations: `vestibule.toml:17`.
    pub place: String,
}

/// `rewrite`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewrite {
    /// `"preserve"` (default): the path as it is.
    Preserve,
    /// `"strip"`: without the prefix.
    Strip,
    /// `{ replace = "/v2" }`: with another one in its place.
    Replace(PathPrefix),
}

impl CircuitPath {
    /// The path that the upstream gets for a canonical one that begins with the prefix.
    pub fn for_upstream<'a>(&self, path: &'a str) -> Cow<'a, str> {
        match (&self.rewrite, self.prefix.rest_of(path)) {
            (Rewrite::Preserve, _) | (_, None) => Cow::Borrowed(path),
            (Rewrite::Strip, Some("")) => Cow::Borrowed("/"),
            (Rewrite::Strip, Some(rest)) => Cow::Borrowed(rest),
            (Rewrite::Replace(other), Some(rest)) => Cow::Owned(other.with(rest)),
        }
    }

    /// The path by which a client reaches one of the upstream's, the other way round; as it is where none does.
    pub fn for_client<'a>(&self, path: &'a str) -> Cow<'a, str> {
        match &self.rewrite {
            Rewrite::Preserve => Cow::Borrowed(path),
            Rewrite::Strip => Cow::Owned(self.prefix.with(path)),
            Rewrite::Replace(other) => match other.rest_of(path) {
                Some(rest) => Cow::Owned(self.prefix.with(rest)),
                None => Cow::Borrowed(path),
            },
        }
    }
}

/// The one whose prefix is the longest of those that begin a path, by its place in the list.
pub(crate) fn longest(paths: &[CircuitPath], begins: impl Fn(&PathPrefix) -> bool) -> Option<usize> {
    let begun = paths.iter().enumerate().filter(|(_, path)| begins(&path.prefix));
    begun.max_by_key(|(_, path)| path.prefix.length()).map(|(at, _)| at)
}

shape! {
    /// What an element of `paths` may say.
    pub(crate) struct RawCircuitPath {
        prefix: At<PathPrefix>,
        upstream: RawUpstream,
        upstreams: RawUpstreamList,
        health: RawHealth,
        rewrite: Rewrite,
        access: Policy,
        allow: Vec<At<AllowEntry>>,
        login: Vec<At<Login>>,
        shared: RawShared,
        header_auth: Vec<RawHeaderKey>,
    }
}

impl RawCircuitPath {
    /// Its own.
    pub(crate) fn policy(&self) -> Option<Policy> {
        self.access.as_ref().copied()
    }

    /// Whether it has a policy of its own that is not for everybody.
    pub(crate) fn asks_who(&self) -> bool {
        self.policy().is_some_and(|policy| policy != Policy::Public)
    }

    /// Where its own `shared` stands.
    pub(crate) fn shared_key(&self) -> Option<Span> {
        self.shared.key()
    }

    /// Whether its policy is `members`.
    pub(crate) fn admits_members(&self) -> bool {
        self.policy() == Some(Policy::Members)
    }

    /// Whether that admits nobody else.
    pub(crate) fn admits_members_only(&self) -> bool {
        self.admits_members() && !self.has_allowance()
    }

    /// It has upstreams of its own.
    pub(crate) fn leads_somewhere(&self) -> bool {
        !(self.upstream.is_absent() && self.upstreams.is_absent())
    }

    /// Somebody is let in who is on no list. Addresses that the circuit trusts are none of a path's own policy.
    fn has_allowance(&self) -> bool {
        !(self.shared.is_absent() && self.header_auth.is_absent())
    }

    fn check(
        self,
        identity: &IdentityHeaders,
        around: &Surroundings<'_>,
        reading: &mut Reading<'_>,
    ) -> Option<CircuitPath> {
        let allowance = self.has_allowance();
        let Self { table, prefix, upstream, upstreams, health, rewrite, access, allow, login, shared, header_auth } =
            self;
        let place = prefix.span().and_then(|span| reading.texts.place(span));
        let prefix = prefix.required("prefix", PREFIX, table, reading);
        let upstreams = RawUpstreams { upstream, upstreams, health };
        if upstreams.is_absent() && rewrite.is_absent() && access.is_absent() {
            reading.findings.warning(table, "this path says nothing: everything is as in its circuit");
        }
        let nowhere = upstreams.is_absent();
        let upstreams = upstreams.check(&Whereabouts { own: &around.own, identity }, reading);
        let access = if access.is_absent() {
            let keys = [
                ("allow", allow.key()),
                ("login", login.key()),
                ("shared", shared.key()),
                ("header_auth", header_auth.key()),
            ];
            refuse_parts(&keys, reading);
            None
        } else {
            let policy = RawPolicy { access, allow, login, shared, header_auth };
            Some(check_policy(policy, allowance, table, identity, around, reading)?)
        };
        Some(CircuitPath {
            prefix: prefix?.value,
            upstreams: if nowhere { None } else { Some(upstreams?) },
            rewrite: rewrite.or(Rewrite::Preserve),
            access,
            place: place.map(|place| format!("{}:{}", place.file, place.line)).unwrap_or_default(),
        })
    }
}

const PREFIX: &str = "\"/api\"";

/// A path has the whole policy of its circuit or one of its own.
fn refuse_parts(of_a_policy: &[(&str, Option<Span>)], reading: &mut Reading<'_>) {
    for (name, key) in of_a_policy {
        if let Some(key) = key {
            let message = format!("{name:?} is part of a policy, and this path has none of its own");
            let finding = reading.findings.error(*key, message);
            finding.help("write access = \"public\", \"members\" or \"allowlist\", or leave all of it to the circuit");
        }
    }
}

pub(crate) fn check(
    paths: Field<Vec<RawCircuitPath>>,
    identity: &IdentityHeaders,
    around: &Surroundings<'_>,
    reading: &mut Reading<'_>,
) -> Vec<CircuitPath> {
    if let (Some(paths), Some(span)) = (paths.as_ref(), paths.span()) {
        network::bounded(paths.len(), LIST_MAX, "paths", span, reading);
    }
    let mut first: Vec<At<PathPrefix>> = Vec::new();
    let mut checked = Vec::new();
    for path in paths.or_default() {
        if let Some(prefix) = path.prefix.as_ref() {
            match first.iter().find(|other| other.value == prefix.value) {
                Some(other) => {
                    let message = format!("the path {:?} stands here twice", prefix.value.as_str());
                    reading
                        .findings
                        .error(prefix.span, message)
                        .help("keep one of the two")
                        .also(other.span, "also here");
                }
                None => first.push(prefix.clone()),
            }
        }
        checked.extend(path.check(identity, around, reading));
    }
    checked
}

shape! {
    struct RawReplace {
        replace: PathPrefix,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RewriteWord {
    Preserve,
    Strip,
}

spellings!(read RewriteWord { "preserve" => Preserve, "strip" => Strip });

impl Shape for Rewrite {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        if matches!(node.value, Value::Table(_)) {
            let RawReplace { table, replace } = RawReplace::read(node, reading)?;
            return replace.required("replace", "\"/v2\"", table, reading).map(Self::Replace);
        }
        Some(match RewriteWord::read(node, reading)? {
            RewriteWord::Preserve => Self::Preserve,
            RewriteWord::Strip => Self::Strip,
        })
    }

    fn keys(path: &str, stage: Stage, visit: &mut dyn FnMut(&str, Stage)) {
        RawReplace::keys(path, stage, visit);
    }

    fn schema() -> serde_json::Value {
        crate::shape::either(&RewriteWord::schema(), &RawReplace::schema())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::word::Word as _;

    fn path(prefix: &str, rewrite: Rewrite) -> CircuitPath {
        let prefix = PathPrefix::parse(prefix).unwrap();
        CircuitPath { prefix, upstreams: None, rewrite, access: None, place: String::new() }
    }

    #[test]
    fn the_longest_prefix_counts_whatever_the_order() {
        let paths = ["/api", "/", "/api/v2", "/b"].map(|prefix| path(prefix, Rewrite::Preserve));
        let of =
            |path: &str| longest(&paths, |prefix| prefix.rest_of(path).is_some()).map(|at| paths[at].prefix.as_str());
        for (path, expected) in [
            ("/", "/"),
            ("/apiary", "/"),
            ("/api", "/api"),
            ("/api/x", "/api"),
            ("/api/v2", "/api/v2"),
            ("/api/v2/x", "/api/v2"),
            ("/api/v20", "/api"),
            ("/b/api", "/b"),
        ] {
            assert_eq!(of(path), Some(expected), "{path}");
        }
        assert_eq!(longest(&paths[2..], |prefix| prefix.rest_of("/api").is_some()), None);
    }

    #[test]
    fn a_rewrite_is_undone_for_clients() {
        let v2 = Rewrite::Replace(PathPrefix::parse("/v2").unwrap());
        for (rewrite, prefix, sent, expected) in [
            (Rewrite::Preserve, "/ui", "/ui/a", "/ui/a"),
            (Rewrite::Preserve, "/ui", "/a", "/a"),
            (Rewrite::Strip, "/ui", "/a", "/ui/a"),
            (Rewrite::Strip, "/ui", "/", "/ui/"),
            (Rewrite::Strip, "/ui", "", "/ui"),
            (Rewrite::Strip, "/", "/a", "/a"),
            (v2.clone(), "/api", "/v2/x/", "/api/x/"),
            (v2.clone(), "/api", "/v2", "/api"),
            (v2.clone(), "/api", "/v20", "/v20"),
            (v2, "/", "/v2/x", "/x"),
        ] {
            assert_eq!(path(prefix, rewrite.clone()).for_client(sent), expected, "{rewrite:?} {sent}");
        }
    }

    #[test]
    fn a_rewrite_changes_the_prefix_alone() {
        let v2 = Rewrite::Replace(PathPrefix::parse("/v2").unwrap());
        let root = Rewrite::Replace(PathPrefix::parse("/").unwrap());
        for (rewrite, prefix, asked, expected) in [
            (Rewrite::Preserve, "/ui", "/ui/a", "/ui/a"),
            (Rewrite::Strip, "/ui", "/ui/a", "/a"),
            (Rewrite::Strip, "/ui", "/ui/", "/"),
            (Rewrite::Strip, "/ui", "/ui", "/"),
            (Rewrite::Strip, "/", "/ui", "/ui"),
            (Rewrite::Strip, "/ui", "/ui/ui/x", "/ui/x"),
            (v2.clone(), "/api", "/api/x/", "/v2/x/"),
            (v2.clone(), "/api", "/api", "/v2"),
            (v2, "/", "/x", "/v2/x"),
            (root.clone(), "/api", "/api/x", "/x"),
            (root, "/api", "/api", "/"),
        ] {
            assert_eq!(path(prefix, rewrite.clone()).for_upstream(asked), expected, "{rewrite:?} {asked}");
        }
    }
}
