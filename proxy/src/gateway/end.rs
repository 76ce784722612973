//! How a request ends: what is said where something failed, and which status was sent.

use http::{HeaderMap, StatusCode};
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType};
use vestibule_auth::Reason;

use crate::admit::fail;
use crate::answer::{self, Unread};
use crate::context::{Ending, Request};
use crate::failure;

/// Answers for an upstream that did not, or for whatever else went wrong.
pub(super) async fn fail_to_proxy(session: &mut Session, error: &Error, request: &mut Request, fields: &HeaderMap) {
    let reason = failure::reason(error);
    if *error.esource() == ErrorSource::Upstream {
        let circuit = request.route.as_ref().map(|route| &*route.name);
        let request_id = request.request_id();
        tracing::warn!(circuit, request_id, reason = reason.code(), cause = error.etype().as_str(), "upstream failed");
    }
    if final_status(session) > 0 || reason == Reason::ClientClosed {
        // Nothing more can be said; the connection is closed.
        request.ending.reason.get_or_insert(reason);
        return;
    }
    let reply = fail(request, fields, reason);
    // Pingora keeps no connection on which something failed: the answer must not say that it does.
    session.set_keepalive(None);
    // A client that is gone by now is no news: the entry says how it ended.
    let _ = answer::write(session, request, reply).await;
}

/// A tunnel in which nothing moved for long ends without blame.
pub(super) fn is_silence(session: &Session, error: &Error) -> bool {
    session.was_upgraded() && *error.etype() == ErrorType::ReadTimedout
}

/// What is refused for such answers is none of them.
pub(super) fn note_failed_answer(request: &Request) {
    let Ending { status, mark, reason, .. } = request.ending;
    if matches!(status, 401 | 403 | 404) && reason != Some(Reason::FailedAnswers) {
        request.live.policy.note_failed_answer(request.client.address, mark.is_none());
    }
}

/// Of the answer that was begun; 0 where nothing but interim answers was sent.
pub(super) fn final_status(session: &Session) -> u16 {
    let status = session.response_written().map(|head| head.status);
    status.filter(|status| is_final(*status)).map_or(0, |status| status.as_u16())
}

pub(super) fn is_final(status: StatusCode) -> bool {
    !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS
}

pub(super) fn reason_unread(unread: &Unread) -> Reason {
    match unread {
        Unread::TooLong => Reason::BodyTooLarge,
        Unread::TooSlow => Reason::HeadTimeout,
        Unread::Gone => Reason::ClientClosed,
    }
}
