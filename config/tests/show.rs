//! What `vestibule config show` prints.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jiff::Timestamp;
use vestibule_config::{Settings, Source, known_keys, load};

/// One file, in an environment whose every variable is a secret.
struct Text<'a>(&'a str);

/// The same with other secrets, and other certificates in its files.
struct Other<'a>(Text<'a>);

impl Source for Text<'_> {
    fn read(&self, path: &Path) -> io::Result<String> {
        match path.to_str() {
            Some("vestibule.toml") => Ok(self.0.to_owned()),
            Some("corp.pem") => Ok(include_str!("../cases/tls/corp.pem").to_owned()),
            Some(name) if name.ends_with(".pem") => std::fs::read_to_string(Path::new("cases/valid").join(name)),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
    fn glob(&self, _pattern: &Path) -> Vec<PathBuf> {
        Vec::new()
    }
    fn env(&self, name: &str) -> Option<String> {
        let secret = match name {
            "TOTP" => "hunter2hunter2hunter2hunter2",
            "TLS_KEY" => include_str!("../cases/tls/corp.key"),
            "SMTP" => "smtps://me:hunter2@mail.example.net",
            "CLIENT_KEY" => include_str!("../cases/valid/client.key"),
            _ => "hunter2 and hunter2",
        };
        Some(secret.to_owned())
    }
    fn now(&self) -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }
}

impl Source for Other<'_> {
    fn read(&self, path: &Path) -> io::Result<String> {
        match path.to_str() {
            Some("corp.pem") => Ok(other_corp().0.clone()),
            Some("client.pem") => Ok(other_client().0.clone()),
            Some("corp-ca.pem") => Ok(other_client().0.clone()),
            _ => self.0.read(path),
        }
    }
    fn glob(&self, pattern: &Path) -> Vec<PathBuf> {
        self.0.glob(pattern)
    }
    fn env(&self, name: &str) -> Option<String> {
        let secret = match name {
            "TOTP" => "hunter3hunter3hunter3hunter3".to_owned(),
            "TLS_KEY" => other_corp().1.clone(),
            "SMTP" => "smtps://me:hunter3@mail.example.net".to_owned(),
            "CLIENT_KEY" => other_client().1.clone(),
            _ => "hunter3 and hunter3".to_owned(),
        };
        Some(secret)
    }
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

/// A chain and its key, for names that the settings want.
type Pair = (String, String);

fn other_corp() -> &'static Pair {
    static PAIR: LazyLock<Pair> = LazyLock::new(|| made(&["corp.example.net", "*.corp.example.net"]));
    &PAIR
}

fn other_client() -> &'static Pair {
    static PAIR: LazyLock<Pair> = LazyLock::new(|| made(&["client.example.net"]));
    &PAIR
}

