//! Signing in with something that a person types.
//!
//! The order of a good attempt: verify, record on disk, open the session, answer. Without the record there is no
//! session.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::SET_COOKIE;
use serde::Serialize;
use vestibule_auth::session::SessionCookie;
use vestibule_auth::{Credential, Method, Outcome, Reason, Refusal, SignIn, Verified, Wanted};

use super::fields::{self, Encoding, Fields, encoding};
use super::sign_in_page::wrong;
use super::{Answer, asked, bad_form, hand_over, login_host, own_site, steps};
use crate::attempt::{self, Passed, Progress, Scene};
use crate::reply::Reply;
use crate::visit::Visit;
use crate::{cookie, respond, return_path};

/// `POST /.vestibule/login`
pub(super) async fn attempt(visit: &Visit<'_>, body: &[u8]) -> Answer {
    if let Some(refused) = own_site::refuse_form(visit) {
        return refused;
    }
    let read = encoding(visit.request.headers, body).and_then(|encoding| {
        let fields = Fields::read(encoding, body, fields::SIGN_IN)?;
        let credential = fields.credential()?;
        Ok((encoding, fields, credential))
    });
    let (encoding, fields, credential) = match read {
        Ok(read) => read,
        Err(bad) => return bad_form(visit, &bad),
    };
    if own_site::is_login_host(visit) && matches!(credential, Credential::Shared(_)) {
        // A circuit's own secret is good on its own hosts.
        return bad_form(visit, &Fields::missing("email"));
    }
    let back = if own_site::is_login_host(visit) { "/" } else { return_path::checked(fields.back().unwrap_or("/")) };
    let wanted = match fields.request() {
        Some(id) if own_site::is_login_host(visit) => match visit.live.policy.wanted(id) {
            Some(wanted) => Some(wanted),
            None => return login_host::over(visit),
        },
        Some(_) => return bad_form(visit, &Fields::unexpected("request")),
        None => None,
    };
    // What is behind decides who may sign in, and how.
    let visit = &wanted.as_ref().map_or_else(|| visit.toward(back), |wanted| login_host::at(visit, wanted));
    let attempt = going_on(visit, credential.method());
    let scene = Scene::of(visit).of_attempt(attempt.as_deref());
    match visit.gate.sign_in(credential, &visit.request).await {
        Outcome::Verified(verified) => steps::go_on(visit, &scene, verified, encoding, back).await,
        Outcome::Failed(who, refusal) => {
            turn_away(visit, &scene, &who, &refusal, wrong(visit, encoding, back, &fields)).await
        }
        Outcome::Forbidden(who, refusal) => {
            let mut asked = asked(visit, back);
            asked.account = who.email.as_deref();
            turn_away(visit, &scene, &who, &refusal, respond::refusal(&refusal, &asked)).await
        }
        Outcome::Limited(who, refusal) => {
            attempt::limited(visit.state, &scene, &who, &refusal);
            answered(&who, respond::refusal(&refusal, &asked(visit, back)), refusal.reason)
        }
    }
}

/// The attempt that the page began in this browser goes on with its form.
pub(super) fn going_on(visit: &Visit<'_>, method: Method) -> Option<Arc<str>> {
    let browser = cookie::find_browser(visit.request.headers, visit.secure)?;
    let attempt = visit.state.opened.take(browser, &visit.gate.circuit().name.shared())?;
    let scene = Scene::of(visit).of_attempt(Some(&attempt));
    attempt::passed(visit.state, &scene, &Passed::page(Progress::Pending, method));
    Some(attempt)
}

