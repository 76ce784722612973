//! What the figures rely on: that traffic repeats, and is as large, as varied and as long as it says.

use std::collections::{HashMap, HashSet};

use vestibule_logstore::Entry;

use super::*;

const SPAN: Span = Span { entries: 60_000, start: 1_760_000_000_000_000, days: 90, is_lean: false };

fn each(seed: u64, look: impl FnMut(&Drawn<'_>)) {
    each_of(seed, SPAN, look);
}

fn each_of(seed: u64, span: Span, mut look: impl FnMut(&Drawn<'_>)) {
    let world = World::new(seed);
    let mut traffic = Traffic::new(&world, seed, span, version_7(seed));
    let mut drawn = Drawn::default();
    while traffic.next(&mut drawn) {
        look(&drawn);
    }
}

fn digest(seed: u64) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    each(seed, |drawn| all.push(Entry::Request(&drawn.entry()).encode()));
    all
}

#[test]
fn the_same_seed_makes_the_same_entries_and_another_makes_others() {
    let (first, again, other) = (digest(1), digest(1), digest(2));
    assert_eq!(first.len(), 60_000);
    assert!(first == again);
    assert!(first != other);
}

#[test]
fn times_ascend_over_the_whole_span_and_every_word_is_known() {
    let (mut last, mut ids) = (0, HashSet::new());
    each(1, |drawn| {
        assert!(drawn.time > last);
        last = drawn.time;
        assert_eq!(Entry::Request(&drawn.entry()).stray_word(), None);
        assert!(ids.insert(drawn.request_id.clone()) && drawn.request_id.len() == 36);
    });
    let days = (last - SPAN.start) as f64 / DAY;
    assert!((80.0..100.0).contains(&days), "{days}");
}

#[test]
fn entries_are_as_many_sided_as_the_questions_need() {
    let world = World::new(1);
    let (mut scanners, mut sought) = (0_usize, 0);
    let mut statuses: HashMap<u64, usize> = HashMap::new();
    let mut users: HashMap<String, usize> = HashMap::new();
    each(1, |drawn| {
        scanners += usize::from(drawn.user_id.is_none());
        sought += usize::from(drawn.path.contains(world.needle()));
        *statuses.entry(drawn.answer.status).or_default() += 1;
        *users.entry(drawn.email.unwrap_or_default().to_owned()).or_default() += 1;
    });
    assert!((1800..3000).contains(&scanners), "{scanners} of scanners");
    assert_eq!(statuses.len(), 15, "{statuses:?}");
    assert!(sought > 10, "the needle is {sought} times there");
    assert!(users.get(world.heavy_user()).is_some_and(|count| *count > 200), "the heavy user is not heavy");
}

#[test]
fn entries_are_as_long_as_is_said() {
    let length = |span| {
        let mut bytes = 0;
        each_of(1, span, |drawn| bytes += Entry::Request(&drawn.entry()).encode().len());
        bytes / 60_000
    };
    let (whole, lean) = (length(SPAN), length(Span { is_lean: true, ..SPAN }));
    assert!((470..510).contains(&whole), "{whole} bytes an entry");
    assert!((330..370).contains(&lean), "{lean} bytes an entry");
}
