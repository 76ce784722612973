//! Signing in at an OpenID Connect provider: the way there, and the way back.

use std::sync::Arc;

use http::header::{REFERRER_POLICY, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;
use vestibule_auth::sso::{Begin, Begun, Finished, Started, Step};
use vestibule_auth::{Gate, Method, Outcome, Reason, Refusal, SignIn};
use vestibule_config::Name;
use vestibule_config::access::Ways;

use super::callback::Parameters;
use super::fields::Encoding;
use super::{Answer, asked, hand_over, login_host, own_site, sign_in, sign_in_page, steps};
use crate::attempt::{self, Passed, Progress, Scene};
use crate::reply::Reply;
use crate::visit::Visit;
use crate::{cookie, respond};

/// Below the scheme, host and port that the client sees; registered at the provider.
const CALLBACK: &str = "/.vestibule/callback";

/// Whether somebody who is not signed in is sent to the provider without a page between: it is the only way in. Not
/// where every request asks again, for that would never end.
pub(super) fn goes_straight(gate: &Gate) -> bool {
    sole_provider(gate).is_some() && !gate.circuit().session.max_age.is_zero()
}

/// The provider that is the only way in.
pub(super) fn sole_provider(gate: &Gate) -> Option<&str> {
    gate.access().ways().and_then(Ways::sole_provider).map(Name::as_str)
}

/// Of `login`, in its order.
pub(super) fn providers<'a>(visit: &Visit<'a>) -> &'a [Name] {
    visit.gate.access().ways().map_or(&[], |ways| &ways.providers)
}

/// What was asked for is protected: to the only provider, and back.
pub(super) async fn straight(visit: &Visit<'_>, target: &str) -> Answer {
    match sole_provider(visit.gate) {
        Some(provider) => begin(visit, provider, target, false).await,
        None => super::not_found(visit),
    }
}

/// `GET /.vestibule/sso/PROVIDER?return=PATH`
pub(super) async fn start(visit: &Visit<'_>, provider: &str) -> Answer {
    let Ok(provider) = percent_decode_str(provider).decode_utf8() else { return super::not_found(visit) };
    let (back, another) = (sign_in_page::return_target(visit), sign_in_page::wants_another(visit.query));
    match hand_over::elsewhere(visit) {
        Some(login) => hand_over::send(visit, login, &back, another),
        None => begin(visit, &provider, sign_in_page::goal(visit, &back), another).await,
    }
}

/// `another`: the provider lets the person choose an account.
pub(super) async fn begin(visit: &Visit<'_>, provider: &str, back: &str, another: bool) -> Answer {
    if !own_site::may_sign_in(visit) {
        return Answer::refused(visit, Reason::TlsRequired, "/");
    }
    let browser = cookie::find_browser(visit.request.headers, visit.secure);
    let circuit = &visit.gate.circuit().name.shared();
    let open = browser.and_then(|browser| visit.state.opened.take(browser, circuit));
    let attempt = open.unwrap_or_else(|| visit.state.request_ids.next().to_string().into());
    let begin = Begin { provider, redirect_uri: redirect_uri(visit), back, browser, attempt: &attempt, another };
    let Some(begun) = visit.gate.begin_sso(begin, &visit.request).await else { return super::not_found(visit) };
    let scene = Scene::of(visit).of_attempt(Some(&attempt));
    match begun {
        Ok(Begun { location, browser }) => {
            let step = Some(Step::Redirect);
            let provider = Some(provider);
            let begun = Passed { progress: Progress::Initiated, method: Method::Sso, provider, step, time: None };
            attempt::passed(visit.state, &scene, &begun);
            let mut reply = respond::redirect_away(StatusCode::FOUND, &location);
            reply.headers.extend(cookie::set_browser(&browser, visit.secure).map(|value| (SET_COOKIE, value)));
            Answer { method: Method::Sso, ..Answer::to(visit, reply, None) }
        }
        Err(refusal) => {
            let who = nobody(Some(provider.into()));
            let reply = respond::refusal(&refusal, &asked(visit, back));
            // Nothing was tried yet: who only opens pages cannot buy disk time.
            if !visit.state.opened.is_recorded(visit.request.client) {
                return sign_in::answered(&who, reply, refusal.reason);
            }
            sign_in::turn_away(visit, &scene, &who, &refusal, reply).await
        }
    }
}

