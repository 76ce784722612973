use super::counts::cost;
use super::*;
use crate::codec::put_bytes;
use crate::id::KEY_LEN;
use crate::segment::HOUR;

/// What becomes of so many different paths of a length, of which one comes three times, as rows of chunks do.
fn counted(paths: usize, length: usize, step: Option<i64>) -> Result<(bool, usize, Option<u64>), QueryError> {
    let ids = Ids::new(&[7; KEY_LEN]).unwrap();
    let field = *Log::Requests.field("path").unwrap();
    let mut tally = Tally::new(Log::Requests, &ids, vec![Some(field)], step);
    let path = |number: usize| format!("/{number:0>width$}", width = length - 1);
    for chunk in [0, 0, 0].into_iter().chain(1..paths).collect::<Vec<_>>().chunks(1024) {
        for number in chunk {
            let mut bytes = Vec::new();
            put_bytes(field.number, path(*number).as_bytes(), &mut bytes);
            tally.row(*number as u64, 0, &bytes)?;
        }
        tally.settle()?;
    }
    let values: Vec<_> = tally.counts.first().unwrap().each().collect();
    assert_eq!(tally.bytes(), values.iter().map(|(_, value, _)| cost(value)).sum::<usize>());
    assert!(tally.cells() <= CELLS_MAX && tally.bytes() <= BYTES_MAX, "{} values", values.len());
    let first = values.iter().find(|(_, value, _)| ***value == *path(0)).map(|(_, _, rows)| *rows);
    Ok((tally.is_exact, values.len(), first))
}

#[test]
fn as_many_values_as_fit_are_counted_exactly_and_of_more_the_rarest_are_given_up() {
    let fit = BYTES_MAX / (2048 + 64);
    assert_eq!(counted(fit, 2048, None).unwrap(), (true, fit, Some(3)));
    let (exact, left, most_frequent) = counted(fit + 1, 2048, None).unwrap();
    assert!(!exact && left <= 1024 && most_frequent == Some(3), "{exact} {left} {most_frequent:?}");
    assert_eq!(counted(CELLS_MAX, 9, None).unwrap(), (true, CELLS_MAX, Some(3)));
    let (exact, left, most_frequent) = counted(CELLS_MAX + 1, 9, None).unwrap();
    assert!(!exact && left <= 1024 && most_frequent == Some(3), "{exact} {left} {most_frequent:?}");
}

#[test]
fn counts_over_time_that_do_not_fit_are_refused() {
    let fit = BYTES_MAX / (2048 + 64);
    assert!(matches!(counted(fit, 2048, Some(HOUR)), Ok((true, _, _))));
    assert!(matches!(counted(fit + 1, 2048, Some(HOUR)), Err(QueryError::TooMany)));
    assert!(matches!(counted(CELLS_MAX + 1, 9, Some(HOUR)), Err(QueryError::TooMany)));
}