/// Records a sign-in that has no step left, opens its session, and goes where the person wants to be. Only
/// [`steps::go_on`] knows that none is left.
pub(super) async fn let_in(
    visit: &Visit<'_>,
    scene: &Scene<'_>,
    verified: Verified,
    encoding: Encoding,
    back: &str,
) -> Answer {
    let login = visit.live.policy.login().filter(|_| own_site::is_login_host(visit));
    let verified = match login {
        Some(login) => verified.for_all_hosts(login),
        None => verified,
    };
    let Some(wanted) = visit.wanted else {
        return match attempt::succeeded(visit.state, scene, &verified).await {
            Ok(()) => open(visit, verified, |opened| welcome(visit, opened, encoding, back)).await,
            Err(error) => unrecorded(visit, &error),
        };
    };
    // The circuit goes on with the attempt.
    let attempt = scene.attempt.map_or_else(|| visit.state.request_ids.next().to_string(), str::to_owned);
    let scene = scene.of_attempt(Some(&attempt));
    match attempt::vouched(visit.state, &scene, &verified).await {
        Ok(()) => open(visit, verified, |opened| on_the_way(visit, wanted, opened, encoding, &attempt)).await,
        Err(error) => unrecorded(visit, &error),
    }
}

/// Opens a session whose attempt is recorded, in place of the one that the request came with.
pub(super) async fn open(
    visit: &Visit<'_>,
    verified: Verified,
    answer: impl FnOnce(&SessionCookie) -> Answer,
) -> Answer {
    // Opening waits for the disk, which the threads that serve requests must not.
    let replaces = visit.session.cloned();
    match tokio::task::spawn_blocking(move || verified.open(replaces.as_deref())).await {
        Ok(Ok(opened)) => return answer(&opened),
        Ok(Err(error)) => tracing::error!(error = &error as &dyn std::error::Error, "session not opened"),
        Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "opening a session broke off"),
    }
    Answer::refused(visit, Reason::LogUnavailable, "/")
}

/// Records a failure, then answers with `reply`.
pub(super) async fn turn_away(
    visit: &Visit<'_>,
    scene: &Scene<'_>,
    who: &SignIn,
    refusal: &Refusal,
    reply: Reply,
) -> Answer {
    match attempt::failed(visit.state, scene, who, refusal).await {
        Ok(()) => answered(who, reply, refusal.reason),
        Err(error) => unrecorded(visit, &error),
    }
}

/// To the circuit that wants it; to the launcher where that was done meanwhile.
fn on_the_way(visit: &Visit<'_>, wanted: &Wanted, opened: &SessionCookie, encoding: Encoding, attempt: &str) -> Answer {
    let code = wanted.hand_over(&opened.value, Some(attempt), &visit.request);
    let location = code.map_or_else(|| "/".to_owned(), |code| hand_over::way_back(wanted.origin(), &code));
    welcome(visit, opened, encoding, &location)
}

/// The browser is given the session, and goes to `back`.
pub(super) fn welcome(visit: &Visit<'_>, opened: &SessionCookie, encoding: Encoding, back: &str) -> Answer {
    #[derive(Serialize)]
    struct Welcome<'a> {
        r#return: &'a str,
        expires: jiff::Timestamp,
    }
    let expires = opened.session.expires;
    let mut reply = match encoding {
        Encoding::Form => respond::redirect(StatusCode::SEE_OTHER, back),
        Encoding::Json => respond::json(StatusCode::OK, &Welcome { r#return: back, expires }),
    };
    let lifetime = Duration::try_from(expires.duration_since(visit.state.clock.now())).unwrap_or_default();
    reply.headers.extend(cookie::set(&opened.value, visit.secure, lifetime).map(|value| (SET_COOKIE, value)));
    reply.headers.extend(visit.budget.into_iter().flat_map(respond::rate_limit_headers));
    Answer { reply, reason: None, method: opened.session.method, session: Some(opened.session.clone()) }
}

pub(super) fn answered(who: &SignIn, reply: Reply, reason: Reason) -> Answer {
    Answer { reply, reason: Some(reason), session: None, method: who.method }
}

pub(super) fn unrecorded(visit: &Visit<'_>, error: &vestibule_logstore::Unavailable) -> Answer {
    tracing::error!(error = error as &dyn std::error::Error, "attempt not recorded");
    Answer::refused(visit, Reason::LogUnavailable, "/")
}
