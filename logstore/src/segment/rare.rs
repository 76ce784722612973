//! The rows of values that few rows have, so that finding them reads no page.

use super::Fault;
use super::bytes::{Read, put_length};

/// A value of more rows is found in the pages.
const ROWS_MAX: usize = 64;

/// Part: per code the number of its rows, 0 where there are more than 64, then the distance of each from the one
/// before. Empty if no code is rare. `counts` are the rows of each code.
pub(super) fn encode(codes: &[u16], counts: &[u64]) -> Vec<u8> {
    let is_rare = |count: &u64| *count <= ROWS_MAX as u64;
    if !counts.iter().any(is_rare) {
        return Vec::new();
    }
    let mut rows: Vec<Option<Vec<usize>>> = counts.iter().map(|count| is_rare(count).then(Vec::new)).collect();
    for (row, code) in codes.iter().enumerate() {
        if let Some(Some(rows)) = rows.get_mut(usize::from(*code)) {
            rows.push(row);
        }
    }
    let mut out = Vec::new();
    for rows in &rows {
        let rows = rows.as_deref().unwrap_or_default();
        put_length(rows.len(), &mut out);
        let mut before = 0;
        for row in rows {
            put_length(row - before, &mut out);
            before = *row;
        }
    }
    out
}

/// The rows of these codes, if all of them are rare.
pub(super) fn rows(part: &[u8], is_wanted: impl Fn(usize) -> bool, values: usize) -> Result<Option<Vec<usize>>, Fault> {
    let mut read = Read::of(part);
    let mut found = Vec::new();
    for code in 0..values {
        let (count, wanted) = (read.length()?, is_wanted(code));
        if count == 0 && wanted {
            return Ok(None);
        }
        let mut row = 0;
        for _ in 0..count {
            row += read.length()?;
            if wanted {
                found.push(row);
            }
        }
    }
    Ok(Some(found))
}
