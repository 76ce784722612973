//! `POST /api/v1/policy/explain`: what would become of a request, and why.

use std::net::IpAddr;

use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use vestibule_config::scenario::Given;

use super::change;
use super::door::Call;
use super::problem::Problem;
use super::status::json as answer;

/// The body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    url: String,
    method: Option<String>,
    user: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    login: Option<String>,
    ip: Option<String>,
    at: Option<String>,
}

/// Changes nothing: whoever reads the configuration may ask.
pub(super) fn explain(call: &Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let example = r#"{"url": "https://wiki.example.net/", "user": "maya@example.net", "ip": "192.0.2.7"}"#;
    let given = change::wanted::<Question>(call, "question", example)?.given()?;
    let state = &call.port.state;
    let explained = state.live.load().explain(&given, &*state.clock, true);
    let explained = explained.map_err(|bad| Problem::bad_parameter(bad.part, &bad.why))?;
    Ok(answer(explained.to_json().to_string()))
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