/// `GET /.vestibule/callback`. Its address holds the code: it goes to nobody as the referring page.
pub(super) async fn finish(visit: &Visit<'_>) -> Answer {
    let mut answer = called_back(visit).await;
    for (_, policy) in answer.reply.headers.iter_mut().filter(|(name, _)| name == REFERRER_POLICY) {
        // The origin stays, by which our own forms are known.
        *policy = HeaderValue::from_static("strict-origin");
    }
    answer
}

async fn called_back(visit: &Visit<'_>) -> Answer {
    if let Err(refusal) = visit.gate.admit_callback(&visit.request) {
        let who = nobody(None);
        attempt::limited(visit.state, &Scene::of(visit), &who, &refusal);
        return sign_in::answered(&who, respond::refusal(&refusal, &asked(visit, "/")), refusal.reason);
    }
    let parameters = match Parameters::read(visit.query.unwrap_or_default()) {
        Ok(parameters) => parameters,
        Err(bad) => return super::bad_form(visit, &bad),
    };
    if own_site::is_login_host(visit) {
        return login_host::finish(visit, &parameters).await;
    }
    finish_at(visit, &parameters).await
}

/// By the gate by which it was started.
pub(super) async fn finish_at(visit: &Visit<'_>, parameters: &Parameters) -> Answer {
    let browser = cookie::find_browser(visit.request.headers, visit.secure);
    match visit.gate.take_started(parameters.state(), browser) {
        Ok(started) => finish_started(visit, started, parameters).await,
        Err(refusal) => {
            let who = nobody(None);
            let reply = failed(visit, &refusal, "/");
            sign_in::turn_away(visit, &Scene::of(visit), &who, &refusal, reply).await
        }
    }
}

async fn finish_started(visit: &Visit<'_>, started: Started, parameters: &Parameters) -> Answer {
    let (attempt, provider) = (started.attempt().to_owned(), started.provider().clone());
    let is_login_host = own_site::is_login_host(visit);
    let wanted = visit.live.policy.wanted(started.back()).filter(|_| is_login_host);
    let back = if is_login_host { "/".to_owned() } else { started.back().to_owned() };
    let visit = &match &wanted {
        Some(wanted) => login_host::at(visit, wanted),
        None if is_login_host => *visit,
        None => visit.toward(&back),
    };
    let scene = Scene::of(visit).of_attempt(Some(&attempt));
    let step = |step, time| {
        let (progress, method) = (Progress::Pending, Method::Sso);
        let passed = Passed { progress, method, provider: Some(&provider), step: Some(step), time };
        attempt::passed(visit.state, &scene, &passed);
    };
    step(Step::Callback, None);
    let Finished { outcome, steps } = visit.gate.finish_sso(started, parameters.callback(), &visit.request).await;
    steps.iter().for_each(|took| step(took.step, Some(took.time)));
    match outcome {
        Outcome::Verified(verified) => steps::go_on(visit, &scene, verified, Encoding::Form, &back).await,
        Outcome::Failed(who, refusal) => {
            let reply = failed(visit, &refusal, &back);
            sign_in::turn_away(visit, &scene, &who, &refusal, reply).await
        }
        Outcome::Forbidden(who, refusal) => {
            let mut asked = asked(visit, &back);
            asked.account = who.email.as_deref();
            let reply = respond::refusal(&refusal, &asked);
            sign_in::turn_away(visit, &scene, &who, &refusal, reply).await
        }
        Outcome::Limited(who, refusal) => {
            attempt::limited(visit.state, &scene, &who, &refusal);
            sign_in::answered(&who, respond::refusal(&refusal, &asked(visit, &back)), refusal.reason)
        }
    }
}

/// A sign-in that came to nothing: who may not sign in learns no more than that.
fn failed(visit: &Visit<'_>, refusal: &Refusal, back: &str) -> Reply {
    let own = matches!(refusal.reason, Reason::SsoStateInvalid | Reason::SsoError);
    let asked = asked(visit, back);
    let mut reply = respond::failure(if own { refusal.reason } else { Reason::InvalidCredentials }, &asked);
    reply.headers.extend((reply.status == StatusCode::UNAUTHORIZED).then(|| respond::challenge(&asked)));
    reply
}

fn nobody(provider: Option<Arc<str>>) -> SignIn {
    SignIn { email: None, user_id: None, method: Method::Sso, provider, rule: None, locked: false }
}

/// Of the host that serves the sign-in, with the port that the client named; the scheme's own port stands in no address.
fn redirect_uri(visit: &Visit<'_>) -> String {
    format!("{}{CALLBACK}", own_site::origin(visit))
}
