//! What the documentation shows works.

use std::path::{Path, PathBuf};

use harness::gateway::command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Files below `folder` with an ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found
}

/// Texts between ```` ```toml ```` and ```` ``` ````.
fn blocks(text: &str) -> Vec<String> {
    text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
}

/// What the texts name by `env`.
const SECRETS: [(&str, &str); 6] = [
    ("ANCHOR_ACCESS_KEY", "access key"),
    ("ANCHOR_SECRET_KEY", "secret key"),
    ("ALERT_SECRET", "0123456789abcdef0123456789abcdef"),
    ("MAYA_TOTP", harness::totp::SECRET),
    ("HOOK_SECRET", "0123456789abcdef0123456789abcdef"),
    ("SMTP_URL", "smtps://vestibule:secret@mail.example.net"),
];

fn check(name: &str, file: &Path) {
    let output = command(&["check", "-c"]).arg(file).envs(SECRETS).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_configuration_in_deploy_is_accepted() {
    let found = files(&root().join("deploy"), "toml");
    assert!(!found.is_empty());
    for file in found {
        check(&file.display().to_string(), &file);
    }
}

/// A block is a whole file; a part of one says so by beginning with a comment `# part`, and is completed here.
#[test]
fn every_configuration_in_the_documentation_is_accepted() {
    let mut texts = vec![root().join("README.md"), root().join("ARCHITECTURE.md")];
    texts.extend(files(&root().join("deploy"), "md"));
    let folder = tempfile::tempdir().unwrap();
    // An authority that a block names.
    std::fs::copy(root().join("config/cases/valid/corp-ca.pem"), folder.path().join("corp-ca.pem")).unwrap();
    let mut count = 0;
    for text in texts {
        for block in blocks(&std::fs::read_to_string(&text).unwrap()) {
            count += 1;
            let rest = "[server]\ndata_dir = \"data\"\nlisten = [{ address = \"127.0.0.1:8080\" }]\n";
            let whole = if block.starts_with("# part") { format!("{rest}{block}") } else { block };
            let file = folder.path().join(format!("{count}.toml"));
            std::fs::write(&file, &whole).unwrap();
            check(&format!("{}:\n{whole}", text.display()), &file);
        }
    }
    assert!(count > 0);
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let mut texts = vec![root().join("README.md"), root().join("ARCHITECTURE.md")];
    texts.extend(files(&root().join("deploy"), "md"));
    for text in texts {
        let content = std::fs::read_to_string(&text).unwrap();
        for target in content.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if !target.is_empty() && !target.contains("://") {
                assert!(text.parent().unwrap().join(target).exists(), "{}: {target}", text.display());
            }
        }
    }
}

/// Words between two backticks in the last column of the tables.
fn named_tests(text: &str) -> Vec<&str> {
    let rows =
        text.lines().filter_map(|line| line.trim_end_matches('|').rsplit('|').next().filter(|_| line.starts_with('|')));
    rows.flat_map(|tests| tests.split('`').skip(1).step_by(2)).collect()
}

#[test]
fn the_tests_that_the_documentation_names_are_there() {
    let sources = ["proxy/src", "config/src", "tests/it"].map(|folder| files(&root().join(folder), "rs")).concat();
    let sources: String = sources.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let text = std::fs::read_to_string(root().join("deploy/docs/hardening.md")).unwrap();
    let named = named_tests(&text);
    assert!(named.len() > 50, "{}", named.len());
    for test in named {
        assert!(sources.contains(&format!("fn {test}()")), "{test}");
    }
}
