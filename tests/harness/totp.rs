//! A device that shows one-time codes by time.

use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY};

use crate::provider::now;

/// Its secret.
const KEY: &[u8] = b"12345678901234567890";
/// The same in base32, as a configuration reads it.
pub const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// The code so many steps of 30 seconds from now.
pub fn code(steps: i64) -> String {
    let step = (now() / 30).checked_add_signed(steps).unwrap();
    let tag = hmac::sign(&hmac::Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, KEY), &step.to_be_bytes());
    let at = usize::from(tag.as_ref()[19] & 15);
    let number = u32::from_be_bytes(tag.as_ref()[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}
