//! What is wrong, where, and what to write instead.

use std::ops::Range;
use std::path::PathBuf;

use serde::Serialize;

use crate::text::Texts;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// As given on the command line or found by `include`.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// In bytes of the file.
    pub span: Range<usize>,
}

/// Whether a finding refuses the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Refuses it.
    Error,
    /// Is shown; `check --strict` refuses it.
    Warning,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Refused or shown.
    pub severity: Severity,
    /// Where; absent for what has no place, such as an unreadable file.
    pub place: Option<Place>,
    /// What is wrong, lower-case, the user's text quoted.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Other places that belong to it, such as the first use of a name.
    pub related: Vec<Related>,
}

/// A second place of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Related {
    /// Where.
    pub place: Place,
    /// What stands there: `first used here`.
    pub label: String,
}

/// All problems of a set of files.
#[derive(Debug, Clone)]
pub struct Report {
    /// In the order of the files and lines.
    pub problems: Vec<Problem>,
    /// Every file that was read or looked for, so that a watcher notices when one of them is mended.
    pub files: Vec<PathBuf>,
    pub(crate) texts: Texts,
}

impl Report {
    /// As for people: excerpt, caret, remedy. Secrets in the excerpts are hidden.
    pub fn render(&self, color: bool) -> String {
        crate::render::render(&self.problems, &self.texts, color)
    }

    /// As for programs: `{"valid": bool, "problems": […]}`; valid where nothing but warnings was found.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "valid": self.errors() == 0, "problems": self.problems })
    }

    /// How many findings refuse the files.
    pub fn errors(&self) -> usize {
        self.problems.iter().filter(|problem| problem.severity == Severity::Error).count()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}
