use std::time::Duration;

use vestibule_logstore::Log;

use super::*;
use crate::rig::{Rig, example, until};

async fn by_hand(rig: &Rig) -> Outcome {
    let actor = Actor::system(rig.state.clock.now());
    reload(&rig.state, Cause::Api, &actor).await
}

fn access_of(rig: &Rig, circuit: &str) -> &'static str {
    match rig.state.live.load().settings.circuits.get(circuit).map(|circuit| &circuit.access) {
        Some(vestibule_config::Access::Public) => "public",
        Some(vestibule_config::Access::Members(_)) => "members",
        Some(vestibule_config::Access::Allowlist { .. }) => "allowlist",
        None => "absent",
    }
}

fn opened(text: &str) -> String {
    let (before, preview) = text.split_once("[circuits.preview]").unwrap();
    let preview = preview.replace("allowlist", "public");
    let preview: String = preview
        .split_inclusive('\n')
        .filter(|line| !["allow ", "login", "shared"].iter().any(|key| line.starts_with(key)))
        .collect();
    format!("{before}[circuits.preview]{preview}")
}

#[tokio::test]
async fn a_good_change_is_in_force_and_leaves_both_revisions() {
    let rig = Rig::new(&example());
    let before = rig.state.live.load().settings.revision.clone();
    rig.write(&opened(&example()));

    let outcome = by_hand(&rig).await;

    let after = rig.state.live.load().settings.revision.clone();
    assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
    assert_ne!(before, after);
    assert_eq!(access_of(&rig, "preview"), "public");
    let entries = rig.entries(Log::Audit, &[("action", "config.reload")]);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["status"], "success");
    assert_eq!(entries[0]["before"]["revision"].as_str(), Some(&*before));
    assert_eq!(entries[0]["after"]["revision"].as_str(), Some(&*after));
    assert_eq!(entries[0]["details"]["cause"], "api");
}

#[tokio::test]
async fn a_bad_change_changes_nothing_and_is_told_with_its_place() {
    let rig = Rig::new(&example());
    let before = rig.state.live.load_full();
    rig.write(&example().replace("allowlist", "allowlst"));

    let outcome = by_hand(&rig).await;

    assert!(matches!(&outcome, Outcome::Refused(report) if !report.problems.is_empty()), "{outcome:?}");
    assert!(Arc::ptr_eq(&before, &rig.state.live.load_full()));
    assert!(!rig.state.reloads.last().unwrap().outcome.successful());
    let entries = rig.entries(Log::Audit, &[("action", "config.reload"), ("status", "failed")]);
    assert_eq!(entries.len(), 1);
    assert!(entries[0]["details"]["problems"][0]["place"]["line"].is_u64(), "{}", entries[0]);
    assert!(entries[0]["after"].is_null());

    rig.write(&example());
    assert!(by_hand(&rig).await.successful(), "the old text again is good again");
    assert!(rig.state.reloads.last().unwrap().outcome.successful());
}

#[tokio::test]
async fn an_instant_has_passed_only_while_it_stood_there() {
    let text = example();
    let rig = Rig::new(&text);
    let until = |instant: Timestamp| {
        text.replace("[circuits.preview]\n", &format!("[circuits.preview]\nexpires = {instant}\n"))
    };
    rig.write(&until("2020-01-01T00:00:00Z".parse().unwrap()));
    let Outcome::Refused(report) = by_hand(&rig).await else { panic!("it was never in force") };
    assert!(report.to_string().contains("this instant has passed already"), "{report}");

    let soon = rig.state.clock.now().saturating_add(Duration::from_secs(1)).unwrap();
    rig.write(&until(soon));
    assert!(by_hand(&rig).await.successful());
    rig.clock.advance(Duration::from_secs(2));
    rig.write(&format!("{}# a note\n", until(soon)));
    assert!(matches!(by_hand(&rig).await, Outcome::Applied { warnings: 1.., .. }));
}

#[tokio::test]
async fn unchanged_files_do_nothing_and_say_so() {
    let rig = Rig::new(&example());
    let live = rig.state.live.load_full();
    assert!(matches!(by_hand(&rig).await, Outcome::Unchanged { .. }));
    assert!(Arc::ptr_eq(&live, &rig.state.live.load_full()));
    assert_eq!(rig.entries(Log::Audit, &[("action", "config.reload")]).len(), 0);
}

#[tokio::test]
async fn listeners_and_folders_wait_for_a_restart() {
    let rig = Rig::new(&example());
    let moved = opened(&example())
        .replace("127.0.0.1:8080", "127.0.0.1:8081")
        .replace("\"data\"", "\"elsewhere\"")
        .replace("[admin]\n", "[admin]\nlisten = \"127.0.0.1:9999\"\n");
    rig.write(&moved);

    let Outcome::Applied { needs_restart, .. } = by_hand(&rig).await else { panic!("the rest is good") };

    assert_eq!(needs_restart, ["server.listen", "server.data_dir", "admin.listen"]);
    let live = rig.state.live.load();
    assert_eq!(live.settings.server.listen[0].address.unwrap().port(), 8080);
    assert_eq!(live.settings.admin.listen.port(), 9180);
    assert!(live.settings.server.data_dir.ends_with("data"));
    assert_eq!(access_of(&rig, "preview"), "public", "what needs no restart is in force");
}

#[tokio::test]
async fn reloads_at_the_same_time_take_turns() {
    let rig = Rig::new(&example());
    rig.write(&opened(&example()));
    let outcomes = [by_hand(&rig), by_hand(&rig), by_hand(&rig)];
    let [a, b, c] = outcomes;
    let (a, b, c) = tokio::join!(a, b, c);
    let applied = [&a, &b, &c].into_iter().filter(|outcome| matches!(outcome, Outcome::Applied { .. })).count();
    assert_eq!(applied, 1, "{a:?} {b:?} {c:?}");
    assert_eq!(rig.entries(Log::Audit, &[("action", "config.reload")]).len(), 1);
}

/// As editors do it: written in place, and replaced by another file.
#[tokio::test]
async fn a_changed_file_is_in_force_within_two_seconds() {
    let rig = Rig::new(&example());
    start(rig.state.clone()).unwrap();
    // The first look has to be over, or the change is what it sees first; that would be found, too, but not tested.
    until(|| rig.state.reloads.turn.try_lock().is_ok_and(|turn| turn.is_some())).await;

    rig.write(&opened(&example()));
    until_in(Duration::from_secs(2), || access_of(&rig, "preview") == "public").await;

    let other = rig.file.with_extension("new");
    std::fs::write(&other, example()).unwrap();
    std::fs::rename(&other, &rig.file).unwrap();
    until_in(Duration::from_secs(2), || access_of(&rig, "preview") == "allowlist").await;

    let entries = rig.entries(Log::Audit, &[("action", "config.reload")]);
    let causes: Vec<_> = entries.iter().map(|entry| entry["details"]["cause"].as_str().unwrap()).collect();
    assert_eq!(causes, ["file", "file"]);
    rig.state.stopping.send_replace(true);
}

async fn until_in(bound: Duration, met: impl FnMut() -> bool) {
    tokio::time::timeout(bound, until(met)).await.expect("in time");
}
