//! Files as they lie on the disk: who may read them, what else belongs to them, and what a program is told of it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use jiff::Timestamp;
use vestibule_config::{FileSource, Report, Settings, load, load_text};

const HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$7XVzbYJZHPBPWkqHzqnGeDNVvPTRoYVPr5SCTHsyGm8\n";
const MAIN: &str = r#"
include = ["conf.d/*.toml"]
[server]
data_dir = "data"
listen = [{ address = "127.0.0.1:8080" }]
[users."maya@example.net"]
password_hash = { file = "maya.hash" }
[ip_sets]
office = { file = "office.netset" }
"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::create_dir(folder.0.path().join("conf.d")).unwrap();
        folder.write("vestibule.toml", MAIN, 0o640);
        folder.write("maya.hash", HASH, 0o600);
        folder.write("office.netset", "192.0.2.0/24\n", 0o644);
        folder.write("conf.d/10-docs.toml", "[projects.docs]\n", 0o640);
        folder.write("conf.d/.hidden.toml", "[broken\n", 0o640);
        folder
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }

    fn load(&self) -> Result<Settings, Report> {
        load(&self.0.path().join("vestibule.toml"), &FileSource::new(|_| None, Timestamp::UNIX_EPOCH))
    }

    fn accepted(&self) -> Settings {
        self.load().unwrap_or_else(|report| panic!("{report}"))
    }
}

fn said(report: &Report, what: &str) -> bool {
    report.problems.iter().any(|problem| problem.message.contains(what))
}

#[test]
fn paths_start_at_the_main_file_and_every_file_is_named() {
    let folder = Folder::new();
    let settings = folder.accepted();
    assert_eq!(settings.server.data_dir, folder.0.path().join("data"));
    let files: Vec<&Path> = settings.files.iter().map(|path| path.strip_prefix(folder.0.path()).unwrap()).collect();
    assert_eq!(files, ["vestibule.toml", "conf.d/10-docs.toml", "maya.hash", "office.netset"].map(Path::new));
    assert!(!said(&settings.report(), "everybody"), "{}", settings.report());
}

#[test]
fn the_revision_follows_the_contents_of_every_file() {
    let folder = Folder::new();
    let first = folder.accepted().revision;
    assert_eq!(folder.accepted().revision, first);
    assert!(first.len() == 16 && first.bytes().all(|byte| byte.is_ascii_hexdigit()), "{first}");
    folder.write("office.netset", "198.51.100.0/24\n", 0o644);
    let second = folder.accepted().revision;
    folder.write("conf.d/20-more.toml", "[projects.more]\n", 0o640);
    let third = folder.accepted().revision;
    assert!(first != second && second != third);
}

#[test]
fn files_that_everybody_may_read_are_noticed() {
    let folder = Folder::new();
    folder.write("vestibule.toml", MAIN, 0o644);
    assert!(said(&folder.accepted().report(), "everybody on this machine may read"));
    folder.write("maya.hash", HASH, 0o604);
    let report = folder.load().unwrap_err();
    assert!(report.errors() == 1 && said(&report, "everybody on this machine may read \"maya.hash\""), "{report}");
    assert!(!format!("{report:?}{report}").contains("argon2id"), "{report:?}");
}

#[test]
fn a_report_for_programs_holds_places_and_remedies() {
    let report = load_text("[server]\ndata_dri = 1\n", Timestamp::UNIX_EPOCH).unwrap_err();
    let json = report.to_json();
    let problem = json["problems"].as_array().unwrap().iter().find(|problem| problem["place"]["line"] == 2).unwrap();
    assert_eq!(json["valid"], false);
    assert_eq!(problem["severity"], "error");
    assert_eq!(problem["message"], "unknown key \"data_dri\" in [server]");
    assert_eq!(problem["help"], "did you mean \"data_dir\"?");
    assert_eq!(
        problem["place"],
        serde_json::json!({
            "file": "vestibule.toml", "line": 2, "column": 1, "span": { "start": 9, "end": 17 }
        })
    );
    assert_eq!(problem["related"], serde_json::json!([]));
}

#[test]
fn a_missing_file_is_an_error_with_its_name() {
    let report =
        load(Path::new("/nowhere/vestibule.toml"), &FileSource::new(|_| None, Timestamp::UNIX_EPOCH)).unwrap_err();
    assert!(said(&report, "cannot read \"/nowhere/vestibule.toml\""), "{report}");
}

#[test]
fn a_geo_database_that_is_not_there_is_said() {
    let folder = Folder::new();
    folder.write("vestibule.toml", &format!("{MAIN}[geo]\ndatabase = \"places.mmdb\"\n"), 0o640);
    let report = folder.accepted().report();
    let problem = report.problems.iter().find(|problem| problem.message.contains("places.mmdb")).unwrap();
    assert_eq!(problem.place.as_ref().unwrap().line, 11, "{report}");
    folder.write("places.mmdb", "any", 0o640);
    assert!(!said(&folder.accepted().report(), "places.mmdb"));
}
