//! Whoever kept the first key believes what later ones signed, and nobody else.

#![expect(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod sample;

use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rocksdb::{DB, Options as DbOptions};
use sample::{audit, options};
use tempfile::TempDir;
use vestibule_logstore::anchor::{self, Broken, Chain};
use vestibule_logstore::note::{NoteError, PublicKey, Signer};
use vestibule_logstore::prove::{self, NotProven};
use vestibule_logstore::succession::KeyFinding;
use vestibule_logstore::verify::{self, Kind, Progress, Report};
use vestibule_logstore::{AuditEntry, Entry, Log, Store};

const COLUMNS: [&str; 6] = ["hot", "seg", "tree", "note", "meta", "over"];
/// Audit entries under each key.
const EACH: u64 = 20;

fn signer(number: u8) -> Signer {
    Signer::from_seed(&[number; 32]).unwrap()
}

fn key(number: u8) -> PublicKey {
    signer(number).public_key()
}

fn hour(number: u64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + 3600 * number.cast_signed()).unwrap()
}

/// Appends entries, the last of which says what was done to the key, and signs them.
fn go_on(store: &Store, signer: &Signer, succession: Option<u64>) {
    let (from, now) = (store.end(Log::Audit), hour(store.end(Log::Audit)));
    for _ in 1..EACH {
        store.append(&Entry::Audit(&audit(now.as_microsecond(), "config.reload")));
    }
    let details = succession.map(|number| format!("{{\"succession\":{number}}}"));
    let action = if details.is_some() { "secret.rotate" } else { "config.reload" };
    store.append(&Entry::Audit(&AuditEntry { details: details.as_deref(), ..audit(now.as_microsecond(), action) }));
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while store.end(Log::Audit) < from + EACH {
        assert!(std::time::Instant::now() < deadline, "entries are not written");
        std::thread::yield_now();
    }
    store.sign(signer, now).unwrap();
}

/// Signed by the keys 1, 2 and 3 in turn.
fn written() -> (TempDir, Vec<anchor::Kept>) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    go_on(&store, &signer(1), None);
    for number in [1_u8, 2] {
        let changed = store.succeed(&signer(number), &signer(number + 1), hour(u64::from(number)), true);
        assert_eq!(changed.unwrap().unwrap().number, u64::from(number));
        go_on(&store, &signer(number + 1), Some(u64::from(number)));
        store.anchor(&signer(number + 1), hour(100), "asked").unwrap().unwrap();
    }
    let anchors = store.anchors(0).unwrap();
    store.close().unwrap();
    (dir, anchors)
}

fn report(dir: &Path, key: &PublicKey, anchors: Option<&Chain>) -> Report {
    verify::folder(dir, key, anchors, 2, &Progress::default()).unwrap()
}

fn kinds(report: &Report) -> Vec<Kind> {
    report.logs.iter().flat_map(|log| &log.findings).map(|finding| finding.kind).collect()
}

/// A copy that somebody changed.
fn changed(dir: &Path, change: impl FnOnce(&DB)) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(dir).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    change(&DB::open_cf(&DbOptions::default(), copy.path(), COLUMNS).unwrap());
    copy
}

/// What is found in it with the first key.
fn after(dir: &Path, anchors: Option<&Chain>, change: impl FnOnce(&DB)) -> Report {
    report(changed(dir, change).path(), &key(1), anchors)
}

fn name_of(number: u8) -> [u8; 9] {
    [0xfe, 0, 0, 0, 0, 0, 0, 0, number]
}

fn put(db: &DB, number: u8, note: &str) {
    db.put_cf(&db.cf_handle("note").unwrap(), name_of(number), note).unwrap();
}

fn remove(db: &DB, number: u8) {
    db.delete_cf(&db.cf_handle("note").unwrap(), name_of(number)).unwrap();
}

