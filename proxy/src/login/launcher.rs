//! The circuits that somebody who is signed in may open.

use http::header::VARY;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use vestibule_auth::Open;

use super::{Answer, asked, own_site, whoami};
use crate::classify::{Client, classify};
use crate::pages::{CircuitLink, LauncherPage};
use crate::visit::Visit;
use crate::{respond, return_path};

#[derive(Serialize)]
struct Launcher<'a> {
    circuits: &'a [CircuitLink<'a>],
}

/// `GET /.vestibule/circuits`: a page for browsers, JSON for programs. Who is not signed in, or not let in any more, is
/// asked to sign in.
pub(super) fn answer(visit: &Visit<'_>) -> Answer {
    let is_page = classify(visit.request.headers) == Client::Navigation;
    if visit.identity.is_none() {
        return if is_page { to_sign_in(visit) } else { whoami::unknown(visit) };
    }
    let open = visit.live.policy.open_to(visit.gate, &visit.request);
    let circuits: Vec<_> = open.iter().map(|open| link(visit, open)).collect();
    let mut reply = if is_page {
        let account = visit.session.and_then(|session| session.email.as_deref());
        let frame = respond::frame(&asked(visit, "/"), None);
        respond::page(StatusCode::OK, &LauncherPage { frame, account, circuits: &circuits })
    } else {
        respond::json(StatusCode::OK, &Launcher { circuits: &circuits })
    };
    reply.headers.push((VARY, HeaderValue::from_static("Accept, Sec-Fetch-Mode")));
    reply.headers.extend(visit.budget.into_iter().flat_map(respond::rate_limit_headers));
    Answer::to(visit, reply, None)
}

fn to_sign_in(visit: &Visit<'_>) -> Answer {
    let reply = respond::redirect(StatusCode::FOUND, &return_path::sign_in("/"));
    Answer::to(visit, reply, Some(whoami::reason_unknown(visit)))
}

/// Its first host, or the one that was asked; at the scheme and port of the client.
fn link<'a>(visit: &Visit<'a>, Open { circuit, path }: &'a Open) -> CircuitLink<'a> {
    let is_here = circuit.name == visit.gate.circuit().name;
    let first = circuit.hosts.first().map(vestibule_config::Host::as_str).unwrap_or_default();
    let host = if is_here { visit.request.host } else { first };
    let project = circuit.project.as_ref().and_then(|name| visit.live.settings.projects.get(name));
    CircuitLink {
        name: circuit.name.as_str(),
        label: project.and_then(|project| project.label.as_deref()),
        url: format!("{}{path}", own_site::origin_of(visit, host)),
    }
}
