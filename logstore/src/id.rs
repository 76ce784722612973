//! Names of entries: an encrypted counter in the shape of a UUID.
//!
//! A version 8 UUID has 122 free bits. They hold the log, the position and 64 zero bits, scrambled by a Feistel
//! network with AES-128 as round function. Nothing about an id is stored, it tells an outsider nothing, its entry is
//! found by arithmetic, and an id that was not made here shows (but for one in 2^64) by bits that are not zero.

use aws_lc_rs::cipher::{AES_128, EncryptingKey, UnboundCipherKey};
use aws_lc_rs::error::Unspecified;
use uuid::fmt::Hyphenated;
use uuid::{Builder, Uuid};

use crate::entry::Log;

/// Length of the key, in bytes.
pub(crate) const KEY_LEN: usize = 16;

/// Four rounds make a permutation that cannot be told from a random one.
const ROUNDS: u8 = 4;
const HALF_BITS: u32 = 61;
const HALF: u64 = (1 << HALF_BITS) - 1;

/// Bits of the position: enough for a million entries a second over two thousand years.
const SEQ_BITS: u32 = 56;

/// In place of a log: the ids of requests, which are counted over all logs.
const REQUEST: u128 = 3;

/// Texts that are unscrambled together: AES works on several blocks at the price of one.
const TOGETHER: usize = 64;

/// Makes and reads ids.
pub(crate) struct Ids {
    key: EncryptingKey,
}

impl Ids {
    pub(crate) fn new(key: &[u8; KEY_LEN]) -> Result<Self, Unspecified> {
        Ok(Self { key: EncryptingKey::ecb(UnboundCipherKey::new(&AES_128, key)?)? })
    }

    /// The name of the entry at a place.
    pub(crate) fn id(&self, log: Log, seq: u64) -> Uuid {
        self.name(log.index() as u128, seq)
    }

    /// The place that an id names; none if it was not made here.
    pub(crate) fn place(&self, id: &Uuid) -> Option<(Log, u64)> {
        let mut halves = [halves(gather(id)?)];
        self.unscramble(&mut halves);
        let [(left, right)] = halves;
        let (kind, seq) = plain(left, right)?;
        Some((*Log::ALL.get(usize::try_from(kind).ok()?)?, seq))
    }

    /// The id of the request with this counter.
    pub(crate) fn request(&self, counter: u64) -> Uuid {
        self.name(REQUEST, counter)
    }

    /// Its text.
    pub(crate) fn request_id(&self, counter: u64) -> String {
        self.request(counter).to_string()
    }

    /// Of each id the counter, if it is that of a request; none for what was not made here.
    pub(crate) fn counters(&self, ids: &[Option<Scrambled>]) -> Vec<Option<u64>> {
        let mut counters = Vec::with_capacity(ids.len());
        let mut scrambled = Vec::with_capacity(TOGETHER);
        for read in ids.chunks(TOGETHER) {
            scrambled.clear();
            scrambled.extend(read.iter().map(|id| id.map_or((0, 0), |Scrambled(left, right)| (left, right))));
            self.unscramble(&mut scrambled);
            counters.extend(read.iter().zip(&scrambled).map(|(read, (left, right))| {
                let (kind, counter) = plain(*left, *right)?;
                (read.is_some() && kind == REQUEST).then_some(counter)
            }));
        }
        counters
    }

    /// The counter of the request's id that a text is.
    pub(crate) fn counter(&self, text: &str) -> Option<u64> {
        self.counters(&[read(text.as_bytes())]).pop().flatten()
    }

    /// The names of the entries at places of a log.
    pub(crate) fn ids(&self, log: Log, positions: impl Iterator<Item = u64>) -> Vec<Uuid> {
        self.names(log.index() as u128, positions)
    }

    /// The ids of the requests with these counters.
    pub(crate) fn requests(&self, counters: impl Iterator<Item = u64>) -> Vec<Uuid> {
        self.names(REQUEST, counters)
    }

    fn name(&self, kind: u128, seq: u64) -> Uuid {
        self.names(kind, std::iter::once(seq)).pop().unwrap_or_default()
    }

    fn names(&self, kind: u128, positions: impl Iterator<Item = u64>) -> Vec<Uuid> {
        // Left: kind and position. Right: the last bits of both halves are the check pattern.
        let plain = |seq: u64| halves((kind << SEQ_BITS | u128::from(seq & SEQ_MAX)) << CHECK_BITS);
        let mut all: Vec<(u64, u64)> = positions.map(plain).collect();
        for some in all.chunks_mut(TOGETHER) {
            self.scramble(some);
        }
        all.into_iter().map(|(left, right)| spread(u128::from(left) << HALF_BITS | u128::from(right))).collect()
    }

    /// At most [`TOGETHER`].
    fn scramble(&self, all: &mut [(u64, u64)]) {
        let mut blocks = [[0; 16]; TOGETHER];
        let blocks = blocks.split_at_mut(all.len().min(TOGETHER)).0;
        for round in 0..ROUNDS {
            for (block_of, (_, right)) in blocks.iter_mut().zip(all.iter()) {
                *block_of = block(round, *right);
            }
            self.key.encrypt(blocks.as_flattened_mut()).expect("whole blocks are a valid length");
            for (mixed, halves) in blocks.iter().zip(all.iter_mut()) {
                let (left, right) = *halves;
                *halves = (right, left ^ half_of(mixed));
            }
        }
    }

