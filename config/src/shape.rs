//! What a file may say: how a value of the tree becomes a typed one.
//!
//! A section is declared with [`shape!`]; its `read` reports every wrong type and unknown key it meets and goes on, so
//! that the meaning of what is right is checked in the same run.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::findings::{Finding, Findings};
use crate::load::Source;
use crate::revision::Revision;
use crate::suggest;
use crate::text::{Span, Texts};
use crate::tree::{Entry, Node, Value};

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

/// A key's value, or why there is none.
#[derive(Debug)]
pub(crate) enum Field<T> {
    /// The key does not stand there.
    Absent,
    /// Its value was reported already.
    Broken,
    /// Its value, with its place and the key's.
    Given { value: T, span: Span, key: Span },
}

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
        self.path.push(quoted_key(key));
        let result = read(self);
        self.path.pop();
        result
    }
}

impl<T> Field<T> {
    /// The value; a key that is not there is reported as missing from the table.
    pub(crate) fn required(self, name: &str, example: &str, table: Span, reading: &mut Reading<'_>) -> Option<T> {
        if matches!(self, Self::Absent) {
            let message = format!("{name:?} is missing");
            reading.findings.error(table, message).help(format!("write {name} = {example}"));
        }
        self.optional()
    }

    pub(crate) fn optional(self) -> Option<T> {
        match self {
            Self::Given { value, .. } => Some(value),
            Self::Absent | Self::Broken => None,
        }
    }

    /// The value or its default; what is broken was reported, so that nothing relies on the default then.
    pub(crate) fn or(self, default: T) -> T {
        self.optional().unwrap_or(default)
    }

    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Of the key.
    pub(crate) fn key(&self) -> Option<Span> {
        match self {
            Self::Given { key, .. } => Some(*key),
            Self::Absent | Self::Broken => None,
        }
    }

    /// Of the value.
    pub(crate) fn span(&self) -> Option<Span> {
        match self {
            Self::Given { span, .. } => Some(*span),
            Self::Absent | Self::Broken => None,
        }
    }

    pub(crate) fn as_ref(&self) -> Option<&T> {
        match self {
            Self::Given { value, .. } => Some(value),
            Self::Absent | Self::Broken => None,
        }
    }
}

impl<T: Default> Field<T> {
    pub(crate) fn or_default(self) -> T {
        self.optional().unwrap_or_default()
    }
}

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
pub(crate) fn later(span: Span, what: &str, meanwhile: &str, reading: &mut Reading<'_>) {
    let finding = reading.findings.error(span, format!("{what:?} is not available yet"));
    if !meanwhile.is_empty() {
        finding.help(meanwhile);
    }
}

/// Declares a section of the file.
///
/// Fields are read into [`Field`]s. Those after `later` are checked and then refused, unless they have their default;
/// the text says what to do meanwhile. `unread struct` is a section whose table is refused as a whole.
macro_rules! shape {
    ($(#[$doc:meta])* $visible:vis struct $name:ident { $($field:ident: $type:ty,)* }
     $(later { $($wait:ident: $wait_type:ty $(= $default:expr)? => $meanwhile:expr,)* })?) => {
        $(#[$doc])*
        #[derive(Debug)]
        $visible struct $name {
            /// Of the table's header or braces.
            pub(crate) table: $crate::text::Span,
            $(pub(crate) $field: $crate::shape::Field<$type>,)*
        }

        impl $crate::shape::Shape for $name {
            fn read(
                node: $crate::tree::Node,
                reading: &mut $crate::shape::Reading<'_>,
            ) -> Option<Self> {
                let known = &[$(stringify!($field),)* $($(stringify!($wait),)*)?];
                let mut table = $crate::shape::Table::open(node, known, reading)?;
                $($(
                    let defaults: &[$wait_type] = &[$($default)?];
                    table.refuse(stringify!($wait), defaults, $meanwhile, reading);
                )*)?
                $(let $field = table.take::<$type>(stringify!($field), reading);)*
                Some(Self { table: table.span, $($field,)* })
            }

            fn keys(
                path: &str,
                stage: $crate::shape::Stage,
                visit: &mut dyn FnMut(&str, $crate::shape::Stage),
            ) {
                $($crate::shape::visit_key::<$type>(path, stringify!($field), stage, visit);)*
                $($($crate::shape::visit_key::<$wait_type>(
                    path, stringify!($wait), $crate::shape::Stage::Later, visit,
                );)*)?
            }

            fn schema() -> serde_json::Value {
                $crate::shape::object([
                    $((stringify!($field), <$type as $crate::shape::Shape>::schema()),)*
                ])
            }
        }
    };
    ($(#[$doc:meta])* $visible:vis unread struct $name:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, PartialEq)]
        $visible struct $name;

        impl $crate::shape::Shape for $name {
            fn read(
                node: $crate::tree::Node,
                reading: &mut $crate::shape::Reading<'_>,
            ) -> Option<Self> {
                let mut table = $crate::shape::Table::open(node, &[$(stringify!($field)),*], reading)?;
                $(table.take::<$type>(stringify!($field), reading);)*
                Some(Self)
            }

            fn keys(
                path: &str,
                stage: $crate::shape::Stage,
                visit: &mut dyn FnMut(&str, $crate::shape::Stage),
            ) {
                $($crate::shape::visit_key::<$type>(path, stringify!($field), stage, visit);)*
            }
        }
    };
}
pub(crate) use shape;

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

/// A key as a file writes it, in quotes only where it needs them.
pub(crate) fn quoted_key(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    if bare { key.to_owned() } else { format!("{key:?}") }
}
