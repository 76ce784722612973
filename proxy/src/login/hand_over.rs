//! The circuit's side of one sign-in for all hosts: there, with what is wanted kept behind an id, and back, with a code.

use http::header::{REFERRER_POLICY, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;
use vestibule_auth::steps::Next;
use vestibule_auth::{Gate, Kind, Method, Outcome, Reason, Redeemed, Refusal, Session, SignIn, Verified, Want};
use vestibule_config::Settings;

use super::fields::Encoding;
use super::{Answer, asked, own_site, sign_in, sso, steps};
use crate::attempt::{self, Scene};
use crate::classify::{Client, classify};
use crate::visit::Visit;
use crate::{cookie, respond, return_path};

/// Where codes come back.
const SESSION: &str = "/.vestibule/session";

/// Whether somebody who is not signed in is led on without a page of this host between: a person opens a page, and
/// signs in at the login host or at the only provider.
pub(crate) fn leads_on(
    settings: &Settings,
    gate: &Gate,
    refusal: &Refusal,
    asked: (&http::Method, &HeaderMap),
) -> bool {
    let (method, headers) = asked;
    refusal.kind == Kind::SignIn
        && method == http::Method::GET
        && (settings.server.login_host.is_some() && has_accounts(gate) || sso::goes_straight(gate))
        && classify(headers) == Client::Navigation
}

/// Whether people sign in here as somebody, and not with the circuit's own secret only.
fn has_accounts(gate: &Gate) -> bool {
    gate.access().ways().is_some_and(|ways| !ways.login.is_empty() || !ways.providers.is_empty())
}

/// The host to which this one sends who signs in; absent where this one does it itself.
pub(super) fn elsewhere<'a>(visit: &Visit<'a>) -> Option<&'a str> {
    own_site::login_host(visit).filter(|_| has_accounts(visit.gate))
}

/// What was asked for is protected: to where people sign in, and back.
pub(super) async fn straight(visit: &Visit<'_>) -> Answer {
    let target = match visit.query {
        Some(query) => format!("{}?{query}", visit.request.path),
        None => visit.request.path.to_owned(),
    };
    // A target that is too long to be kept leads to where this policy begins.
    let target = if return_path::is_safe(&target) { &target } else { visit.gate.home() };
    let mut answer = match elsewhere(visit) {
        Some(login) => send(visit, login, target, false),
        None => sso::straight(visit, target).await,
    };
    if cookie::is_sent(visit.request.headers, visit.secure) {
        answer.reply.headers.push((SET_COOKIE, cookie::clear(visit.secure)));
    }
    answer
}

/// To the login host, with this browser marked, so that nobody else can come back in its place.
pub(super) fn send(visit: &Visit<'_>, login: &str, back: &str, another: bool) -> Answer {
    if !own_site::may_sign_in(visit) {
        return Answer::refused(visit, Reason::TlsRequired, "/");
    }
    let known = cookie::find_browser(visit.request.headers, visit.secure).map(str::to_owned);
    let browser = known.unwrap_or_else(cookie::new_browser);
    let want = Want { origin: own_site::origin(visit), back, browser: &browser, another };
    match visit.gate.want(want, &visit.request) {
        Ok(id) => {
            let location = format!("{}{}", own_site::origin_of(visit, login), return_path::sign_in_for(&id));
            let mut reply = respond::redirect_away(StatusCode::FOUND, &location);
            reply.headers.extend(cookie::set_browser(&browser, visit.secure).map(|value| (SET_COOKIE, value)));
            Answer::to(visit, reply, None)
        }
        Err(refusal) => Answer::refused(visit, refusal.reason, back),
    }
}

/// The address that brings a code to the circuit that wants it.
pub(super) fn way_back(origin: &str, code: &str) -> String {
    format!("{origin}{SESSION}?code={code}")
}

/// `GET /.vestibule/session?code=CODE`. Its address goes to nobody as the referring page.
pub(super) async fn redeem(visit: &Visit<'_>) -> Answer {
    let mut answer = came_back(visit).await;
    for (_, policy) in answer.reply.headers.iter_mut().filter(|(name, _)| name == REFERRER_POLICY) {
        // The origin stays, by which our own forms are known.
        *policy = HeaderValue::from_static("strict-origin");
    }
    answer
}

