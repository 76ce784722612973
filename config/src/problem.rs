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

    /// Problems that [`Report::brief`] shows; of more it says how many. `vestibule check` shows all of them.
    pub const BRIEF_MAX: usize = 50;
    /// How long it may be with them; one that is longer alone is cut.
    pub const BRIEF_BYTES: usize = 20 << 10;

    /// For logs, answers and pages: what refuses the files before warnings, at most [`Report::BRIEF_MAX`] of both.
    pub fn brief(&self) -> String {
        let (errors, warnings): (Vec<_>, Vec<_>) =
            self.problems.iter().partition(|problem| problem.severity == Severity::Error);
        let (mut brief, mut left) = (String::new(), self.problems.len());
        for problem in errors.into_iter().chain(warnings).take(Self::BRIEF_MAX) {
            let shown = crate::render::render([problem], &self.texts, false);
            if !brief.is_empty() {
                if brief.len() + shown.len() > Self::BRIEF_BYTES {
                    break;
                }
                brief.push('\n');
            }
            brief.push_str(&cut(shown));
            left -= 1;
        }
        match left {
            0 => brief,
            rest => format!("{brief}\nand {rest} more; vestibule check shows all\n"),
        }
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

fn cut(mut shown: String) -> String {
    if shown.len() > Report::BRIEF_BYTES {
        let end = (0..=Report::BRIEF_BYTES).rev().find(|at| shown.is_char_boundary(*at)).unwrap_or(0);
        shown.truncate(end);
        shown.push_str("…\n");
    }
    shown
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    /// Paths that say nothing are a warning each.
    fn file(paths: usize, more: &str) -> String {
        let paths: String = (0..paths).map(|at| format!("[[circuits.a.paths]]\nprefix = \"/{at}\"\n")).collect();
        format!(
            "[server]\ndata_dir = \"data\"\nlisten = [{{ address = \"127.0.0.1:8080\" }}]\n[admin.tokens.ops]\n\
             role = \"admin\"\nhash = \"sha256:{}\"\n[circuits.a]\nhosts = [\"a.test\"]\nupstream = \"http://127.0.0.1:9\"\n\
             access = \"public\"\n{paths}{more}",
            "ab".repeat(32)
        )
    }

    #[test]
    fn what_is_shown_in_brief_is_bounded_says_what_it_leaves_out_and_begins_with_what_refuses() {
        let settings = |paths| crate::load_text(&file(paths, ""), Timestamp::UNIX_EPOCH).unwrap();
        let count = |shown: &str, word: &str| shown.lines().filter(|line| line.starts_with(word)).count();
        let few = settings(Report::BRIEF_MAX).report();
        assert_eq!((few.brief(), count(&few.brief(), "warning")), (few.render(false), Report::BRIEF_MAX));
        let many = settings(Report::BRIEF_MAX + 7).report();
        assert_eq!(count(&many.brief(), "warning"), Report::BRIEF_MAX);
        assert!(many.brief().ends_with("\n\nand 7 more; vestibule check shows all\n"), "{}", many.brief());
        assert_eq!(count(&many.render(false), "warning"), Report::BRIEF_MAX + 7);

        let refused = file(Report::BRIEF_MAX, "[circuits.b]\nhosts = []\n");
        let refused = crate::load_text(&refused, Timestamp::UNIX_EPOCH).unwrap_err();
        let brief = refused.brief();
        assert!(brief.starts_with("error") && count(&brief, "error") == refused.errors(), "{brief}");
        assert_eq!(count(&brief, "error") + count(&brief, "warning"), Report::BRIEF_MAX);
    }

    #[test]
    fn what_is_shown_in_brief_is_bounded_by_its_length_too() {
        let bad_hosts = |count: usize, length: usize| {
            let host = "ü ".repeat(length / 3);
            let circuit = |n| {
                format!(
                    "[circuits.c{n}]\nhosts = [\"{host}\"]\nupstream = \"http://127.0.0.1:9\"\naccess = \"public\"\n"
                )
            };
            let all: String = (0..count).map(circuit).collect();
            crate::load_text(&file(0, &all), Timestamp::UNIX_EPOCH).unwrap_err()
        };
        let several = bad_hosts(10, 6000);
        let (brief, told) = (several.brief(), |brief: &str| brief.matches("is not a host name").count());
        assert!((2..10).contains(&told(&brief)) && brief.len() <= Report::BRIEF_BYTES + 50, "{brief}");
        let shown = brief.lines().filter(|line| line.starts_with("error")).count();
        let rest = several.problems.len() - shown;
        assert!(brief.ends_with(&format!("\n\nand {rest} more; vestibule check shows all\n")), "{brief}");
        let one = bad_hosts(1, 100_000).brief();
        assert!(told(&one) == 0 && one.contains("…\n") && one.len() <= 2 * Report::BRIEF_BYTES, "{}", one.len());
    }
}
