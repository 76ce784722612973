//! The secret of a person's one-time codes by time (RFC 6238).

use std::fmt;

use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::shape::{Reading, Shape};
use crate::tree::Node;

/// A shorter key could be guessed: RFC 4226, R6.
const KEY_BYTES_LEAST: usize = 16;

/// The key that a person's device shares; in the file, its first line in base32.
#[derive(Clone)]
pub struct TotpSecret(Zeroizing<Vec<u8>>);

impl TotpSecret {
    /// The key, for making codes only.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(hidden)")
    }
}

impl Shape for TotpSecret {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        let span = node.span;
        let secret = Secret::read(node, reading)?;
        let key = secret.expose().lines().next().and_then(base32);
        let key = key.filter(|key| key.len() >= KEY_BYTES_LEAST);
        if key.is_none() {
            let finding = reading.findings.error(span, "this is no secret of one-time codes");
            finding
                .help("make one with \"vestibule hash --totp EMAIL\"; its first line is 26 or more letters and digits");
        }
        key.map(Self)
    }

    fn schema() -> serde_json::Value {
        Secret::schema()
    }
}

/// RFC 4648, in any letter case, with or without spaces and padding.
fn base32(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let (mut held, mut bits) = (0_u16, 0_u32);
    for symbol in text.trim_end().trim_end_matches('=').bytes().filter(|byte| *byte != b' ') {
        let five = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a',
            b'2'..=b'7' => symbol - b'2' + 26,
            _ => return None,
        };
        held = (held << 5) | u16::from(five);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            let [_, byte] = (held >> bits).to_be_bytes();
            bytes.push(byte);
            held &= (1 << bits) - 1;
        }
    }
    (bits < 5).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_read_as_people_and_programs_write_it() {
        for (text, bytes) in [
            ("", Some(&b""[..])),
            ("MY", Some(b"f")),
            ("MZXQ====", Some(b"fo")),
            ("mzxw6ytb", Some(b"fooba")),
            ("MZXW 6YTB OI", Some(b"foobar")),
            ("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", Some(b"12345678901234567890")),
            ("M", None),
            ("MZX", None),
            ("MZXW1", None),
            ("MZ=W", None),
        ] {
            assert_eq!(base32(text).as_deref().map(Vec::as_slice), bytes, "{text}");
        }
    }
}
