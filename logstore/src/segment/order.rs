//! Sorts texts, many of which begin alike: paths, addresses of people.
//!
//! Comparing two of them from their beginnings, again and again, would cost more than all else that is done with a
//! dictionary. So eight bytes of each, as one number, are compared at a time, and the next eight only among those that
//! are equal so far.

/// Bytes that are compared at once.
const STEP: usize = 8;

/// Fewer texts are compared as they are.
const FEW: usize = 12;
/// So are texts that are alike for longer than any that is stored, see [`crate::codec::JSON_MAX`]: each step takes some of
/// the stack, and rows that are verified may be anybody's.
const ALIKE_MAX: usize = 16 << 10;

/// A text among those that are sorted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sorted<'a> {
    /// The bytes at hand.
    step: u64,
    pub(super) text: &'a [u8],
    /// Where it was before.
    pub(super) place: u16,
}

/// Texts with their places, in order.
pub(super) fn sorted<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Vec<Sorted<'a>> {
    let mut all: Vec<_> = texts.zip(0..).map(|(text, place)| Sorted { step: 0, text, place }).collect();
    sort_from(&mut all, 0);
    all
}

/// Sorts texts that are equal up to a byte, and longer.
fn sort_from(all: &mut [Sorted<'_>], from: usize) {
    if all.len() <= FEW || from >= ALIKE_MAX {
        return all.sort_unstable_by_key(|sorted| sorted.text.get(from..).unwrap_or_default());
    }
    all.iter_mut().for_each(|sorted| sorted.step = step(sorted.text.get(from..).unwrap_or_default()));
    all.sort_unstable_by_key(|sorted| sorted.step);
    let end = from + STEP;
    for equal in all.chunk_by_mut(|one, other| one.step == other.step).filter(|equal| equal.len() > 1) {
        // What ends here is the beginning of what does not.
        equal.sort_unstable_by_key(|sorted| sorted.text.len().min(end + 1));
        let ended = equal.partition_point(|sorted| sorted.text.len() <= end);
        sort_from(equal.get_mut(ended..).unwrap_or_default(), end);
    }
}

/// The first bytes of a text as a number that sorts as they do. Zeros stand for what is missing.
fn step(text: &[u8]) -> u64 {
    let mut bytes = [0; STEP];
    match text.first_chunk() {
        Some(first) => bytes = *first,
        None => bytes.iter_mut().zip(text).for_each(|(byte, known)| *byte = *known),
    }
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Few different bytes and long equal beginnings, zeros among them.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        let bytes = || proptest::collection::vec(proptest::sample::select(vec![0_u8, 1, b'a', 0xff]), 0..12);
        let begins = proptest::sample::select(vec![
            &b""[..],
            b"/projects/",
            b"/projects/0000000000000000",
            b"\0\0\0\0\0\0\0\0\0",
        ]);
        (begins, bytes()).prop_map(|(begin, end)| [begin, &end].concat())
    }

    #[test]
    fn texts_that_are_alike_for_a_megabyte_take_no_more_of_the_stack() {
        let texts: Vec<Vec<u8>> =
            (0..=FEW as u8).rev().map(|last| [vec![b'a'; 1 << 20], vec![last]].concat()).collect();
        let places: Vec<u16> = sorted(texts.iter().map(Vec::as_slice)).iter().map(|sorted| sorted.place).collect();
        assert_eq!(places, (0..=FEW as u16).rev().collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn texts_are_in_the_order_of_their_bytes(texts in proptest::collection::vec(text(), 0..300)) {
            let found = sorted(texts.iter().map(Vec::as_slice));
            prop_assert!(found.iter().all(|sorted| texts[usize::from(sorted.place)] == sorted.text));
            let mut expected: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
            expected.sort_unstable();
            prop_assert_eq!(found.iter().map(|sorted| sorted.text).collect::<Vec<_>>(), expected);
        }
    }
}
