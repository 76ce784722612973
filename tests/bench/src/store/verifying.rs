//! What it costs to verify all that the store holds: every entry hashed again, and made again what it is found by.

use vestibule_bench::clock;
use vestibule_logstore::Store;
use vestibule_logstore::note::Signer;
use vestibule_logstore::verify::{self, Progress};

use crate::plan::Plan;

/// As [`Plan::asks`] knows it.
const NAME: &str = "verify";

/// Rounds after the first, which warms up, at most: each reads everything.
const ROUNDS_MAX: usize = 3;

/// CPU seconds of each round, on one thread; none if it is not asked for.
pub(crate) fn measure(store: &Store, plan: &Plan) -> Vec<f64> {
    if !plan.asks(NAME) {
        return Vec::new();
    }
    eprintln!("verify");
    // No head is signed: that would be a hundredth of what reading one segment costs.
    let key = Signer::from_seed(&[1; 32]).unwrap().public_key();
    let round = |_| {
        let cpu = clock::process();
        let report = verify::store(store, &key, None, 1, &Progress::default()).unwrap();
        assert!(report.is_valid(), "{report:?}");
        (clock::process() - cpu).as_secs_f64()
    };
    (0..=plan.rounds.min(ROUNDS_MAX)).map(round).skip(1).collect()
}