async fn came_back(visit: &Visit<'_>) -> Answer {
    if !own_site::may_sign_in(visit) {
        return Answer::refused(visit, Reason::TlsRequired, "/");
    }
    let browser = cookie::find_browser(visit.request.headers, visit.secure);
    match visit.live.policy.redeem(visit.gate, &code(visit.query), browser, &visit.request) {
        Ok(redeemed) => redeemed_by(visit, redeemed).await,
        Err(refusal) => unknown(visit, &refusal).await,
    }
}

/// Empty, and then unknown, where there is none, or more than one.
fn code(query: Option<&str>) -> String {
    let mut codes = query.unwrap_or_default().split('&').filter_map(|pair| pair.strip_prefix("code="));
    let code = codes.next().filter(|_| codes.next().is_none()).unwrap_or_default();
    percent_decode_str(code).decode_utf8_lossy().into_owned()
}

async fn unknown(visit: &Visit<'_>, refusal: &Refusal) -> Answer {
    let who = SignIn { email: None, user_id: None, method: Method::None, provider: None, rule: None, locked: false };
    let reply = respond::failure(refusal.reason, &asked(visit, "/"));
    // Nothing can be guessed here: who only opens addresses cannot buy disk time.
    if !visit.state.opened.is_recorded(visit.request.client) {
        return sign_in::answered(&who, reply, refusal.reason);
    }
    sign_in::turn_away(visit, &Scene::of(visit), &who, refusal, reply).await
}

async fn redeemed_by(visit: &Visit<'_>, redeemed: Redeemed) -> Answer {
    let Redeemed { back, attempt, sign_in: behind, outcome } = redeemed;
    // What is behind has decided.
    let visit = &visit.toward(&back);
    let scene = Scene::of(visit).of_attempt(attempt.as_deref());
    match outcome {
        None => joined(visit, &scene, &behind, &back).await,
        Some(Outcome::Verified(verified)) => let_in(visit, &scene, verified, &back).await,
        Some(Outcome::Forbidden(who, refusal) | Outcome::Failed(who, refusal) | Outcome::Limited(who, refusal)) => {
            let mut asked = asked(visit, &back);
            asked.account = who.email.as_deref();
            let reply = respond::refusal(&refusal, &asked);
            if attempt.is_some() {
                return sign_in::turn_away(visit, &scene, &who, &refusal, reply).await;
            }
            match attempt::policy_refused(visit.state, &scene, &behind, &refusal).await {
                Ok(()) => sign_in::answered(&who, reply, refusal.reason),
                Err(error) => sign_in::unrecorded(visit, &error),
            }
        }
    }
}

/// Another tab was quicker: its session serves this one too, and is what an attempt came to.
async fn joined(visit: &Visit<'_>, scene: &Scene<'_>, behind: &Session, back: &str) -> Answer {
    let recorded = match visit.session.filter(|_| scene.attempt.is_some()) {
        Some(here) => attempt::joined(visit.state, scene, &SignIn::from(behind), here).await,
        None => Ok(()),
    };
    match recorded {
        Ok(()) => Answer::to(visit, respond::redirect(StatusCode::SEE_OTHER, back), None),
        Err(error) => sign_in::unrecorded(visit, &error),
    }
}

/// With steps of its own the circuit asks for them now; a renewal is then a sign-in, for somebody is asked.
async fn let_in(visit: &Visit<'_>, scene: &Scene<'_>, verified: Box<Verified>, back: &str) -> Answer {
    if !matches!(visit.gate.next_step(&verified), Next::Session) {
        return steps::go_on(visit, scene, verified, Encoding::Form, back).await;
    }
    let verified = *verified;
    let recorded = match scene.attempt {
        Some(_) => attempt::succeeded(visit.state, scene, &verified).await,
        None => attempt::renewed(visit.state, scene, &verified).await,
    };
    match recorded {
        Ok(()) => sign_in::open(visit, verified, |opened| sign_in::welcome(visit, opened, Encoding::Form, back)).await,
        Err(error) => sign_in::unrecorded(visit, &error),
    }
}
