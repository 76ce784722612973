//! `POST /api/v1/policy/explain`: what would become of a request, and why.

use std::net::IpAddr;

use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use vestibule_config::scenario::Given;

use super::change;
use super::door::Call;
use super::problem::Problem;
use super::status::json as answer;

/// The body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    pub(super) url: String,
    pub(super) method: Option<String>,
    pub(super) user: Option<String>,
    #[serde(default)]
    pub(super) groups: Vec<String>,
    pub(super) login: Option<String>,
    pub(super) ip: Option<String>,
    pub(super) at: Option<String>,
}

/// Changes nothing: whoever reads the configuration may ask.
pub(super) fn explain(call: &Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let example = r#"{"url": "https://wiki.example.net/", "user": "maya@example.net", "ip": "192.0.2.7"}"#;
    let question = change::wanted(call, "question", example)?;
    Ok(answer(ask(call, question)?.to_string()))
}

/// The answer, with each layer.
pub(super) fn ask(call: &Call, question: Question) -> Result<Value, Problem> {
    let given = question.given()?;
    let state = &call.port.state;
    let explained = state.live.load().explain(&given, &*state.clock, true);
    explained.map(|explained| explained.to_json()).map_err(|bad| Problem::bad_parameter(bad.part, &bad.why))
}

impl Question {
    fn given(self) -> Result<Given, Problem> {
        let Self { url, method, user, groups, login, ip, at } = self;
        let address = |ip: String| ip.parse::<IpAddr>().map(|address| address.to_canonical());
        let instant = |at: String| at.parse::<Timestamp>();
        Ok(Given {
            url,
            method,
            user,
            groups,
            login,
            ip: ip.map(address).transpose().map_err(|_| Problem::bad_parameter("ip", "write an address"))?,
            at: at
                .map(instant)
                .transpose()
                .map_err(|_| Problem::bad_parameter("at", "write a time such as 2027-01-01T00:00:00Z"))?,
        })
    }
}
