//! Names of requests: unique, sortable by time, and no secret.

use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;
use uuid::Builder;

/// Makes UUIDs of version 7 without asking the system for randomness each time.
pub(crate) struct RequestIds {
    seed: u64,
    count: AtomicU64,
}

impl RequestIds {
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        Ok(Self { seed: getrandom::u64()?, count: AtomicU64::new(0) })
    }

    /// One more; `time_us` is microseconds since 1970.
    pub(crate) fn next(&self, time_us: i64) -> HeaderValue {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let [a, b, c, d, e, f, g, h] = mix(self.seed.wrapping_add(count)).to_be_bytes();
        let [x, y, ..] = mix(self.seed ^ count.rotate_left(32)).to_be_bytes();
        let millis = u64::try_from(time_us / 1000).unwrap_or(0);
        let id = Builder::from_unix_timestamp_millis(millis, &[x, a, b, c, d, e, f, g, h, y]).into_uuid();
        let mut text = [0; 36];
        HeaderValue::from_str(id.hyphenated().encode_lower(&mut text)).expect("hexadecimal is visible ASCII")
    }
}

/// Distinct for distinct input, as the finaliser of SplitMix64 is a permutation.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_differ_and_are_uuids() {
        let ids = RequestIds::new().unwrap();
        let made: HashSet<_> = (0..10_000).map(|_| ids.next(1_700_000_000_000_000)).collect();
        assert_eq!(made.len(), 10_000);
        for id in &made {
            let id: uuid::Uuid = id.to_str().unwrap().parse().unwrap();
            assert_eq!(id.get_version_num(), 7);
        }
    }
}
