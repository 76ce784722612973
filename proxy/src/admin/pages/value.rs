//! How a value of an entry reads on a page.

use jiff::Timestamp;
use vestibule_logstore::Row;
use vestibule_logstore::row::Value;

/// Characters of a value in a table; the entry's own page has all of it.
const CELL_MAX: usize = 96;

/// A value in full; empty: absent.
pub(super) fn text(value: Option<Value<'_>>) -> String {
    match value {
        None => String::new(),
        Some(Value::Id(id)) => id.to_string(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Time(micros)) => time(micros),
        Some(Value::Text(text) | Value::Json(text)) => text.to_owned(),
        Some(Value::Address(address)) => address.to_string(),
    }
}

/// A value for a table.
pub(super) fn cell(row: &Row, field: &str) -> String {
    cut(text(row.value(field)), CELL_MAX)
}

/// As a filter takes it; none where it cannot be one.
pub(super) fn filter(value: Option<Value<'_>>) -> Option<String> {
    match value {
        Some(Value::Id(_) | Value::Number(_) | Value::Text(_) | Value::Address(_)) => Some(escaped(&text(value))),
        Some(Value::Time(_) | Value::Json(_)) | None => None,
    }
}

/// A value inside of a filter, in which commas part values.
pub(super) fn escaped(value: &str) -> String {
    value.replace(',', "\\,")
}

/// To the millisecond, UTC.
pub(super) fn time(micros: i64) -> String {
    timestamp(Timestamp::from_microsecond(micros).unwrap_or_default())
}

pub(super) fn timestamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// At most so many characters; what is missing shows.
pub(super) fn cut(text: String, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text,
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// With a space before each three digits.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut spaced = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            spaced.push('\u{202f}');
        }
        spaced.push(digit);
    }
    spaced
}

/// `4.1 MiB`.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let place = (number.ilog2() / 10) as usize;
    let tenths = (u128::from(number) * 10) >> (10 * place);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS.get(place - 1).unwrap_or(&"EiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_easily() {
        let cases = [(0, "0", "0 B"), (999, "999", "999 B"), (1536, "1\u{202f}536", "1.5 KiB")];
        for (number, counted, sized) in cases {
            assert_eq!((count(number).as_str(), bytes(number).as_str()), (counted, sized));
        }
        assert_eq!((count(12_345_678).as_str(), bytes(u64::MAX).as_str()), ("12\u{202f}345\u{202f}678", "15.9 EiB"));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("äöü".to_owned(), 3), "äöü");
        assert_eq!(cut("äöüß".to_owned(), 3), "äöü…");
        assert_eq!(time(1_764_362_291_123_456), "2025-11-28 20:38:11.123");
    }
}
