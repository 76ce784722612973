//! What a file may say: how a value of the tree becomes a typed one.
//!
//! A section is declared with [`shape!`]; its `read` reports every wrong type and unknown key it meets and goes on, so
//! that the meaning of what is right is checked in the same run.

mod field;
mod section;
mod table;
mod values;

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::findings::{Finding, Findings};
use crate::load::Source;
use crate::revision::Revision;
use crate::text::Texts;
use crate::tree::Node;

pub(crate) use field::Field;
pub(crate) use section::shape;
pub(crate) use table::Table;
pub(crate) use values::{At, Named};

/// Whether a key works already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Available,
    /// Its value is checked, then it is refused.
    Later,
}

/// A type that a value of a file can become.
pub(crate) trait Shape: Sized {
    /// Reads the value. Every problem is reported; the result is absent when there was one that leaves no value.
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self>;

    /// Names the keys of the value and below it, `*` for a name of the user's, `[]` for an element of a list.
    fn keys(_path: &str, _stage: Stage, _visit: &mut dyn FnMut(&str, Stage)) {}

    /// What an editor may know of the value, as JSON Schema; an empty one allows everything.
    fn schema() -> Json {
        json!({})
    }
}

/// What a run of the loader carries through the sections.
pub(crate) struct Reading<'a> {
    pub(crate) findings: Findings,
    pub(crate) source: &'a dyn Source,
    /// Of the main file; relative paths start here.
    pub(crate) folder: PathBuf,
    /// Keys from the root to what is being read.
    path: Vec<String>,
    /// Other files whose contents belong to the settings.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) revision: Revision,
    /// The configuration files read so far.
    pub(crate) texts: Texts,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(source: &'a dyn Source, folder: PathBuf) -> Self {
        Self {
            findings: Findings::default(),
            source,
            folder,
            path: Vec::new(),
            files: Vec::new(),
            revision: Revision::default(),
            texts: Texts::default(),
        }
    }

    /// A path of the file, from the main file's folder on.
    pub(crate) fn resolve(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.join(path)
    }

    /// What a file says that the settings name; it belongs to them. Reports one that cannot be read or is longer than
    /// `most` bytes.
    pub(crate) fn text_of(&mut self, file: &At<PathBuf>, most: usize) -> Option<String> {
        self.files.push(file.value.clone());
        let shown = file.value.display().to_string();
        let why = match self.source.read(&file.value) {
            Ok(text) if text.len() <= most => {
                self.revision.add(&text);
                return Some(text);
            }
            Ok(_) => format!("{shown:?} is longer than {most} bytes"),
            Err(error) => format!("cannot read {shown:?}: {error}"),
        };
        self.findings.error(file.span, why);
        None
    }

    /// Whether a file that the settings name is not there, where that may be. It belongs to them all the same: they are
    /// others once it is.
    pub(crate) fn awaits(&mut self, file: &Path) -> bool {
        let is_missing = self.source.read(file).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if is_missing {
            self.files.push(file.to_owned());
        }
        is_missing
    }

    /// The table being read, as messages name it: `[circuits.wiki]`.
    pub(crate) fn table(&self) -> String {
        if self.path.is_empty() { "the file".to_owned() } else { format!("[{}]", self.path.join(".")) }
    }

    pub(crate) fn wrong_kind(&mut self, node: &Node, wanted: &str) -> &mut Finding {
        self.findings.error(node.span, format!("expected {wanted}, found {}", node.value.kind()))
    }

    fn below<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(quoted_key(key).into_owned());
        let result = read(self);
        self.path.pop();
        result
    }
}

/// A table with these keys and no others.
pub(crate) fn object<const N: usize>(fields: [(&str, Json); N]) -> Json {
    let properties: serde_json::Map<_, _> =
        fields.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// Either of two forms.
pub(crate) fn either(one: &Json, other: &Json) -> Json {
    json!({ "anyOf": [one, other] })
}

/// Names a key and what is below it.
pub(crate) fn visit_key<T: Shape>(path: &str, name: &str, stage: Stage, visit: &mut dyn FnMut(&str, Stage)) {
    let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    visit(&path, stage);
    T::keys(&path, stage, visit);
}

/// A key as a file writes it, in quotes only where it needs them.
pub(crate) fn quoted_key(key: &str) -> Cow<'_, str> {
    let bare = !key.is_empty() && key.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-');
    if bare { Cow::Borrowed(key) } else { Cow::Owned(quoted(key)) }
}

/// A string as TOML writes it on one line; what cannot be seen is spelled out.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            seen if seen == '\'' || seen.is_ascii_graphic() || seen.escape_debug().len() == 1 => quoted.push(seen),
            unseen => quoted.push_str(&format!("\\U{:08X}", u32::from(unseen))),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_as_themselves() {
        let all = (0..0x1000).filter_map(char::from_u32).chain(['\u{200b}', '\u{feff}', '\u{1f600}', '\u{10ffff}']);
        for key in all.map(|character| format!("a{character}")).chain([String::new(), "a.b".to_owned()]) {
            let file: toml::Table = format!("{} = 1", quoted_key(&key)).parse().unwrap_or_else(|_| panic!("{key:?}"));
            assert!(file.contains_key(&key), "{key:?}");
        }
        let written =
            [("wiki-1", "wiki-1"), ("a\"b\\", r#""a\"b\\""#), ("it's", "\"it's\""), ("\u{200b}", r#""\U0000200B""#)];
        for (key, expected) in written {
            assert_eq!(quoted_key(key), expected);
        }
    }
}
