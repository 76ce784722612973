//! `vestibule reload`.

use http::{Method, StatusCode};
use serde_json::Value;

use super::Global;
use super::client::Client;
use super::failure::Failure;
use super::output::{Output, say};

/// Makes the server read its files; 3 when they have problems.
pub(super) fn run(global: &Global, output: &mut Output) -> Result<(), Failure> {
    let answer = Client::new(global)?.send(Method::POST, "/api/v1/config/reload", &[])?;
    if answer.status == StatusCode::UNPROCESSABLE_ENTITY {
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        say(global, body.get("report").and_then(Value::as_str).unwrap_or("the configuration has problems"));
        say(global, "the old configuration stays in force");
        return Err(Failure::InvalidShown);
    }
    let body = answer.json()?;
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or("?").to_owned();
    let keys = body.get("needs_restart").and_then(Value::as_array).cloned().unwrap_or_default();
    for key in keys.iter().filter_map(Value::as_str) {
        say(global, &format!("{key} changed, but needs a restart; the old value stays in force"));
    }
    match body.get("changed").and_then(Value::as_bool) {
        Some(true) => output.line(&format!("reloaded: revision {} is now {}", text("before"), text("after"))),
        Some(false) | None => output.line(&format!("unchanged: revision {}", text("after"))),
    }
}
