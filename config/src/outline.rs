//! What the files name, for the completion of command lines: also where they have mistakes elsewhere.

use std::path::{Path, PathBuf};

use crate::load::{Source, read_all};
use crate::shape::Reading;
use crate::tree::{Entry, Value};

/// Names in the order of the files. Nothing is checked, and no secret is looked up.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Keys of `[circuits]`.
    pub circuits: Vec<String>,
    /// Keys of `[projects]`.
    pub projects: Vec<String>,
    /// Keys of `[users]`.
    pub users: Vec<String>,
    /// Keys of `[providers]`.
    pub providers: Vec<String>,
    /// Keys of `[service_tokens]`.
    pub service_tokens: Vec<String>,
    /// Keys of `[admin.tokens]`.
    pub admin_tokens: Vec<String>,
    /// `[server] data_dir`, from the folder of the main file on.
    pub data_dir: Option<PathBuf>,
}

/// Of a main file and what it includes; empty where one of them cannot be read or is no TOML.
pub fn outline(main: &Path, source: &dyn Source) -> Outline {
    let folder = main.parent().map(Path::to_owned).unwrap_or_default();
    let mut reading = Reading::new(source, folder);
    let entries = read_all(main, &mut reading).unwrap_or_default();
    let names = |path: &[&str]| table(&entries, path).iter().map(|entry| entry.key.clone()).collect();
    let server = table(&entries, &["server"]);
    let data_dir = server.iter().find(|entry| entry.key == "data_dir").and_then(|entry| text(&entry.node.value));
    Outline {
        circuits: names(&["circuits"]),
        projects: names(&["projects"]),
        users: names(&["users"]),
        providers: names(&["providers"]),
        service_tokens: names(&["service_tokens"]),
        admin_tokens: names(&["admin", "tokens"]),
        data_dir: data_dir.map(|named| reading.resolve(named)),
    }
}

/// The entries of the table at `path`; none where there is no such table.
fn table<'a>(entries: &'a [Entry], path: &[&str]) -> &'a [Entry] {
    let Some((key, rest)) = path.split_first() else { return entries };
    match entries.iter().find(|entry| entry.key == *key).map(|entry| &entry.node.value) {
        Some(Value::Table(below)) => table(below, rest),
        Some(_) | None => &[],
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        Value::Integer(_)
        | Value::Float
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::List(_)
        | Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::FileSource;

    #[test]
    fn a_file_with_mistakes_names_what_it_names_and_so_do_those_that_it_includes() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "vestibule.toml",
            "include = [\"more/*.toml\"]\nunknown = 1\n[server]\ndata_dir = \"data\"\n[circuits.wiki]\nacess = 7\n\
             [users.\"maya@example.net\"]\ntotp = { env = \"NOT_SET\" }\n[admin.tokens.ops]\n",
        );
        std::fs::create_dir(folder.path().join("more")).unwrap();
        write("more/a.toml", "[circuits.\"Team preview\"]\n[service_tokens.ci]\n[projects.docs]\n[providers.corp]\n");
        let source = FileSource::new(|_| None, Timestamp::UNIX_EPOCH);
        let named = outline(&folder.path().join("vestibule.toml"), &source);
        let expected = Outline {
            circuits: vec!["wiki".to_owned(), "Team preview".to_owned()],
            projects: vec!["docs".to_owned()],
            users: vec!["maya@example.net".to_owned()],
            providers: vec!["corp".to_owned()],
            service_tokens: vec!["ci".to_owned()],
            admin_tokens: vec!["ops".to_owned()],
            data_dir: Some(folder.path().join("data")),
        };
        assert_eq!(named, expected);
        write("more/a.toml", "[circuits");
        assert_eq!(outline(&folder.path().join("vestibule.toml"), &source), Outline::default());
        assert_eq!(outline(Path::new("/nowhere/vestibule.toml"), &source), Outline::default());
    }
}
