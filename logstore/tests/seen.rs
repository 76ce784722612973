//! People who were here.

#![expect(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod sample;

use std::time::Duration;

use jiff::Timestamp;
use sample::{access, common, options};
use vestibule_logstore::entry::Common;
use vestibule_logstore::seen::{PEOPLE_MAX, Person};
use vestibule_logstore::{AccessEntry, Entry, SeenQuery, Store};

fn query(since: &str, until: &str) -> SeenQuery {
    let mut query = SeenQuery::new(Some(since), Some(until), Timestamp::UNIX_EPOCH).unwrap();
    query.deadline = Duration::from_secs(60);
    query
}

/// The whole of 1970.
fn whole() -> SeenQuery {
    query("1970-01-01T00:00:00Z", "1970-12-31T23:59:59Z")
}

async fn told(store: &Store, entries: &[AccessEntry<'_>]) {
    for entry in entries {
        store.commit(&Entry::Access(entry)).await.unwrap();
    }
}

#[tokio::test]
async fn only_successful_sign_ins_with_a_name_count() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let from = |time, address: &str, country| Common {
        source_ip: Some(address.parse().unwrap()),
        country: Some(country),
        ..common(time)
    };
    let failed = |time, email| AccessEntry { status: "failure", result: Some("failed"), ..access(time, email) };
    told(
        &store,
        &[
            AccessEntry { common: from(3_000_000, "192.0.2.7", "DE"), ..access(0, "maya@example.net") },
            AccessEntry { common: from(9_000_000, "192.0.2.9", "US"), ..access(0, "maya@example.net") },
            // Written last, begun first.
            AccessEntry { common: from(1_000_000, "192.0.2.1", "CN"), ..access(0, "maya@example.net") },
            access(5_000_000, "noor@example.net"),
            failed(20_000_000, "maya@example.net"),
            failed(20_000_000, "eve@example.net"),
            AccessEntry { action: "logout", ..access(21_000_000, "ines@partner.example") },
            AccessEntry { email: None, ..access(22_000_000, "") },
        ],
    )
    .await;

    let seen = store.seen(&whole()).unwrap();

    let maya = Person {
        email: "maya@example.net".to_owned(),
        count: 3,
        first: 1_000_000,
        last: 9_000_000,
        last_ip: Some("192.0.2.9".parse().unwrap()),
        last_country: Some("US".to_owned()),
    };
    let noor = Person {
        email: "noor@example.net".to_owned(),
        count: 1,
        first: 5_000_000,
        last: 5_000_000,
        last_ip: None,
        last_country: None,
    };
    assert_eq!((seen.people, seen.complete), (vec![maya, noor], true));
    let between = store.seen(&query("1970-01-01T00:00:04Z", "1970-01-01T00:00:05Z")).unwrap();
    assert_eq!(between.people.iter().map(|person| person.email.as_str()).collect::<Vec<_>>(), ["noor@example.net"]);
}

#[tokio::test]
async fn more_people_than_there_is_room_for_are_said_to_be_missing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let emails: Vec<String> = (0..PEOPLE_MAX + 1).map(|number| format!("{number}@example.net")).collect();
    for (time, email) in (0..).zip(&emails) {
        store.append_or_wait(&Entry::Access(&access(time, email))).await;
    }
    // The very first comes back, so that all but one are there.
    told(&store, &[access(1_000_000, "0@example.net"), access(1_000_001, "0@example.net")]).await;

    let seen = store.seen(&whole()).unwrap();

    assert_eq!((seen.people.len(), seen.complete), (PEOPLE_MAX, false));
    let first = seen.people.first().unwrap();
    assert_eq!((first.email.as_str(), first.count, first.first), ("0@example.net", 3, 0));
    assert!(seen.people.iter().all(|person| person.email != "1@example.net"), "the one longest away is left out");
}

#[test]
fn what_is_no_time_is_named() {
    let bad = SeenQuery::new(Some("yesterday"), None, Timestamp::UNIX_EPOCH).unwrap_err();
    assert_eq!(bad.parameter, "since");
}
