//! What stands in place of a secret or of a file's content, on a page to read and on one to compare.

use aws_lc_rs::digest::{SHA256, digest};

/// In place of every secret.
const HIDDEN: &str = "[hidden]";
/// Before the digest of what a value stands for.
const MARK: &str = " [sha256 ";
/// Of such a digest, in hexadecimal.
const DIGITS: usize = 64;

/// What a page is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be shown.
    Reading,
    /// To be held against another one, key by key: a value that stands for something else carries its digest, so that
    /// two pages differ where a secret, a file's content or the end of a long list does. Shown by [`unmarked`] only.
    Comparing,
}

impl Purpose {
    /// A TOML string in place of a secret.
    pub(super) fn secret(self, secret: &[u8]) -> String {
        self.standing_for(HIDDEN, secret)
    }

    /// A TOML string that stands for something of which it does not say everything.
    pub(super) fn standing_for(self, shown: &str, whole: &[u8]) -> String {
        match self {
            Self::Reading => super::text(shown),
            Self::Comparing => super::text(format!("{shown}{MARK}{}]", hex(digest(&SHA256, whole).as_ref()))),
        }
    }
}

/// A text of a page that was made for comparing, without its digests.
pub(crate) fn unmarked(text: &str) -> String {
    let mut parts = text.split(MARK);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |shown, part| match after_digest(part) {
        Some(rest) => shown + rest,
        None => shown + MARK + part,
    })
}

fn after_digest(text: &str) -> Option<&str> {
    let (digits, rest) = text.split_at_checked(DIGITS)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
    rest.strip_prefix(']')
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_to_compare_differs_where_a_secret_does_and_reads_the_same() {
        let [one, other] = [b"one".as_slice(), b"other"].map(|secret| Purpose::Comparing.secret(secret));
        assert_ne!(one, other);
        let read = Purpose::Reading.secret(b"one");
        assert_eq!([unmarked(&one), unmarked(&other), read], ["\"[hidden]\"", "\"[hidden]\"", "\"[hidden]\""]);
        let list = format!("[{one}, \"a [sha256 of nothing]\", {other}]");
        assert_eq!(unmarked(&list), "[\"[hidden]\", \"a [sha256 of nothing]\", \"[hidden]\"]");
    }
}
