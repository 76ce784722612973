//! What the document says of the logs, from the one definition of their fields.

use serde_json::{Map, Value, json};
use vestibule_logstore::Log;
use vestibule_logstore::entry::{Field, Kind};

use super::schema::{between, list, maybe, number, object, one_of, text, time, truth};

/// How one entry of a log looks.
pub(super) fn schema(log: Log) -> Value {
    let members: Map<String, Value> =
        log.fields().iter().map(|field| (field.name.to_owned(), described(field))).collect();
    let names: Vec<&str> = log.fields().iter().map(|field| field.name).collect();
    json!({ "type": "object", "properties": members, "required": names })
}

/// One page of them; only the fields that are asked for stand in it.
pub(super) fn page(log: Log) -> Value {
    let mut entry = schema(log);
    if let Some(entry) = entry.as_object_mut() {
        entry.remove("required");
    }
    let mut page = object([
        ("data", list(entry)),
        ("next_cursor", maybe(text())),
        ("prev_cursor", maybe(text())),
        ("took_ms", number()),
    ]);
    if let Some(members) = page.get_mut("properties").and_then(Value::as_object_mut) {
        members.insert("total".to_owned(), number());
        members.insert("complete".to_owned(), truth());
    }
    page
}

/// The filters of a log. Five routes have the same ones: they are said once.
pub(super) fn filters(log: Log) -> Vec<Value> {
    let named = |name| json!({ "$ref": format!("#/components/parameters/{}.{name}", log.name()) });
    names_of_filters(log).map(|(name, _)| named(name)).collect()
}

/// What each of them may say, by log and name.
pub(super) fn all_filters() -> Map<String, Value> {
    let of_log = |log: Log| {
        names_of_filters(log).map(move |(name, operator)| {
            (
                format!("{}.{name}", log.name()),
                query(&name, meaning(operator), if matches!(operator, "min" | "max") { number() } else { text() }),
            )
        })
    };
    Log::ALL.into_iter().flat_map(of_log).collect()
}

fn names_of_filters(log: Log) -> impl Iterator<Item = (String, &'static str)> {
    log.fields().iter().flat_map(|field| {
        operators(field).into_iter().map(move |operator| {
            let point = if operator.is_empty() { "" } else { "." };
            (format!("{}{point}{operator}", field.name), operator)
        })
    })
}

/// Parameters that say which time is meant.
pub(super) fn period() -> Vec<Value> {
    let moment = |which: &str| format!("{which}: RFC 3339, or that long ago: `15m`, `24h`, `7d`. Inclusive.");
    vec![
        query("since", &moment("The earliest time"), text()),
        query("until", &moment("The latest time"), text()),
        query("range", "In place of since and until.", one_of(&["5m", "15m", "1h", "24h", "7d", "30d", "all"])),
    ]
}

/// Parameters of order and paging.
pub(super) fn paging(log: Log) -> Vec<Value> {
    let mut fields: Vec<&str> = log.fields().iter().map(|field| field.name).collect();
    if log == Log::Requests {
        fields.push("url");
    }
    let mut paging = vec![
        query("limit", "Entries of a page; 25 unless said.", between(1, 1000)),
        query("cursor", "`next_cursor` or `prev_cursor` of an answer to the same question.", text()),
        query("sort", "By which field; `time` unless said. Ties by `seq` in the same direction.", one_of(&fields)),
        query("order", "`desc` unless said.", one_of(&["asc", "desc"])),
        query("count", "Says the exact number of entries that match, in `total`.", truth()),
        query("fold", "One row for a run of adjacent equal entries. Only with the order of time.", truth()),
    ];
    if log == Log::Access {
        let what = "One row for each attempt in its latest state, or each event of it; `attempts` unless said.";
        paging.push(query("view", what, one_of(&["attempts", "events"])));
    }
    paging
}

/// Free text and projection.
pub(super) fn shown() -> Vec<Value> {
    vec![
        query("q", "Entries with this text in any field, whatever its case.", text()),
        query("fields", "Names of the fields that are wanted, with commas between them.", text()),
    ]
}

/// A parameter of the query.
pub(super) fn query(name: &str, what: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "query", "description": what, "schema": schema })
}

fn described(field: &Field) -> Value {
    let mut schema = match field.kind {
        Kind::Id => json!({ "type": "string", "format": "uuid" }),
        Kind::Position => number(),
        Kind::Time => time(),
        Kind::Text | Kind::Address => maybe(text()),
        Kind::Word(words) => maybe(one_of(words)),
        Kind::Number | Kind::Count => maybe(number()),
        Kind::Json => json!({}),
    };
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), field.doc.into());
    }
    schema
}

/// As they stand behind the field's name.
fn operators(field: &Field) -> Vec<&'static str> {
    let more: &[&str] = match field.kind {
        Kind::Id | Kind::Text | Kind::Word(_) | Kind::Json | Kind::Address => &["contains", "prefix"],
        Kind::Position | Kind::Number | Kind::Count => &["min", "max"],
        Kind::Time => &[],
    };
    ["", "not"].into_iter().chain(more.iter().copied()).collect()
}

fn meaning(operator: &str) -> &'static str {
    match operator {
        "" => {
            "One of these values, with commas between them (`\\,` is a comma of a value); empty: the field is absent."
        }
        "not" => "None of these values.",
        "contains" => "With one of these texts in it, whatever their case.",
        "prefix" => "Beginning so.",
        "min" => "At least.",
        _ => "At most.",
    }
}
