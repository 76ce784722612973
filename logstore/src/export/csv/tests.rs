use proptest::prelude::{prop_assert_eq, proptest};
use uuid::Uuid;

use super::*;
use crate::entry::{Common, Entry, Log, RequestEntry};
use crate::export::Format;
use crate::row::Row;

fn entry<'a>(path: Option<&'a str>, metadata: Option<&'a str>) -> RequestEntry<'a> {
    RequestEntry {
        common: Common {
            time: 1_700_000_000_000_001,
            request_id: None,
            source_ip: Some([192, 0, 2, 7].into()),
            country: None,
            subdivision: None,
            city: Some("Zürich"),
            asn: None,
            user_agent: Some("curl/8"),
            revision: None,
            event_count: None,
            node: None,
        },
        method: Some("GET"),
        host: None,
        path,
        query: None,
        protocol: None,
        status_code: 404,
        action: "allowed",
        origin: "backend",
        reason: None,
        would_block: None,
        auth_method: "none",
        email: None,
        user_id: None,
        session_id: None,
        circuit: None,
        project: None,
        upstream: None,
        upstream_ms: Some(0),
        duration_ms: u64::MAX,
        bytes_in: 0,
        bytes_out: 0,
        referer: None,
        tls: None,
        metadata,
    }
}

fn stored(entry: &RequestEntry<'_>) -> Row {
    Row::new(Log::Requests, 7, Uuid::from_u128(0xabc), Entry::Request(entry).encode().into())
}

/// Header and row, as any reader of CSV finds them.
fn read(row: &Row) -> Vec<(String, String)> {
    let mut text = String::new();
    header(Log::Requests.fields(), &mut text);
    Format::Csv.write(Log::Requests.fields(), row, &mut text);
    assert!(text.split_inclusive("\r\n").all(|line| !line.trim_end_matches("\r\n").contains(['\r', '\n'])));
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let names = reader.headers().unwrap().clone();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 1, "{text}");
    names.iter().zip(rows[0].iter()).map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect()
}

fn path_cell(path: &str) -> String {
    read(&stored(&entry(Some(path), None))).into_iter().find(|(name, _)| name == "path").unwrap().1
}

#[test]
fn every_field_has_its_cell_and_absent_ones_are_empty() {
    let cells = read(&stored(&entry(Some("/a,b"), Some("{\"k\":\n\"v,\\\"\"}"))));
    let names: Vec<_> = cells.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, Log::Requests.fields().iter().map(|field| field.name).collect::<Vec<_>>());
    let filled: Vec<_> =
        cells.iter().filter(|(_, cell)| !cell.is_empty()).map(|(n, cell)| (n.as_str(), cell.as_str())).collect();
    let expected = [
        ("id", "00000000-0000-0000-0000-000000000abc"),
        ("seq", "7"),
        ("time", "2023-11-14T22:13:20.000001Z"),
        ("source_ip", "192.0.2.7"),
        ("city", "Zürich"),
        ("user_agent", "curl/8"),
        ("event_count", "1"),
        ("method", "GET"),
        ("path", "/a,b"),
        ("status_code", "404"),
        ("action", "allowed"),
        ("origin", "backend"),
        ("auth_method", "none"),
        ("upstream_ms", "0"),
        ("duration_ms", "18446744073709551615"),
        ("bytes_in", "0"),
        ("bytes_out", "0"),
        ("metadata", "{\"k\": \"v,\\\"\"}"),
    ];
    assert_eq!(filled, expected);
}

#[test]
fn a_formula_arrives_as_text() {
    for (text, cell) in [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("=HYPERLINK(\"http://x\",\"y\")", "'=HYPERLINK(\"http://x\",\"y\")"),
        ("\t=1", "'\\t=1"),
        ("\r=1", "'\\r=1"),
        ("＝1", "'＝1"),
        ("a=1", "a=1"),
        ("'=1", "'=1"),
    ] {
        assert_eq!(path_cell(text), cell, "{text:?}");
    }
}

#[test]
fn nothing_that_a_terminal_would_obey_is_left() {
    assert_eq!(path_cell("a\r\nb\x1b[2J\u{202e}c"), "a\\r\\nb\\u001b[2J\\u202ec");
    assert_eq!(path_cell("C:\\new"), "C:\\new", "a backslash is one");
}

#[test]
fn a_projection_has_its_fields_only() {
    let fields: Vec<_> = Log::Requests
        .fields()
        .iter()
        .filter(|field| ["seq", "path", "metadata"].contains(&field.name))
        .copied()
        .collect();
    let mut text = String::new();
    header(&fields, &mut text);
    Format::Csv.write(&fields, &stored(&entry(Some("/x"), None)), &mut text);
    assert_eq!(text, "seq,path,metadata\r\n7,/x,\r\n");
}

/// What a cell says, with plain means.
fn expected(text: &str) -> String {
    let formula = text.starts_with(|first| "=+-@\t\r\n＝＋－＠".contains(first));
    let mut cell = if formula { "'".to_owned() } else { String::new() };
    for character in text.chars() {
        match character {
            '\n' => cell.push_str("\\n"),
            '\r' => cell.push_str("\\r"),
            '\t' => cell.push_str("\\t"),
            other if json::is_obeyed(other) => cell.push_str(&format!("\\u{:04x}", u32::from(other))),
            other => cell.push(other),
        }
    }
    cell
}

proptest! {
    #[test]
    fn any_text_is_read_back(text in "([=+@\\-\\r\\n\\t\",'; a\\x1b\u{202e}＝é]|.){0,12}") {
        prop_assert_eq!(path_cell(&text), expected(&text));
    }

    /// One walk finds what a search for each field finds.
    #[test]
    fn json_and_csv_agree_with_each_value(path in ".{0,20}", upstream_ms: Option<u64>, bytes_in: u64, asn: Option<u64>) {
        let mut filled = entry(Some(&path), Some("[1]"));
        filled.common.asn = asn;
        (filled.upstream_ms, filled.bytes_in) = (upstream_ms, bytes_in);
        let row = stored(&filled);
        let mut one_by_one = String::from("{");
        for field in Log::Requests.fields() {
            one_by_one.push_str(if one_by_one.len() > 1 { "," } else { "" });
            json::string(field.name, &mut one_by_one);
            one_by_one.push(':');
            json::value(row.value(field.name), &mut one_by_one);
        }
        one_by_one.push('}');
        prop_assert_eq!(row.to_json(), one_by_one);
        let cells = read(&row);
        for (name, number) in [("upstream_ms", upstream_ms), ("bytes_in", Some(bytes_in)), ("asn", asn)] {
            let cell = &cells.iter().find(|(cell, _)| cell == name).unwrap().1;
            prop_assert_eq!(cell, &number.map_or_else(String::new, |number| number.to_string()), "{}", name);
        }
    }
}
