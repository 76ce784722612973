//! `[[tests]]`: what the policy is expected to answer, and what it does.

use vestibule_auth::{Clock, Reason};
use vestibule_config::problem::Problem;
use vestibule_config::scenario::{Expectation, Scenario};

use super::Answer;
use crate::state::Live;

/// Those that fail, as problems of the file. The configuration alone counts: a ban must not keep a reload from being
/// good, and a grant not make it so.
pub(crate) fn failures(live: &Live, clock: &dyn Clock) -> Vec<Problem> {
    live.settings.tests.iter().filter_map(|scenario| failure(scenario, live, clock)).collect()
}

fn failure(scenario: &Scenario, live: &Live, clock: &dyn Clock) -> Option<Problem> {
    let name = &scenario.name;
    let answer = match live.explain(&scenario.given, clock, false) {
        Ok(answer) => answer,
        Err(bad) => return Some(scenario.failed(format!("the test {name:?} cannot be asked: {bad}"), None)),
    };
    let differences = differences(&scenario.expect, &answer);
    if differences.is_empty() {
        return None;
    }
    let message = format!("the test {name:?} fails: {}", differences.join(", "));
    Some(scenario.failed(message, Some(format!("the policy says: {}", told(&answer)))))
}

fn differences(expect: &Expectation, answer: &Answer) -> Vec<String> {
    let Expectation { decision, reason, circuit } = expect;
    let differs = |part: &str, wanted: Option<&str>, found: Option<&str>| {
        let wanted = wanted.filter(|wanted| Some(*wanted) != found)?;
        Some(format!("{part} is {} and not {wanted:?}", found.map_or("none".to_owned(), |found| format!("{found:?}"))))
    };
    [
        differs("decision", decision.map(|decision| decision.as_str()), Some(answer.decision.as_str())),
        differs("reason", reason.as_deref(), answer.reason.map(Reason::code)),
        differs("circuit", circuit.as_ref().map(|circuit| circuit.as_str()), answer.circuit.as_deref()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What was said, by what, and where that stands.
fn told(answer: &Answer) -> String {
    let reason = answer.reason.map(|reason| format!(", {}", reason.code())).unwrap_or_default();
    let decisive = answer.layers.last();
    let rule = decisive.and_then(|layer| layer.rule.as_ref()).map(|rule| format!(", by {rule}")).unwrap_or_default();
    let place = decisive.and_then(|layer| layer.place.as_ref()).map(|place| format!(" at {place}")).unwrap_or_default();
    format!("{}{reason}{rule}{place}", answer.decision.as_str())
}
