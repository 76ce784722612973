//! Secrets that a shown text hides, put back where they stood.

use toml_edit::{Item, Table, Value};

use super::Edit;
use crate::mask::HIDDEN;

impl Edit {
    /// Where a secret is hidden, as a text that is shown has it, the one that stood at the same place before.
    pub fn restore_hidden(&mut self, before: &Self) {
        restore_table(self.0.as_table_mut(), Some(before.0.as_item()));
    }
}

fn restore_table(table: &mut Table, before: Option<&Item>) {
    for (key, item) in table.iter_mut() {
        let before = before.and_then(|before| before.get(key.get()));
        match item {
            Item::Value(value) => restore_value(value, before.and_then(Item::as_value)),
            Item::Table(below) => restore_table(below, before),
            Item::ArrayOfTables(list) => {
                for (at, below) in list.iter_mut().enumerate() {
                    restore_table(below, before.and_then(|before| before.get(at)));
                }
            }
            Item::None => (),
        }
    }
}

fn restore_value(value: &mut Value, before: Option<&Value>) {
    match value {
        Value::String(text) if text.value() == HIDDEN => {
            let Some(before) = before.and_then(Value::as_str) else { return };
            let decor = value.decor().clone();
            *value = before.into();
            *value.decor_mut() = decor;
        }
        Value::InlineTable(table) => {
            for (key, value) in table.iter_mut() {
                restore_value(value, before.and_then(Value::as_inline_table).and_then(|table| table.get(key.get())));
            }
        }
        Value::Array(list) => {
            for (at, value) in list.iter_mut().enumerate() {
                restore_value(value, before.and_then(Value::as_array).and_then(|list| list.get(at)));
            }
        }
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => (),
    }
}
