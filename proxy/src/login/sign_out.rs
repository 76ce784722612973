//! Ending a session by its owner.

use std::time::Duration;

use http::StatusCode;
use http::header::SET_COOKIE;
use serde::Serialize;
use tokio::time::timeout;
use vestibule_auth::session::State;
use vestibule_auth::{Reason, Session, SessionFilter};

use super::fields::{self, BadForm, Encoding, Fields, encoding};
use super::{Answer, asked, bad_form, own_site, sso};
use crate::attempt::{self, Scene};
use crate::pages::{LogoutPage, SignedOutPage};
use crate::reply::Reply;
use crate::visit::Visit;
use crate::{cookie, pages, respond, return_path};

/// Says so, to whoever has no session.
const SIGNED_OUT: &str = "/.vestibule/logout";
/// A provider that does not say in this time where it signs people out is left signed in.
const PROVIDER_WAIT: Duration = Duration::from_secs(3);

/// `GET /.vestibule/logout`: a button, for a link must not be able to end a session.
pub(super) async fn page(visit: &Visit<'_>) -> Answer {
    let asked = asked(visit, "/");
    let frame = respond::frame(&asked, None);
    let Some(session) = visit.session else {
        return Answer::to(visit, respond::page(StatusCode::OK, &SignedOutPage { frame }), None);
    };
    let mut reply = respond::page(StatusCode::OK, &LogoutPage { frame, account: session.email.as_deref() });
    // Browsers look at where a form leads in the end too.
    if let Some(origin) = at_provider(visit).await.as_deref().and_then(origin_of) {
        pages::let_forms_lead_to(&mut reply.headers, &origin);
    }
    Answer::to(visit, reply, None)
}

/// The page at which the session's provider ends its own session; absent where it offers none, or does not answer soon.
async fn at_provider(visit: &Visit<'_>) -> Option<String> {
    let cookie = visit.request.cookie?;
    let back = format!("{}{}", own_site::origin(visit), SIGNED_OUT);
    timeout(PROVIDER_WAIT, visit.gate.logout_at_provider(cookie, &back)).await.ok().flatten()
}

fn origin_of(address: &str) -> Option<String> {
    let uri: http::Uri = address.parse().ok()?;
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?))
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
    // Another account of the same provider is no reason to leave the provider.
    let provider = if fields.back().is_none() { at_provider(visit).await } else { None };
    let mut answer = match visit.session {
        Some(session) if !ended(visit, session).await => Answer::refused(visit, Reason::LogUnavailable, "/"),
        Some(_) | None => Answer::to(visit, gone(visit, encoding, &fields, provider.as_deref()), None),
    };
    answer.reply.headers.push((SET_COOKIE, cookie::clear(visit.secure)));
    answer
}

fn read(visit: &Visit<'_>, body: &[u8]) -> Result<(Encoding, Fields), BadForm> {
    let encoding = encoding(visit.request.headers, body)?;
    let body = if body.is_empty() && encoding == Encoding::Json { b"{}" } else { body };
    let fields = Fields::read(encoding, body, fields::SIGN_OUT)?;
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

/// A browser goes on to the provider, which sends it back to the page that says so.
fn gone(visit: &Visit<'_>, encoding: Encoding, fields: &Fields, provider: Option<&str>) -> Reply {
    #[derive(Serialize)]
    struct Gone<'a> {
        signed_out: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_logout_url: Option<&'a str>,
    }
    match (encoding, fields.back()) {
        (Encoding::Json, _) => respond::json(StatusCode::OK, &Gone { signed_out: true, provider_logout_url: provider }),
        // Without the word a provider would take the same account again.
        (Encoding::Form, Some(back)) if !sso::providers(visit).is_empty() => {
            respond::redirect(StatusCode::SEE_OTHER, &return_path::sign_in_as_another(back))
        }
        (Encoding::Form, Some(back)) => respond::redirect(StatusCode::SEE_OTHER, &return_path::sign_in(back)),
        (Encoding::Form, None) => respond::redirect(StatusCode::SEE_OTHER, provider.unwrap_or(SIGNED_OUT)),
    }
}
