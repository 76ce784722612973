//! A log: filters, counts over time and by value, a page of entries.

use std::time::Instant;

use askama::Template;
use axum::response::Response;
use jiff::Timestamp;
use vestibule_logstore::query::{Bucket, Facets};
use vestibule_logstore::{Histogram, Log, Page, Row};

use super::address::Address;
use super::chart::{BARS_MAX, Chart, Slot};
use super::choices::{Choice, Head, chips, filters, head, modes, ranges};
use super::columns::{self, Columns};
use super::facets::{FacetView, TOP};
use super::question::{Question, REFRESH, TIMES};
use super::{Frame, html, parameters, see, value};
use crate::admin::door::Call;
use crate::admin::logs::{log_of, off_the_runtime};
use crate::admin::problem::Problem;

/// What a page without script loads itself again after, where the script would follow the log.
const FOLLOWED: u32 = 5;

/// A log's page.
#[derive(Template)]
#[template(path = "log.html")]
struct LogPage {
    frame: Frame,
    log: &'static str,
    columns: &'static Columns,
    /// Quick choices.
    chips: Vec<Choice>,
    ranges: Vec<Choice>,
    modes: Vec<Choice>,
    /// Filters in force, each a link to the page without it.
    filters: Vec<Choice>,
    /// What the forms keep of the address.
    kept: Vec<(String, String)>,
    /// The same, for the form of the columns.
    kept_columns: Vec<(String, String)>,
    q: String,
    since: String,
    until: String,
    fields: Vec<Choice>,
    chart: Chart,
    facets: Vec<FacetView>,
    heads: Vec<Head>,
    rows: Vec<RowView>,
    newer: String,
    older: String,
    /// What is missing, and why; empty: nothing.
    missing: &'static str,
    took_ms: u128,
    csv: String,
    ndjson: String,
    command: String,
    is_live: bool,
    tail: String,
    /// Where the script asks for values to choose from.
    values: String,
    /// Names of the table's fields, for the script.
    shown: String,
}

/// An entry, or a run of equal ones.
struct RowView {
    id: String,
    tone: &'static str,
    /// Text, and whether it is a number.
    cells: Vec<(String, bool)>,
    /// How many it stands for, where those are several.
    times: u64,
    /// Its content is gone.
    is_erased: bool,
}

/// `GET /logs/{log}`.
pub(in crate::admin) async fn page(call: Call) -> Result<Response, Problem> {
    let log = log_of(&call);
    let address = Address::of(&call.path, parameters(&call));
    let question = match Question::read(log, address, call.actor.started) {
        Ok(question) => question,
        Err(address) => return Ok(see(&address.to_string())),
    };
    let fields = fields(&question)?;
    let found = find(&call, &question).await?;
    Ok(html(&view(&call, &question, &fields, &found)))
}

/// What the log says.
struct Found {
    page: Page,
    histogram: Histogram,
    facets: Facets,
    took_ms: u128,
}

async fn find(call: &Call, question: &Question) -> Result<Found, Problem> {
    let (page, counted) = (question.page()?, question.counted()?);
    let columns = columns::of(question.log);
    let step = std::time::Duration::from_secs(question.step().unsigned_abs());
    let field = |name: &&str| question.log.field(name).copied();
    let (by, facets) = (field(&columns.by), columns.facets.iter().filter_map(field).collect::<Vec<_>>());
    let store = call.port.state.store.clone();
    let found = off_the_runtime(call, move || {
        let began = Instant::now();
        Ok(Found {
            page: store.query(&page)?,
            histogram: store.histogram(&counted, step, by.as_ref())?,
            facets: store.facets(&counted, &facets, TOP)?,
            took_ms: began.elapsed().as_millis(),
        })
    });
    found.await
}

/// The columns of the table.
fn fields(question: &Question) -> Result<Vec<&'static str>, Problem> {
    let Some(chosen) = question.address.get("fields") else { return Ok(columns::of(question.log).shown.to_vec()) };
    let field = |name: &str| question.log.field(name).map(|field| field.name);
    let unknown = |name: &str| Problem::bad_parameter("fields", &format!("{name:?} is not a field of this log"));
    chosen.split(',').map(|name| field(name).ok_or_else(|| unknown(name))).collect()
}