/// A succession in place of this one and those after it, as a thief of `old` would make it.
fn forged(dir: &Path, number: u8, old: u8, new: u8) -> String {
    let copy = changed(dir, |db| (number..=2).for_each(|later| remove(db, later)));
    let store = Store::open(copy.path(), options()).unwrap();
    let made = store.succeed(&signer(old), &signer(new), hour(200), false).unwrap().unwrap();
    assert_eq!(made.number, u64::from(number));
    store.successions().unwrap().pop().unwrap()
}

#[test]
fn the_first_key_leads_to_the_others_and_each_of_them_is_enough_from_its_time_on() {
    let (dir, _) = written();
    for kept in [1, 2, 3] {
        let report = report(dir.path(), &key(kept), None);
        assert!(report.is_valid(), "key {kept}: {report:?}");
        assert_eq!((report.successions, report.logs[2].signed), (2, 3 * EACH));
    }
    let stranger = report(dir.path(), &key(9), None);
    assert!(kinds(&stranger).iter().all(|kind| *kind == Kind::WrongKey) && !stranger.is_valid(), "{stranger:?}");
}

#[test]
fn a_succession_that_is_missing_or_not_signed_by_the_key_before_is_named() {
    let (dir, _) = written();
    for number in [1_u8, 2] {
        let report = after(dir.path(), None, |db| remove(db, number));
        assert_eq!(report.keys, [KeyFinding::Missing { number: u64::from(number) }]);
        assert!(kinds(&report).contains(&Kind::WrongKey), "{report:?}");
    }
    let both = after(dir.path(), None, |db| [1, 2].into_iter().for_each(|number| remove(db, number)));
    assert_eq!(both.keys, [KeyFinding::Missing { number: 1 }, KeyFinding::Missing { number: 2 }]);

    let known = verify::known(dir.path()).unwrap().successions;
    let changed = known[1].replacen("audit 40", "audit 41", 1);
    assert_ne!(changed, known[1]);
    let changed = after(dir.path(), None, |db| put(db, 2, &changed));
    assert_eq!(changed.keys, [KeyFinding::Unsigned { number: 2 }]);
    // Signed well, by a key that nobody had named.
    for number in [1_u8, 2] {
        let strange = after(dir.path(), None, |db| put(db, number, &forged(dir.path(), number, 7, 8)));
        assert!(strange.keys.contains(&KeyFinding::Unsigned { number: 2 }), "{strange:?}");
        assert!(kinds(&strange).contains(&Kind::WrongKey), "{strange:?}");
    }
}

#[test]
fn a_key_that_gave_way_signs_nothing_more() {
    let (dir, _) = written();
    let store = Store::open(dir.path(), options()).unwrap();
    go_on(&store, &signer(2), None);
    store.close().unwrap();
    let report = report(dir.path(), &key(1), None);
    assert_eq!((kinds(&report), report.keys.clone()), (vec![Kind::WrongKey], vec![]), "{report:?}");
    assert_eq!((report.logs[2].findings[0].last, report.logs[2].signed), (4 * EACH - 1, 3 * EACH));
}

