//! The sign-in page, and signing in with something that a person types.
//!
//! The order of a good attempt: verify, record on disk, open the session, answer. Without the record there is no
//! session.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::header::SET_COOKIE;
use http::{HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use vestibule_auth::session::SessionCookie;
use vestibule_auth::{Method, Outcome, Reason, Refusal, SignIn, Verified};
use vestibule_config::access::Ways;
use vestibule_config::{Access, SignInWay};

use super::fields::{self, Encoding, Fields, encoding};
use super::{Answer, asked, bad_form, own_site, sso, steps};
use crate::attempt::{self, Passed, Progress, Scene};
use crate::classify::{Client, classify};
use crate::pages::{Form, ProviderLink, Secret, SignInPage};
use crate::reply::Reply;
use crate::visit::Visit;
use crate::{cookie, respond, return_path};

/// `GET /.vestibule/login?return=PATH`
pub(super) async fn page(visit: &Visit<'_>) -> Answer {
    let back = return_target(visit.query);
    if !own_site::may_sign_in(visit) {
        return Answer::refused(visit, Reason::TlsRequired, "/");
    }
    let reads_page = visit.request.method == http::Method::GET;
    let alone = sso::sole_provider(visit.gate).filter(|_| reads_page);
    if let Some(provider) = alone.filter(|_| visit.session.is_none() && !wants_another(visit.query)) {
        return sso::begin(visit, provider, &back, false).await;
    }
    let mut reply = shown(visit, StatusCode::OK, &back, "", None);
    if reads_page {
        reply.headers.extend(opened(visit).map(|value| (SET_COOKIE, value)));
    }
    Answer::to(visit, reply, None)
}

/// An attempt begins with the page: its next step is known by the cookie, which is returned where the browser has none.
/// A page that is shown once more begins nothing new.
fn opened(visit: &Visit<'_>) -> Option<HeaderValue> {
    let known = cookie::find_browser(visit.request.headers, visit.secure);
    let made = known.is_none().then(cookie::new_browser);
    let browser = known.or(made.as_deref())?;
    let circuit = visit.gate.circuit().name.shared();
    if visit.state.opened.of(browser, &circuit).is_none() {
        let attempt = visit.state.request_ids.next().to_string();
        visit.state.opened.put(browser, &circuit, &attempt);
        let scene = Scene::of(visit).of_attempt(Some(&attempt));
        attempt::passed(visit.state, &scene, &Passed::page(Progress::Initiated, Method::None));
    }
    made.as_deref().and_then(|browser| cookie::set_browser(browser, visit.secure))
}

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
    let back = return_path::checked(fields.back().unwrap_or("/"));
    // What is behind decides who may sign in, and how.
    let visit = &visit.toward(back);
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
    let recorded = attempt::succeeded(visit.state, scene, &verified).await;
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
        providers: &providers(visit, back),
        forms: &forms(visit.gate.access()),
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

/// In the order of `login`.
fn providers(visit: &Visit<'_>, back: &str) -> Vec<ProviderLink> {
    let another = wants_another(visit.query);
    let links = sso::providers(visit).iter().filter_map(|name| {
        let label = visit.gate.provider_label(name.as_str())?.clone();
        Some(ProviderLink { label, address: return_path::provider(name.as_str(), back, another) })
    });
    links.collect()
}

/// In the order of `login`, shared secrets last.
fn forms(access: &Access) -> Vec<Form> {
    let Ways { login, providers: _, code, shared, header_auth: _ } = match access {
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
    let sent = Form { title: "With a code by e-mail", personal: true, secret: Secret::Sent };
    let own = own.chain(code.then_some(sent));
    own.chain(password.then_some(shared_password)).chain(pin.then_some(shared_pin)).collect()
}

/// `return` of the query, decoded once and checked; anything else in the query is not looked at.
pub(super) fn return_target(query: Option<&str>) -> Cow<'_, str> {
    let parameter = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("return="));
    match parameter.map(|value| percent_decode_str(value).decode_utf8()) {
        Some(Ok(target)) if return_path::checked(&target) == target => target,
        Some(_) | None => Cow::Borrowed("/"),
    }
}

/// `another` of the query: the person wants to sign in as somebody else.
pub(super) fn wants_another(query: Option<&str>) -> bool {
    query.unwrap_or_default().split('&').any(|pair| pair == "another=1")
}

pub(super) fn answered(who: &SignIn, reply: Reply, reason: Reason) -> Answer {
    Answer { reply, reason: Some(reason), session: None, method: who.method }
}

fn unrecorded(visit: &Visit<'_>, error: &vestibule_logstore::Unavailable) -> Answer {
    tracing::error!(error = error as &dyn std::error::Error, "attempt not recorded");
    Answer::refused(visit, Reason::LogUnavailable, "/")
}
