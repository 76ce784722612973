//! One-time codes by time (RFC 6238): SHA-1, six digits, steps of 30 seconds.

use std::sync::Arc;

use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY};
use jiff::Timestamp;
use parking_lot::Mutex;
use rocksdb::WriteBatch;
use subtle::{ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::keyed::random;
use crate::state::{State, Table};

/// Seconds for which a code is shown.
const STEP_SECONDS: u64 = 30;
/// A code has six digits.
const CODES: u32 = 1_000_000;
/// Random bytes of a new secret: as many as the hash gives (RFC 4226, R6).
const SECRET_BYTES: usize = 20;
/// RFC 4648.
const BASE32: [char; 32] = [
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W',
    'X', 'Y', 'Z', '2', '3', '4', '5', '6', '7',
];

/// A new secret in base32, as the file takes it and as people type it.
pub fn new_secret() -> Zeroizing<String> {
    let bytes = Zeroizing::new(random());
    base32(bytes.split_at(SECRET_BYTES).0)
}

/// Which codes were taken, by person; on disk, so that no restart takes one again.
pub(crate) struct Used {
    state: Arc<State>,
    /// Held between a look and its note.
    turn: Mutex<()>,
}

impl Used {
    pub(crate) fn new(state: Arc<State>) -> Self {
        Self { state, turn: Mutex::default() }
    }

    /// True once for each step and person, and never for one that is older than the last. On disk when this returns:
    /// call it where blocking is allowed.
    pub(crate) fn take(&self, email: &str, step: u64) -> Result<bool, Error> {
        {
            let _turn = self.turn.lock();
            let last = self.state.get(Table::SecondFactor, email.as_bytes())?;
            let last = last.and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
            if last.is_some_and(|last| step <= last) {
                return Ok(false);
            }
            let mut batch = WriteBatch::default();
            batch.put(Table::SecondFactor.key(email.as_bytes()), step.to_be_bytes());
            self.state.write(batch)?;
        }
        self.state.sync()?;
        Ok(true)
    }
}

/// The step whose code this is: that of now, the one before, for slow people, or the one after, for fast clocks. Takes
/// the same time for every code.
pub(crate) fn step_of(key: &[u8], typed: &str, now: Timestamp) -> Option<u64> {
    let now = u64::try_from(now.as_second()).ok()? / STEP_SECONDS;
    let typed: Zeroizing<String> = Zeroizing::new(typed.chars().filter(|c| !c.is_whitespace()).collect());
    let mut found = 0;
    for step in [now.saturating_sub(1), now, now.saturating_add(1)] {
        let is_its = code(key, step).as_bytes().ct_eq(typed.as_bytes());
        found.conditional_assign(&step, is_its);
    }
    (found > 0).then_some(found)
}

fn code(key: &[u8], step: u64) -> Zeroizing<String> {
    let key = hmac::Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let offset = usize::from(tag.as_ref().last().copied().unwrap_or_default() & 0xf);
    let four = tag.as_ref().get(offset..).and_then(<[u8]>::first_chunk::<4>).copied().unwrap_or_default();
    let number = (u32::from_be_bytes(four) & 0x7fff_ffff) % CODES;
    Zeroizing::new(format!("{number:06}"))
}

fn base32(bytes: &[u8]) -> Zeroizing<String> {
    let bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| usize::from((byte >> at) & 1)));
    let bits: Zeroizing<Vec<usize>> = Zeroizing::new(bits.collect());
    let symbols = bits.chunks(5).map(|five| five.iter().fold(0, |sum, bit| sum * 2 + bit) << (5 - five.len()));
    Zeroizing::new(symbols.filter_map(|symbol| BASE32.get(symbol)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, its last six digits.
    const KEY: &[u8] = b"12345678901234567890";
    const TIMES: [(i64, &str); 6] = [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ];

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        for (second, code) in TIMES {
            assert_eq!(step_of(KEY, code, at(second)), Some(u64::try_from(second).unwrap() / 30), "{second}");
        }
    }

    #[test]
    fn one_step_before_and_after_is_taken_and_nothing_else() {
        let step = Some(1_111_111_111 / 30);
        for (second, expected) in
            [(1_111_111_079, None), (1_111_111_080, step), (1_111_111_169, step), (1_111_111_170, None)]
        {
            assert_eq!(step_of(KEY, "050471", at(second)), expected, "{second}");
        }
        assert_eq!(step_of(KEY, " 050 471 ", at(1_111_111_111)), step);
        for wrong in ["", "050472", "50471", "0050471", "05047a", "०५०४७१"] {
            assert_eq!(step_of(KEY, wrong, at(1_111_111_111)), None, "{wrong}");
        }
    }

    #[test]
    fn a_step_is_taken_once_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        let used = Used::new(state.clone());
        let take = |used: &Used, email, step| used.take(email, step).unwrap();
        assert!(take(&used, "maya@example.net", 7) && !take(&used, "maya@example.net", 7));
        assert!(!take(&used, "maya@example.net", 6) && take(&used, "noor@example.net", 6));
        drop(used);
        state.close().unwrap();
        let again = Used::new(State::open(folder.path()).unwrap());
        assert!(!take(&again, "maya@example.net", 7) && take(&again, "maya@example.net", 8));
    }

    #[test]
    fn a_new_secret_is_what_the_file_and_devices_read() {
        assert_eq!(base32(KEY).as_str(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(base32(b"fo").as_str(), "MZXQ");
        let secret = new_secret();
        assert_eq!(secret.len(), 32);
        assert_ne!(secret, new_secret());
    }
}
