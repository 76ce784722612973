//! Which line of which file set a value.

use std::collections::BTreeMap;

use crate::text::Texts;
use crate::tree::{Entry, Node, Value};

/// From a key's path, such as `server.data_dir`, to `vestibule.toml:12`.
#[derive(Debug, Clone, Default)]
pub struct Origins(BTreeMap<String, String>);

/// Between the keys of a path; no key that is looked for has one.
const BETWEEN: &str = "\n";

impl Origins {
    pub(crate) fn of(entries: &[Entry], texts: &Texts) -> Self {
        let mut origins = Self::default();
        origins.add(&mut Vec::new(), entries, texts);
        origins
    }

    /// `vestibule.toml:12` for the value at this path; absent where it has its default.
    pub fn at(&self, path: &[&str]) -> Option<&str> {
        self.0.get(&path.join(BETWEEN)).map(String::as_str)
    }

    fn add(&mut self, path: &mut Vec<String>, entries: &[Entry], texts: &Texts) {
        for entry in entries {
            // People are known by their folded address.
            let person = path.len() == 1 && path.iter().any(|key| key == "users");
            path.push(if person { entry.key.to_ascii_lowercase() } else { entry.key.clone() });
            if let Some(place) = texts.place(entry.span) {
                self.0.insert(path.join(BETWEEN), format!("{}:{}", place.file, place.line));
            }
            match &entry.node.value {
                Value::Table(below) => self.add(path, below, texts),
                Value::List(elements) => self.add_elements(path, elements, texts),
                Value::Text(_) | Value::Integer(_) | Value::Float | Value::Boolean(_) | Value::Datetime(_) => (),
            }
            path.pop();
        }
    }

    /// Tables of a list are told apart by their number, from 0.
    fn add_elements(&mut self, path: &mut Vec<String>, elements: &[Node], texts: &Texts) {
        for (at, element) in elements.iter().enumerate() {
            if let Value::Table(below) = &element.value {
                path.push(at.to_string());
                self.add(path, below, texts);
                path.pop();
            }
        }
    }
}