#[test]
fn a_thief_of_an_old_key_who_names_another_one_is_found_by_the_anchors() {
    let (dir, kept) = written();
    let store = verify::known(dir.path()).unwrap().store;
    let texts = |kept: &[anchor::Kept]| kept.iter().map(|kept| (String::new(), kept.text.clone())).collect::<Vec<_>>();
    let chain = anchor::check(&texts(&kept), store, &key(1), &[]).unwrap();
    assert!(report(dir.path(), &key(1), Some(&chain)).is_valid());

    // Alone, the forged succession is as good as the true one; what key 3 signed is not.
    let forged = forged(dir.path(), 2, 2, 7);
    let found = after(dir.path(), None, |db| put(db, 2, &forged));
    assert_eq!((found.keys.clone(), kinds(&found).contains(&Kind::WrongKey)), (vec![], true), "{found:?}");
    let found = after(dir.path(), Some(&chain), |db| put(db, 2, &forged));
    assert_eq!(found.keys, [KeyFinding::Other { number: 2 }]);
    let found = after(dir.path(), Some(&chain), |db| remove(db, 2));
    assert_eq!(found.keys, [KeyFinding::Missing { number: 2 }]);

    // Anchors that begin later are led to by the successions of the store, and by nothing else.
    let later = texts(&kept[3..]);
    let known = verify::known(dir.path()).unwrap().successions;
    assert!(anchor::check(&later, store, &key(1), &known).is_ok());
    let broken = anchor::check(&later, store, &key(1), &[]).unwrap_err();
    assert!(matches!(broken[0], Broken::Head { number: 3, error: NoteError::OtherKey }), "{broken:?}");
    // One that an old key signed after it gave way.
    let mut old = kept.clone();
    let first: anchor::Anchor = serde_json::from_str(&old[0].text).unwrap();
    let mut last: anchor::Anchor = serde_json::from_str(&old[3].text).unwrap();
    last.heads = first.heads;
    old[3].text = last.to_text();
    let broken = anchor::check(&texts(&old), store, &key(1), &[]).unwrap_err();
    assert!(broken.contains(&Broken::Head { number: 3, error: NoteError::Retired }), "{broken:?}");
}

#[test]
fn a_proof_carries_what_leads_to_the_key_of_its_head() {
    let (dir, _) = written();
    let store = Store::open(dir.path(), options()).unwrap();
    let row = store.rows(Log::Audit, 3, 4).unwrap().remove(0);
    let file = store.prove(&row).unwrap().unwrap();
    assert!(file.len() <= 4096, "{}", file.len());
    for kept in [1, 2, 3] {
        assert_eq!(prove::check(&file, &key(kept)).unwrap().seq, 3, "key {kept}");
    }
    assert_eq!(prove::check(&file, &key(9)), Err(NotProven::Note(NoteError::OtherKey)));
    // Tools that know nothing of successions see a head with two signatures, one of which they know.
    let note = file.split_once("\n\n").unwrap().1;
    assert!(key(3).open(note).is_ok());
    let cut = note.trim_end().rsplit_once('\n').unwrap().0;
    assert_eq!(
        prove::check(&file.replace(note, &format!("{cut}\n")), &key(1)),
        Err(NotProven::Note(NoteError::OtherKey))
    );
}

#[test]
fn a_store_that_was_restored_from_before_a_change_signs_with_its_old_key_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (live, backup) = (dir.path().join("live"), dir.path().join("backup"));
    let store = Store::open(&live, options()).unwrap();
    go_on(&store, &signer(1), None);
    store.anchor(&signer(1), hour(0), "start").unwrap();
    store.copy_to(&backup).unwrap();
    store.succeed(&signer(1), &signer(2), hour(1), true).unwrap().unwrap();
    go_on(&store, &signer(2), Some(1));
    store.anchor(&signer(2), hour(2), "time").unwrap();
    let younger = store.anchors(1).unwrap();
    store.close().unwrap();

    let restored = Store::open(&backup, options()).unwrap();
    restored.adopt(&younger).unwrap();
    restored.anchor_restored(&signer(1), hour(3), [0, 0, EACH]).unwrap().unwrap();
    restored.succeed(&signer(1), &signer(3), hour(4), true).unwrap().unwrap();
    go_on(&restored, &signer(3), Some(1));
    let all = restored.anchors(0).unwrap();
    let uuid = restored.uuid();
    restored.close().unwrap();
    let texts: Vec<_> = all.iter().map(|kept| (String::new(), kept.text.clone())).collect();
    let chain = anchor::check(&texts, uuid, &key(1), &[]).unwrap();
    let report = report(&backup, &key(1), Some(&chain));
    assert!(report.is_valid(), "{report:?}");
    let lost = anchor::lost(&chain);
    assert_eq!((lost.len(), lost[0].log, lost[0].first, lost[0].last), (1, Log::Audit, EACH, 2 * EACH - 1));
}