fn made(names: &[&str]) -> Pair {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn loaded(text: &str) -> Settings {
    loaded_from(&Text(text))
}

fn loaded_from(source: &impl Source) -> Settings {
    load(Path::new("vestibule.toml"), source).unwrap_or_else(|report| panic!("{report}"))
}

fn everything() -> Settings {
    loaded(&std::fs::read_to_string(Path::new("cases/show/everything.toml")).unwrap())
}

#[test]
fn the_page_says_what_is_in_force_and_where_it_comes_from() {
    let shown = everything().show(true);
    let expected = Path::new("cases/show/everything.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(expected, &shown).unwrap();
    }
    assert_eq!(shown, std::fs::read_to_string(expected).unwrap());
}

#[test]
fn no_key_that_works_is_left_out() {
    let table: toml::Table = everything().show(false).parse().unwrap();
    // `defaults` has gone into the circuits, and `include` into the tree.
    let works =
        known_keys().into_iter().filter(|(key, works)| *works && !key.starts_with("defaults") && key != "include");
    let missing: Vec<String> =
        works.map(|(key, _)| key).filter(|key| !stands(&toml::Value::Table(table.clone()), key)).collect();
    assert_eq!(missing, Vec::<String>::new());
}

/// Whether a key stands in the table; `*` is any key and `[]` any element.
fn stands(value: &toml::Value, path: &str) -> bool {
    let (key, rest) = path.split_once('.').unwrap_or((path, ""));
    let name = key.trim_end_matches("[]");
    let below: Vec<&toml::Value> = match value.as_table() {
        Some(table) if name == "*" => table.values().collect(),
        Some(table) => table.get(name).into_iter().collect(),
        None => Vec::new(),
    };
    below.into_iter().any(|found| match found.as_array() {
        Some(list) if key.ends_with("[]") => list.iter().any(|element| stands(element, rest)),
        _ => rest.is_empty() || stands(found, rest),
    })
}

#[test]
fn secrets_are_hidden() {
    let settings = everything();
    for text in [settings.show(false), settings.show(true), format!("{settings:?}")] {
        let hidden = ["argon2id", "abababab", "hunter2"].iter().all(|secret| !text.contains(secret));
        assert!(hidden, "{text}");
    }
}

/// Whatever is hidden on the page is told apart by a comparison, and so are files by what they hold.
#[test]
fn no_secret_changes_unseen() {
    let text = std::fs::read_to_string(Path::new("cases/show/everything.toml")).unwrap();
    let (before, other) = (loaded(&text), text.replace("hunter2", "hunter3").replace("abababab", "cdcdcdcd"));
    let other =
        other.replace("$7XVzbYJZHPBPWkqHzqnGeDNVvPTRoYVPr5SCTHsyGm8", "$8XVzbYJZHPBPWkqHzqnGeDNVvPTRoYVPr5SCTHsyGm8");
    let after = loaded_from(&Other(Text(&other)));
    assert_eq!(before.show(false), after.show(false), "on the page both look alike");
    let changes = vestibule_config::diff::changes(&before, &after);
    let hidden =
        changes.iter().flat_map(|change| change.before.as_deref()).map(|value| value.matches("[hidden]").count());
    assert_eq!(hidden.sum::<usize>(), before.show(false).matches("[hidden]").count(), "{changes:#?}");
    let files: Vec<_> = changes.iter().filter(|change| change.before.as_deref() == Some("\"corp.pem\"")).collect();
    assert_eq!(files.len(), text.matches("= \"corp.pem\"").count(), "{changes:#?}");
    for change in &changes {
        assert_eq!(change.after, change.before.as_ref().map(|before| format!("{before} # changed")), "{}", change.key);
    }
    assert_eq!(vestibule_config::diff::changes(&before, &loaded(&text)), []);
}

#[test]
fn a_change_behind_the_end_of_a_long_list_is_one() {
    let with = |last: &str| {
        let most: Vec<String> = (0..300).map(|at| format!("\"p{at}@example.net\"")).collect();
        let head = "[server]\ndata_dir = \"data\"\nlisten = [{ address = \"127.0.0.1:8080\" }]\n[projects.long]\n";
        loaded(&format!("{head}members = [{}, \"{last}@example.net\"]\n", most.join(", ")))
    };
    let changes = vestibule_config::diff::changes(&with("maya"), &with("noor"));
    assert!(changes.len() == 1 && changes[0].key == "projects.long.members", "{changes:?}");
    assert!(changes[0].after.as_ref().unwrap().ends_with("\"and 101 more\"] # changed"), "{changes:?}");
}

#[test]
fn the_page_can_be_read_again() {
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$7XVzbYJZHPBPWkqHzqnGeDNVvPTRoYVPr5SCTHsyGm8";
    let first = everything().show(false);
    let whole = first.replace("client_secret = \"[hidden]\"", "client_secret = { env = \"SECRET\" }");
    let whole = whole.replace("\nsecret = \"[hidden]\"", "\nsecret = { env = \"SECRET\" }");
    let whole = whole.replace("client_key = \"[hidden]\"", "client_key = { env = \"CLIENT_KEY\" }");
    let whole = whole.replace("_key = \"[hidden]\"", "_key = { env = \"SECRET\" }");
    let whole = whole.replace("\nkey = \"[hidden]\"", "\nkey = { env = \"TLS_KEY\" }");
    let whole = whole.replace(", key = \"[hidden]\"", ", key = { env = \"TLS_KEY\" }");
    let whole = whole.replace("totp = \"[hidden]\"", "totp = { env = \"TOTP\" }");
    let whole = whole.replace("smtp = \"[hidden]\"", "smtp = { env = \"SMTP\" }");
    let whole = whole.replace("_hash = \"[hidden]\"", &format!("_hash = \"{hash}\""));
    // No two tokens may be the same.
    let parts = whole.split("hash = \"[hidden]\"").enumerate();
    let parts =
        parts.map(|(at, part)| if at == 0 { part.to_owned() } else { format!("hash = \"sha256:{at:064x}\"{part}") });
    assert_eq!(loaded(&parts.collect::<String>()).show(false), first);
}

#[test]
fn a_key_is_found_where_it_stands_and_people_in_any_case() {
    let text = "[server]\ndata_dir = \"data\"\nlisten = [{ address = \"127.0.0.1:8080\" }]\n\
                [users.\"Maya@Example.net\"]\nstate = \"blocked\"\n[circuits.a]\nhosts = [\"a.test\"]\naccess = \"public\"\n\
                upstream = \"http://127.0.0.1:9\"\n[[circuits.a.paths]]\nprefix = \"/x\"\n[[circuits.a.paths]]\nprefix = \"/y\"\n";
    let settings = vestibule_config::load_text(text, Timestamp::UNIX_EPOCH).unwrap();
    let at = |path: &[&str]| settings.origins.at(path).map(|origin| origin.to_string());
    for (path, line) in [
        (&["server", "data_dir"][..], 2),
        (&["users", "maya@example.net", "state"], 5),
        (&["circuits", "a"], 6),
        (&["circuits", "a", "paths", "1", "prefix"], 13),
    ] {
        assert_eq!(at(path), Some(format!("vestibule.toml:{line}")), "{path:?}");
    }
    for path in [&["server", "limits"][..], &["circuits", "a", "paths", "0"], &["circuits", "b", "hosts"], &[]] {
        assert_eq!(at(path), None, "{path:?}");
    }
}
