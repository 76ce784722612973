//! Statistics of up to 24 hours, from counters.

use axum::response::Response;
use serde_json::{Map, Value, json};
use vestibule_logstore::Stats;
use vestibule_logstore::stats::{By, Range, Ranking, Step, Totals};

use super::door::Call;
use super::logs::in_turn;
use super::problem::Problem;
use super::status::{self, rfc3339_us};

/// `GET /api/v1/stats`: `range` (a day unless said), `circuit`.
pub(super) async fn stats(call: Call) -> Result<Response, Problem> {
    let asked = Asked::of(&call.parameters)?;
    let stats = asked.ask(&call).await?;
    Ok(status::json(body(&stats, asked.range, asked.circuit.as_deref()).to_string()))
}

/// What is counted.
pub(super) struct Asked {
    pub(super) range: Range,
    pub(super) circuit: Option<String>,
}

impl Asked {
    pub(super) fn of(parameters: &[(String, String)]) -> Result<Self, Problem> {
        let (mut range, mut circuit) = (None, None);
        for (name, value) in parameters {
            let is_new = match name.as_str() {
                "range" => range.replace(Range::parse(value)?).is_none(),
                "circuit" => circuit.replace(value.clone()).is_none(),
                _ => return Err(Problem::bad_parameter(name, "not known here; there are range and circuit")),
            };
            if !is_new {
                return Err(Problem::bad_parameter(name, "given twice; give it once"));
            }
        }
        Ok(Self { range: range.unwrap_or(Range::Day), circuit })
    }

    /// Asks the counters.
    pub(super) async fn ask(&self, call: &Call) -> Result<Stats, Problem> {
        let (store, now) = (call.port.state.store.clone(), call.actor.started);
        let (range, circuit) = (self.range, self.circuit.clone());
        in_turn(&call.port.sums, move || Ok(store.stats(range, circuit.as_deref(), now))).await
    }
}

fn body(stats: &Stats, range: Range, circuit: Option<&str>) -> Value {
    let Stats { since, until, totals, rankings, step, series } = stats;
    let [allowed, blocked] = percents(totals);
    let mut body = json!({
        "range": range.name(),
        "circuit": circuit,
        "since": rfc3339_us(*since),
        "until": rfc3339_us(*until),
        "total": totals.count(),
        "allowed": { "count": totals.allowed, "percent": allowed },
        "blocked": { "count": totals.blocked, "percent": blocked },
        "bytes_in": totals.bytes_in,
        "bytes_out": totals.bytes_out,
        "absent": remainder(rankings, |ranking| ranking.absent),
        "other": remainder(rankings, |ranking| ranking.other),
        "step_seconds": step.as_secs(),
        "series": series.iter().map(one_step).collect::<Vec<_>>(),
    });
    if let Some(body) = body.as_object_mut() {
        body.extend(rankings.iter().map(|ranking| (format!("by_{}", ranking.by.name()), list(ranking))));
    }
    body
}

/// Of the allowed and the blocked, to two decimals; together 100 where there is anything.
pub(super) fn percents(totals: &Totals) -> [f64; 2] {
    let count = u128::from(totals.count());
    if count == 0 {
        return [0.0, 0.0];
    }
    let allowed = (u128::from(totals.allowed) * 20_000 + count) / (2 * count);
    let percent =
        |hundredths: u128| u16::try_from(hundredths).map_or(100.0, |hundredths| f64::from(hundredths) / 100.0);
    [percent(allowed), percent(10_000 - allowed)]
}

/// A status is a number, everything else a text.
fn list(ranking: &Ranking) -> Value {
    let entry = |(value, count): &(String, u64)| {
        let number = value.parse::<u64>().ok().filter(|_| ranking.by == By::Status);
        let value = number.map_or_else(|| Value::from(value.as_str()), Value::from);
        json!({ "value": value, "count": count })
    };
    ranking.top.iter().map(entry).collect()
}

/// What the rankings leave out, where it is not nothing.
fn remainder(rankings: &[Ranking], part: fn(&Ranking) -> u64) -> Map<String, Value> {
    let parts = rankings.iter().map(|ranking| (ranking.by.name().to_owned(), part(ranking)));
    parts.filter(|(_, count)| *count > 0).map(|(name, count)| (name, Value::from(count))).collect()
}

fn one_step(step: &Step) -> Value {
    let Step { time, totals: Totals { allowed, blocked, bytes_in, bytes_out } } = *step;
    json!({
        "time": rfc3339_us(time),
        "allowed": allowed,
        "blocked": blocked,
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_are_two_decimals_and_make_a_hundred() {
        let check = |allowed, blocked, expected: [f64; 2]| {
            let found = percents(&Totals { allowed, blocked, ..Totals::default() });
            assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-9), "{found:?}");
        };
        check(0, 0, [0.0, 0.0]);
        check(3, 0, [100.0, 0.0]);
        check(1, 2, [33.33, 66.67]);
        check(1, 7, [12.5, 87.5]);
        check(u64::MAX / 2, u64::MAX / 2, [50.0, 50.0]);
        check(9_999_999, 1, [100.0, 0.0]);
    }
}
