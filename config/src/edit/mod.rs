//! Changes of a file's text by a command: what they do not concern stays as it is, comments and order included.
//!
//! Nothing is checked here but what the change needs: whoever writes the text into a file loads it first.

mod hidden;
mod token;
mod user;

use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

pub use token::TokenKind;

/// Why a text was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotEdited {
    /// It is not TOML.
    #[error("the file is not TOML")]
    Syntax,
    /// Its name is in use.
    #[error("{0} is there already")]
    Taken(String),
    /// There is nothing of this name.
    #[error("there is no {0}")]
    Missing(String),
    /// Something else stands where a table should.
    #[error("{0} is no table")]
    NoTable(String),
}

/// A file's text, being changed.
#[derive(Debug, Clone)]
pub struct Edit(DocumentMut);

impl Edit {
    /// # Errors
    /// When the text is not TOML.
    pub fn of(text: &str) -> Result<Self, NotEdited> {
        text.parse().map(Self).map_err(|_| NotEdited::Syntax)
    }

    /// The text as it is now.
    pub fn text(&self) -> String {
        self.0.to_string()
    }

    fn table(&mut self, path: &[&str]) -> Result<&mut dyn TableLike, NotEdited> {
        let mut table: &mut dyn TableLike = self.0.as_table_mut();
        for key in path {
            let item = table.get_mut(key).ok_or_else(|| NotEdited::Missing(dotted(path)))?;
            table = item.as_table_like_mut().ok_or_else(|| NotEdited::NoTable(dotted(path)))?;
        }
        Ok(table)
    }

    /// Tables on the way that are not there get no header of their own.
    fn add(&mut self, path: &[&str], mut new: Table) -> Result<(), NotEdited> {
        let Some((name, parents)) = path.split_last() else { return Ok(()) };
        let mut table: &mut dyn TableLike = self.0.as_table_mut();
        for key in parents {
            let implicit = || {
                let mut table = Table::new();
                table.set_implicit(true);
                Item::Table(table)
            };
            let item = table.entry(key).or_insert_with(implicit);
            table = item.as_table_like_mut().ok_or_else(|| NotEdited::NoTable(dotted(path)))?;
        }
        if table.contains_key(name) {
            return Err(NotEdited::Taken(dotted(path)));
        }
        new.decor_mut().set_prefix("\n");
        table.insert(name, Item::Table(new));
        Ok(())
    }
}

/// In place of the value that is there, with the comment behind it; else at the end of the table.
fn set(table: &mut dyn TableLike, key: &str, mut new: Value) {
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => {
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        None => drop(table.insert(key, Item::Value(new))),
    }
}

fn text(text: &str) -> Item {
    Item::Value(text.into())
}

fn dotted(path: &[&str]) -> String {
    path.join(".")
}

#[cfg(test)]
mod tests;
