//! `headers`: fields that every request to an upstream carries.

use http::{HeaderName, HeaderValue};

use crate::identity::{self, IdentityHeaders};
use crate::mask;
use crate::secret::Secret;
use crate::shape::{At, Field, Named, Reading, Shape};
use crate::tree::{Node, Value};
use crate::word::{self, Word, Wrong};

/// Fields of one upstream, and their bytes.
const COUNT_MAX: usize = 16;
const NAME_BYTES_MAX: usize = 128;
const VALUE_BYTES_MAX: usize = 4096;

/// A name that may be set here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FieldName(HeaderName);

/// In place, or `{ file = "…" }` or `{ env = "…" }`; such a one is marked as sensitive.
#[derive(Debug, PartialEq)]
pub(crate) struct FieldValue(HeaderValue);

/// `headers`
pub(crate) type RawFields = Named<FieldName, FieldValue>;

/// Only what one hop says to the next, what frames the message, and what says who somebody is.
const MANAGED: &[&str] = &[
    "connection",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-real-ip",
    "x-request-id",
];
const MANAGED_PREFIXES: &[&str] = &["x-forwarded-", "x-vestibule"];

/// Checks them; a name whose value is shown to nobody has a sensitive one.
pub(super) fn check(
    fields: Field<RawFields>,
    identity: &IdentityHeaders,
    reading: &mut Reading<'_>,
) -> Vec<(HeaderName, HeaderValue)> {
    let Field::Given { value: fields, span, .. } = fields else { return Vec::new() };
    if fields.0.len() > COUNT_MAX {
        let message = format!("{} headers are more than one upstream may have", fields.0.len());
        reading.findings.error(span, message).help(format!("write at most {COUNT_MAX}"));
    }
    let mut checked: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for (At { value: FieldName(name), span }, value) in fields.0 {
        let Some(FieldValue(mut value)) = value else { continue };
        if [&identity.user, &identity.groups, &identity.jwt].contains(&&name) {
            let message = format!("the header {:?} tells the upstream who it is", name.as_str());
            reading.findings.error(span, message).help("write another name, such as \"X-Env\"");
        }
        if checked.iter().any(|(other, _)| *other == name) {
            let message = format!("the header {:?} stands here twice; letter case makes no difference", name.as_str());
            reading.findings.error(span, message).help("keep one of the two");
        }
        value.set_sensitive(value.is_sensitive() || mask::is_secret(name.as_str()));
        checked.push((name, value));
    }
    checked
}

impl Word for FieldName {
    const EXAMPLE: &str = "\"X-Env\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let name = HeaderName::from_bytes(text.as_bytes()).ok().filter(|name| name.as_str().len() <= NAME_BYTES_MAX);
        let name = name.ok_or_else(|| {
            Wrong::new(format!("{text:?} is not a header name"))
                .help(format!("write one such as {}, of at most {NAME_BYTES_MAX} characters", Self::EXAMPLE))
        })?;
        let folded = identity::folded(name.as_str());
        let managed =
            MANAGED.contains(&folded.as_str()) || MANAGED_PREFIXES.iter().any(|prefix| folded.starts_with(prefix));
        if managed {
            return Err(Wrong::new(format!("the header {text:?} is set by this program alone"))
                .help("leave it out; \"host_header\" and \"identity\" say what the upstream gets"));
        }
        Ok(Self(name))
    }
}

impl Shape for FieldValue {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        let span = node.span;
        let (text, is_secret) = match &node.value {
            Value::Table(_) => (Secret::read(node, reading)?.expose().to_owned(), true),
            Value::Text(_)
            | Value::Integer(_)
            | Value::Float
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::List(_) => (word::read::<String>(node, reading)?, false),
        };
        let value = HeaderValue::from_str(&text).ok().filter(|_| text.len() <= VALUE_BYTES_MAX);
        let Some(mut value) = value else {
            // The text is not quoted: it may be a secret.
            let finding = reading.findings.error(span, "this is not the value of a header");
            finding.help(format!("write at most {VALUE_BYTES_MAX} bytes, without line breaks and control characters"));
            return None;
        };
        value.set_sensitive(is_secret);
        Some(Self(value))
    }

    fn schema() -> serde_json::Value {
        crate::shape::either(&String::schema(), &Secret::schema())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_program_sets_is_refused_in_every_spelling() {
        for text in ["X-Env", "Authorization", "Accept-Encoding", "Via", "X-Forward", "Remote-User"] {
            assert!(FieldName::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "X Env",
            "Host",
            "Connection",
            "Transfer_Encoding",
            "TE",
            "X-Real-IP",
            "x_real_ip",
            "X-Forwarded-For",
            "X-FORWARDED-ANYTHING",
            "Forwarded",
            "X-Request-Id",
            "X-Vestibule-User",
            "X-Vestibule",
            "Cookie",
            "Proxy",
            &"x".repeat(129),
        ] {
            assert!(FieldName::parse(text).is_err(), "{text}");
        }
    }
}
