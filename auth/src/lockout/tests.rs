use super::*;
use crate::clock::Hand;

const KEY: FailureKey = [7; 32];
const LIMITS: Limits = Limits { count: 5, within: Duration::from_secs(300), lock: Some(Duration::from_secs(900)) };

struct Bench {
    clock: Arc<Hand>,
    state: Arc<State>,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> (Self, Arc<Failures>) {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Hand::at("2026-01-01T00:00:00Z".parse().unwrap()));
        let state = State::open(folder.path()).unwrap();
        let failures = Failures::open(state.clone(), clock.clone()).unwrap();
        (Self { clock, state, folder }, failures)
    }

    /// As after a restart: the clock that never goes back begins anew.
    fn restart(self, failures: &Failures) -> (Self, Arc<Failures>) {
        failures.flush().unwrap();
        self.state.close().unwrap();
        let clock = Arc::new(Hand::at(self.clock.now()));
        let state = State::open(self.folder.path()).unwrap();
        let again = Failures::open(state.clone(), clock.clone()).unwrap();
        (Self { clock, state, folder: self.folder }, again)
    }
}

fn fail(failures: &Arc<Failures>, limits: Limits) -> Result<bool, Duration> {
    failures.begin(KEY, limits).map(Attempt::fail)
}

#[test]
fn the_last_failure_of_the_budget_locks_for_exactly_its_time() {
    let (bench, failures) = Bench::new();
    let locks: Vec<_> = (0..5).map(|_| fail(&failures, LIMITS)).collect();
    assert_eq!(locks, [Ok(false), Ok(false), Ok(false), Ok(false), Ok(true)]);
    assert_eq!(fail(&failures, LIMITS), Err(Duration::from_secs(900)));
    bench.clock.advance(Duration::from_secs(899));
    assert_eq!(fail(&failures, LIMITS), Err(Duration::from_secs(1)));
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(fail(&failures, LIMITS), Ok(false));
}

#[test]
fn failures_older_than_the_window_do_not_count() {
    let (bench, failures) = Bench::new();
    for _ in 0..20 {
        assert_eq!(fail(&failures, LIMITS), Ok(false));
        bench.clock.advance(Duration::from_secs(75));
    }
    assert_eq!(fail(&failures, LIMITS), Ok(false));
    assert_eq!(fail(&failures, LIMITS), Ok(true));
}

#[test]
fn attempts_that_succeed_use_nothing_up() {
    let (_bench, failures) = Bench::new();
    for _ in 0..4 {
        assert_eq!(fail(&failures, LIMITS), Ok(false));
    }
    for _ in 0..100 {
        failures.begin(KEY, LIMITS).unwrap_or_else(|wait| panic!("locked for {wait:?}")).forgive();
    }
    assert_eq!(fail(&failures, LIMITS), Ok(true));
}

#[test]
fn attempts_at_once_are_no_more_than_the_budget() {
    let (_bench, failures) = Bench::new();
    let running: Vec<_> = (0..5).map(|_| failures.begin(KEY, LIMITS).ok().unwrap()).collect();
    assert!(failures.begin(KEY, LIMITS).is_err());
    // A client that leaves before the answer has failed too.
    drop(running);
    assert_eq!(fail(&failures, LIMITS), Err(Duration::from_secs(900)));
}

#[test]
fn without_a_lock_the_oldest_failure_makes_room() {
    let (bench, failures) = Bench::new();
    let limits = Limits { count: 2, lock: None, ..LIMITS };
    assert_eq!(fail(&failures, limits), Ok(false));
    bench.clock.advance(Duration::from_secs(100));
    assert_eq!(fail(&failures, limits), Ok(false));
    assert_eq!(fail(&failures, limits), Err(Duration::from_secs(200)));
    bench.clock.advance(Duration::from_secs(200));
    assert_eq!(fail(&failures, limits), Ok(false));
}

#[test]
fn counts_and_locks_survive_a_restart() {
    let (bench, failures) = Bench::new();
    bench.clock.advance(Duration::from_secs(3600));
    for _ in 0..4 {
        assert_eq!(fail(&failures, LIMITS), Ok(false));
    }
    let (bench, failures) = bench.restart(&failures);
    assert_eq!(fail(&failures, LIMITS), Ok(true));
    bench.clock.advance(Duration::from_secs(300));
    let (bench, failures) = bench.restart(&failures);
    assert_eq!(fail(&failures, LIMITS), Err(Duration::from_secs(600)));
    // Somebody sets the wall clock back a year while the server is down: no longer than a whole lock.
    bench.clock.set("2025-01-01T00:00:00Z".parse().unwrap());
    let (bench, failures) = bench.restart(&failures);
    assert_eq!(fail(&failures, LIMITS), Err(Duration::from_secs(900)));
    drop(bench);
}

#[test]
fn what_could_not_be_written_is_written_by_the_next_flush() {
    let (bench, failures) = Bench::new();
    assert_eq!(fail(&failures, LIMITS), Ok(false));
    bench.state.close().unwrap();
    for _ in 0..2 {
        assert!(failures.flush().is_err());
        assert!(failures.table.lock().dirty.contains(&KEY));
    }
}

#[test]
fn a_full_table_shares_one_budget_among_the_new() {
    let (bench, failures) = Bench::new();
    let key = |number: usize| {
        let mut key = [1; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    };
    for number in 0..MAX_KEYS {
        failures.begin(key(number), LIMITS).ok().unwrap().fail();
    }
    for number in 0..5 {
        failures.begin(key(MAX_KEYS + number), LIMITS).ok().unwrap().fail();
    }
    assert!(failures.begin(key(MAX_KEYS + 9), LIMITS).is_err(), "new keys share one budget");
    assert!(failures.begin(key(3), LIMITS).is_ok(), "known keys keep theirs");
    assert!(failures.len() <= MAX_KEYS + 1);
    bench.clock.advance(Duration::from_secs(900));
    failures.sweep();
    assert_eq!(failures.len(), 0);
}
