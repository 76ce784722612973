//! One file per mistake: `cases/invalid/NAME.toml` must be refused with exactly `NAME.txt`, `cases/warning/NAME.toml`
//! pass with exactly `NAME.txt`, and every file of `cases/valid` pass without a word. A message that changed is written
//! anew with `BLESS=1`.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use vestibule_config::{FileSource, Source, load};

/// The environment and time of all cases. Permissions are left out, because a checkout decides them.
struct Cases<S>(S);

impl<S: Source> Source for Cases<S> {
    fn read(&self, path: &Path) -> std::io::Result<String> {
        self.0.read(path)
    }
    fn glob(&self, pattern: &Path) -> Vec<PathBuf> {
        self.0.glob(pattern)
    }
    fn env(&self, name: &str) -> Option<String> {
        (name == "OPS_TOKEN").then(|| format!("sha256:{}", "ab".repeat(32)))
    }
    fn now(&self) -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }
}

fn files(folder: &str, extension: &str) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(Path::new("cases").join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

/// Whether the file is accepted, and everything that is said about it.
fn rendered(path: &Path) -> (bool, String) {
    match load(path, &Cases(FileSource::new(|_| None, Timestamp::UNIX_EPOCH))) {
        Ok(settings) => (true, settings.report().render(false)),
        Err(report) => (false, report.render(false)),
    }
}

/// Compares every case of a folder with its message and tells those that differ.
fn compare(folder: &str) {
    let mut wrong = Vec::new();
    for case in files(folder, "toml") {
        let expected = case.with_extension("txt");
        let (accepted, found) = rendered(&case);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&expected, &found).unwrap();
        }
        if accepted != (folder == "warning") || std::fs::read_to_string(&expected).ok().as_ref() != Some(&found) {
            wrong.push(format!("{}:\n{found}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_mistake_is_refused_with_its_message() {
    compare("invalid");
}

#[test]
fn every_doubt_passes_with_its_message() {
    compare("warning");
}

#[test]
fn every_file_has_its_partner() {
    for folder in ["invalid", "warning"] {
        let stems = |extension: &str| -> BTreeSet<PathBuf> {
            files(folder, extension).into_iter().map(|path| path.with_extension("")).collect()
        };
        assert_eq!(stems("toml"), stems("txt"));
    }
}

#[test]
fn no_message_shows_a_secret() {
    for case in files("invalid", "txt") {
        let message = std::fs::read_to_string(&case).unwrap();
        for secret in ["hunter2", "123456", "JBSWY", "tr0ub4dor", "me:secret", "vsta_0", "argon2id$", "$2b$"] {
            assert!(!message.contains(secret), "{}: {secret}", case.display());
        }
    }
}

#[test]
fn what_is_right_passes_without_a_warning() {
    for case in files("valid", "toml") {
        assert_eq!(rendered(&case), (true, String::new()), "{}", case.display());
    }
}
