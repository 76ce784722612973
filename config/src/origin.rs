//! Which line of which file set a value.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::text::Texts;
use crate::tree::{Entry, Node, Value};

/// From a key's path, such as `server.data_dir`, to where it stands.
#[derive(Debug, Clone, Default)]
pub struct Origins(Below);

/// Where a key stands. Shown as `vestibule.toml:12`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// As the loader names it.
    pub file: Arc<str>,
    /// From 1.
    pub line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// The keys of a table, or the numbers of a list's tables.
type Below = BTreeMap<String, Known>;

/// What is known of a key.
#[derive(Debug, Clone, Default)]
struct Known {
    /// Absent for the number of a list's table.
    origin: Option<Origin>,
    below: Below,
}

impl Origins {
    pub(crate) fn of(entries: &[Entry], texts: &Texts) -> Self {
        let entries = entries.iter();
        let sections = entries.map(|entry| match (entry.key.as_str(), &entry.node.value) {
            // People are known by their folded address.
            ("users", Value::Table(people)) => {
                let people = people.iter().map(|person| (person.key.to_ascii_lowercase(), known(person, texts)));
                (entry.key.clone(), Known { origin: texts.origin(entry.span), below: people.collect() })
            }
            _ => (entry.key.clone(), known(entry, texts)),
        });
        Self(sections.collect())
    }

    /// Where the value at this path stands; absent where it has its default.
    pub fn at(&self, path: &[&str]) -> Option<&Origin> {
        let (first, rest) = path.split_first()?;
        let found = rest.iter().try_fold(self.0.get(*first)?, |known, key| known.below.get(*key))?;
        found.origin.as_ref()
    }
}

fn known(entry: &Entry, texts: &Texts) -> Known {
    let below = match &entry.node.value {
        Value::Table(entries) => keys(entries, texts),
        Value::List(elements) => elements.iter().enumerate().filter_map(|(at, node)| table(at, node, texts)).collect(),
        Value::Text(_) | Value::Integer(_) | Value::Float | Value::Boolean(_) | Value::Datetime(_) => Below::new(),
    };
    Known { origin: texts.origin(entry.span), below }
}

fn keys(entries: &[Entry], texts: &Texts) -> Below {
    entries.iter().map(|entry| (entry.key.clone(), known(entry, texts))).collect()
}

/// Tables of a list are told apart by their number, from 0.
fn table(at: usize, element: &Node, texts: &Texts) -> Option<(String, Known)> {
    let Value::Table(entries) = &element.value else { return None };
    Some((at.to_string(), Known { origin: None, below: keys(entries, texts) }))
}
