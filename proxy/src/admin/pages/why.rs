//! What would become of a request, layer by layer.

use askama::Template;
use axum::response::Response;
use serde_json::Value;

use super::circuits::shown;
use super::table::{Cell, Line, Table};
use super::{Frame, html, parameters};
use crate::admin::door::Call;
use crate::admin::policy::{self, Question};
use crate::admin::problem::Problem;

/// The fields of the form, as the API names them.
const FIELDS: [&str; 7] = ["url", "method", "user", "groups", "login", "ip", "at"];

#[derive(Template)]
#[template(path = "why.html")]
struct WhyPage {
    frame: Frame,
    /// Name and value of each of [`FIELDS`].
    asked: Vec<(&'static str, String)>,
    answer: Option<Answer>,
}

/// What one layer after the other said.
pub(super) struct Answer {
    pub(super) decision: String,
    pub(super) tone: &'static str,
    pub(super) reason: String,
    pub(super) circuit: String,
    pub(super) would_block: String,
    pub(super) layers: Table,
}

/// `GET /why`: changes nothing, so that a question is an address.
pub(in crate::admin) fn page(call: &Call) -> Result<Response, Problem> {
    let parameters = parameters(call);
    if let Some((name, _)) = parameters.iter().find(|(name, _)| !FIELDS.contains(&name.as_str())) {
        return Err(Problem::bad_parameter(name, &format!("not known here; there are {}", FIELDS.join(", "))));
    }
    let value = |name: &str| {
        let named = parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim().to_owned());
        named.filter(|value| !value.is_empty())
    };
    let answer = value("url").map(|url| {
        let groups = value("groups").unwrap_or_default();
        let question = Question {
            url,
            method: value("method"),
            user: value("user"),
            groups: groups.split(',').map(str::trim).filter(|group| !group.is_empty()).map(str::to_owned).collect(),
            login: value("login"),
            ip: value("ip"),
            at: value("at"),
        };
        policy::ask(call, question).map(|told| answered(&told))
    });
    let page = WhyPage {
        frame: Frame::of(call, "Why"),
        asked: FIELDS.iter().map(|name| (*name, value(name).unwrap_or_default())).collect(),
        answer: answer.transpose()?,
    };
    Ok(html(&page))
}

pub(super) fn answered(told: &Value) -> Answer {
    let text = |of: &Value, name: &str| shown(of.get(name).unwrap_or(&Value::Null));
    let layers = told.get("layers").and_then(Value::as_array).into_iter().flatten();
    let line = |layer: &Value| {
        let texts = ["layer", "outcome", "rule", "place"].map(|name| Cell::text(text(layer, name)));
        Line::of(texts.into())
    };
    let decision = text(told, "decision");
    Answer {
        tone: if decision == "allow" { "good" } else { "bad" },
        decision,
        reason: text(told, "reason"),
        circuit: text(told, "circuit"),
        would_block: text(told, "would_block"),
        layers: Table {
            caption: "Layers, in the order in which they are asked",
            heads: vec!["Layer", "Outcome", "Rule", "Place"],
            rows: layers.map(line).collect(),
            empty: "Nothing was asked.",
        },
    }
}
