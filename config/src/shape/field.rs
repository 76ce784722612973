//! What stands behind a key, or why nothing does.

use super::Reading;
use crate::text::Span;

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
