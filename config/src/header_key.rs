//! `header_auth`: keys that a client shows in a header of the circuit's choice.

use http::HeaderName;

use crate::identity::IdentityHeaders;
use crate::network::{self, LIST_MAX};
use crate::secret::TokenHash;
use crate::shape::{At, Field, Reading, shape};
use crate::text::Span;

/// Who sends this value in this header is let in, as nobody in particular.
#[derive(Debug, Clone)]
pub struct HeaderKey {
    /// Removed before the upstream.
    pub header: HeaderName,
    /// SHA-256 of the value.
    pub hash: TokenHash,
}

shape! {
    /// What an element of `header_auth` may say.
    pub(crate) struct RawHeaderKey {
        header: At<HeaderName>,
        hash: At<TokenHash>,
    }
}

/// The keys of one policy.
pub(crate) fn check(keys: Field<Vec<RawHeaderKey>>, reading: &mut Reading<'_>) -> Vec<HeaderKey> {
    let span = keys.span();
    let keys = keys.or_default();
    if let Some(span) = span {
        network::bounded(keys.len(), LIST_MAX, "keys", span, reading);
    }
    let mut checked: Vec<(HeaderKey, Span)> = Vec::new();
    for key in keys {
        let Some((key, span)) = key.check(reading) else { continue };
        let same = |other: &HeaderKey| other.header == key.header && other.hash == key.hash;
        if let Some((_, first)) = checked.iter().find(|(other, _)| same(other)) {
            reading.findings.error(span, "this key stands here twice").help("remove one").also(*first, "also here");
        } else {
            checked.push((key, span));
        }
    }
    checked.into_iter().map(|(key, _)| key).collect()
}

/// Reports a key in a header by which the upstream learns who it is: it would be taken for a name.
pub(crate) fn check_apart(keys: &[HeaderKey], identity: &IdentityHeaders, span: Span, reading: &mut Reading<'_>) {
    let taken = |header: &HeaderName| {
        [&identity.user, &identity.groups, &identity.jwt].contains(&header)
            || header.as_str().starts_with("x-vestibule")
    };
    for key in keys.iter().filter(|key| taken(&key.header)) {
        let message = format!("the header {:?} tells the upstream who it is", key.header.as_str());
        reading.findings.error(span, message).help("write another one, such as \"X-Api-Key\"");
    }
}

impl RawHeaderKey {
    fn check(self, reading: &mut Reading<'_>) -> Option<(HeaderKey, Span)> {
        let Self { table, header, hash } = self;
        let header = header.required("header", "\"X-Api-Key\"", table, reading);
        let At { value: hash, span } = hash.required("hash", "\"sha256:…\"", table, reading)?;
        Some((HeaderKey { header: header?.value, hash }, span))
    }
}
