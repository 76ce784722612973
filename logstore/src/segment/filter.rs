//! What tells without reading a dictionary that a value cannot be in it. Neither ever denies what is there.

use xxhash_rust::xxh3::xxh3_64;

use super::Fault;
use super::dictionary::shared;

/// Bits of the filter of exact values, per value; with four of them set about one stranger in a hundred gets through.
const BITS_PER_VALUE: usize = 10;
const PROBES: u64 = 4;

/// Bits of the filter of trigrams, per distinct trigram.
const BITS_PER_TRIGRAM: usize = 8;

/// Three times seven bits.
const TRIGRAM: u32 = (1 << 21) - 1;

/// Part: a Bloom filter of the hashes of all values.
pub(super) fn exact(values: &[&[u8]]) -> Vec<u8> {
    let mut bits = vec![0; (values.len() * BITS_PER_VALUE).div_ceil(8).max(8)];
    for value in values {
        for at in probes(value, bits.len()) {
            set(&mut bits, at);
        }
    }
    bits
}

/// Whether the value may be there.
pub(super) fn may_hold(exact: &[u8], value: &[u8]) -> bool {
    probes(value, exact.len()).all(|at| is_set(exact, at))
}

/// The hash is on disk: XXH3, 64 bits, seed 0; the places are its halves combined.
fn probes(value: &[u8], bytes: usize) -> impl Iterator<Item = usize> {
    let hash = xxh3_64(value);
    let (first, step) = (hash & 0xffff_ffff, hash >> 32 | 1);
    let bits = (bytes as u64 * 8).max(1);
    (0..PROBES).map(move |probe| (first.wrapping_add(probe.wrapping_mul(step)) % bits) as usize)
}

/// Part: which trigrams, letters of ASCII in lower case, are in any value. A power of two of bits. Values are sorted:
/// what one shares with the one before it has been seen.
pub(super) fn trigrams(values: &[&[u8]]) -> Vec<u8> {
    // Seven bits of each byte: 2 Mi trigrams, of which each is kept once.
    let mut seen = vec![0_u8; 1 << 18];
    let mut found = Vec::new();
    let mut before: &[u8] = &[];
    for value in values {
        let new = value.get(shared(before, value).saturating_sub(2)..).unwrap_or_default();
        for trigram in each_trigram(new) {
            if !is_set(&seen, trigram as usize) {
                set(&mut seen, trigram as usize);
                found.push(trigram);
            }
        }
        before = value;
    }
    let mut bits = vec![0; (found.len() * BITS_PER_TRIGRAM / 8).next_power_of_two().max(8)];
    for trigram in found {
        let at = place(trigram, bits.len());
        set(&mut bits, at);
    }
    bits
}

/// Bytes of the filter of the trigrams of one block of a dictionary.
pub(super) const BLOCK_BYTES: usize = 1024;

/// Adds the trigrams of a text, letters of ASCII in lower case.
pub(super) fn add_trigrams(text: &[u8], filter: &mut [u8]) {
    let length = filter.len();
    each_trigram(text).for_each(|trigram| set(filter, place(trigram, length)));
}

/// Adds what another filter of trigrams knows. The smaller of the two says of all places that come down to one of its
/// own what it says of that.
pub(super) fn join(all: &mut Vec<u8>, other: &[u8]) -> Result<(), Fault> {
    if !other.len().is_power_of_two() {
        return Err(Fault::Damaged("a filter of a segment has no such size"));
    }
    while all.len() < other.len() {
        all.extend_from_within(..);
    }
    all.chunks_mut(other.len()).for_each(|all| all.iter_mut().zip(other).for_each(|(all, other)| *all |= other));
    Ok(())
}

/// Whether a text with this lower-case needle may be among the values. True for needles too short to tell.
pub(super) fn may_contain(trigrams: &[u8], needle: &[u8]) -> bool {
    each_trigram(needle).all(|trigram| is_set(trigrams, place(trigram, trigrams.len())))
}

fn each_trigram(text: &[u8]) -> impl Iterator<Item = u32> {
    let mut bits = 0;
    let ends = text.iter().map(move |byte| {
        bits = bits << 7 & TRIGRAM | u32::from(byte.to_ascii_lowercase() & 0x7f);
        bits
    });
    ends.skip(2)
}

fn place(trigram: u32, bytes: usize) -> usize {
    let hash = u64::from(trigram).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    (hash % (bytes as u64 * 8).max(1)) as usize
}

fn set(bits: &mut [u8], at: usize) {
    if let Some(byte) = bits.get_mut(at / 8) {
        *byte |= 1 << (at % 8);
    }
}

fn is_set(bits: &[u8], at: usize) -> bool {
    bits.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_never_denied_and_strangers_seldom_get_through() {
        let known: Vec<String> = (0..5000).map(|at| format!("user{at}@example.net")).collect();
        let values: Vec<&[u8]> = known.iter().map(String::as_bytes).collect();
        let filter = exact(&values);
        assert!(values.iter().all(|value| may_hold(&filter, value)));
        let through = (0..5000).filter(|at| may_hold(&filter, format!("other{at}@example.net").as_bytes())).count();
        assert!(through < 150, "{through} of 5000 strangers");
    }

    #[test]
    fn filters_of_different_sizes_are_joined() {
        let many: Vec<String> = (0..9000).map(|at| format!("{at:05}/{}", at * 7)).collect();
        let many = trigrams(&many.iter().map(String::as_bytes).collect::<Vec<_>>());
        let few = trigrams(&[b"/projects/zebra"]);
        assert!(many.len() > few.len());
        for [one, other] in [[&many, &few], [&few, &many]] {
            let mut all = one.clone();
            join(&mut all, other).unwrap();
            for needle in ["zebra", "00077/", "/63"] {
                assert!(may_contain(&all, needle.as_bytes()), "{needle}");
            }
            assert!(!may_contain(&all, b"nowhere-to-be-found"));
        }
        assert!(join(&mut few.clone(), &[0; 3]).is_err());
    }

    #[test]
    fn needles_regardless_of_case() {
        let filter = trigrams(&[b"/Projects/Zebra", b"/Projects/zebrA", b"/wiki"]);
        for needle in ["projects/z", "ebra", "/wiki", "ra", ""] {
            assert!(may_contain(&filter, needle.as_bytes()), "{needle}");
        }
        assert!(!may_contain(&filter, b"nowhere-to-be-found"));
    }
}
