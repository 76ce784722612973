//! JSON as text. Entries are written in a fixed order of keys, and nothing that a terminal would obey is left raw.

use std::fmt::{Arguments, Write as _};
use std::net::IpAddr;

use jiff::Timestamp;
use serde::de::IgnoredAny;
use uuid::Uuid;

use crate::row::Value;

/// Appends formatted text.
pub(crate) fn put(out: &mut String, text: Arguments<'_>) {
    out.write_fmt(text).expect("a string takes everything");
}

/// Writes a quoted string. Control characters (C0, DEL, C1), line separators and bidirectional controls are escaped.
pub(crate) fn string(text: &str, out: &mut String) {
    out.push('"');
    if Sight::of(text).has(Sight::NOT_PLAIN | Sight::QUOTE | Sight::BACKSLASH) {
        escaped(text, must_escape, out);
    } else {
        out.push_str(text);
    }
    out.push('"');
}

/// What kinds of characters a text has. Most texts are plain, and are copied as they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight(u8);

impl Sight {
    /// Anything but printable ASCII.
    pub(crate) const NOT_PLAIN: u8 = 1;
    pub(crate) const QUOTE: u8 = 2;
    pub(crate) const COMMA: u8 = 4;
    pub(crate) const BACKSLASH: u8 = 8;

    /// Looks at all of it, whatever is found, so that many bytes are looked at together.
    #[inline]
    pub(crate) fn of(text: &str) -> Self {
        Self(text.bytes().fold(0, |seen, byte| {
            seen | u8::from(!(b' '..0x7f).contains(&byte))
                | u8::from(byte == b'"') << 1
                | u8::from(byte == b',') << 2
                | u8::from(byte == b'\\') << 3
        }))
    }

    #[inline]
    pub(crate) const fn has(self, any_of: u8) -> bool {
        self.0 & any_of != 0
    }
}

/// Writes a text with an escape in place of each character that `meant` names.
pub(crate) fn escaped(text: &str, meant: impl Fn(char) -> bool, out: &mut String) {
    let mut plain = 0;
    for (at, character) in text.char_indices() {
        if !meant(character) {
            continue;
        }
        out.push_str(text.get(plain..at).unwrap_or_default());
        plain = at + character.len_utf8();
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // All of these are in the basic plane: one unit of UTF-16.
            other => put(out, format_args!("\\u{:04x}", u32::from(other))),
        }
    }
    out.push_str(text.get(plain..).unwrap_or_default());
}

const fn must_escape(character: char) -> bool {
    matches!(character, '"' | '\\') || is_obeyed(character)
}

/// What a terminal or an editor obeys instead of showing it.
pub(crate) const fn is_obeyed(character: char) -> bool {
    matches!(character,
        '\0'..='\x1f'
        | '\x7f'..='\u{9f}'
        | '\u{61c}'
        | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}')
}

/// A member with first and last positions, if there are any.
pub(crate) fn ranges(name: &str, ranges: &[(u64, u64)], out: &mut String) {
    if ranges.is_empty() {
        return;
    }
    put(out, format_args!(",\"{name}\":["));
    for (at, (first, last)) in ranges.iter().enumerate() {
        put(out, format_args!("{}{{\"first\":{first},\"last\":{last}}}", if at > 0 { "," } else { "" }));
    }
    out.push(']');
}

pub(crate) fn value(value: Option<Value<'_>>, out: &mut String) {
    match value {
        None => out.push_str("null"),
        Some(Value::Number(number)) => self::number(number, out),
        Some(Value::Text(text)) => string(text, out),
        Some(Value::Json(json)) => embedded(json, out),
        Some(Value::Id(id)) => quoted(out, |out| self::id(id, out)),
        Some(Value::Time(micros)) => quoted(out, |out| put_time(micros, out)),
        Some(Value::Address(address)) => quoted(out, |out| self::address(address, out)),
    }
}

