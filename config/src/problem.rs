//! What is wrong, where, and what to write instead.

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// As given on the command line or found by `include`.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// Whether a finding refuses the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Refuses it.
    Error,
    /// Is shown; `check --strict` refuses it.
    Warning,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Refused or shown.
    pub severity: Severity,
    /// Where; absent for what has no place, such as an unreadable file.
    pub place: Option<Place>,
    /// What is wrong, lower-case, the user's text quoted.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// All problems of a set of files.
#[derive(Debug, Clone)]
pub struct Report {
    /// In the order of the files and lines.
    pub problems: Vec<Problem>,
}

impl Report {
    /// As for people: excerpt, caret, remedy.
    pub fn render(&self, _color: bool) -> String {
        todo!()
    }
}
