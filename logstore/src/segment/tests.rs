//! Rows go in and come out.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::codec::{put_bytes, put_number};
use crate::entry::Log;
use crate::id::Ids;

struct InMemory(HashMap<(u32, Part), Vec<u8>>);

impl InMemory {
    fn of(first: u64, rows: &[Vec<u8>], ids: &Ids) -> (Self, Arc<Header>) {
        let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
        let parts = Self(encode(Log::Requests, first, &rows, ids).into_iter().map(|(c, p, b)| ((c, p), b)).collect());
        let header = Arc::new(Header::decode(first, &parts.part(0, Part::Header).unwrap()).unwrap());
        (parts, header)
    }
}

impl Parts for InMemory {
    fn part(&self, column: u32, part: Part) -> Result<Stored<'_>, Fault> {
        Stored::Owned(self.0.get(&(column, part)).cloned().ok_or(Fault::Damaged("missing"))?).checked()
    }
}

/// A field of any number and type, ours, a later version's, or of changing type.
fn field() -> impl Strategy<Value = Option<Value>> {
    proptest::option::of(prop_oneof![
        (0..4_u64).prop_map(Value::Number),
        any::<u64>().prop_map(Value::Number),
        "[a-c]{1,2}".prop_map(|text| Value::Bytes(text.into_bytes())),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
    ])
}

#[derive(Debug, Clone)]
enum Value {
    Number(u64),
    Bytes(Vec<u8>),
}

fn row() -> impl Strategy<Value = Vec<u8>> {
    let readable = proptest::collection::vec(field(), 1..12).prop_map(|fields| {
        let mut out = Vec::new();
        for (number, field) in [1, 2, 3, 8, 9, 20, 22, 25, 28, 40, 63, 700].into_iter().zip(fields) {
            match field {
                None => (),
                Some(Value::Number(value)) => put_number(number, value, &mut out),
                Some(Value::Bytes(value)) => put_bytes(number, &value, &mut out),
            }
        }
        out
    });
    prop_oneof![20 => readable, 1 => proptest::collection::vec(any::<u8>(), 0..20)]
}

fn comes_back(rows: &[Vec<u8>], ids: &Ids) {
    let (parts, header) = InMemory::of(rows.len() as u64 * 3, rows, ids);
    assert_eq!(Header::decode(header.first, &header.encode()).unwrap(), *header);
    let segment = Segment::new(header, &parts);
    let mut rebuilt = vec![Vec::new(); rows.len()];
    segment.rebuild(&(0..rows.len()).collect::<Vec<_>>(), ids, &mut rebuilt).unwrap();
    assert_eq!(rebuilt, rows);
    assert!(segment.agrees(Log::Requests, ids).unwrap());
    let mut last = [Vec::new()];
    segment.rebuild(&[rows.len() - 1], ids, &mut last).unwrap();
    assert_eq!(last.as_slice(), &rows[rows.len() - 1..]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_row_comes_back_whatever_is_in_it(rows in proptest::collection::vec(row(), 64)) {
        for size in [64, 32, 1] {
            comes_back(&rows[..size], &Ids::new(&[7; 16]).unwrap());
        }
    }
}

#[test]
fn a_full_segment_comes_back_with_ids_of_ours_and_of_others() {
    let ids = Ids::new(&[7; 16]).unwrap();
    let rows: Vec<_> = (0..ROWS)
        .map(|at| {
            let mut out = Vec::new();
            put_number(1, 1_700_000_000_000_000 + at * 997, &mut out);
            match at % 9 {
                0 => (),
                1 => put_bytes(2, format!("edge-{}", at % 500).as_bytes(), &mut out),
                2 => put_bytes(2, ids.request_id(at).to_uppercase().as_bytes(), &mut out),
                _ => put_bytes(2, ids.request_id(1 << 50 | at).as_bytes(), &mut out),
            }
            put_bytes(22, format!("/projects/{}/{}", at % 900, at).as_bytes(), &mut out);
            put_number(25, 200 + at % 300 / 100, &mut out);
            if at % 3 > 0 {
                put_number(37, at * at % 5003, &mut out);
            }
            out
        })
        .collect();
    comes_back(&rows, &ids);
}

#[test]
fn a_header_of_another_layout_is_not_taken_for_one_of_ours() {
    let rows: Vec<_> = (0..8_u64).map(|at| [8, 100 + at as u8].to_vec()).collect();
    let (_, header) = InMemory::of(0, &rows, &Ids::new(&[7; 16]).unwrap());
    let whole = header.encode();
    for (length, more) in [(whole.len(), &[0][..]), (whole.len() - 1, &[])] {
        let other = [&whole[..length], more].concat();
        assert!(matches!(Header::decode(0, &other), Err(Fault::Damaged(_))), "{length} bytes");
    }
}

#[test]
fn a_changed_part_is_noticed() {
    let rows: Vec<_> = (0..8_u64)
        .map(|at| {
            let mut out = Vec::new();
            put_number(1, 1000 + at, &mut out);
            out
        })
        .collect();
    let (mut parts, _) = InMemory::of(0, &rows, &Ids::new(&[7; 16]).unwrap());
    for part in parts.0.values_mut() {
        part[0] ^= 1;
    }
    assert!(matches!(parts.part(1, Part::Numbers), Err(Fault::Damaged(_))));
}
