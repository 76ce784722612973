//! The last day at a glance, and whether all is well.

use askama::Template;
use axum::response::Response;
use vestibule_config::admin::LogName;
use vestibule_logstore::Stats;
use vestibule_logstore::stats::{By, Range, Ranking};

use super::address::Address;
use super::chart::{Chart, Slot};
use super::map::Map;
use super::{Frame, html, parameters, reads, value};
use crate::admin::door::Call;
use crate::admin::problem::Problem;
use crate::admin::stats::{Asked, percents};

/// Values of one list.
const TOP: usize = 8;

/// The first page.
#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    /// Absent for a token that does not read the request log.
    figures: Option<Figures>,
    /// What is not as it should be.
    warnings: Vec<String>,
    revision: String,
    entries: Vec<(&'static str, String)>,
    size: String,
}

/// What was counted.
struct Figures {
    ranges: Vec<(&'static str, String, bool)>,
    circuit: String,
    total: String,
    allowed: String,
    allowed_percent: f64,
    blocked: String,
    blocked_percent: f64,
    bytes_in: String,
    bytes_out: String,
    chart: Chart,
    /// None where no country is known.
    map: Option<Map>,
    lists: Vec<TopList>,
}

/// The most frequent values of one kind.
struct TopList {
    title: &'static str,
    /// Text, link, count, and its share of the longest in hundredths.
    values: Vec<(String, String, String, u64)>,
    rest: String,
}

/// `GET /`: `range`, `circuit`.
pub(in crate::admin) async fn page(call: Call) -> Result<Response, Problem> {
    let asked = Asked::of(&parameters(&call))?;
    let figures = if reads(&call, LogName::Requests) { Some(figures(&asked, &asked.ask(&call).await?)) } else { None };
    let state = &call.port.state;
    let store = state.store.figures();
    let page = OverviewPage {
        frame: Frame::of(&call, "Overview"),
        figures,
        warnings: warnings(&call, &store),
        revision: state.live.load().settings.revision.chars().take(12).collect(),
        entries: store.kept.iter().map(|(log, kept)| (*log, value::count(*kept))).collect(),
        size: value::bytes(store.bytes),
    };
    Ok(html(&page))
}

/// What an operator should look at.
fn warnings(call: &Call, store: &vestibule_logstore::Figures) -> Vec<String> {
    let state = &call.port.state;
    let mut warnings = Vec::new();
    if let Some(cause) = state.store.unwritable() {
        warnings.push(format!("The store cannot write: protected circuits answer 503. {cause}"));
    }
    if let Some(cause) = state.auth.damage() {
        warnings.push(format!("Protected circuits answer 503: {cause}."));
    }
    if store.quarantined > 0 {
        warnings.push(format!("{} parts of the logs cannot be read, see Integrity.", store.quarantined));
    }
    for (log, dropped) in store.dropped.iter().filter(|(_, dropped)| *dropped > 0) {
        warnings.push(format!("{} entries of the {log} log were lost since the start.", value::count(*dropped)));
    }
    if state.reloads.last().is_some_and(|last| !last.outcome.successful()) {
        warnings.push("The last reload failed; the configuration before it is in force.".to_owned());
    }
    if !state.live.load().policy.geo_ready() {
        warnings.push("The geo database cannot be read.".to_owned());
    }
    warnings
}

fn figures(asked: &Asked, stats: &Stats) -> Figures {
    let here = Address::new("/", &[]);
    let here = asked.circuit.iter().fold(here, |here, circuit| here.and("circuit", circuit));
    let log = Address::new("/logs/requests", &[]);
    let log = asked.circuit.iter().fold(log, |log, circuit| log.and("circuit", &value::escaped(circuit)));
    let totals = &stats.totals;
    let [allowed_percent, blocked_percent] = percents(totals);
    let range = |range: Range| (range.name(), here.with("range", range.name()).to_string(), range == asked.range);
    let countries = stats.rankings.iter().find(|ranking| ranking.by == By::Country);
    let in_range = log.clone().and("range", asked.range.name());
    Figures {
        ranges: Range::ALL.into_iter().map(range).collect(),
        circuit: asked.circuit.clone().unwrap_or_default(),
        total: value::count(totals.count()),
        allowed: value::count(totals.allowed),
        allowed_percent,
        blocked: value::count(totals.blocked),
        blocked_percent,
        bytes_in: value::bytes(totals.bytes_in),
        bytes_out: value::bytes(totals.bytes_out),
        chart: chart(stats, &log),
        map: countries.and_then(|countries| Map::of(&countries.top, &in_range)),
        lists: stats.rankings.iter().map(|ranking| list(ranking, &in_range)).collect(),
    }
}

/// Allowed and blocked over time, each bar a link to its entries.
pub(super) fn chart(stats: &Stats, log: &Address) -> Chart {
    let step = i64::try_from(stats.step.as_micros()).unwrap_or(i64::MAX);
    let slot = |step_start: &vestibule_logstore::stats::Step| Slot {
        since: step_start.time,
        until: step_start.time.saturating_add(step),
        counts: vec![
            ("allowed".to_owned(), step_start.totals.allowed),
            ("blocked".to_owned(), step_start.totals.blocked),
        ],
    };
    let slots: Vec<_> = stats.series.iter().map(slot).collect();
    Chart::of(&slots, |since, until| log.clone().and("since", since).and("until", until).to_string())
}

fn list(ranking: &Ranking, log: &Address) -> TopList {
    let title = match ranking.by {
        By::Country => "Countries",
        By::Status => "Statuses",
        By::Circuit => "Circuits",
        By::User => "People",
        By::Reason => "Reasons",
        By::Ip => "Addresses",
        By::Method => "Methods",
    };
    let most = ranking.top.first().map_or(1, |(_, count)| (*count).max(1));
    let shown = ranking.top.iter().take(TOP).map(|(held, count)| {
        let link = log.clone().and(field(ranking.by, held), &value::escaped(held)).to_string();
        let share = u128::from(*count) * 100 / u128::from(most);
        (value::cut(held.clone(), 40), link, value::count(*count), u64::try_from(share).unwrap_or(100).max(1))
    });
    let beyond: u64 = ranking.top.iter().skip(TOP).map(|(_, count)| count).sum::<u64>() + ranking.other;
    let parts = [(beyond, "others"), (ranking.absent, "without")];
    let parts: Vec<_> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{} {word}", value::count(*count)))
        .collect();
    TopList { title, values: shown.collect(), rest: parts.join(" · ") }
}

/// The filter of the request log that finds what was counted.
fn field(by: By, held: &str) -> &'static str {
    match by {
        By::Country => "country",
        By::Status => "status_code",
        By::Circuit => "circuit",
        By::User if held.contains('@') && !held.starts_with("local:") => "email",
        By::User => "user_id",
        By::Reason => "reason",
        By::Ip => "source_ip",
        By::Method => "method",
    }
}
