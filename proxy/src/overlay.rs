//! The configuration's files as they would be: some texts in place of what is on disk.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use vestibule_config::{Settings, Source};

/// What files would say, by their paths as the loader names them.
pub(crate) type Texts = BTreeMap<PathBuf, String>;

/// Another source with these texts over it.
pub(crate) struct Overlay<S> {
    pub(crate) source: S,
    pub(crate) texts: Texts,
}

impl<S: Source> Source for Overlay<S> {
    fn read(&self, path: &Path) -> io::Result<String> {
        self.texts.get(path).map_or_else(|| self.source.read(path), |text| Ok(text.clone()))
    }

    fn glob(&self, pattern: &Path) -> Vec<PathBuf> {
        self.source.glob(pattern)
    }

    fn env(&self, name: &str) -> Option<String> {
        self.source.env(name)
    }

    fn now(&self) -> Timestamp {
        self.source.now()
    }

    fn in_force(&self) -> Option<&Settings> {
        self.source.in_force()
    }

    fn probe(&self, path: &Path) -> io::Result<()> {
        self.source.probe(path)
    }

    fn mode(&self, path: &Path) -> Option<u32> {
        self.source.mode(path)
    }
}
