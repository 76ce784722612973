//! The passes from files to settings: read, parse, follow `include`, check.

use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;

use crate::Settings;
use crate::origin::Origins;
use crate::problem::{Report, Severity};
use crate::root::RawFile;
use crate::shape::{Reading, Shape};
use crate::source::TextSource;
use crate::text::Span;
use crate::tree::{self, Entry, Node, Value};

pub use crate::source::{FileSource, NotFound, discover};

/// What the loader takes from outside, so that tests can pass it in.
pub trait Source {
    /// A file's text.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&self, path: &Path) -> std::io::Result<String>;
    /// Files that match an `include` pattern, sorted.
    fn glob(&self, pattern: &Path) -> Vec<PathBuf>;
    /// An environment variable.
    fn env(&self, name: &str) -> Option<String>;
    /// For `expires`.
    fn now(&self) -> Timestamp;
    /// What these files are to replace; absent at a start.
    fn in_force(&self) -> Option<&Settings> {
        None
    }
    /// Whether a file can be opened that only the running program reads.
    ///
    /// # Errors
    /// When it cannot.
    fn probe(&self, _path: &Path) -> std::io::Result<()> {
        Ok(())
    }
    /// Permission bits of a file, where there are such.
    fn mode(&self, _path: &Path) -> Option<u32> {
        None
    }
}

/// Files that one `include` may add.
const INCLUDED_MAX: usize = 1000;

/// Reads, parses, resolves secrets and checks.
///
/// # Errors
/// Every problem at once.
pub fn load(path: &Path, source: &dyn Source) -> Result<Settings, Report> {
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let mut reading = Reading::new(source, folder);
    let entries = read_all(path, &mut reading);
    let origins = entries.as_ref().map(|entries| Origins::of(entries, &reading.texts)).unwrap_or_default();
    let root = Span { file: 0, start: 0, end: 0 };
    let node = entries.map(|entries| Node { span: root, value: Value::Table(entries) });
    let raw = node.and_then(|node| RawFile::read(node, &mut reading));
    let settings = raw.and_then(|raw| raw.check(root, &mut reading));
    let Reading { findings, files, revision, texts, .. } = reading;
    let refused = findings.has_errors();
    let problems = findings.into_problems(&texts);
    match settings {
        Some(settings) if !refused => {
            let revision = revision.finish();
            Ok(Settings { revision, warnings: problems, files, origins, texts, ..settings })
        }
        Some(_) | None => Err(Report { problems, files, texts }),
    }
}

/// Checks one text as if it were a whole file named `vestibule.toml`, without other files or an environment.
///
/// # Errors
/// Every problem at once.
pub fn load_text(text: &str, now: Timestamp) -> Result<Settings, Report> {
    load(Path::new(TextSource::NAME), &TextSource { text, now })
}

/// Where `[admin]` is to be found, by a file that may have mistakes elsewhere, for commands that talk to a running
/// server. With `tls` by the first of its `hosts`, as the certificate is for names.
pub fn admin_url(text: &str) -> Option<String> {
    let file: toml::Table = text.parse().ok()?;
    let admin = file.get("admin")?;
    let listen = admin.get("listen").and_then(toml::Value::as_str).unwrap_or("127.0.0.1:9180");
    if admin.get("tls").is_none() {
        return Some(format!("http://{listen}"));
    }
    let host = admin.get("hosts").and_then(|hosts| hosts.get(0)?.as_str());
    let named = host.and_then(|host| Some(format!("{host}:{}", listen.rsplit_once(':')?.1)));
    Some(format!("https://{}", named.as_deref().unwrap_or(listen)))
}

impl Settings {
    /// The files that were read as configuration, the main one first; lists and secrets are none.
    pub fn config_files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(PathBuf::as_path).filter(|file| self.texts.has(&file.display().to_string()))
    }

    /// The text of one of them as it was read, secrets hidden.
    pub fn masked(&self, file: &Path) -> Option<&str> {
        self.texts.by_name(&file.display().to_string()).map(crate::text::Text::shown)
    }

    /// The warnings, ready to be shown.
    pub fn report(&self) -> Report {
        debug_assert!(
            self.warnings.iter().all(|problem| problem.severity == Severity::Warning),
            "errors refuse the file"
        );
        Report { problems: self.warnings.clone(), files: self.files.clone(), texts: self.texts.clone() }
    }
}