fn quoted(out: &mut String, write: impl FnOnce(&mut String)) {
    out.push('"');
    write(out);
    out.push('"');
}

/// Lower case, with hyphens.
pub(crate) fn id(id: Uuid, out: &mut String) {
    out.push_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
}

/// Decimal.
pub(crate) fn number(number: u64, out: &mut String) {
    let (digits, used) = digits(number);
    ascii(digits.get(digits.len() - used..).unwrap_or_default(), out);
}

/// As many digits as the largest number has, filled from the right, and how many are used.
#[inline]
pub(crate) fn digits(mut number: u64) -> ([u8; 20], usize) {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    // Two at a time, since each division waits for the one before.
    for two in digits.as_chunks_mut::<2>().0.iter_mut().rev() {
        *two = pair(number % 100);
        number /= 100;
        used += 2;
        if number == 0 {
            used -= usize::from(two.starts_with(b"0"));
            break;
        }
    }
    (digits, used)
}

/// As `Display` has it; an IPv4 address, which most are, without its detours.
pub(crate) fn address(address: IpAddr, out: &mut String) {
    let IpAddr::V4(address) = address else { return put(out, format_args!("{address}")) };
    for (at, octet) in address.octets().into_iter().enumerate() {
        if at > 0 {
            out.push('.');
        }
        number(octet.into(), out);
    }
}

/// The last microsecond that can be written: of the last time that jiff knows.
const LAST: u64 = 253_402_207_200_999_999;

const DAY: u64 = 86_400_000_000;

/// RFC 3339 in UTC with six digits; a time out of range is the nearest that can be written.
pub(crate) fn time(micros: i64) -> String {
    let mut out = String::new();
    put_time(micros, &mut out);
    out
}

/// The same, appended.
pub(crate) fn put_time(micros: i64, out: &mut String) {
    match u64::try_from(micros) {
        Ok(micros) => ascii(&time_text(micros), out),
        Err(_) => before_1970(micros, out),
    }
}

/// Of a time from 1970 on.
pub(crate) const fn time_text(micros: u64) -> [u8; 27] {
    let micros = if micros < LAST { micros } else { LAST };
    let (year, month, day) = date(micros / DAY);
    let second = micros % DAY / 1_000_000;
    let fraction = micros % 1_000_000;
    let ([a, b], [c, d]) = (pair(year / 100), pair(year % 100));
    let ([e, f], [g, h]) = (pair(month), pair(day));
    let ([i, j], [k, l], [m, n]) = (pair(second / 3600), pair(second / 60 % 60), pair(second % 60));
    let ([o, p], [q, r], [s, t]) = (pair(fraction / 10_000), pair(fraction / 100 % 100), pair(fraction % 100));
    [a, b, c, d, b'-', e, f, b'-', g, h, b'T', i, j, b':', k, l, b':', m, n, b'.', o, p, q, r, s, t, b'Z']
}

