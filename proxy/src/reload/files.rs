//! What a load read: files, patterns and variables, to be compared with what stands there later.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use parking_lot::Mutex;
use vestibule_config::{FileSource, Report, Settings, Source};

use super::history::Kept;
use crate::overlay::{Overlay, Texts};

/// What a load came to.
pub(super) struct Loaded {
    pub(super) settings: Result<Settings, Report>,
    /// What was read on the way, whether it was good or not.
    pub(super) reading: Reading,
    /// Of the files of a good configuration, as they were read; the main one first.
    pub(super) files: Vec<Kept>,
}

/// Reads and checks the files, with `texts` in place of theirs.
pub(super) fn load(path: &Path, now: Timestamp, in_force: &Settings, texts: Texts) -> Loaded {
    let source = Overlay { source: source(now), texts };
    let recorder = Recorder { source, in_force, reading: Mutex::default(), texts: Mutex::default() };
    let settings = vestibule_config::load(path, &recorder);
    let mut texts = recorder.texts.into_inner();
    let kept = |file: &Path| Some(Kept { file: file.to_owned(), text: texts.remove(file)? });
    let files = settings.iter().flat_map(Settings::config_files).filter_map(kept).collect();
    Loaded { settings, reading: recorder.reading.into_inner(), files }
}

/// The machine's files and the process's variables.
fn source(now: Timestamp) -> impl Source {
    FileSource::new(|name| std::env::var(name).ok(), now)
}

/// Contents as digests; an unreadable file has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reading {
    files: BTreeMap<PathBuf, Option<Digest>>,
    patterns: BTreeMap<PathBuf, Vec<PathBuf>>,
    variables: BTreeMap<String, Option<Digest>>,
}

type Digest = [u8; 32];

impl Reading {
    /// Whether the same files, read now, have the same contents. Variables of a running process do not change.
    pub(super) fn is_current(&self, now: Timestamp) -> bool {
        let source = source(now);
        self.files.iter().all(|(path, before)| content(&source.read(path)) == *before)
            && self.patterns.iter().all(|(pattern, before)| source.glob(pattern) == *before)
    }

    /// The folders of everything that was read or looked for.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        let paths = self.files.keys().chain(self.patterns.keys());
        let mut folders: Vec<_> = paths.filter_map(|path| path.parent()).map(Path::to_path_buf).collect();
        folders.sort();
        folders.dedup();
        folders
    }
}

fn content(read: &io::Result<String>) -> Option<Digest> {
    read.as_ref().ok().map(|text| fingerprint(text))
}

fn fingerprint(text: &str) -> Digest {
    let digest = digest(&SHA256, text.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// Passes everything through and remembers it.
struct Recorder<'a, S> {
    source: S,
    in_force: &'a Settings,
    reading: Mutex<Reading>,
    texts: Mutex<Texts>,
}

impl<S: Source> Source for Recorder<'_, S> {
    fn read(&self, path: &Path) -> io::Result<String> {
        let read = self.source.read(path);
        self.reading.lock().files.insert(path.to_path_buf(), content(&read));
        if let Ok(text) = &read {
            self.texts.lock().insert(path.to_path_buf(), text.clone());
        }
        read
    }

    fn glob(&self, pattern: &Path) -> Vec<PathBuf> {
        let found = self.source.glob(pattern);
        self.reading.lock().patterns.insert(pattern.to_path_buf(), found.clone());
        found
    }

    fn env(&self, name: &str) -> Option<String> {
        let value = self.source.env(name);
        self.reading.lock().variables.insert(name.to_owned(), value.as_deref().map(fingerprint));
        value
    }

    fn now(&self) -> Timestamp {
        self.source.now()
    }

    fn in_force(&self) -> Option<&Settings> {
        Some(self.in_force)
    }

    fn mode(&self, path: &Path) -> Option<u32> {
        self.source.mode(path)
    }
}
