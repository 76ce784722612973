//! `GET /api/openapi.json` and `/api/docs`: what this port answers, as OpenAPI 3.1, made from its own table of routes.

mod described;
mod entries;
mod page;
mod schema;
mod schemas;

use axum::response::Response;
use serde_json::{Map, Value, json};
use vestibule_config::admin::Role;

use self::described::{Described, Gives, Wants, of};
use super::door::{Call, role_name};
use super::problem::Problem;
use super::{Answer, ROUTES, Route, status};

/// `GET /api/openapi.json`.
pub(super) fn document(call: &Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    Ok(status::json(whole().to_string()))
}

pub(super) use page::reference;

/// Those for programs; the pages are for people.
fn described_routes() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| !route.is_page())
}

/// The document.
fn whole() -> Value {
    let mut paths = Map::new();
    for route in described_routes() {
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        if let (Some(item), Some(described)) = (item.as_object_mut(), of(route)) {
            item.insert(route.method.as_str().to_lowercase(), operation(route, described));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Vestibule",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The admin port: logs, sessions, bans, grants, configuration, integrity.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "parameters": entries::all_filters(),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn operation(route: &Route, described: &Described) -> Value {
    let parameters: Vec<Value> = of_path(route).into_iter().chain((described.takes)()).collect();
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": described.what,
        "parameters": parameters,
        "responses": responses(route, described),
    });
    if let Some(operation) = operation.as_object_mut() {
        if let Some(Wants { kind, schema, required }) = &described.wants {
            let content = json!({ *kind: { "schema": schema() } });
            operation.insert("requestBody".to_owned(), json!({ "required": required, "content": content }));
        }
        if let Some(role) = role(route) {
            operation.insert("security".to_owned(), json!([{ "token": [] }]));
            operation.insert("description".to_owned(), format!("Role: {}.", role_name(role)).into());
        }
    }
    operation
}

fn role(route: &Route) -> Option<Role> {
    match route.answer {
        Answer::Open(_) | Answer::Entrance(_) => None,
        Answer::Token(role, _) | Answer::Page(role, _) => Some(role),
    }
}

/// `{id}`, where it stands in the path.
fn of_path(route: &Route) -> Option<Value> {
    route
        .path
        .contains("{id}")
        .then(|| json!({ "name": "id", "in": "path", "required": true, "schema": schema::text() }))
}

/// `get_api_v1_bans_id`: unique, as the method and path are.
fn operation_id(route: &Route) -> String {
    let path = route.path.replace(['/', '-', '.'], "_").replace(['{', '}'], "");
    format!("{}{path}", route.method.as_str().to_lowercase())
}

fn responses(route: &Route, described: &Described) -> Value {
    let mut responses = Map::new();
    for Gives { status, what, kinds } in (described.gives)() {
        let content: Map<String, Value> =
            kinds.into_iter().map(|(kind, schema)| (kind.to_owned(), json!({ "schema": schema }))).collect();
        responses.insert(status.to_string(), json!({ "description": what, "content": content }));
    }
    if role(route).is_some() {
        let content = json!({ "application/problem+json": { "schema": schema::named("Problem") } });
        let refused = json!({ "description": "Why not, in words and as a reason for programs.", "content": content });
        for status in described.refuses.iter().chain(&[400, 401, 403, 404, 421, 429, 503]) {
            responses.entry(status.to_string()).or_insert_with(|| refused.clone());
        }
    }
    responses.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let missing: Vec<String> = described_routes()
            .filter(|route| of(route).is_none())
            .map(|route| format!("{} {}", route.method, route.path))
            .collect();
        assert!(missing.is_empty(), "described.rs says nothing of {missing:#?}");
        let stray: Vec<String> = described::DESCRIBED
            .iter()
            .filter(|described| !ROUTES.iter().any(|route| described.is_of(route)))
            .map(|described| format!("{} {}", described.method, described.path))
            .collect();
        assert!(stray.is_empty(), "there is no route for {stray:#?}");
    }

    #[test]
    fn no_operation_has_the_name_of_another() {
        let mut names: Vec<String> = ROUTES.iter().map(operation_id).collect();
        names.sort();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_schema_that_is_named_is_there() {
        let document = whole().to_string();
        let schemas = schemas::all();
        for name in document.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(schemas.contains_key(name), "{name}");
        }
    }
}