/// Year, month and day of the Gregorian calendar, of a number of days since 1970.
///
/// Years are counted from a first of March, so that the day that some have and others lack is their last. 400 of them
/// have 146,097 days always.
const fn date(days: u64) -> (u64, u64, u64) {
    // From 0000-03-01.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    // Every fourth year is a day longer, every hundredth is not, the last of them is.
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    // From March on, months of 31 and 30 days alternate in groups of five months, which have 153.
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = 400 * era + year;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

/// Two digits of a number below 100.
const fn pair(number: u64) -> [u8; 2] {
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

/// Rare: a clock that is not set.
fn before_1970(micros: i64, out: &mut String) {
    put(out, format_args!("{:.6}", Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MIN)));
}

fn ascii(text: &[u8], out: &mut String) {
    out.push_str(str::from_utf8(text).unwrap_or_default());
}

/// A stored JSON value on one line; what is not JSON becomes a string.
pub(crate) fn embedded(json: &str, out: &mut String) {
    if serde_json::from_str::<IgnoredAny>(json).is_err() {
        return string(json, out);
    }
    let mut inside_string = false;
    let mut escaped = false;
    for character in json.chars() {
        match character {
            // Outside of strings these can only be white space.
            '\n' | '\r' | '\t' => out.push(' '),
            '"' if !escaped => {
                inside_string = !inside_string;
                out.push('"');
            }
            // A backslash before a raw character that is escaped here would change its meaning, but no such pair is
            // valid JSON.
            other if inside_string && other != '\\' && other != '"' && must_escape(other) => {
                put(out, format_args!("\\u{:04x}", u32::from(other)));
            }
            other => out.push(other),
        }
        escaped = character == '\\' && !escaped;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    fn check(written: Option<Value<'_>>, expected: &str) {
        let mut out = String::new();
        value(written, &mut out);
        assert_eq!(out, expected);
        serde_json::from_str::<IgnoredAny>(&out).unwrap();
    }

    #[test]
    fn nothing_that_could_forge_a_line_or_move_a_cursor_is_left_raw() {
        check(Some(Value::Text("a\"b\\c\r\n\t\0")), r#""a\"b\\c\r\n\t\u0000""#);
        check(Some(Value::Text("\x1b[2J \x7f \u{9b}31m")), r#""\u001b[2J \u007f \u009b31m""#);
        check(Some(Value::Text("\u{202e}gpj.exe\u{2028}\u{feff}")), r#""\u202egpj.exe\u2028\ufeff""#);
        check(Some(Value::Text("Zürich 東京 …[+7 bytes]")), "\"Zürich 東京 …[+7 bytes]\"");
    }

    #[test]
    fn stored_json_is_embedded_on_one_line_and_text_that_is_none_is_quoted() {
        check(Some(Value::Json("{\"a\":\n [1,\t\"\\\"x\\\\\"]\r\n}")), r#"{"a":  [1, "\"x\\"]  }"#);
        check(Some(Value::Json("[\"\u{9b}\u{202e}\"]")), r#"["\u009b\u202e"]"#);
        check(Some(Value::Json("{\"half\":")), r#""{\"half\":""#);
        check(Some(Value::Json("{}{}")), r#""{}{}""#);
    }

    #[test]
    fn times_have_six_digits() {
        check(Some(Value::Time(1_700_000_000_000_000)), r#""2023-11-14T22:13:20.000000Z""#);
        check(Some(Value::Time(1_700_000_000_000_001)), r#""2023-11-14T22:13:20.000001Z""#);
        check(Some(Value::Time(i64::MAX)), r#""9999-12-30T22:00:00.999999Z""#);
        check(Some(Value::Time(-1)), r#""1969-12-31T23:59:59.999999Z""#);
        check(Some(Value::Time(i64::MIN)), r#""-009999-01-02T01:59:59.000000Z""#);
        check(None, "null");
    }

    #[test]
    fn every_day_has_the_date_that_jiff_gives_it() {
        for day in 0..=(LAST / DAY) as i64 {
            let micros = day * DAY as i64 + day % DAY as i64;
            let expected = format!("{:.6}", Timestamp::from_microsecond(micros).unwrap());
            assert_eq!(time(micros), expected);
        }
    }

    proptest! {
        #[test]
        fn every_time_is_written_as_jiff_writes_it(micros in Timestamp::MIN.as_microsecond()..=LAST as i64) {
            prop_assert_eq!(time(micros), format!("{:.6}", Timestamp::from_microsecond(micros).unwrap()));
        }

        #[test]
        fn numbers_and_addresses_are_written_as_display_writes_them(n: u64, v4: [u8; 4], v6: [u8; 16], bits in 0..64_u32) {
            let mut out = String::new();
            number(n >> bits, &mut out);
            out.push(' ');
            address(IpAddr::from(v4), &mut out);
            out.push(' ');
            address(IpAddr::from(v6), &mut out);
            prop_assert_eq!(out, format!("{} {} {}", n >> bits, IpAddr::from(v4), IpAddr::from(v6)));
        }
    }
}
