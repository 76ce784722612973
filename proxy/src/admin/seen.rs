//! People who signed in, for those who pay or answer for them.

use std::time::Instant;

use axum::response::Response;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Map, Value, json};
use vestibule_logstore::seen::Person;
use vestibule_logstore::{Seen, SeenQuery};

use super::door::Call;
use super::form::Form;
use super::list::List;
use super::logs::{DEADLINE, off_the_runtime};
use super::problem::Problem;
use super::status::rfc3339_us;

/// `GET /api/v1/users-seen`: `month` (this one unless said), or `since` and `until`.
pub(super) async fn list(call: Call) -> Result<Response, Problem> {
    let form = Form::of(&call)?;
    let began = Instant::now();
    let Seen { people, complete } = find(&call, &call.parameters).await?;
    let mut beside = Map::from_iter([
        ("next_cursor".to_owned(), Value::Null),
        ("prev_cursor".to_owned(), Value::Null),
        ("total".to_owned(), people.len().into()),
        ("took_ms".to_owned(), u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).into()),
    ]);
    if !complete {
        beside.insert("complete".to_owned(), false.into());
    }
    let rows = people.iter().map(describe).collect();
    Ok(List { columns: &COLUMNS, rows, complete, beside }.answer(form))
}

/// Who signed in, by the parameters of the path.
pub(super) async fn find(call: &Call, parameters: &[(String, String)]) -> Result<Seen, Problem> {
    let mut query = query(parameters, call.actor.started)?;
    query.deadline = DEADLINE;
    let store = call.port.state.store.clone();
    off_the_runtime(call, move || Ok(store.seen(&query)?)).await
}

const COLUMNS: [&str; 6] = ["email", "count", "first", "last", "last_ip", "last_country"];

fn describe(person: &Person) -> Value {
    let Person { email, count, first, last, last_ip, last_country } = person;
    json!({
        "email": email,
        "count": count,
        "first": rfc3339_us(*first),
        "last": rfc3339_us(*last),
        "last_ip": last_ip,
        "last_country": last_country,
    })
}

fn query(parameters: &[(String, String)], now: Timestamp) -> Result<SeenQuery, Problem> {
    let [mut month, mut since, mut until] = [None, None, None];
    for (name, value) in parameters {
        let slot = match name.as_str() {
            "month" => &mut month,
            "since" => &mut since,
            "until" => &mut until,
            _ => return Err(Problem::bad_parameter(name, "not known here; there is month, or since and until")),
        };
        if slot.replace(value.as_str()).is_some() {
            return Err(Problem::bad_parameter(name, "given twice; give it once"));
        }
    }
    match month {
        Some(_) if since.is_some() || until.is_some() => {
            Err(Problem::bad_parameter("month", "given together with since or until; write one or the other"))
        }
        None if since.is_some() || until.is_some() => Ok(SeenQuery::new(since, until, now)?),
        Some(month) => of_month(
            first_day(month).ok_or_else(|| {
                Problem::bad_parameter("month", &format!("{month:?} is not a month; write one such as 2026-11"))
            })?,
            now,
        ),
        None => of_month(now.to_zoned(TimeZone::UTC).date().first_of_month(), now),
    }
}

/// `2026-11`.
fn first_day(month: &str) -> Option<Date> {
    let is_month = month.len() == 7 && month.bytes().filter(|byte| byte.is_ascii_digit()).count() == 6;
    format!("{month}-01").parse().ok().filter(|_| is_month)
}

/// From its first to its last microsecond, UTC.
fn of_month(first: Date, now: Timestamp) -> Result<SeenQuery, Problem> {
    let start = |day: Date| day.to_zoned(TimeZone::UTC).map(|start| start.timestamp());
    let times = || Some((start(first).ok()?, start(first.checked_add(1.month()).ok()?).ok()?));
    let Some((since, next)) = times() else {
        return Err(Problem::bad_parameter("month", "out of range; write one such as 2026-11"));
    };
    let until = next.checked_sub(1.microsecond()).unwrap_or(next);
    Ok(SeenQuery::new(Some(&since.to_string()), Some(&until.to_string()), now)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_four_digits_and_two() {
        for (text, expected) in [
            ("2026-11", Some("2026-11-01")),
            ("2024-02", Some("2024-02-01")),
            ("2026-13", None),
            ("2026-1", None),
            ("26-11", None),
            ("2026-11-23", None),
            ("+026-11", None),
            ("", None),
        ] {
            assert_eq!(first_day(text).map(|day| day.to_string()).as_deref(), expected, "{text}");
        }
    }
}
