//! Shapes that others are made of: with a place, lists, tables of the user's names.

use serde_json::{Value as Json, json};

use super::{Reading, Shape, Stage};
use crate::text::Span;
use crate::tree::{Entry, Node, Value};

/// An element of a list, with its place.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// A table whose keys are names of the user's, in the file's order.
#[derive(Debug)]
pub(crate) struct Named<K, T>(pub(crate) Vec<(At<K>, Option<T>)>);

impl<K, T> Default for Named<K, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Shape> Shape for At<T> {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        let span = node.span;
        Some(Self { value: T::read(node, reading)?, span })
    }

    fn keys(path: &str, stage: Stage, visit: &mut dyn FnMut(&str, Stage)) {
        T::keys(path, stage, visit);
    }

    fn schema() -> Json {
        T::schema()
    }
}

impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        let Node { value: Value::List(nodes), .. } = node else {
            let finding = reading.wrong_kind(&node, "a list");
            if !matches!(node.value, Value::Table(_)) {
                finding.help("put it in brackets: [ … ]");
            }
            return None;
        };
        let count = nodes.len();
        let values: Vec<T> = nodes.into_iter().filter_map(|node| T::read(node, reading)).collect();
        // What is left of a list is still checked; where nothing is left, there is nothing to say about it.
        (count == 0 || !values.is_empty()).then_some(values)
    }

    fn keys(path: &str, stage: Stage, visit: &mut dyn FnMut(&str, Stage)) {
        T::keys(&format!("{path}[]"), stage, visit);
    }

    fn schema() -> Json {
        json!({ "type": "array", "items": T::schema() })
    }
}

impl<K: crate::word::Word, T: Shape> Shape for Named<K, T> {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        let Node { value: Value::Table(entries), .. } = node else {
            reading.wrong_kind(&node, "a table");
            return None;
        };
        let mut named = Vec::with_capacity(entries.len());
        for Entry { key, span, node } in entries {
            let value = reading.below(&key, |reading| T::read(node, reading));
            if let Some(key) = crate::word::parse::<K>(&key, span, reading) {
                named.push((At { value: key, span }, value));
            }
        }
        Some(Self(named))
    }

    fn keys(path: &str, stage: Stage, visit: &mut dyn FnMut(&str, Stage)) {
        T::keys(&format!("{path}.*"), stage, visit);
    }

    fn schema() -> Json {
        json!({ "type": "object", "additionalProperties": T::schema() })
    }
}

impl<K: PartialEq, T: PartialEq> PartialEq for Named<K, T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Shape for bool {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        let Value::Boolean(value) = node.value else {
            reading.wrong_kind(&node, "true or false").help("write true or false, without quotes");
            return None;
        };
        Some(value)
    }

    fn schema() -> Json {
        json!({ "type": "boolean" })
    }
}