    /// At most [`TOGETHER`].
    fn unscramble(&self, all: &mut [(u64, u64)]) {
        let mut blocks = [[0; 16]; TOGETHER];
        let blocks = blocks.split_at_mut(all.len().min(TOGETHER)).0;
        for round in (0..ROUNDS).rev() {
            for (block_of, (left, _)) in blocks.iter_mut().zip(all.iter()) {
                *block_of = block(round, *left);
            }
            self.key.encrypt(blocks.as_flattened_mut()).expect("whole blocks are a valid length");
            for (mixed, halves) in blocks.iter().zip(all.iter_mut()) {
                let (left, right) = *halves;
                *halves = (right ^ half_of(mixed), left);
            }
        }
    }
}

pub(crate) const SEQ_MAX: u64 = (1 << SEQ_BITS) - 1;
const CHECK_BITS: u32 = 2 * HALF_BITS - SEQ_BITS - 2;

fn halves(bits: u128) -> (u64, u64) {
    ((bits >> HALF_BITS) as u64 & HALF, bits as u64 & HALF)
}

/// Kind and position, where the check pattern is there.
fn plain(left: u64, right: u64) -> Option<(u128, u64)> {
    let plain = u128::from(left) << HALF_BITS | u128::from(right);
    if plain & ((1 << CHECK_BITS) - 1) != 0 {
        return None;
    }
    let counter = plain >> CHECK_BITS;
    Some((counter >> SEQ_BITS, counter as u64 & SEQ_MAX))
}

/// An id of which it is not known yet what it names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scrambled(u64, u64);

/// The id that a text is. Only in the one way in which ids are written here: an entry must come back as it was.
pub(crate) fn read(text: &[u8]) -> Option<Scrambled> {
    let [_, _, _, _, _, _, _, _, b'-', _, _, _, _, b'-', _, _, _, _, b'-', _, _, _, _, b'-', ..] = text else {
        return None;
    };
    let mut number = 0;
    for (from, to) in [(0, 8), (9, 13), (14, 18), (19, 23), (24, Hyphenated::LENGTH)] {
        number = number << (4 * (to - from)) | u128::from(digits(text.get(from..to)?)?);
    }
    let (left, right) = halves(gather(&Uuid::from_u128(number))?);
    (text.len() == Hyphenated::LENGTH).then_some(Scrambled(left, right))
}

/// At most sixteen hexadecimal digits in lower case. Without branches for each: which digit comes is chance.
fn digits(text: &[u8]) -> Option<u64> {
    let value = |digit: &u8| DIGITS.get(usize::from(*digit)).copied().unwrap_or(NO_DIGIT);
    let (number, all) =
        text.iter().map(value).fold((0, 0), |(number, all), value| (number << 4 | u64::from(value & 0xf), all | value));
    (all < NO_DIGIT).then_some(number)
}

const NO_DIGIT: u8 = 0x10;

const DIGITS: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut digits = b"0123456789abcdef".as_slice();
    let mut value = 0;
    while let [digit, rest @ ..] = digits {
        let mut before = values.as_mut_slice().split_at_mut(*digit as usize).1;
        if let [place, ..] = &mut before {
            *place = value;
        }
        value += 1;
        digits = rest;
    }
    values
};

fn block(round: u8, half: u64) -> [u8; 16] {
    (u128::from(round) << 120 | u128::from(half)).to_be_bytes()
}

fn half_of(block: &[u8; 16]) -> u64 {
    u128::from_be_bytes(*block) as u64 & HALF
}

/// 122 bits into the places that version and variant leave: 48, 12 and 62.
fn spread(bits: u128) -> Uuid {
    let value = bits >> 74 << 80 | (bits >> 62 & 0xfff) << 64 | bits & ((1 << 62) - 1);
    Builder::from_custom_bytes(value.to_be_bytes()).into_uuid()
}

fn gather(id: &Uuid) -> Option<u128> {
    if id.get_version_num() != 8 || id.get_variant() != uuid::Variant::RFC4122 {
        return None;
    }
    let value = id.as_u128();
    Some(value >> 80 << 74 | (value >> 64 & 0xfff) << 62 | value & ((1 << 62) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leads_back_to_its_place_and_no_other_id_does() {
        let ids = Ids::new(&[7; KEY_LEN]).unwrap();
        let mut seen = std::collections::HashSet::new();
        for log in Log::ALL {
            for seq in [0, 1, 2, 1023, 1 << 32, (1 << SEQ_BITS) - 1] {
                let id = ids.id(log, seq);
                assert_eq!(ids.place(&id), Some((log, seq)), "{id}");
                assert_eq!((id.get_version_num(), id.get_variant()), (8, uuid::Variant::RFC4122));
                assert!(seen.insert(id));
                for bit in 0..128 {
                    assert_eq!(ids.place(&Uuid::from_u128(id.as_u128() ^ 1 << bit)), None, "{id}, bit {bit}");
                }
            }
        }
    }

    #[test]
    fn another_key_gives_other_ids_that_are_not_recognised() {
        let (ours, theirs) = (Ids::new(&[7; KEY_LEN]).unwrap(), Ids::new(&[8; KEY_LEN]).unwrap());
        assert_ne!(ours.id(Log::Access, 5), theirs.id(Log::Access, 5));
        assert_eq!(ours.place(&theirs.id(Log::Access, 5)), None);
        assert_eq!(ours.place(&Uuid::nil()), None);
    }
}
