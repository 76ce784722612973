//! Substrings regardless of case.

use memchr::memchr2_iter;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::id_part::IdPart;

/// Bytes that stand in most entries many times.
const COMMON: &[u8] = b"etaoinsrlcdhum0123456789/.-";

/// A text to look for, regardless of case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Needle {
    lower: String,
    /// Place and value of a byte that few texts have.
    rarest: Option<(usize, u8)>,
}

impl Needle {
    pub(crate) fn new(text: &str) -> Self {
        let lower = text.to_lowercase();
        // The rarer the byte that is looked for, the fewer places are compared.
        let rarest = lower.bytes().enumerate().min_by_key(|(_, byte)| COMMON.contains(byte));
        Self { lower, rarest }
    }

    pub(crate) fn is_in(&self, text: &str) -> bool {
        if self.lower.is_ascii() {
            return self.may_be_in(text.as_bytes());
        }
        // Text in ASCII has no characters other than its own.
        !text.is_ascii() && text.to_lowercase().contains(&self.lower)
    }

    /// Whether the bytes hold the needle, letters of ASCII regardless of case. True where that cannot be told.
    pub(crate) fn may_be_in(&self, bytes: &[u8]) -> bool {
        if !self.lower.is_ascii() {
            return true;
        }
        let needle = self.lower.as_bytes();
        let Some((place, rarest)) = self.rarest else { return true };
        memchr2_iter(rarest, rarest.to_ascii_uppercase(), bytes).any(|at| {
            let found = at.checked_sub(place).and_then(|from| bytes.get(from..from + needle.len()));
            found.is_some_and(|found| found.eq_ignore_ascii_case(needle))
        })
    }

    /// The needle, if it is ASCII.
    pub(crate) fn ascii(&self) -> Option<&[u8]> {
        self.lower.is_ascii().then_some(self.lower.as_bytes())
    }

    /// Whether the text of an address can hold it.
    pub(crate) fn may_be_in_an_address(&self) -> bool {
        self.lower.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b':' | b'.'))
    }

    pub(crate) fn has_slash(&self) -> bool {
        self.lower.contains('/')
    }

    /// Whether the text of an id can hold it.
    pub(crate) fn may_be_in_an_id(&self) -> bool {
        self.lower.len() <= Hyphenated::LENGTH
            && self.lower.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
    }

    /// The needle as a part of ids.
    pub(crate) fn as_id_part(&self) -> IdPart {
        IdPart::anywhere(&self.lower)
    }

    /// The needle as an id, if it is a whole one.
    pub(crate) fn as_id(&self) -> Option<Uuid> {
        if self.lower.len() == Hyphenated::LENGTH { Uuid::try_parse(&self.lower).ok() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_matter_and_no_character_is_special() {
        let hits =
            [("wiki", "/WIKI/x"), ("100%", "a 100% b"), ("_", "a_b"), ("ÜRI", "zürich"), ("東", "東京"), ("", "")];
        for (needle, text) in hits {
            assert!(Needle::new(needle).is_in(text), "{needle} in {text}");
        }
        let misses = [("100%", "1000"), ("_", "ab"), ("ü", "u"), ("wikis", "wiki"), (".", "a")];
        for (needle, text) in misses {
            assert!(!Needle::new(needle).is_in(text), "{needle} in {text}");
        }
    }
}
