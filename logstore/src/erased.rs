//! What stands in place of an entry whose content was erased: when it was, and its leaf in the tree.
//!
//! The position and the id stay, and so does everything that was signed. That an entry was erased by us and not by
//! somebody else is said in the audit log, see [`crate::erase`].

use crate::codec::{Fields, Raw, put_bytes, put_number, time_of};
use crate::entry::{Field, Kind, TIME};
use crate::tree::{Hash, leaf};

/// No table of entries has this number.
const NUMBER: u32 = 64;

/// Nothing that stands for an erased entry is longer: a time of eleven bytes, and a hash of 64 digits behind three.
const BYTES_MAX: usize = 11 + 3 + 2 * size_of::<Hash>();

/// Of every log, behind its own fields.
pub(crate) const FIELD: Field = Field {
    number: NUMBER,
    name: "erased",
    kind: Kind::Text,
    implicit: None,
    doc: "The hash of what stood here, hexadecimal; all else but the time was erased.",
};

/// What takes the place of an entry.
pub(crate) fn in_place_of(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(BYTES_MAX);
    let time = time_of(bytes);
    if time != 0 {
        put_number(TIME, time.cast_unsigned(), &mut out);
    }
    let hash: String = leaf_of(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    put_bytes(NUMBER, hash.as_bytes(), &mut out);
    out
}

/// What stands for stored bytes in the tree.
pub(crate) fn leaf_of(bytes: &[u8]) -> Hash {
    hash_in(bytes).unwrap_or_else(|| leaf(bytes))
}

/// Whether the content of an entry was erased.
pub(crate) fn is_erased(bytes: &[u8]) -> bool {
    hash_in(bytes).is_some()
}

/// Of an entry that holds nothing but its time and a hash.
fn hash_in(bytes: &[u8]) -> Option<Hash> {
    // Nearly all entries are longer.
    if bytes.len() > BYTES_MAX {
        return None;
    }
    let mut fields = Fields::of(bytes);
    let mut field = fields.next()?.ok()?;
    if field.0 == TIME {
        field = fields.next()?.ok()?;
    }
    match field {
        (NUMBER, Raw::Bytes(hex)) if fields.rest() == 0 => from_hex(hex),
        (_, Raw::Bytes(_) | Raw::Number(_)) => None,
    }
}

fn from_hex(hex: &[u8]) -> Option<Hash> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let bytes: Option<Vec<u8>> =
        hex.as_chunks::<2>().0.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes?.try_into().ok().filter(|_| hex.len() == 2 * size_of::<Hash>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(time: u64) -> Vec<u8> {
        let mut entry = Vec::new();
        if time > 0 {
            put_number(TIME, time, &mut entry);
        }
        put_bytes(20, b"maya@example.net", &mut entry);
        entry
    }

    #[test]
    fn an_erased_entry_keeps_its_leaf_and_its_time_and_nothing_else() {
        for time in [0, 1_700_000_000_000_000, u64::MAX] {
            let entry = entry(time);
            let erased = in_place_of(&entry);
            assert_eq!((leaf_of(&erased), time_of(&erased)), (leaf(&entry), time.cast_signed()));
            assert_eq!(in_place_of(&erased), erased, "erased twice");
            assert!(is_erased(&erased) && !is_erased(&entry));
            assert!(!erased.windows(4).any(|part| part == b"maya"));
        }
    }

    #[test]
    fn nothing_else_passes_for_an_erased_entry() {
        let erased = in_place_of(&entry(5));
        let mut longer = erased.clone();
        put_bytes(70, b"x", &mut longer);
        let mut upper = erased.clone();
        upper.iter_mut().skip(5).for_each(u8::make_ascii_uppercase);
        for other in [&erased[..erased.len() - 1], &longer, b"", &upper] {
            assert_eq!(leaf_of(other), leaf(other));
        }
    }
}
