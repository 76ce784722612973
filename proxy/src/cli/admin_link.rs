//! `vestibule admin-link`.

use http::Method;
use serde_json::Value;

use super::Global;
use super::client::Client;
use super::failure::Failure;
use super::output::Output;

/// Prints a link into the web pages, for who holds the token. It is of the address at which the server was asked.
pub(super) fn run(global: &Global, output: &mut Output) -> Result<(), Failure> {
    let client = Client::new(global)?;
    let made = client.send(Method::POST, "/api/v1/admin-link", &[])?.json()?;
    let path = made.get("path").and_then(Value::as_str).unwrap_or_default();
    output.line(&format!("{}{path}", client.base()))
}
