//! The files that ship in `deploy/config`: they load, `reference.toml` holds every key and no other, says rightly which
//! of them work, and shows the defaults.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use vestibule_config::{Problem, Report, Settings, Severity, Source, known_keys, load};

const WAITING: &str = "# not available yet";

fn shipped(name: &str) -> String {
    std::fs::read_to_string(Path::new("../deploy/config").join(name)).unwrap()
}

/// Switches on the keys that are commented out: those that wait too, or only those that work.
fn switched_on(reference: &str, waiting: bool) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(' ') || rest.is_empty() => String::new(),
        Some(_) if line.contains(WAITING) && !waiting => String::new(),
        Some(rest) => rest.to_owned(),
        None => line.to_owned(),
    };
    reference.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// A file in memory; every other file that it names is an empty list or a secret.
struct Memory<'a>(&'a str);

impl Source for Memory<'_> {
    fn read(&self, path: &Path) -> io::Result<String> {
        Ok(match path.extension().and_then(std::ffi::OsStr::to_str) {
            Some("toml") => self.0.to_owned(),
            Some("secret") => "a secret of many letters".to_owned(),
            Some("totp") => "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".to_owned(),
            Some("pem") => include_str!("../cases/tls/corp.pem").to_owned(),
            Some("key") => include_str!("../cases/tls/corp.key").to_owned(),
            Some("smtp") => "smtps://name:password@mail.example.net".to_owned(),
            _ => String::new(),
        })
    }
    fn glob(&self, _pattern: &Path) -> Vec<PathBuf> {
        Vec::new()
    }
    fn env(&self, _name: &str) -> Option<String> {
        None
    }
    fn now(&self) -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }
}

fn checked(text: &str) -> Result<Settings, Report> {
    load(Path::new("reference.toml"), &Memory(text))
}

fn accepted(text: &str) -> Settings {
    checked(text).unwrap_or_else(|report| panic!("{report}"))
}

fn messages(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.message.as_str()).collect()
}

/// The keys of a file in the spelling of `known_keys`; one that is not known keeps its own.
fn keys(text: &str, known: &BTreeSet<String>) -> BTreeSet<String> {
    fn walk(value: &toml::Value, path: &str, known: &BTreeSet<String>, found: &mut BTreeSet<String>) {
        let has_keys =
            |path: &str| known.iter().any(|key| key.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')));
        let element = format!("{path}[]");
        if let Some(list) = value.as_array().filter(|_| has_keys(&element)) {
            list.iter().for_each(|value| walk(value, &element, known, found));
        }
        for (key, value) in value.as_table().filter(|_| path.is_empty() || has_keys(path)).into_iter().flatten() {
            let own = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let named = format!("{path}.*");
            if !known.contains(&own) && has_keys(&named) {
                walk(value, &named, known, found);
            } else {
                found.insert(own.clone());
                walk(value, &own, known, found);
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(&toml::Value::Table(text.parse().unwrap()), "", known, &mut found);
    found
}

#[test]
fn the_minimal_file_loads() {
    assert_eq!(
        messages(&accepted(&shipped("minimal.toml")).warnings),
        ["no admin token: nobody can read the logs or the metrics"]
    );
}

#[test]
fn the_reference_loads_and_shows_the_defaults() {
    let required = "[server]\ndata_dir = \"/var/lib/vestibule\"\nlisten = [{ address = \"[::]:8080\" }]\n";
    assert_eq!(accepted(&shipped("reference.toml")).show(false), accepted(required).show(false));
}

#[test]
fn the_reference_holds_every_key_and_no_other() {
    let known: BTreeSet<String> = known_keys().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys(&switched_on(&shipped("reference.toml"), true), &known), known);
}

#[test]
fn the_reference_marks_the_keys_that_wait_and_no_other() {
    let known: BTreeSet<String> = known_keys().into_iter().map(|(key, _)| key).collect();
    let works: BTreeSet<String> = known_keys().into_iter().filter(|(_, works)| *works).map(|(key, _)| key).collect();
    assert_eq!(keys(&switched_on(&shipped("reference.toml"), false), &known), works);
}

#[test]
fn the_values_that_the_reference_shows_are_right() {
    let works = accepted(&switched_on(&shipped("reference.toml"), false));
    let warnings = ["people may send their passwords over plain HTTP", "\"command\" has no effect beside \"smtp\""];
    assert_eq!(messages(&works.warnings), warnings);
    let report = checked(&switched_on(&shipped("reference.toml"), true)).unwrap_err();
    for problem in report.problems.iter().filter(|problem| problem.severity == Severity::Error) {
        assert!(problem.message.ends_with("is not available yet"), "{report}");
    }
}

/// Each key that waits is refused on its own line, and a section that waits as a whole on one of its headers.
#[test]
fn every_key_that_waits_is_refused() {
    let reference = shipped("reference.toml");
    let report = checked(&switched_on(&reference, true)).unwrap_err();
    let errors = report.problems.iter().filter(|problem| problem.severity == Severity::Error);
    let refused: BTreeSet<usize> = errors.map(|problem| problem.place.as_ref().unwrap().line).collect();
    let (mut section_waits, mut headers) = (false, 0);
    for (number, line) in reference.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        let waits = line.ends_with(WAITING);
        if line.starts_with("#[") || line.starts_with('[') {
            section_waits = waits;
            headers += usize::from(refused.contains(&number));
        } else if waits && !section_waits {
            assert!(refused.contains(&number), "line {number}: {line}");
        }
        assert!(waits || !refused.contains(&number), "line {number}: {line}");
    }
    let sections = ["fleet"];
    assert_eq!(headers, sections.len());
}
