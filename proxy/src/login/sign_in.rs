//! Signing in with something that a person types.
//!
//! The order of a good attempt: verify, record on disk, open the session, answer. Without the record there is no
//! session.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;
use http::header::SET_COOKIE;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use vestibule_auth::session::SessionCookie;
use vestibule_auth::{Outcome, Reason, Refusal, SignIn, Verified};
use vestibule_config::access::Ways;
use vestibule_config::{Access, SignInWay};

use super::fields::{Encoding, Fields, encoding};
use super::{Answer, asked, bad_form, own_site};
use crate::attempt::{self, Scene};
use crate::classify::{Client, classify};
use crate::pages::{Form, Secret, SignInPage};
use crate::reply::Reply;
use crate::visit::Visit;
use crate::{cookie, respond, return_path};

/// `GET /.vestibule/login?return=PATH`
pub(super) fn page(visit: &Visit<'_>) -> Answer {
    let back = return_target(visit.query);
    if !own_site::may_sign_in(visit) {
        return Answer::refused(visit, Reason::TlsRequired, "/");
    }
    Answer::to(visit, shown(visit, StatusCode::OK, &back, "", None), None)
}

/// `POST /.vestibule/login`
pub(super) async fn attempt(visit: &Visit<'_>, body: &[u8]) -> Answer {
    if !own_site::may_sign_in(visit) {
        return Answer::refused(visit, Reason::TlsRequired, "/");
    }
    if !own_site::is_own(visit) {
        return Answer::refused(visit, Reason::CrossSite, "/");
    }
    let read = encoding(visit.request.headers, body).and_then(|encoding| {
        let fields = Fields::read(encoding, body)?;
        let credential = fields.credential()?;
        Ok((encoding, fields, credential))
    });
    let (encoding, fields, credential) = match read {
        Ok(read) => read,
        Err(bad) => return bad_form(visit, &bad),
    };
    let back = return_path::checked(fields.back().unwrap_or("/"));
    match visit.gate.sign_in(credential, &visit.request).await {
        Outcome::Verified(verified) => let_in(visit, verified, encoding, back).await,
        Outcome::Failed(who, refusal) => turn_away(visit, &who, &refusal, wrong(visit, encoding, back, &fields)).await,
        Outcome::Forbidden(who, refusal) => {
            let mut asked = asked(visit, back);
            asked.account = who.email.as_deref();
            turn_away(visit, &who, &refusal, respond::refusal(&refusal, &asked)).await
        }
        Outcome::Limited(who, refusal) => {
            attempt::limited(visit.state, &Scene::of(visit), &who, &refusal);
            answered(&who, respond::refusal(&refusal, &asked(visit, back)), refusal.reason)
        }
    }
}

async fn let_in(visit: &Visit<'_>, verified: Verified, encoding: Encoding, back: &str) -> Answer {
    let scene = Scene::of(visit);
    let recorded = attempt::succeeded(visit.state, &scene, &verified.sign_in, verified.session_id()).await;
    if let Err(error) = recorded {
        return unrecorded(visit, &error);
    }
    // Opening waits for the disk, which the threads that serve requests must not.
    let replaces = visit.session.cloned();
    match tokio::task::spawn_blocking(move || verified.open(replaces.as_deref())).await {
        Ok(Ok(opened)) => return welcome(visit, &opened, encoding, back),
        Ok(Err(error)) => tracing::error!(error = &error as &dyn std::error::Error, "session not opened"),
        Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "opening a session broke off"),
    }
    Answer::refused(visit, Reason::LogUnavailable, "/")
}

/// Records a failure, then answers with `reply`.
async fn turn_away(visit: &Visit<'_>, who: &SignIn, refusal: &Refusal, reply: Reply) -> Answer {
    match attempt::failed(visit.state, &Scene::of(visit), who, refusal).await {
        Ok(()) => answered(who, reply, refusal.reason),
        Err(error) => unrecorded(visit, &error),
    }
}

fn welcome(visit: &Visit<'_>, opened: &SessionCookie, encoding: Encoding, back: &str) -> Answer {
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

/// The same for a wrong secret, an unknown account, and one that may not sign in: the page again, or a problem.
fn wrong(visit: &Visit<'_>, encoding: Encoding, back: &str, fields: &Fields) -> Reply {
    let is_browser = encoding == Encoding::Form && classify(visit.request.headers) == Client::Navigation;
    if is_browser {
        shown(visit, StatusCode::UNAUTHORIZED, back, fields.email(), Some(Reason::InvalidCredentials))
    } else {
        respond::unauthorized(Reason::InvalidCredentials, &asked(visit, back))
    }
}

fn shown(visit: &Visit<'_>, status: StatusCode, back: &str, email: &str, problem: Option<Reason>) -> Reply {
    let asked = asked(visit, back);
    let page = SignInPage {
        frame: respond::frame(&asked, problem),
        forms: &forms(&visit.gate.circuit().access),
        back,
        email,
        account: asked.account,
        problem: problem.map(respond::sentence),
    };
    let mut reply = respond::page(status, &page);
    reply.headers.extend((status == StatusCode::UNAUTHORIZED).then(|| respond::challenge(&asked)));
    reply.headers.extend(asked.budget.into_iter().flat_map(respond::rate_limit_headers));
    reply
}

/// In the order of the circuit's `login`, its shared secrets last.
fn forms(access: &Access) -> Vec<Form> {
    let Ways { login, shared, header_auth: _ } = match access {
        Access::Public => return Vec::new(),
        Access::Members(ways) | Access::Allowlist { allow: _, ways } => ways,
    };
    let own = login.iter().map(|way| match way {
        SignInWay::Password => Form { title: "With your password", personal: true, secret: Secret::Password },
        SignInWay::Pin => Form { title: "With your PIN", personal: true, secret: Secret::Pin },
    });
    let password = shared.as_ref().is_some_and(|shared| shared.password_hash.is_some());
    let pin = shared.as_ref().is_some_and(|shared| shared.pin_hash.is_some());
    let shared_password = Form { title: "With the shared password", personal: false, secret: Secret::Password };
    let shared_pin = Form { title: "With the shared PIN", personal: false, secret: Secret::Pin };
    own.chain(password.then_some(shared_password)).chain(pin.then_some(shared_pin)).collect()
}

/// `return` of the query, decoded once and checked; anything else in the query is not looked at.
fn return_target(query: Option<&str>) -> Cow<'_, str> {
    let parameter = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("return="));
    match parameter.map(|value| percent_decode_str(value).decode_utf8()) {
        Some(Ok(target)) if return_path::checked(&target) == target => target,
        Some(_) | None => Cow::Borrowed("/"),
    }
}

fn answered(who: &SignIn, reply: Reply, reason: Reason) -> Answer {
    Answer { reply, reason: Some(reason), session: None, method: who.method }
}

fn unrecorded(visit: &Visit<'_>, error: &vestibule_logstore::Unavailable) -> Answer {
    tracing::error!(error = error as &dyn std::error::Error, "attempt not recorded");
    Answer::refused(visit, Reason::LogUnavailable, "/")
}