fn view(call: &Call, question: &Question, fields: &[&'static str], found: &Found) -> LogPage {
    let Found { page, histogram, facets, took_ms } = found;
    let columns = columns::of(question.log);
    let address = &question.address;
    let first = address.without(&["cursor"]);
    let shown = fields.join(",");
    let is_live = address.get("live").is_some();
    let mut frame = Frame::of(call, columns.title);
    frame.refresh = address.get("refresh").filter(|every| REFRESH.contains(every)).and_then(|every| every.parse().ok());
    frame.refresh_without_script = is_live.then_some(FOLLOWED);
    let to = |cursor: &Option<String>| cursor.as_ref().map(|cursor| address.with("cursor", cursor).to_string());
    let own = |name: &str| address.get(name).unwrap_or_default().to_owned();
    LogPage {
        log: question.log.name(),
        columns,
        chips: chips(&first, columns),
        ranges: ranges(&first, question),
        modes: modes(&first, question),
        filters: filters(&first, question),
        kept: first.without(&["q", "since", "until"]).parameters,
        kept_columns: first.without(&["fields"]).parameters,
        q: own("q"),
        since: own("since"),
        until: own("until"),
        fields: question
            .log
            .fields()
            .iter()
            .map(|field| Choice {
                label: field.name.to_owned(),
                link: field.doc.to_owned(),
                is_on: fields.contains(&field.name),
            })
            .collect(),
        chart: chart(question, histogram),
        facets: facets.facets.iter().map(|facet| FacetView::of(facet, question)).collect(),
        heads: fields.iter().map(|field| head(question, field)).collect(),
        rows: page.rows.iter().map(|row| row_view(row, fields)).collect(),
        newer: to(&page.prev_cursor).unwrap_or_default(),
        older: to(&page.next_cursor).unwrap_or_default(),
        missing: missing(page, histogram, facets),
        took_ms: *took_ms,
        csv: question.export("csv").to_string(),
        ndjson: question.export("ndjson").to_string(),
        command: question.command(),
        is_live,
        tail: question.tail(&format!("id,{shown},{}", told_by(question.log))).to_string(),
        values: question.values().to_string(),
        shown,
        frame,
    }
}

/// What the script colours a row by.
fn told_by(log: Log) -> &'static str {
    match log {
        Log::Access | Log::Audit => "status",
        Log::Requests => "action,status_code",
    }
}

fn missing(page: &Page, histogram: &Histogram, facets: &Facets) -> &'static str {
    if !page.quarantined.is_empty() {
        "A part of this log cannot be read, see Integrity."
    } else if !page.complete {
        "There was no time to look at everything; ask for less at once."
    } else if !histogram.complete || !facets.exact {
        "There was no time to count everything; the counts are too low."
    } else {
        ""
    }
}

fn row_view(row: &Row, fields: &[&'static str]) -> RowView {
    let times = value::text(row.value("event_count")).parse().unwrap_or(1);
    let cells = fields.iter().map(|field| (value::cell(row, field), columns::is_number(row.log, field)));
    let (id, tone) = (row.id.to_string(), columns::tone_of(row));
    RowView { id, tone, cells: cells.collect(), times, is_erased: row.is_erased() }
}

/// The steps without a gap, from the beginning of the question's time, or from the first entry.
fn chart(question: &Question, histogram: &Histogram) -> Chart {
    let step = i64::try_from(histogram.step.as_micros()).unwrap_or(i64::MAX).max(1);
    let floor = |time: i64| time - time.rem_euclid(step);
    let until = question.until().as_microsecond();
    let since = question.since().map(Timestamp::as_microsecond);
    let since = since.or(histogram.buckets.first().map(|bucket| bucket.time)).unwrap_or(until).min(until);
    let first = floor(since);
    let steps = (until - first).div_euclid(step) + 1;
    // More steps than bars: where nobody said since when, several days are one bar.
    let merged = steps.div_euclid(BARS_MAX) + 1;
    let width = step * merged;
    let slots = (0..steps.div_euclid(merged) + i64::from(steps % merged > 0)).map(|at| {
        let (since, until) = (first + at * width, first + (at + 1) * width);
        let inside = histogram.buckets.iter().filter(|bucket| (since..until).contains(&bucket.time));
        Slot { since, until, counts: counts(inside) }
    });
    let address = question.address.without(&["cursor"]).without(&TIMES);
    Chart::of(&slots.collect::<Vec<_>>(), |since, until| {
        address.clone().and("since", since).and("until", until).to_string()
    })
}

fn counts<'a>(buckets: impl Iterator<Item = &'a Bucket>) -> Vec<(String, u64)> {
    let mut sums = std::collections::BTreeMap::<&str, u64>::new();
    for (word, count) in buckets.flat_map(|bucket| &bucket.counts) {
        *sums.entry(word).or_default() += count;
    }
    sums.into_iter().map(|(word, count)| (word.to_owned(), count)).collect()
}
