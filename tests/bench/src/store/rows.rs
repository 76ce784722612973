//! The store's entries as a file of rows for the other engines, oldest first, so that all hold the same.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use vestibule_logstore::entry::Field;
use vestibule_logstore::row::Value;
use vestibule_logstore::{Log, Row, Store};

use crate::engine;

/// What follows from a row's place, and what the traffic leaves empty.
const LEFT_OUT: [&str; 7] = ["id", "seq", "event_count", "node", "would_block", "metadata", "erased"];

/// Writes RFC 4180 with a header row; times are microseconds since 1970.
pub(crate) fn write(store: &Store, path: &Path) {
    let fields: Vec<&Field> = Log::Requests.fields().iter().filter(|field| !LEFT_OUT.contains(&field.name)).collect();
    let mut file = BufWriter::new(File::create(path).unwrap());
    let names: Vec<_> = fields.iter().map(|field| field.name).collect();
    writeln!(file, "{}", names.join(",")).unwrap();
    let (mut cursor, mut line) = (None::<String>, String::new());
    loop {
        let mut parameters = vec![("order", "asc"), ("limit", "1000")];
        parameters.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = engine::page(store, &engine::query(&parameters).unwrap()).unwrap();
        for row in &page.rows {
            line.clear();
            write_row(row, &fields, &mut line);
            file.write_all(line.as_bytes()).unwrap();
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return file.flush().unwrap();
        }
    }
}

fn write_row(row: &Row, fields: &[&Field], line: &mut String) {
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            line.push(',');
        }
        match row.value(field.name) {
            None => (),
            Some(Value::Number(number)) => write!(line, "{number}").unwrap(),
            Some(Value::Time(time)) => write!(line, "{time}").unwrap(),
            Some(Value::Address(address)) => write!(line, "{address}").unwrap(),
            Some(Value::Id(id)) => write!(line, "{id}").unwrap(),
            Some(Value::Text(text) | Value::Json(text)) => write_text(text, line),
        }
    }
    line.push('\n');
}

fn write_text(text: &str, line: &mut String) {
    if text.contains([',', '"', '\n', '\r']) {
        write!(line, "\"{}\"", text.replace('"', "\"\"")).unwrap();
    } else {
        line.push_str(text);
    }
}
