//! A parsed file as a tree whose every key and value knows its place, and how several files become one tree.

use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

use crate::findings::Findings;
use crate::text::Span;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// What a file can say.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    /// Absent: beyond 64 bits.
    Integer(Option<i64>),
    Float,
    Boolean(bool),
    Datetime(Datetime),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table, with its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// Of the key.
    pub(crate) span: Span,
    pub(crate) node: Node,
}

/// Tables whose children have names of their own: a child is written in one place only.
const NAMED: &[&str] = &[
    "tls.certificates",
    "providers",
    "users",
    "service_tokens",
    "projects",
    "ip_sets",
    "rate_limits",
    "circuits",
    "hooks",
    "admin.tokens",
    "alerts",
];

impl Value {
    /// As an error message calls it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "a whole number",
            Self::Float => "a number with a fraction",
            Self::Boolean(_) => "true or false",
            Self::Datetime(_) => "a time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Parses one file. Its syntax errors are all reported; the tree is absent when there is one, because what a
/// damaged file seems to lack may stand in the damaged part.
pub(crate) fn parse(text: &str, file: usize, findings: &mut Findings) -> Option<Vec<Entry>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let span = error.span().map(|span| Span { file, start: span.start, end: span.end });
        findings.error(span, error.message().lines().collect::<Vec<_>>().join("; "));
    }
    errors.is_empty().then(|| entries(table.into_inner(), file))
}

/// Adds a file's keys to those of the files before it. The same key in two of them is an error that names both places.
pub(crate) fn merge(into: &mut Vec<Entry>, from: Vec<Entry>, findings: &mut Findings) {
    merge_at("", into, from, findings);
}

fn merge_at(path: &str, into: &mut Vec<Entry>, from: Vec<Entry>, findings: &mut Findings) {
    for entry in from {
        let Some(known) = into.iter_mut().find(|known| known.key == entry.key) else {
            into.push(entry);
            continue;
        };
        let below = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
        match (&mut known.node.value, entry.node.value) {
            (Value::Table(into), Value::Table(from)) if !NAMED.contains(&path) => {
                merge_at(&below, into, from, findings);
            }
            (Value::List(into), Value::List(from)) if below == "tests" => into.extend(from),
            (_, _) => {
                findings
                    .error(entry.span, format!("{below:?} stands in two files"))
                    .help("keep one of the two")
                    .also(known.span, "also here");
            }
        }
    }
}

fn entries(table: DeTable<'_>, file: usize) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table
        .into_iter()
        .map(|(key, value)| Entry {
            span: Span { file, start: key.span().start, end: key.span().end },
            key: key.into_inner().into_owned(),
            node: node(value, file),
        })
        .collect();
    entries.sort_by_key(|entry| entry.span);
    entries
}

fn node(value: toml::Spanned<DeValue<'_>>, file: usize) -> Node {
    let span = Span { file, start: value.span().start, end: value.span().end };
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(digits) => Value::Integer(i64::from_str_radix(digits.as_str(), digits.radix()).ok()),
        DeValue::Float(_) => Value::Float,
        DeValue::Boolean(boolean) => Value::Boolean(boolean),
        DeValue::Datetime(datetime) => Value::Datetime(datetime),
        DeValue::Array(list) => Value::List(list.into_iter().map(|value| node(value, file)).collect()),
        DeValue::Table(table) => Value::Table(entries(table, file)),
    };
    Node { span, value }
}
