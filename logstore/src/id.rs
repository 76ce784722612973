//! Names of entries: an encrypted counter in the shape of a UUID.
//!
//! A version 8 UUID has 122 free bits. They hold the log, the position and 64 zero bits, scrambled by a Feistel
//! network with AES-128 as round function. Nothing about an id is stored, it tells an outsider nothing, its entry is
//! found by arithmetic, and an id that was not made here shows (but for one in 2^64) by bits that are not zero.

use aws_lc_rs::cipher::{AES_128, EncryptingKey, UnboundCipherKey};
use aws_lc_rs::error::Unspecified;
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
        // Left: log and position. Right: the last bits of both halves are the check pattern.
        let counter = u128::from(log.index() as u8) << SEQ_BITS | u128::from(seq & ((1 << SEQ_BITS) - 1));
        let plain = counter << (2 * HALF_BITS - SEQ_BITS - 2);
        let (mut left, mut right) = ((plain >> HALF_BITS) as u64 & HALF, plain as u64 & HALF);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.mix(round, right));
        }
        spread(u128::from(left) << HALF_BITS | u128::from(right))
    }

    /// The place that an id names; none if it was not made here.
    pub(crate) fn place(&self, id: &Uuid) -> Option<(Log, u64)> {
        let bits = gather(id)?;
        let (mut left, mut right) = ((bits >> HALF_BITS) as u64 & HALF, bits as u64 & HALF);
        for round in (0..ROUNDS).rev() {
            (left, right) = (right ^ self.mix(round, left), left);
        }
        let plain = u128::from(left) << HALF_BITS | u128::from(right);
        let check_bits = 2 * HALF_BITS - SEQ_BITS - 2;
        if plain & ((1 << check_bits) - 1) != 0 {
            return None;
        }
        let counter = (plain >> check_bits) as u64;
        let log = *Log::ALL.get((counter >> SEQ_BITS) as usize)?;
        Some((log, counter & ((1 << SEQ_BITS) - 1)))
    }

    fn mix(&self, round: u8, half: u64) -> u64 {
        let mut block = [0; 16];
        let [first, .., b0, b1, b2, b3, b4, b5, b6, b7] = &mut block;
        *first = round;
        [*b0, *b1, *b2, *b3, *b4, *b5, *b6, *b7] = half.to_be_bytes();
        self.key.encrypt(&mut block).expect("a whole block is a valid length");
        let [.., b0, b1, b2, b3, b4, b5, b6, b7] = block;
        u64::from_be_bytes([b0, b1, b2, b3, b4, b5, b6, b7]) & HALF
    }
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
