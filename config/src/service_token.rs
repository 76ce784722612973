//! `[service_tokens.NAME]`: machines, which show a token with each request.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::access::AllowEntry;
use crate::name::Name;
use crate::secret::TokenHash;
use crate::shape::{At, Named, Reading, shape};
use crate::suggest;
use crate::text::Span;

/// A machine that sends `Authorization: Bearer vst_…`. What it may is said by lists that name `token:NAME`.
#[derive(Debug, Clone)]
pub struct ServiceToken {
    /// The table's key.
    pub name: Name,
    /// SHA-256 of the whole token, `vst_` included.
    pub hash: TokenHash,
    /// From this instant on it is refused; never where absent.
    pub expires: Option<Timestamp>,
    /// The token before, which still opens for a while.
    pub previous: Option<PreviousToken>,
    /// Refused, whatever else stands here.
    pub disabled: bool,
}

/// `previous`: a rotation with grace.
#[derive(Debug, Clone)]
pub struct PreviousToken {
    /// As [`ServiceToken::hash`].
    pub hash: TokenHash,
    /// From this instant on it is refused.
    pub until: Timestamp,
}

/// Tokens by name; an absent one was reported as wrong.
pub(crate) type Tokens = BTreeMap<Name, Option<ServiceToken>>;

shape! {
    /// What `[service_tokens.NAME]` may say.
    pub(crate) struct RawServiceToken {
        hash: At<TokenHash>,
        expires: Timestamp,
        previous: RawPrevious,
        disabled: bool,
    }
}

shape! {
    /// What `previous` may say.
    pub(crate) struct RawPrevious {
        hash: At<TokenHash>,
        until: Timestamp,
    }
}

const HASH: &str = "\"sha256:…\"";

/// Checks all of them together: one token must not be two machines.
pub(crate) fn check(tokens: Named<Name, RawServiceToken>, reading: &mut Reading<'_>) -> Tokens {
    let mut seen = Vec::new();
    let check = |(At { value: name, .. }, token): (At<Name>, Option<RawServiceToken>)| {
        let token = token.and_then(|token| token.check(&name, &mut seen, reading));
        (name, token)
    };
    tokens.0.into_iter().map(check).collect()
}

/// Reports entries that name no token.
pub(crate) fn check_named(entries: &[At<AllowEntry>], tokens: &Tokens, reading: &mut Reading<'_>) {
    for At { value, span } in entries {
        let AllowEntry::Token(name) = value else { continue };
        if !tokens.contains_key(name) {
            let known: Vec<String> = tokens.keys().map(|name| format!("token:{name}")).collect();
            let finding = reading.findings.error(*span, format!("there is no service token {:?}", name.as_str()));
            finding.help(suggest::one_of("[service_tokens] has", &format!("token:{name}"), &known));
        }
    }
}

impl RawServiceToken {
    fn check(self, name: &Name, seen: &mut Vec<(TokenHash, Span)>, reading: &mut Reading<'_>) -> Option<ServiceToken> {
        let Self { table, hash, expires, previous, disabled } = self;
        warn_if_over(expires.span().zip(expires.as_ref().copied()), "this token", reading);
        let hash = once(hash.required("hash", HASH, table, reading), seen, reading);
        let previous = previous.optional().map(|previous| previous.check(seen, reading));
        Some(ServiceToken {
            name: name.clone(),
            hash: hash?,
            expires: expires.optional(),
            previous: match previous {
                Some(previous) => Some(previous?),
                None => None,
            },
            disabled: disabled.or(false),
        })
    }
}

impl RawPrevious {
    fn check(self, seen: &mut Vec<(TokenHash, Span)>, reading: &mut Reading<'_>) -> Option<PreviousToken> {
        let Self { table, hash, until } = self;
        warn_if_over(until.span().zip(until.as_ref().copied()), "the token before", reading);
        let hash = once(hash.required("hash", HASH, table, reading), seen, reading);
        let until = until.required("until", "2027-01-01T00:00:00Z", table, reading);
        Some(PreviousToken { hash: hash?, until: until? })
    }
}

fn once(
    hash: Option<At<TokenHash>>,
    seen: &mut Vec<(TokenHash, Span)>,
    reading: &mut Reading<'_>,
) -> Option<TokenHash> {
    let At { value: hash, span } = hash?;
    if let Some((_, first)) = seen.iter().find(|(other, _)| *other == hash) {
        let finding = reading.findings.error(span, "two tokens have this hash: nobody could tell them apart");
        finding.help("make a new token for one of them").also(*first, "also here");
        return None;
    }
    seen.push((hash.clone(), span));
    Some(hash)
}

fn warn_if_over(instant: Option<(Span, Timestamp)>, what: &str, reading: &mut Reading<'_>) {
    if let Some((span, instant)) = instant
        && instant <= reading.source.now()
    {
        let message = format!("this instant has passed: {what} is refused");
        reading.findings.warning(span, message).help("write a later one, or remove it");
    }
}
