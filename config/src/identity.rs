//! `identity`: names of the headers that tell the upstream who it is.

use http::HeaderName;

use crate::shape::{At, Field, Reading, shape};
use crate::word::{Word, Wrong, words};

/// `identity`: names of the headers that carry who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityHeaders {
    /// Default `x-vestibule-user`.
    pub user: HeaderName,
    /// Default `x-vestibule-groups`.
    pub groups: HeaderName,
    /// Default `x-vestibule-assertion`.
    pub jwt: HeaderName,
}

shape! {
    /// What `identity` may say.
    pub(crate) struct RawIdentity {
        user: At<HeaderName>,
        groups: At<HeaderName>,
        jwt: At<HeaderName>,
    }
}

/// Names that frame the message, steer it, or are set by this program or the browser, with `-` for `_`.
const TAKEN: &[&str] = &[
    "accept",
    "accept-encoding",
    "accept-language",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "origin",
    "range",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-real-ip",
    "x-request-id",
    "x-requested-with",
    "x-vestibule",
];
const TAKEN_PREFIXES: &[&str] = &["x-forwarded-", "proxy-", "sec-", "access-control-"];

impl Default for IdentityHeaders {
    fn default() -> Self {
        Self {
            user: HeaderName::from_static("x-vestibule-user"),
            groups: HeaderName::from_static("x-vestibule-groups"),
            jwt: HeaderName::from_static("x-vestibule-assertion"),
        }
    }
}

impl RawIdentity {
    pub(crate) fn check(self, reading: &mut Reading<'_>) -> IdentityHeaders {
        let Self { table, user, groups, jwt } = self;
        let default = IdentityHeaders::default();
        let given = |field: Field<At<HeaderName>>, default: HeaderName| match field.optional() {
            Some(At { value, span }) => (value, span),
            None => (default, table),
        };
        let user = given(user, default.user);
        let groups = given(groups, default.groups);
        let jwt = given(jwt, default.jwt);
        for (first, second) in [(&user, &groups), (&user, &jwt), (&groups, &jwt)] {
            if folded(first.0.as_str()) == folded(second.0.as_str()) {
                let (late, early) = if first.1 > second.1 { (first, second) } else { (second, first) };
                let message = format!("the header {:?} would carry two things", late.0.as_str());
                let finding = reading.findings.error(late.1, message).help("write another name");
                // A default has no place of its own.
                if early.1 != table {
                    finding.also(early.1, "also here");
                }
            }
        }
        IdentityHeaders { user: user.0, groups: groups.0, jwt: jwt.0 }
    }
}

impl Word for HeaderName {
    const EXAMPLE: &str = "\"X-Auth-User\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let name = Self::from_bytes(text.as_bytes()).map_err(|_| {
            Wrong::new(format!("{text:?} is not a header name")).help("write one such as \"X-Auth-User\"")
        })?;
        let folded = folded(name.as_str());
        let taken = TAKEN.contains(&folded.as_str()) || TAKEN_PREFIXES.iter().any(|prefix| folded.starts_with(prefix));
        if taken {
            return Err(Wrong::new(format!("the header {text:?} has a meaning of its own"))
                .help("write another name, such as \"X-Auth-User\""));
        }
        Ok(name)
    }
}

words!(HeaderName);

/// One spelling for what upstreams take for the same name.
pub(crate) fn folded(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_protocol_are_refused_in_every_spelling() {
        for text in ["X-Auth-User", "x-vestibule-user", "Remote-User"] {
            assert!(HeaderName::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "X Auth",
            "Host",
            "Content_Length",
            "x-forwarded-for",
            "X_Forwarded_Port",
            "TE",
            "Cookie",
            "X-Request-Id",
            "ü",
        ] {
            assert!(HeaderName::parse(text).is_err(), "{text}");
        }
    }
}
