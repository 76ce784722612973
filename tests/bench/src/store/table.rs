//! One table of all figures.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::Kept;
use crate::hand_over::{self, HandedOver};
use crate::plan::Plan;
use crate::question::Question;
use crate::rounds::{Answers, Taken, median};

pub(crate) struct Report<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) kept: Kept,
    pub(crate) handed_over: HandedOver,
    /// CPU seconds of verifying everything, of each round.
    pub(crate) verified_cpu_s: Vec<f64>,
    /// CPU milliseconds of making the text of the export, of each round.
    pub(crate) csv_text_ms: Vec<f64>,
    /// Most memory until all entries were taken, and until all questions were answered.
    pub(crate) peak_kib: [u64; 2],
    /// Ours first.
    pub(crate) taken: Vec<Taken>,
}

impl Report<'_> {
    pub(crate) fn markdown(&self) -> String {
        let mut out = format!(
            "\n{} entries, one thread each, warm, medians of {}{}; the column \"reach\" is for 10 million.\n\n",
            self.plan.entries,
            self.plan.rounds,
            if self.plan.is_by_cpu { ", questions in CPU time" } else { "" }
        );
        let names: Vec<_> = self.taken.iter().map(|taken| taken.name.as_str()).collect();
        row(&mut out, "", "reach", names.iter().map(|name| (*name).to_owned()));
        row(&mut out, "---", "---:", names.iter().map(|_| "---:".to_owned()));
        self.kept_rows(&mut out);
        self.hand_over_rows(&mut out);
        let verified = self.kept.entries as f64 / median(&self.verified_cpu_s);
        let verified = if verified.is_nan() { dash() } else { format!("{verified:.0}") };
        our_row(&mut out, "verify, entries per core-second", "500000", verified, self.taken.len());
        for (at, question) in Question::ALL.into_iter().enumerate() {
            let cells = self.taken.iter().map(|taken| self.cell(taken.answers.get(at)));
            row(
                &mut out,
                &format!("{}, ms", question.label()),
                &question.reach_ms().map_or_else(String::new, ms),
                cells,
            );
        }
        let label = "the same without the file, ms of CPU time";
        our_row(&mut out, label, "", ms(median(&self.csv_text_ms)), self.taken.len());
        let [taking, whole] = self.peak_kib.map(|kib| kib / 1024);
        let label = "peak memory until all is taken / asked, MiB";
        our_row(&mut out, label, "512", format!("{taking} / {whole}"), self.taken.len());
        self.disagreements(&mut out);
        out
    }

    fn kept_rows(&self, out: &mut String) {
        let all = || self.taken.iter().map(|taken| taken.kept.unwrap_or(self.kept));
        let rate = |kept: Kept| kept.cpu_s.map_or_else(dash, |cpu| format!("{:.0}", kept.entries as f64 / cpu));
        row(out, "ingest, entries per core-second", "500000", all().map(rate));
        let wall = |kept: Kept| kept.wall_s.map_or_else(dash, |wall| format!("{:.0}", kept.entries as f64 / wall));
        row(out, "the same per second", "", all().map(wall));
        let bytes = |kept: Kept| format!("{:.1}", kept.bytes as f64 / kept.entries as f64);
        row(out, "bytes an entry on disk, all in", "24", all().map(bytes));
        row(out, "open, ms", "30", all().map(|kept| ms(kept.opened_ms)));
    }

    fn hand_over_rows(&self, out: &mut String) {
        let HandedOver { append, append_after_sleep, commit } = self.handed_over;
        let rate = hand_over::RATE;
        for (label, reach, taken) in [
            (format!("encode and hand over at {rate}/s, µs p50 / p99"), "0.3 / 1.2", append),
            ("the same after a sleep".to_owned(), "", append_after_sleep),
        ] {
            let [p50, p99] = taken.map(|taken| taken.as_secs_f64() * 1e6);
            our_row(out, &label, reach, format!("{p50:.2} / {p99:.2}"), self.taken.len());
        }
        let [p50, p99] = commit.map(|taken| ms(taken.as_secs_f64() * 1e3));
        let label = "commit to disk, one after another, ms p50 / p99";
        our_row(out, label, "", format!("{p50} / {p99}"), self.taken.len());
    }

    fn cell(&self, answers: Option<&Answers>) -> String {
        let figures = |answers: &Answers| median(if self.plan.is_by_cpu { &answers.cpu_ms } else { &answers.ms });
        answers.filter(|answers| answers.answer.is_ok()).map_or_else(dash, |answers| ms(figures(answers)))
    }

    /// Whether all engines answered all questions, and the same.
    pub(crate) fn is_sound(&self) -> bool {
        let mut answers = self.taken.iter().flat_map(|taken| &taken.answers);
        answers.all(|answers| answers.answer.is_ok()) && (0..Question::ALL.len()).all(|at| self.agree(at))
    }

    fn agree(&self, at: usize) -> bool {
        let answers = self.taken.iter().filter_map(|taken| taken.answers.get(at)?.answer.as_ref().ok());
        let answers: Vec<_> = answers.collect();
        answers.windows(2).all(|pair| pair.first() == pair.last())
    }

    /// What is not as it should be: different answers, and none.
    fn disagreements(&self, out: &mut String) {
        for (at, question) in Question::ALL.into_iter().enumerate() {
            let (agree, name) = (self.agree(at), question.name());
            for taken in &self.taken {
                match taken.answers.get(at).map(|answers| &answers.answer) {
                    Some(Ok(answer)) if !agree => write!(out, "\n{name} differs: {}: {answer}", taken.name).unwrap(),
                    Some(Err(error)) => write!(out, "\n{name} not answered: {}: {error}", taken.name).unwrap(),
                    Some(Ok(_)) | None => (),
                }
            }
        }
    }

    /// Every single figure.
    pub(crate) fn json(&self) -> String {
        let engines: serde_json::Map<String, Value> =
            self.taken.iter().map(|taken| (taken.name.clone(), self.engine(taken))).collect();
        let HandedOver { append, append_after_sleep, commit } = self.handed_over;
        let report = json!({
            "entries": self.plan.entries,
            "append_ns": append.map(|taken| taken.as_nanos() as u64),
            "append_after_sleep_ns": append_after_sleep.map(|taken| taken.as_nanos() as u64),
            "commit_ns": commit.map(|taken| taken.as_nanos() as u64),
            "verify_cpu_s": self.verified_cpu_s,
            "csv_text_ms": self.csv_text_ms,
            "peak_kib": self.peak_kib,
            "engines": engines,
        });
        format!("{report:#}\n")
    }

    fn engine(&self, taken: &Taken) -> Value {
        let Kept { entries: _, cpu_s, wall_s, bytes, opened_ms } = taken.kept.unwrap_or(self.kept);
        let questions: serde_json::Map<String, Value> = Question::ALL
            .iter()
            .zip(&taken.answers)
            .map(|(question, answers)| {
                let Answers { first_ms, ms, cpu_ms, answer } = answers;
                let (answer, error) = (answer.as_ref().ok(), answer.as_ref().err());
                let figures = json!({
                    "median_ms": median(ms), "first_ms": first_ms, "ms": ms, "cpu_ms": cpu_ms, "answer": answer,
                    "error": error,
                });
                (question.name().to_owned(), figures)
            })
            .collect();
        json!({ "cpu_s": cpu_s, "wall_s": wall_s, "bytes": bytes, "opened_ms": opened_ms, "questions": questions })
    }
}

fn row(out: &mut String, label: &str, reach: &str, cells: impl Iterator<Item = String>) {
    writeln!(out, "| {label} | {reach} | {} |", cells.collect::<Vec<_>>().join(" | ")).unwrap();
}

/// A row of what has a meaning for our store only.
fn our_row(out: &mut String, label: &str, reach: &str, cell: String, columns: usize) {
    row(out, label, reach, std::iter::once(cell).chain(std::iter::repeat_n(String::new(), columns - 1)));
}

fn dash() -> String {
    "–".into()
}

/// Three significant digits.
fn ms(value: f64) -> String {
    match value {
        value if value.is_nan() => dash(),
        value if value < 0.1 => format!("{value:.3}"),
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}
