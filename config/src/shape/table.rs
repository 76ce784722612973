//! A table whose keys are taken one by one, and what is said of those that nobody takes.

use super::{Field, Reading, Shape};
use crate::suggest;
use crate::text::Span;
use crate::tree::{Entry, Node, Value};

/// A table whose keys are taken one by one.
pub(crate) struct Table {
    entries: Vec<Entry>,
    pub(crate) span: Span,
    /// Known keys that unknown ones were taken for; they are not missing.
    meant: Vec<String>,
}

impl Table {
    /// Reports what is no table and every key that is not among `known`.
    pub(crate) fn open(node: Node, known: &[&str], reading: &mut Reading<'_>) -> Option<Self> {
        let Node { span, value: Value::Table(entries) } = node else {
            reading.wrong_kind(&node, "a table");
            return None;
        };
        let (entries, unknown): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| known.contains(&entry.key.as_str()));
        let mut meant = Vec::new();
        for entry in unknown {
            meant.extend(suggest::nearest(&entry.key, known).map(str::to_owned));
            let message = format!("unknown key {:?} in {}", entry.key, reading.table());
            reading.findings.error(entry.span, message).help(suggest::one_of("known here", &entry.key, known));
        }
        Some(Self { entries, span, meant })
    }

    pub(crate) fn take<T: Shape>(&mut self, name: &str, reading: &mut Reading<'_>) -> Field<T> {
        let Some(index) = self.entries.iter().position(|entry| entry.key == name) else {
            return if self.meant.iter().any(|meant| meant == name) { Field::Broken } else { Field::Absent };
        };
        let Entry { key, span: key_span, node } = self.entries.swap_remove(index);
        let span = node.span;
        match reading.below(&key, |reading| T::read(node, reading)) {
            Some(value) => Field::Given { value, span, key: key_span },
            None => Field::Broken,
        }
    }

    /// Checks the value of a key that does not work yet, then refuses it; its default changes nothing and is taken.
    pub(crate) fn refuse<T: Shape + PartialEq>(
        &mut self,
        name: &str,
        defaults: &[T],
        meanwhile: &str,
        reading: &mut Reading<'_>,
    ) {
        let Some(entry) = self.entries.iter().find(|entry| entry.key == name) else { return };
        let key = entry.span;
        if let Field::Given { value, .. } = self.take::<T>(name, reading)
            && !defaults.contains(&value)
        {
            let path = reading.path.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".");
            later(key, &path, meanwhile, reading);
        }
    }
}

/// Reports what does not work yet.
/// `what` is the key or value.
fn later(span: Span, what: &str, meanwhile: &str, reading: &mut Reading<'_>) {
    let finding = reading.findings.error(span, format!("{what:?} is not available yet"));
    if !meanwhile.is_empty() {
        finding.help(meanwhile);
    }
}
