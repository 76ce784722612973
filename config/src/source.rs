//! Where files, variables and the time come from.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::load::Source;

/// The files of this machine, with an environment and a time that are passed in.
pub struct FileSource<E> {
    env: E,
    now: Timestamp,
}

/// No configuration file stands where one is looked for.
#[derive(Debug, thiserror::Error)]
#[error("no configuration file; looked for {}", .looked_for.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and "))]
pub struct NotFound {
    /// In this order.
    pub looked_for: Vec<PathBuf>,
}

/// Where a file is looked for when none is named.
const USUAL: [&str; 2] = ["./vestibule.toml", "/etc/vestibule/vestibule.toml"];

/// Longer files are refused, so that a wrong path does not fill the memory.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// One text in place of files, for [`crate::load_text`].
pub(crate) struct TextSource<'a> {
    pub(crate) text: &'a str,
    pub(crate) now: Timestamp,
}

/// The file to read: the one named by `-c`, else by `VESTIBULE_CONFIG`, else `./vestibule.toml`, else
/// `/etc/vestibule/vestibule.toml`. A file that is named is taken even where it does not exist, so that the mistake shows.
///
/// # Errors
/// When none is named and none is there.
pub fn discover(explicit: Option<&Path>, env: Option<&str>) -> Result<PathBuf, NotFound> {
    if let Some(path) = explicit {
        return Ok(path.to_owned());
    }
    if let Some(path) = env.filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    let usual = || USUAL.iter().map(PathBuf::from);
    usual().find(|path| path.exists()).ok_or_else(|| NotFound { looked_for: usual().collect() })
}

impl<E: Fn(&str) -> Option<String>> FileSource<E> {
    /// `env` looks a variable up; `now` decides what has expired.
    pub fn new(env: E, now: Timestamp) -> Self {
        Self { env, now }
    }
}

impl<E> fmt::Debug for FileSource<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSource").field("now", &self.now).finish_non_exhaustive()
    }
}

impl<E: Fn(&str) -> Option<String>> Source for FileSource<E> {
    fn read(&self, path: &Path) -> io::Result<String> {
        let mut text = String::new();
        File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 16 MiB"));
        }
        Ok(text)
    }

    fn glob(&self, pattern: &Path) -> Vec<PathBuf> {
        let Some((folder, pattern)) = pattern.parent().zip(pattern.file_name().and_then(|name| name.to_str())) else {
            return Vec::new();
        };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let mut found: Vec<PathBuf> = names
            .filter(|name| name.to_str().is_some_and(|name| !name.starts_with('.') && matches(pattern, name)))
            .map(|name| folder.join(name))
            .collect();
        found.sort();
        found
    }

    fn env(&self, name: &str) -> Option<String> {
        (self.env)(name)
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn probe(&self, path: &Path) -> io::Result<()> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(()) }
    }

    #[cfg(unix)]
    fn mode(&self, path: &Path) -> Option<u32> {
        use std::os::unix::fs::PermissionsExt as _;
        Some(std::fs::metadata(path).ok()?.permissions().mode())
    }
}

impl TextSource<'_> {
    pub(crate) const NAME: &'static str = "vestibule.toml";
}

impl Source for TextSource<'_> {
    fn read(&self, path: &Path) -> io::Result<String> {
        if path == Path::new(Self::NAME) { Ok(self.text.to_owned()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn glob(&self, _pattern: &Path) -> Vec<PathBuf> {
        Vec::new()
    }

    fn env(&self, _name: &str) -> Option<String> {
        None
    }

    fn now(&self) -> Timestamp {
        self.now
    }
}

/// `*` stands for any characters, `?` for one.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.chars().next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = pattern.get(1..).unwrap_or_default();
            name.char_indices()
                .map(|(at, _)| at)
                .chain([name.len()])
                .any(|at| matches(rest, name.get(at..).unwrap_or_default()))
        }
        Some(wanted) => {
            let mut characters = name.chars();
            let same = characters.next().is_some_and(|found| wanted == '?' || wanted == found);
            same && matches(pattern.get(wanted.len_utf8()..).unwrap_or_default(), characters.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("*.toml", "a.toml", true),
            ("*.toml", ".toml", true),
            ("*.toml", "a.toml.bak", false),
            ("1?-*.toml", "10-wiki.toml", true),
            ("1?-*.toml", "1-wiki.toml", false),
            ("a*b*c", "aXbYbZc", true),
            ("ü?", "üx", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_named_file_wins() {
        let explicit = Path::new("/nowhere/a.toml");
        assert_eq!(discover(Some(explicit), Some("/nowhere/b.toml")).unwrap(), explicit);
        assert_eq!(discover(None, Some("/nowhere/b.toml")).unwrap(), Path::new("/nowhere/b.toml"));
    }
}
