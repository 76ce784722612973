//! Exports of a real store: whole, exact, in bounded pieces.

#![expect(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod sample;

use std::path::Path;

use jiff::Timestamp;
use sample::{options, request};
use vestibule_logstore::export::{Format, PIECE_BYTES, Piece};
use vestibule_logstore::{Entry, Export, Log, Query, Store};

/// A store with so many requests, all on disk.
async fn filled(dir: &Path, count: i64) -> Store {
    let store = Store::open(dir, options()).unwrap();
    let mut news = store.watch();
    for time in 0..count {
        let path = if time % 1000 == 7 { "=1+1".to_owned() } else { format!("/{time}") };
        store.append(&Entry::Request(&request(time, &path)));
    }
    while store.end(Log::Requests) < count.unsigned_abs() {
        news.changed().await.unwrap();
    }
    store
}

fn query(parameters: &[(&str, &str)]) -> Query {
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Query::parse(Log::Requests, &parameters, Timestamp::UNIX_EPOCH).unwrap()
}

fn pieces(store: &Store, parameters: &[(&str, &str)], format: Format) -> Vec<Piece> {
    Export::new(store.clone(), query(parameters), format, None).map(Result::unwrap).collect()
}

fn text(pieces: &[Piece]) -> String {
    pieces.iter().map(|piece| piece.text.as_str()).collect()
}

#[tokio::test]
async fn twenty_thousand_rows_arrive_in_pieces_and_a_formula_as_text() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path(), 20_000).await;

    let pieces = pieces(&store, &[("order", "asc")], Format::Csv);

    assert!(pieces.iter().all(|piece| piece.text.len() < PIECE_BYTES + 4096));
    assert_eq!(pieces.iter().map(|piece| piece.rows).sum::<u64>(), 20_000);
    assert!(pieces.len() > 3 && pieces.iter().rev().skip(1).all(|piece| !piece.last) && pieces.last().unwrap().last);
    let text = text(&pieces);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let path = reader.headers().unwrap().iter().position(|name| name == "path").unwrap();
    let found: Vec<_> = reader.records().map(|row| row.unwrap()[path].to_owned()).collect();
    let expected: Vec<_> =
        (0..20_000).map(|n| if n % 1000 == 7 { "'=1+1".to_owned() } else { format!("/{n}") }).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn lines_of_json_are_those_of_the_rows() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path(), 3000).await;
    for filters in [&[("path.contains", "9")][..], &[("path", "/none")], &[("fields", "seq,path"), ("limit", "3")]] {
        let exported = text(&pieces(&store, filters, Format::Ndjson));
        let mut page = query(filters);
        page.limit = 3000;
        let rows = store.query(&page).unwrap().rows;
        let expected: String = rows.iter().map(|row| page.row_to_json(row) + "\n").collect();
        assert_eq!(exported, expected, "{filters:?}");
    }
}

#[tokio::test]
async fn an_export_goes_on_from_every_cursor_without_a_second_header() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path(), 8000).await;
    for (order, format) in [("asc", Format::Csv), ("desc", Format::Csv), ("desc", Format::Ndjson)] {
        let whole = pieces(&store, &[("order", order)], format);
        let mut resumed = 0;
        for (at, piece) in whole.iter().enumerate() {
            let Some(cursor) = &piece.cursor else { continue };
            let rest = pieces(&store, &[("order", order), ("cursor", cursor)], format);
            assert_eq!(text(&whole[..=at]) + &text(&rest), text(&whole));
            resumed += 1;
        }
        assert!(resumed > 2, "{resumed} places to go on");
    }
}

#[tokio::test]
async fn what_is_appended_meanwhile_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path(), 3000).await;
    let mut export = Export::new(store.clone(), query(&[("order", "asc")]), Format::Ndjson, None);
    let mut rows = export.next().unwrap().unwrap().rows;
    assert!(rows < 3000, "there is more to come");
    let mut news = store.watch();
    for time in 3000..5000 {
        store.append(&Entry::Request(&request(time, "/later")));
    }
    while store.end(Log::Requests) < 5000 {
        news.changed().await.unwrap();
    }
    rows += export.map(|piece| piece.unwrap().rows).sum::<u64>();
    assert_eq!(rows, 3000);
}

#[tokio::test]
async fn only_the_wanted_number_of_rows_comes() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path(), 3000).await;
    for most in [0, 1, 999, 1000, 1001, 2999, 3000, 9000] {
        let export = Export::new(store.clone(), query(&[]), Format::Csv, Some(most));
        let pieces: Vec<_> = export.map(Result::unwrap).collect();
        assert_eq!(pieces.iter().map(|piece| piece.rows).sum::<u64>(), most.min(3000));
        assert!(pieces.last().unwrap().last);
        assert_eq!(text(&pieces).lines().count() as u64, most.min(3000) + 1, "one header row");
    }
}
