//! The circuits: what stands in the configuration, what goes through them, and how what is behind them is.

mod condition;

use std::collections::HashMap;

use askama::Template;
use axum::response::Response;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use vestibule_config::admin::LogName;
use vestibule_logstore::stats::{By, Range};

use super::address::Address;
use super::chart::Chart;
use super::parts::{Asked as AskedPart, Parts};
use super::table::{Cell, Line, Table};
use super::{Frame, html, overview, reads, value, without_parameters};
use crate::admin::circuits;
use crate::admin::door::Call;
use crate::admin::problem::Problem;
use crate::admin::stats::{Asked, percents};

#[derive(Template)]
#[template(path = "circuits.html")]
struct CircuitsPage {
    frame: Frame,
    table: Table,
    parts: Parts,
    /// Of all circuits, how many are found.
    found: usize,
    count: usize,
}

/// Members in which text is looked for.
const SEARCHED: [&str; 8] = ["name", "project", "hosts", "upstream", "state", "access", "allow", "login"];

/// `GET /circuits`: a `part` of them, and of those alone that say what to `find`.
pub(in crate::admin) async fn page(call: Call) -> Result<Response, Problem> {
    let asked = AskedPart::of(&call, &["find"])?;
    let counts = counts(&call).await?;
    let live = call.port.state.live.load_full();
    let mut circuits = circuits::rows(&call, &live);
    let (count, wanted) = (circuits.len(), asked.find.to_lowercase());
    circuits.retain(|circuit| SEARCHED.iter().any(|name| member(circuit, name).to_lowercase().contains(&wanted)));
    let found = circuits.len();
    let (circuits, parts) = asked.rows(circuits);
    let table = Table {
        caption: "Circuits",
        heads: vec!["Circuit", "State", "Hosts", "Access", "Sign in with", "Health", "Certificate", "Requests in 24 h"],
        rows: circuits.iter().map(|circuit| line(circuit, &counts, call.actor.started)).collect(),
        empty: if count == 0 { "The configuration has no circuit." } else { "Look for something else." },
    };
    Ok(html(&CircuitsPage { frame: Frame::of(&call, "Circuits"), table, parts, found, count }))
}

/// Requests of a day by circuit; the counters name the busiest hundred.
async fn counts(call: &Call) -> Result<HashMap<String, u64>, Problem> {
    if !reads(call, LogName::Requests) {
        return Ok(HashMap::new());
    }
    let stats = Asked { range: Range::Day, circuit: None }.ask(call).await?;
    let by_circuit = stats.rankings.into_iter().find(|ranking| ranking.by == By::Circuit);
    Ok(by_circuit.map(|ranking| ranking.top.into_iter().collect()).unwrap_or_default())
}

fn line(circuit: &Value, counts: &HashMap<String, u64>, now: Timestamp) -> Line {
    let text = |name: &str| member(circuit, name);
    let name = text("name");
    let count = counts.get(&name).map(|count| value::count(*count)).unwrap_or_default();
    Line::of(vec![
        Cell::link(&name, address(&name)),
        Cell::word(&text("state")),
        Cell::text(text("hosts")),
        Cell::text(text("access")),
        Cell::text(text("login")),
        condition::health(circuit),
        condition::certificate(circuit, now),
        Cell::number(count),
    ])
}

fn member(circuit: &Value, name: &str) -> String {
    shown(circuit.get(name).unwrap_or(&Value::Null))
}

fn address(circuit: &str) -> Address {
    let name = percent_encoding::utf8_percent_encode(circuit, percent_encoding::NON_ALPHANUMERIC);
    Address::new(&format!("/circuits/{name}"), &[])
}

/// A member of the API's answer, for people.
pub(super) fn shown(member: &Value) -> String {
    match member {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(members) => members.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            let parts = members.iter().map(|(name, member)| (name, shown(member))).filter(|(_, text)| !text.is_empty());
            parts.map(|(name, text)| format!("{name} {text}")).collect::<Vec<_>>().join("; ")
        }
    }
}

#[derive(Template)]
#[template(path = "circuit.html")]
struct CircuitPage {
    frame: Frame,
    name: String,
    /// Name and text of what is set.
    members: Vec<(String, String)>,
    /// Of a day; absent for who may not read the request log.
    figures: Option<Figures>,
    upstreams: Table,
    certificates: Table,
    links: Vec<(&'static str, String)>,
}

/// What went through it.
struct Figures {
    /// Total, allowed, blocked, their percents and bytes.
    numbers: [String; 7],
    chart: Chart,
}

/// Members that have a table of their own.
const APART: [&str; 3] = ["name", "upstreams", "certificates"];

/// `GET /circuits/{id}`.
pub(in crate::admin) async fn one(call: Call) -> Result<Response, Problem> {
    without_parameters(&call)?;
    let name = percent_decode_str(call.id()).decode_utf8_lossy().into_owned();
    let live = call.port.state.live.load_full();
    let rows = circuits::rows(&call, &live);
    let circuit = rows.iter().find(|row| row.get("name").and_then(Value::as_str) == Some(name.as_str()));
    let circuit = circuit.ok_or_else(|| Problem::not_found("no circuit of this name"))?;
    let members = circuit.as_object().into_iter().flatten().filter(|(name, _)| !APART.contains(&name.as_str()));
    let members = members.map(|(name, member)| (name.replace('_', " "), shown(member)));
    let host = circuit.get("hosts").and_then(|hosts| hosts.get(0)).and_then(Value::as_str).unwrap_or_default();
    let why = Address::new("/why", &[("url", &format!("https://{host}/"))]).to_string();
    let to = |path: &str, field: &str| Address::new(path, &[(field, &value::escaped(&name))]).to_string();
    let page = CircuitPage {
        frame: Frame::of(&call, format!("Circuit {name}")),
        members: members.filter(|(_, text)| !text.is_empty()).collect(),
        figures: figures(&call, &name).await?,
        upstreams: condition::upstreams(circuit),
        certificates: condition::certificates(circuit),
        links: vec![
            ("Overview", to("/", "circuit")),
            ("Requests", to("/logs/requests", "circuit")),
            ("Attempts", to("/logs/access", "circuit")),
            ("Sessions", to("/sessions", "circuit")),
            ("Why-tester", why),
        ],
        name,
    };
    Ok(html(&page))
}

async fn figures(call: &Call, circuit: &str) -> Result<Option<Figures>, Problem> {
    if !reads(call, LogName::Requests) {
        return Ok(None);
    }
    let stats = Asked { range: Range::Day, circuit: Some(circuit.to_owned()) }.ask(call).await?;
    let totals = &stats.totals;
    let [allowed, blocked] = percents(totals);
    let numbers = [
        value::count(totals.count()),
        value::count(totals.allowed),
        allowed.to_string(),
        value::count(totals.blocked),
        blocked.to_string(),
        value::bytes(totals.bytes_out),
        value::bytes(totals.bytes_in),
    ];
    let log = Address::new("/logs/requests", &[("circuit", &value::escaped(circuit))]);
    Ok(Some(Figures { numbers, chart: overview::chart(&stats, &log) }))
}
