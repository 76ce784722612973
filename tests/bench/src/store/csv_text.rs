//! What making the text of an export costs by itself, without the system's part in writing the file.

use jiff::Timestamp;
use vestibule_bench::clock;
use vestibule_logstore::Store;

use crate::engine;
use crate::plan::Plan;
use crate::question::{Question, Subjects};

/// CPU milliseconds of each round after the first, which warms up; none if the export is not asked for.
pub(crate) fn measure(store: &Store, subjects: &Subjects, plan: &Plan) -> Vec<f64> {
    if !plan.asks(Question::Csv.name()) {
        return Vec::new();
    }
    eprintln!("text of the export");
    let until = Timestamp::from_microsecond(subjects.csv_until).unwrap().to_string();
    let query = engine::query(&[("until", &until)]).unwrap();
    let round = |_| {
        let cpu = clock::process();
        engine::export(store, &query, &mut std::io::sink()).unwrap();
        (clock::process() - cpu).as_secs_f64() * 1e3
    };
    (0..=plan.rounds).map(round).skip(1).collect()
}