/// The main file and those that it includes, as one tree.
pub(crate) fn read_all(main: &Path, reading: &mut Reading<'_>) -> Option<Vec<Entry>> {
    let mut entries = read_file(main, None, reading);
    let mut whole = entries.is_some();
    for (path, span) in included(entries.as_deref().unwrap_or_default(), main, reading) {
        let Some(more) = read_file(&path, Some(span), reading) else {
            whole = false;
            continue;
        };
        if let Some(include) = more.iter().find(|entry| entry.key == "include") {
            let finding = reading.findings.error(include.span, "an included file includes no others");
            finding.help("name them in the main file");
        }
        let more = more.into_iter().filter(|entry| entry.key != "include").collect();
        if let Some(entries) = &mut entries {
            tree::merge(entries, more, &mut reading.findings);
        }
    }
    entries.filter(|_| whole)
}

/// Reads and parses; `named` is where another file names it.
fn read_file(path: &Path, named: Option<Span>, reading: &mut Reading<'_>) -> Option<Vec<Entry>> {
    reading.files.push(path.to_owned());
    let name = path.display().to_string();
    let text = match reading.source.read(path) {
        Ok(text) => text,
        Err(error) => {
            reading.findings.error(named, format!("cannot read {name:?}: {error}"));
            return None;
        }
    };
    if reading.source.mode(path).is_some_and(|mode| mode & 0o007 != 0) {
        let finding = reading.findings.warning(None, format!("everybody on this machine may read {name:?}"));
        finding.help(format!("chmod o= {name}"));
    }
    reading.revision.add(&text);
    let file = reading.texts.add(&name, &text);
    tree::parse(&text, file, &mut reading.findings)
}

/// The files that `include` names, in its order, each with the place that names it. Wrong types are reported by the
/// shape of the file.
fn included(entries: &[Entry], main: &Path, reading: &mut Reading<'_>) -> Vec<(PathBuf, Span)> {
    let Some(Entry { node: Node { value: Value::List(patterns), span }, .. }) =
        entries.iter().find(|entry| entry.key == "include")
    else {
        return Vec::new();
    };
    let mut found: Vec<(PathBuf, Span)> = Vec::new();
    for pattern in patterns {
        let Value::Text(text) = &pattern.value else { continue };
        let full = reading.resolve(text);
        let folders = Path::new(text).parent().into_iter().flat_map(Path::components);
        let wild = |text: &str| text.contains(['*', '?', '[']);
        if folders.map(Component::as_os_str).any(|part| part.to_str().is_some_and(wild)) {
            let finding = reading.findings.error(pattern.span, "a pattern stands for files, not for folders");
            finding.help("write one such as \"conf.d/*.toml\"");
        } else if wild(text) {
            let matches = reading.source.glob(&full);
            found.extend(matches.into_iter().map(|path| (path, pattern.span)));
        } else {
            found.push((full, pattern.span));
        }
    }
    let mut seen = std::collections::BTreeSet::from([main.to_owned()]);
    found.retain(|(path, _)| seen.insert(path.clone()));
    if found.len() > INCLUDED_MAX {
        let message = format!("{} files are more than may be included", found.len());
        reading.findings.error(*span, message).help(format!("include at most {INCLUDED_MAX}"));
        found.truncate(INCLUDED_MAX);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_mistakes_still_says_where_the_admin_port_is() {
        let check = |text: &str, url: Option<&str>| assert_eq!(admin_url(text).as_deref(), url, "{text}");
        check("unknown = 1\n[admin]\nlisten = \"127.0.0.1:9999\"\nhots = []", Some("http://127.0.0.1:9999"));
        check("[admin]\nhosts = []", Some("http://127.0.0.1:9180"));
        check("[admin\nlisten = \"127.0.0.1:9999\"", None);
        let tls = "[admin]\nlisten = \"[::]:9443\"\ntls = {}\n";
        check(&format!("{tls}hosts = [\"logs.example.net\"]"), Some("https://logs.example.net:9443"));
        check(tls, Some("https://[::]:9443"));
    }
}
