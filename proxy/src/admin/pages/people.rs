//! Who signed in within a month.

use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, civil::Date};
use vestibule_logstore::seen::Person;

use super::address::Address;
use super::parts::{Asked, Parts};
use super::table::{Cell, Line, Table};
use super::{Frame, html, value};
use crate::admin::door::Call;
use crate::admin::problem::Problem;
use crate::admin::seen;

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage {
    frame: Frame,
    month: String,
    earlier: String,
    /// Empty: the month is this one.
    later: String,
    count: String,
    complete: bool,
    table: Table,
    parts: Parts,
}

/// `GET /people`: `month`.
pub(in crate::admin) async fn page(call: Call) -> Result<Response, Problem> {
    let asked = Asked::of(&call, &["month", "since", "until"])?;
    let seen = seen::find(&call, &asked.others()).await?;
    let now = call.actor.started.to_zoned(TimeZone::UTC).date().first_of_month();
    let month = asked.get("month").and_then(first_day).unwrap_or(now);
    let to = |month: Date| Address::new("/people", &[("month", &name(month))]).to_string();
    let count = value::count(seen.people.len() as u64);
    let (people, parts) = asked.rows(seen.people);
    let page = PeoplePage {
        frame: Frame::of(&call, "People"),
        month: name(month),
        earlier: month.checked_sub(1.month()).map(to).unwrap_or_default(),
        later: month.checked_add(1.month()).ok().filter(|next| *next <= now).map(to).unwrap_or_default(),
        count,
        complete: seen.complete,
        table: Table {
            caption: "People who signed in",
            heads: vec!["E-mail", "Sign-ins", "First", "Last", "Last address", "Country"],
            rows: people.iter().map(|person| line(person, month)).collect(),
            empty: "Nobody signed in in this month.",
        },
        parts,
    };
    Ok(html(&page))
}

fn first_day(month: &str) -> Option<Date> {
    format!("{month}-01").parse().ok()
}

fn name(month: Date) -> String {
    month.strftime("%Y-%m").to_string()
}

fn line(person: &Person, month: Date) -> Line {
    let Person { email, count, first, last, last_ip, last_country } = person;
    let start = |day: Date| day.to_zoned(TimeZone::UTC).map(|start| start.timestamp()).unwrap_or(Timestamp::MIN);
    let until =
        start(month.checked_add(1.month()).unwrap_or(month)).checked_sub(1.microsecond()).unwrap_or(Timestamp::MAX);
    let attempts = Address::new(
        "/logs/access",
        &[
            ("email", &value::escaped(email)),
            ("status", "success"),
            ("since", &start(month).to_string()),
            ("until", &until.to_string()),
        ],
    );
    Line::of(vec![
        Cell::link(email, attempts),
        Cell::number(value::count(*count)),
        Cell::text(value::time(*first)),
        Cell::text(value::time(*last)),
        Cell::text(last_ip.map(|address| address.to_string()).unwrap_or_default()),
        Cell::text(last_country.clone().unwrap_or_default()),
    ])
}
