//! Ending a session by its owner.

use std::time::Duration;

use http::StatusCode;
use http::header::SET_COOKIE;
use serde::Serialize;
use tokio::time::timeout;
use vestibule_auth::session::{Listed, State};
use vestibule_auth::{Reason, Session, SessionFilter};
use vestibule_logstore::Unavailable;

use super::fields::{self, BadForm, Encoding, Fields, encoding};
use super::{Answer, asked, bad_form, hand_over, own_site, sso};
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
    let login = hand_over::elsewhere(visit).map(|host| own_site::origin_of(visit, host));
    let Some(session) = visit.session else {
        let reply = match &login {
            // Who has no session here may have one there.
            Some(_) => respond::redirect_away(StatusCode::FOUND, &signed_out(visit)),
            None => respond::page(StatusCode::OK, &SignedOutPage { frame }),
        };
        return Answer::to(visit, reply, None);
    };
    let mut reply = respond::page(StatusCode::OK, &LogoutPage { frame, account: session.email.as_deref() });
    // Browsers look at where a form leads in the end too.
    login.iter().for_each(|origin| pages::let_forms_lead_to(&mut reply.headers, origin));
    if let Some(origin) = at_provider(visit).await.as_deref().and_then(origin_of) {
        pages::let_forms_lead_to(&mut reply.headers, &origin);
    }
    Answer::to(visit, reply, None)
}

/// The page at which the session's provider ends its own session; absent where it offers none, or does not answer soon.
async fn at_provider(visit: &Visit<'_>) -> Option<String> {
    let cookie = visit.request.cookie?;
    let host = own_site::login_host(visit).unwrap_or(visit.request.host);
    let back = format!("{}{}", own_site::origin_of(visit, host), SIGNED_OUT);
    timeout(PROVIDER_WAIT, visit.gate.logout_at_provider(cookie, &back)).await.ok().flatten()
}

/// Says so; at the login host where people sign in there.
fn signed_out(visit: &Visit<'_>) -> String {
    let origin = hand_over::elsewhere(visit).map(|host| own_site::origin_of(visit, host));
    format!("{}{SIGNED_OUT}", origin.unwrap_or_default())
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
    let provider = if fields.back().or(fields.request()).is_none() { at_provider(visit).await } else { None };
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

/// Over and recorded, with the sign-in at the login host that it came from and everything that came from that. The session goes first: whoever signs out must not stay in because a disk is full.
async fn ended(visit: &Visit<'_>, session: &Session) -> bool {
    let this = SessionFilter { id: Some(session.id.as_str().to_owned()), email: None, circuit: None };
    let state = visit.state.clone();
    // Ending waits for the disk, which the threads that serve requests must not.
    let others = match tokio::task::spawn_blocking(move || state.auth.sessions().end(&this, State::Logout)).await {
        Ok(Ok(ended)) => ended.into_iter().filter(|ended| ended.id != session.id.as_str()).collect(),
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "session not ended");
            return false;
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "ending a session broke off");
            return false;
        }
    };
    let recorded = recorded(visit, session, others).await;
    if let Err(error) = &recorded {
        tracing::error!(error = error as &dyn std::error::Error, "logout not recorded");
    }
    recorded.is_ok()
}

async fn recorded(visit: &Visit<'_>, session: &Session, others: Vec<Listed>) -> Result<(), Unavailable> {
    let scene = Scene::of(visit);
    attempt::signed_out(visit.state, &scene, session).await?;
    for other in &others {
        attempt::ended_elsewhere(visit.state, &scene, other).await?;
    }
    Ok(())
}

/// A browser goes on to the provider, which sends it back to the page that says so.
fn gone(visit: &Visit<'_>, encoding: Encoding, fields: &Fields, provider: Option<&str>) -> Reply {
    #[derive(Serialize)]
    struct Gone<'a> {
        signed_out: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_logout_url: Option<&'a str>,
    }
    match (encoding, fields.back().or(fields.request().map(|_| "/"))) {
        (Encoding::Json, _) => respond::json(StatusCode::OK, &Gone { signed_out: true, provider_logout_url: provider }),
        (Encoding::Form, Some(back)) => respond::redirect(StatusCode::SEE_OTHER, &next_account(visit, fields, back)),
        (Encoding::Form, None) => {
            let signed_out = signed_out(visit);
            respond::redirect_away(StatusCode::SEE_OTHER, provider.unwrap_or(&signed_out))
        }
    }
}

/// Without a word a provider, or the login host, would take the same account again.
fn next_account(visit: &Visit<'_>, fields: &Fields, back: &str) -> String {
    match fields.request().filter(|_| own_site::is_login_host(visit)) {
        Some(request) => return_path::sign_in_for_another(request),
        None if sso::providers(visit).is_empty() && hand_over::elsewhere(visit).is_none() => return_path::sign_in(back),
        None => return_path::sign_in_as_another(back),
    }
}
