//! Who the session's owner is, for programs.

use std::collections::BTreeSet;

use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use vestibule_auth::Reason;

use super::{Answer, asked};
use crate::visit::Visit;
use crate::{cookie, respond};

#[derive(Serialize)]
struct Whoami<'a> {
    email: Option<&'a str>,
    user_id: &'a str,
    groups: &'a BTreeSet<String>,
    method: &'static str,
    circuit: &'a str,
    session_id: &'a str,
    created: Timestamp,
    expires: Timestamp,
}

/// `GET /.vestibule/whoami`: a session that account and policy would let pass now, else 401.
pub(super) fn answer(visit: &Visit<'_>) -> Answer {
    let (Some(session), Some(identity)) = (visit.session, visit.identity) else { return unknown(visit) };
    let body = Whoami {
        email: identity.email.as_deref(),
        user_id: &identity.user_id,
        groups: &identity.groups,
        method: identity.method.code(),
        circuit: &session.circuit,
        session_id: session.id.as_str(),
        created: session.created,
        expires: session.expires,
    };
    let mut reply = respond::json(StatusCode::OK, &body);
    reply.headers.extend(visit.budget.into_iter().flat_map(respond::rate_limit_headers));
    Answer::to(visit, reply, None)
}

/// Never a redirect: whoever asks here is a program, whatever its headers say.
pub(super) fn unknown(visit: &Visit<'_>) -> Answer {
    let reason = reason_unknown(visit);
    Answer::to(visit, respond::unauthorized(reason, &asked(visit, "/")), Some(reason))
}

pub(super) fn reason_unknown(visit: &Visit<'_>) -> Reason {
    let sent = cookie::is_sent(visit.request.headers, visit.secure);
    if sent { Reason::MissingSession } else { Reason::NoCredentials }
}
