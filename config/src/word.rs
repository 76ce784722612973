//! Values that are written as one string.

use crate::shape::{Reading, Shape};
use crate::suggest;
use crate::text::Span;
use crate::tree::{Node, Value};

/// A type that is read from a string alone.
pub(crate) trait Word: Sized {
    /// As a file writes one, with the quotes.
    const EXAMPLE: &str = "\"…\"";

    /// Reads it.
    ///
    /// # Errors
    /// What is wrong and what to write instead.
    fn parse(text: &str) -> Result<Self, Wrong>;

    /// As [`Shape::schema`].
    fn spelling() -> serde_json::Value {
        serde_json::json!({ "type": "string" })
    }
}

/// What is wrong with a string.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Wrong {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// A word that is not one of those allowed.
    pub(crate) fn unknown(text: &str, words: &[&str]) -> Self {
        Self::new(format!("{text:?} is not known here")).help(suggest::one_of("use one of", text, words))
    }
}

/// Parses and reports.
pub(crate) fn parse<T: Word>(text: &str, span: Span, reading: &mut Reading<'_>) -> Option<T> {
    match T::parse(text) {
        Ok(value) => Some(value),
        Err(Wrong { message, help }) => {
            let finding = reading.findings.error(span, message);
            if let Some(help) = help {
                finding.help(help);
            }
            None
        }
    }
}

/// Reads a string and parses it.
pub(crate) fn read<T: Word>(node: Node, reading: &mut Reading<'_>) -> Option<T> {
    let Node { span, value: Value::Text(text) } = node else {
        reading.wrong_kind(&node, "a string").help(format!("write one such as {}", T::EXAMPLE));
        return None;
    };
    parse(&text, span, reading)
}

/// Reads these types from strings wherever a file has one.
macro_rules! words {
    ($($type:ty),+ $(,)?) => {
        $(impl $crate::shape::Shape for $type {
            fn read(
                node: $crate::tree::Node,
                reading: &mut $crate::shape::Reading<'_>,
            ) -> Option<Self> {
                $crate::word::read(node, reading)
            }

            fn schema() -> serde_json::Value {
                <Self as $crate::word::Word>::spelling()
            }
        })+
    };
}
pub(crate) use words;

/// The spellings of an enum in the file, both ways, or only to `read` them.
macro_rules! spellings {
    (read $type:ident { $($text:literal => $variant:ident),+ $(,)? }) => {
        impl $crate::word::Word for $type {
            fn parse(text: &str) -> Result<Self, $crate::word::Wrong> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err($crate::word::Wrong::unknown(other, &[$($text),+])),
                }
            }

            fn spelling() -> serde_json::Value {
                serde_json::json!({ "enum": [$($text),+] })
            }
        }

        $crate::word::words!($type);
    };
    ($visible:vis $type:ident { $($text:literal => $variant:ident),+ $(,)? }) => {
        $crate::word::spellings!(read $type { $($text => $variant),+ });

        impl $type {
            /// As the file spells it.
            $visible fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}
pub(crate) use spellings;

impl Word for String {
    fn parse(text: &str) -> Result<Self, Wrong> {
        if text.chars().any(char::is_control) {
            return Err(Wrong::new("control characters have no place here"));
        }
        Ok(text.to_owned())
    }
}

words!(String);

/// A path is taken from the main file's folder on.
impl Shape for std::path::PathBuf {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        let span = node.span;
        let text: String = read(node, reading)?;
        if text.is_empty() {
            reading.findings.error(span, "a path is empty").help("write the path of a file or folder");
            return None;
        }
        Some(reading.resolve(text))
    }

    fn schema() -> serde_json::Value {
        <String as Word>::spelling()
    }
}
