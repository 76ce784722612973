//! The questions in the language of Vestibule's log store.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::time::Instant;

use jiff::Timestamp;
use vestibule_bench::clock;
use vestibule_logstore::{Log, Page, Store};

use crate::engine;
use crate::question::{Question, Subjects};
use crate::rounds::Reply;

pub(crate) struct Ours {
    store: Store,
    subjects: Subjects,
}

impl Ours {
    pub(crate) const fn new(store: Store, subjects: Subjects) -> Self {
        Self { store, subjects }
    }

    /// Asks once.
    pub(crate) fn ask(&self, question: Question) -> Result<Reply, String> {
        let [since, until] = self.subjects.week.map(rfc_3339);
        let Subjects { user, circuit, absent, needle, .. } = &self.subjects;
        match question {
            Question::Newest => self.page(&[("limit", "100")]),
            Question::NewestSealed => self.page(&[("until", &until), ("limit", "100")]),
            Question::UserWeek => self.page(&[("email", user), ("since", &since), ("until", &until), ("limit", "100")]),
            Question::Rare => self.page(&[("status_code", "504"), ("circuit", circuit), ("limit", "1000")]),
            Question::TextAbsent => self.count(absent),
            Question::TextCommon => self.count(needle),
            Question::SortNumber => self.page(&[("sort", "duration_ms"), ("order", "desc"), ("limit", "100")]),
            Question::SortText => self.page(&[("sort", "path"), ("order", "desc"), ("limit", "100")]),
            Question::StatusByHour => self.hours("status_code"),
            Question::TopUsers => self.top("email"),
            Question::TopPaths => self.top("path"),
            Question::ById => self.entry(),
            Question::ByRequestId => self.page(&[("request_id", &self.subjects.request_id), ("limit", "1")]),
            Question::Csv => self.csv(),
        }
    }

    fn page(&self, parameters: &[(&str, &str)]) -> Result<Reply, String> {
        let query = engine::query(parameters)?;
        measured(|| engine::page(&self.store, &query), |page| rows(&page))
    }

    fn count(&self, needle: &str) -> Result<Reply, String> {
        let query = engine::query(&[("q", needle), ("count", "true"), ("limit", "1")])?;
        measured(
            || engine::page(&self.store, &query),
            |page| page.total.map_or_else(String::new, |total| total.to_string()),
        )
    }

    fn hours(&self, field: &str) -> Result<Reply, String> {
        let query = engine::query(&[])?;
        measured(|| engine::hours(&self.store, &query, field), |(cells, entries)| format!("{cells} cells, {entries}"))
    }

    fn top(&self, field: &str) -> Result<Reply, String> {
        let query = engine::query(&[])?;
        measured(
            || engine::top(&self.store, &query, field, 10),
            |values| {
                let three = values.iter().take(3).map(|(value, count)| format!("{value}={count}"));
                three.collect::<Vec<_>>().join(" ")
            },
        )
    }

    fn entry(&self) -> Result<Reply, String> {
        measured(
            || self.store.entry(Log::Requests, &self.subjects.id).map_err(|error| error.to_string()),
            |row| row.map_or_else(String::new, |row| named(&[engine::text(&row, "request_id")])),
        )
    }

    fn csv(&self) -> Result<Reply, String> {
        let until = rfc_3339(self.subjects.csv_until);
        let (query, path) = (engine::query(&[("until", &until)])?, self.subjects.csv_file("vestibule"));
        let mut file = File::create(&path).map_err(|error| error.to_string())?;
        let reply = measured(|| engine::export(&self.store, &query, &mut file), |()| lines(&path));
        fs::remove_file(&path).map_err(|error| error.to_string())?;
        reply
    }
}

fn measured<T>(work: impl FnOnce() -> Result<T, String>, answer: impl FnOnce(T) -> String) -> Result<Reply, String> {
    let (start, cpu) = (Instant::now(), clock::process());
    let result = work()?;
    let (ms, cpu_ms) = (start.elapsed().as_secs_f64() * 1e3, (clock::process() - cpu).as_secs_f64() * 1e3);
    Ok(Reply { ms, cpu_ms, answer: answer(result) })
}

/// A page is the same if it is as long and begins and ends with the same requests.
fn rows(page: &Page) -> String {
    named(&page.rows.iter().map(|row| engine::text(row, "request_id")).collect::<Vec<_>>())
}

fn named(request_ids: &[String]) -> String {
    let ends: String = request_ids.first().into_iter().chain(request_ids.last()).map(|id| format!(" {id}")).collect();
    format!("{} rows{ends}", request_ids.len())
}

fn lines(path: &std::path::Path) -> String {
    File::open(path)
        .map_or_else(|error| error.to_string(), |file| format!("{} lines", BufReader::new(file).lines().count()))
}

fn rfc_3339(micros: i64) -> String {
    Timestamp::from_microsecond(micros).unwrap().to_string()
}
