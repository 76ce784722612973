//! Ids of requests, where the store makes none.

use super::chance::Chance;

/// UUIDs of version 7: the time in milliseconds, then chance.
pub fn version_7(seed: u64) -> impl FnMut(i64, &mut String) {
    let mut chance = Chance::new(seed ^ 0x5851_f42d_4c95_7f2d);
    move |time, out| {
        let millis = (time / 1000).cast_unsigned();
        let (high, low) = (chance.bits(), chance.bits());
        hex(millis >> 16, 8, out);
        out.push('-');
        hex(millis & 0xffff, 4, out);
        out.push('-');
        hex(0x7000 | high & 0xfff, 4, out);
        out.push('-');
        hex(0x8000 | high >> 12 & 0x3fff, 4, out);
        out.push('-');
        hex(low & 0xffff_ffff_ffff, 12, out);
    }
}

/// The lowest so many hexadecimal digits.
pub(super) fn hex(value: u64, digits: u32, out: &mut String) {
    for digit in (0..digits).rev() {
        let nibble = (value >> (4 * digit)) as u32 & 0xf;
        out.push(char::from_digit(nibble, 16).unwrap());
    }
}
