//! The shape of the workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Whom each crate may know; see ARCHITECTURE.md.
const MAY_USE: &[(&str, &[&str])] = &[
    ("vestibule-config", &[]),
    ("vestibule-auth", &["vestibule-config"]),
    ("vestibule-logstore", &[]),
    ("vestibule-proxy", &["vestibule-auth", "vestibule-config", "vestibule-logstore"]),
    ("vestibule-tests", &["vestibule-auth", "vestibule-config", "vestibule-logstore", "vestibule-proxy"]),
    ("vestibule-bench", &["vestibule-logstore", "vestibule-tests"]),
];

/// Heavy dependencies and the crates that may name them.
const OWNERS: &[(&str, &[&str])] = &[
    ("pingora", &["vestibule-proxy", "vestibule-bench"]),
    ("axum", &["vestibule-proxy"]),
    ("askama", &["vestibule-proxy"]),
    ("argon2", &["vestibule-auth"]),
    ("maxminddb", &["vestibule-auth"]),
    ("governor", &["vestibule-auth"]),
    ("openidconnect", &["vestibule-auth"]),
    ("jsonwebtoken", &["vestibule-auth"]),
    ("reqwest", &["vestibule-proxy"]),
    ("lettre", &["vestibule-proxy"]),
    ("rocksdb", &["vestibule-auth", "vestibule-logstore"]),
    ("toml", &["vestibule-config"]),
    ("toml_edit", &["vestibule-config"]),
    ("annotate-snippets", &["vestibule-config"]),
];

#[test]
fn crates_depend_downwards_only() {
    let graph = graph();
    let known: BTreeSet<_> = MAY_USE.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(graph.keys().cloned().collect::<BTreeSet<_>>(), known, "MAY_USE names every crate of the workspace");
    for (name, allowed) in MAY_USE {
        let ours = graph[*name].iter().filter(|dependency| dependency.starts_with("vestibule-"));
        for dependency in ours {
            assert!(allowed.contains(&dependency.as_str()), "{name} must not use {dependency}");
        }
    }
}

#[test]
fn each_heavy_dependency_has_its_owner() {
    for (name, dependencies) in graph() {
        for (heavy, owners) in OWNERS {
            let uses = dependencies.contains(*heavy);
            assert!(!uses || owners.contains(&name.as_str()), "{name} must not use {heavy}");
        }
    }
}

/// Whatever is compiled for the program serves the tests too: the same crates with the same features. Else
/// `tests/run.sh` compiles much of it twice, and the demo after it once more.
#[test]
fn tests_add_no_feature_to_what_the_program_is_made_of() {
    let program = tree(&["--package", "vestibule-proxy", "--edges", "normal,build"]);
    let everything = tree(&["--workspace", "--edges", "normal,build,dev"]);
    let other: Vec<_> = program.difference(&everything).collect();
    assert!(!program.is_empty() && other.is_empty(), "with other features in the tests: {other:#?}");
}

/// Each crate with its features, as `cargo` would compile it on this machine.
fn tree(arguments: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--no-dedupe", "--prefix", "none", "--format", "{p} [{f}]"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Crates of the workspace and what they use outside their tests.
fn graph() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let graph = packages.iter().map(|package| {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let used = dependencies.filter(|dependency| dependency["kind"] != "dev");
        let names = used.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect();
        (package["name"].as_str().unwrap().to_owned(), names)
    });
    graph.collect()
}
