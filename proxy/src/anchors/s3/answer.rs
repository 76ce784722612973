//! What an S3 service says. Of its XML only values without children are read, by the names of their elements.

use http::{Response, StatusCode};

/// Codes of refusals, and what they mean here.
const REFUSALS: &[(&str, &str)] = &[
    ("NoSuchBucket", "there is no such bucket"),
    ("AccessDenied", "the key may not do this; it needs s3:PutObject, s3:PutObjectRetention and s3:GetObject"),
    ("InvalidAccessKeyId", "access_key is not known there"),
    ("SignatureDoesNotMatch", "secret_key is not that of access_key"),
    ("RequestTimeTooSkewed", "the clock of this machine is wrong"),
    ("AuthorizationHeaderMalformed", "the bucket is in another region"),
    ("PermanentRedirect", "the bucket is in another region"),
    ("ObjectLockConfigurationNotFoundError", "the bucket has no Object Lock"),
];

/// An answer that is no success, in words.
pub(super) fn refused(answer: &Response<Vec<u8>>) -> anyhow::Error {
    let text = String::from_utf8_lossy(answer.body());
    let (code, message) = (value(&text, "Code").unwrap_or("?"), value(&text, "Message").unwrap_or("no reason given"));
    if message.contains("Object Lock") && answer.status() == StatusCode::BAD_REQUEST {
        return anyhow::anyhow!("the bucket has no Object Lock: {message}");
    }
    let known = REFUSALS.iter().find(|(known, _)| *known == code);
    let meaning = known.map(|(_, meaning)| format!("{meaning}: ")).unwrap_or_default();
    anyhow::anyhow!("{meaning}the service answers {} {code}, {message}", answer.status().as_u16())
}

/// What stands in the first element of this name.
pub(super) fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    values(text, name).next()
}

/// What stands in the elements of this name.
pub(super) fn values<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&open)?;
        let (inside, after) = after.split_once(&close)?;
        rest = after;
        Some(inside)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_names() {
        let list =
            "<R><IsTruncated>false</IsTruncated><Version><Key>a</Key></Version><Version><Key>b</Key></Version></R>";
        let keys: Vec<_> = values(list, "Version").filter_map(|version| value(version, "Key")).collect();
        assert_eq!(
            (keys, value(list, "IsTruncated"), value(list, "NextKeyMarker")),
            (vec!["a", "b"], Some("false"), None)
        );
    }

    #[test]
    fn a_refusal_is_said_in_words() {
        let say = |status: u16, body: &str| {
            refused(&Response::builder().status(status).body(body.into()).unwrap()).to_string()
        };
        let denied = say(403, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>");
        assert!(denied.starts_with("the key may not do this"), "{denied}");
        let lockless =
            "<Error><Code>InvalidRequest</Code><Message>Bucket is missing Object Lock Configuration</Message></Error>";
        assert!(say(400, lockless).starts_with("the bucket has no Object Lock"));
        assert_eq!(say(500, "oops"), "the service answers 500 ?, no reason given");
    }
}
