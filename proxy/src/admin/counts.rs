//! How many entries match: over time, and by the values of fields.

use std::time::Instant;

use axum::response::Response;
use vestibule_logstore::entry::Field;
use vestibule_logstore::{Histogram, Log, Query};

use super::door::Call;
use super::logs::{DEADLINE, log_of, off_the_runtime};
use super::problem::Problem;
use super::status::json;

/// Step of a histogram when none is asked for.
const STEP: &str = "1h";

/// Values of a facet when nothing else is said, and at most.
const TOP: usize = 10;
const TOP_MAX: usize = 1000;

/// Fields that are counted in one answer; more are refused.
const FIELDS_MAX: usize = 16;

/// `GET /api/v1/logs/{log}/histogram`: the filters of the log, `step`, `by`.
pub(super) async fn histogram(call: Call) -> Result<Response, Problem> {
    let log = log_of(&call);
    let Asked { own: [step, by], query } = Asked::of(&call, log, ["step", "by"])?;
    let step_text = step.unwrap_or_else(|| STEP.to_owned());
    let step = Histogram::step("step", &step_text)?;
    let by = by.map(|name| field(log, "by", &name)).transpose()?;
    let store = call.port.state.store.clone();
    let body = off_the_runtime(&call, move || {
        let began = Instant::now();
        Ok(store.histogram(&query, step, by.as_ref())?.to_json(&step_text, began.elapsed()))
    });
    Ok(json(body.await?))
}

/// `GET /api/v1/logs/{log}/facets`: the filters of the log, `fields`, `top`.
pub(super) async fn facets(call: Call) -> Result<Response, Problem> {
    let log = log_of(&call);
    let Asked { own: [fields, top], query } = Asked::of(&call, log, ["fields", "top"])?;
    let Some(fields) = fields else {
        return Err(Problem::bad_parameter(
            "fields",
            "missing; write the fields to count, such as status_code,country",
        ));
    };
    let fields = fields.split(',').map(|name| field(log, "fields", name)).collect::<Result<Vec<_>, _>>()?;
    if fields.len() > FIELDS_MAX {
        return Err(Problem::bad_parameter("fields", "more than 16 fields; ask for less at once"));
    }
    let top = top.map_or(Ok(TOP), |top| match top.parse() {
        Ok(top) if (1..=TOP_MAX).contains(&top) => Ok(top),
        Ok(_) | Err(_) => Err(Problem::bad_parameter("top", "write a number from 1 to 1000")),
    })?;
    let store = call.port.state.store.clone();
    let body = off_the_runtime(&call, move || {
        let began = Instant::now();
        Ok(store.facets(&query, &fields, top)?.to_json(began.elapsed()))
    });
    Ok(json(body.await?))
}

/// A question with two parameters of its own.
struct Asked {
    own: [Option<String>; 2],
    query: Query,
}

impl Asked {
    fn of(call: &Call, log: Log, names: [&str; 2]) -> Result<Self, Problem> {
        let (own, filters): (Vec<_>, Vec<_>) =
            call.parameters.iter().cloned().partition(|(name, _)| names.contains(&name.as_str()));
        for name in ["sort", "order", "limit", "cursor", "count", "fold"] {
            if filters.iter().any(|(given, _)| given == name) {
                return Err(Problem::bad_parameter(name, "is of lists; leave it out"));
            }
        }
        for name in names {
            if own.iter().filter(|(given, _)| given == name).count() > 1 {
                return Err(Problem::bad_parameter(name, "given twice; give it once"));
            }
        }
        let mut query = Query::parse(log, &filters, call.actor.started)?;
        query.deadline = DEADLINE;
        let given = |name| own.iter().find(|(given, _)| given == name).map(|(_, value)| value.clone());
        Ok(Self { own: names.map(given), query })
    }
}

fn field(log: Log, parameter: &str, name: &str) -> Result<Field, Problem> {
    log.field(name).copied().ok_or_else(|| {
        let what = format!("{name:?} is not a field of the {} log", log.name());
        Problem::bad_parameter(parameter, &what)
    })
}
