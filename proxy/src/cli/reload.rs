//! `vestibule reload`.

use http::{Method, StatusCode};
use serde_json::Value;

use super::Global;
use super::client::{Answer, Client};
use super::failure::Failure;
use super::output::{Output, remark, say};

/// Makes the server read its files; 3 when they have problems.
pub(super) fn run(global: &Global, output: &mut Output) -> Result<(), Failure> {
    told(&ask(&Client::new(global)?, global)?.json()?, global, output)
}

/// What became of a change.
pub(super) fn told(body: &Value, global: &Global, output: &mut Output) -> Result<(), Failure> {
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

/// After a command has changed a file: the running server, if there is one, takes it now.
pub(super) fn after_a_change(global: &Global) -> Result<(), Failure> {
    let said = match Client::with_token(global)?.map(|client| ask(&client, global)) {
        Some(Ok(answer)) if answer.status.is_success() => "the running server has taken the change",
        // The token may be the very one that was changed, and the server sees the file by itself.
        Some(Ok(_)) | None => "a running server takes the change within two seconds",
        Some(Err(Failure::Unreachable(_))) => "no server answers; it takes the change when it starts",
        Some(Err(failure)) => return Err(failure),
    };
    remark(global, said);
    Ok(())
}

fn ask(client: &Client, global: &Global) -> Result<Answer, Failure> {
    accepted(client.send(Method::POST, "/api/v1/config/reload", &[])?, global)
}

/// Shows the problems of a configuration that is refused.
pub(super) fn accepted(answer: Answer, global: &Global) -> Result<Answer, Failure> {
    if answer.status == StatusCode::UNPROCESSABLE_ENTITY {
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        say(global, body.get("report").and_then(Value::as_str).unwrap_or("the configuration has problems"));
        say(global, "the old configuration stays in force");
        return Err(Failure::InvalidShown);
    }
    Ok(answer)
}
