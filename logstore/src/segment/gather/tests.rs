use super::gathered::as_stored;
use super::*;
use crate::codec::{put_bytes, put_number};

/// What a column says of a row, as it stands in an entry.
fn value(number: u32, gathered: &Gathered<'_>, row: usize) -> Option<Vec<u8>> {
    match gathered {
        Gathered::Empty => None,
        Gathered::Numbers { rows, absent } => {
            (!absent.contains(&row)).then(|| as_stored(number, Raw::Number(rows[row])))
        }
        Gathered::Ids { rows, .. } => rows[row].map(|text| as_stored(number, Raw::Bytes(text))),
        Gathered::Words { rows, words } => {
            words.get(usize::from(rows[row])).map(|text| as_stored(number, Raw::Bytes(text)))
        }
        Gathered::Mixed { rows } => rows[row].clone(),
    }
}

fn rows() -> Vec<Vec<u8>> {
    let row = |at: u64| {
        let mut row = Vec::new();
        put_number(1, at, &mut row);
        put_bytes(2, format!("id {at}").as_bytes(), &mut row);
        match at % 11 {
            0 => (),
            // A text where others have a number.
            1 => put_bytes(4, b"four", &mut row),
            _ => {
                put_bytes(3, format!("three {}", at % 5).as_bytes(), &mut row);
                put_number(4, at % 3, &mut row);
            }
        }
        if !at.is_multiple_of(7) {
            put_number(6, at % 2, &mut row);
            put_bytes(8, b"eight", &mut row);
        }
        if at % 50 == 49 {
            row.push(0xff);
        }
        row
    };
    (0..300).map(row).collect()
}

#[test]
fn columns_are_the_same_whatever_is_looked_up_together() {
    let rows = rows();
    let slices: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
    let alone = gather(&slices, &[], Zero::Column, |number| number == 2);
    for runs in [vec![3..=4], vec![1..=1, 3..=6], vec![0..=1, 3..=3, 4..=9], vec![6..=7, 9..=12]] {
        let together = gather(&slices, &runs, Zero::Column, |number| number == 2);
        assert_eq!(together.keys().collect::<Vec<_>>(), alone.keys().collect::<Vec<_>>(), "{runs:?}");
        for (number, gathered) in &together {
            assert_eq!(gathered.len(), rows.len());
            for row in 0..rows.len() {
                let expected = value(*number, &alone[number], row);
                assert_eq!(value(*number, gathered, row), expected, "{runs:?}: field {number} of row {row}");
            }
        }
    }
    assert!(matches!(alone[&4], Gathered::Mixed { .. }) && alone.contains_key(&0));
}
