//! Ending a session by its owner.

use http::StatusCode;
use http::header::SET_COOKIE;
use serde::Serialize;
use vestibule_auth::session::State;
use vestibule_auth::{Reason, Session, SessionFilter};

use super::fields::{BadForm, Encoding, Fields, encoding};
use super::{Answer, asked, bad_form, own_site};
use crate::attempt::{self, Scene};
use crate::pages::{LogoutPage, SignedOutPage};
use crate::reply::Reply;
use crate::visit::Visit;
use crate::{cookie, respond, return_path};

/// `GET /.vestibule/logout`: a button, for a link must not be able to end a session.
pub(super) fn page(visit: &Visit<'_>) -> Answer {
    let asked = asked(visit, "/");
    let frame = respond::frame(&asked, None);
    let reply = match visit.session {
        Some(session) => respond::page(StatusCode::OK, &LogoutPage { frame, account: session.email.as_deref() }),
        None => respond::page(StatusCode::OK, &SignedOutPage { frame }),
    };
    Answer::to(visit, reply, None)
}

/// `POST /.vestibule/logout`: the session is over before the answer. With `return`, the sign-in page follows, for
/// another account.
pub(super) async fn end(visit: &Visit<'_>, body: &[u8]) -> Answer {
    if !own_site::is_own(visit) {
        return Answer::refused(visit, Reason::CrossSite, "/");
    }
    let (encoding, fields) = match read(visit, body) {
        Ok(read) => read,
        Err(bad) => return bad_form(visit, &bad),
    };
    let mut answer = match visit.session {
        Some(session) if !ended(visit, session).await => Answer::refused(visit, Reason::LogUnavailable, "/"),
        Some(_) | None => Answer::to(visit, gone(encoding, &fields), None),
    };
    answer.reply.headers.push((SET_COOKIE, cookie::clear(visit.secure)));
    answer
}

fn read(visit: &Visit<'_>, body: &[u8]) -> Result<(Encoding, Fields), BadForm> {
    let encoding = encoding(visit.request.headers, body)?;
    let body = if body.is_empty() && encoding == Encoding::Json { b"{}" } else { body };
    let fields = Fields::read(encoding, body)?.without_credentials()?;
    Ok((encoding, fields))
}

/// Over and recorded. The session goes first: whoever signs out must not stay in because a disk is full.
async fn ended(visit: &Visit<'_>, session: &Session) -> bool {
    let this = SessionFilter { id: Some(session.id.as_str().to_owned()), email: None, circuit: None };
    let state = visit.state.clone();
    // Ending waits for the disk, which the threads that serve requests must not.
    match tokio::task::spawn_blocking(move || state.auth.sessions().end(&this, State::Logout)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "session not ended");
            return false;
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "ending a session broke off");
            return false;
        }
    }
    let recorded = attempt::signed_out(visit.state, &Scene::of(visit), session).await;
    if let Err(error) = &recorded {
        tracing::error!(error = error as &dyn std::error::Error, "logout not recorded");
    }
    recorded.is_ok()
}

fn gone(encoding: Encoding, fields: &Fields) -> Reply {
    #[derive(Serialize)]
    struct Gone {
        signed_out: bool,
    }
    match (encoding, fields.back()) {
        (Encoding::Json, _) => respond::json(StatusCode::OK, &Gone { signed_out: true }),
        (Encoding::Form, Some(back)) => respond::redirect(StatusCode::SEE_OTHER, &return_path::sign_in(back)),
        (Encoding::Form, None) => respond::redirect(StatusCode::SEE_OTHER, "/.vestibule/logout"),
    }
}
