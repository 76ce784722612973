//! What stands between a good credential and its session. Every sign-in goes through [`go_on`], whatever its way in is.
//!
//! A step that a person takes is a page of its own, or for programs an answer that names it; meanwhile the sign-in waits
//! on our side, bound to the browser. Each is an event of the same attempt. A wrong code ends its attempt, as a wrong
//! password does; what is tried next is another.

use std::borrow::Cow;

use http::StatusCode;
use http::header::SET_COOKIE;
use serde::Serialize;
use vestibule_auth::steps::{self, About, Ask, Checked, Heard, Next, Ticket, Unfinished};
use vestibule_auth::{Method, Reason, Refusal, SignIn, Verified};
use vestibule_config::Hook;

use super::fields::{self, BadForm, Encoding, Fields, encoding};
use super::{Answer, asked, bad_form, own_site, sign_in};
use crate::attempt::{self, Scene};
use crate::classify::{Client, classify};
use crate::pages::StepPage;
use crate::reply::{Mark, Reply};
use crate::respond::{self, Told};
use crate::visit::Visit;
use crate::{cookie, return_path};

/// Where a person, or a program, goes on.
const CONTINUE: &str = "/.vestibule/continue";

/// Goes on with a sign-in whose credential is good: to its next step, or to its session.
pub(super) async fn go_on(
    visit: &Visit<'_>,
    scene: &Scene<'_>,
    mut verified: Box<Verified>,
    encoding: Encoding,
    back: &str,
) -> Answer {
    // All that follows is one attempt, wherever it began.
    let attempt = scene.attempt.map_or_else(|| new_attempt(visit), str::to_owned);
    let purpose = verified.purpose.clone();
    let scene = Scene { attempt: Some(&attempt), purpose: purpose.as_deref(), ..*scene };
    if own_site::is_login_host(visit) {
        // Steps are a circuit's, and are taken on its own host.
        return sign_in::let_in(visit, &scene, *verified, encoding, back).await;
    }
    match visit.gate.next_step(&verified) {
        Next::Session => sign_in::let_in(visit, &scene, *verified, encoding, back).await,
        Next::Ask(ask) => {
            let unfinished = Unfinished::verified(ask, verified, back, &attempt);
            wait(visit, &scene, unfinished, encoding)
        }
        Next::Refused(refusal) => forbidden(visit, &scene, &verified.sign_in, &refusal, None, back).await,
        Next::Hook(hook) => match ask_hook(visit, &scene, &hook, &mut verified).await {
            // The hook is the last step.
            Heard::Allowed => sign_in::let_in(visit, &scene, *verified, encoding, back).await,
            Heard::Denied(refusal, message) => {
                forbidden(visit, &scene, &verified.sign_in, &refusal, message, back).await
            }
            Heard::Unavailable(refusal) => forbidden(visit, &scene, &verified.sign_in, &refusal, None, back).await,
        },
    }
}

async fn ask_hook(visit: &Visit<'_>, scene: &Scene<'_>, hook: &Hook, verified: &mut Verified) -> Heard {
    let began = visit.state.clock.elapsed();
    let about = About { attempt: scene.attempt.unwrap_or_default(), country: scene.location.country.as_deref() };
    let heard = visit.gate.ask_hook(hook, verified, &about, &visit.request).await;
    let took = visit.state.clock.elapsed().saturating_sub(began);
    attempt::stepped(visit.state, scene, &verified.sign_in, &format!("hooks.{}", hook.name), Some(took));
    let result = match &heard {
        Heard::Allowed if verified.exception.is_none() => "allowed",
        Heard::Denied(..) => "denied",
        Heard::Allowed | Heard::Unavailable(_) => "unavailable",
    };
    visit.state.metrics.hook_called(&hook.name.shared(), result);
    heard
}

/// The sign-in waits for its person, who is asked on a page or by the answer.
pub(super) fn wait(visit: &Visit<'_>, scene: &Scene<'_>, unfinished: Unfinished, encoding: Encoding) -> Answer {
    #[derive(Serialize)]
    struct Waits<'a> {
        next: &'static str,
        step: &'a str,
        r#continue: &'static str,
    }
    let (ask, who) = (unfinished.ask(), unfinished.who().clone());
    attempt::stepped(visit.state, scene, &who, &rule(visit, ask), None);
    let known = cookie::find_browser(visit.request.headers, visit.secure);
    let ticket = visit.gate.hold(unfinished, known, &visit.request);
    let mut reply = match encoding {
        Encoding::Form => respond::redirect(StatusCode::SEE_OTHER, &return_path::go_on(&ticket.id)),
        // Not 200: nobody is signed in yet.
        Encoding::Json => {
            let waits = Waits { next: ask.code(), step: &ticket.id, r#continue: CONTINUE };
            respond::json(StatusCode::ACCEPTED, &waits)
        }
    };
    let cookie = cookie::set_browser(&ticket.browser, visit.secure);
    reply.headers.extend(cookie.map(|value| (SET_COOKIE, value)));
    Answer { method: who.method, ..Answer::to(visit, reply, None) }
}

/// `GET /.vestibule/continue?step=ID`
pub(super) fn page(visit: &Visit<'_>) -> Answer {
    if !own_site::may_sign_in(visit) {
        return Answer::refused(visit, Reason::TlsRequired, "/");
    }
    let query = visit.query.unwrap_or_default();
    let step = query.split('&').find_map(|pair| pair.strip_prefix("step="));
    let ticket = step.and_then(|step| ticket(visit, step));
    match ticket.as_ref().and_then(|ticket| Some((ticket, visit.gate.asks(ticket)?))) {
        Some((ticket, ask)) => Answer::to(visit, shown(visit, StatusCode::OK, ask, &ticket.id, None), None),
        None => Answer::to(visit, over(visit, Reason::CodeExpired), Some(Reason::CodeExpired)),
    }
}

/// What was typed; which of them is asked for is known by the ticket.
enum Typed {
    Code(String),
    Purpose(String),
}

/// `POST /.vestibule/continue`: `step`, and `code` or `purpose`.
pub(super) async fn answer(visit: &Visit<'_>, body: &[u8]) -> Answer {
    if let Some(refused) = own_site::refuse_form(visit) {
        return refused;
    }
    let (encoding, fields) = match read(visit, body) {
        Ok(read) => read,
        Err(bad) => return bad_form(visit, &bad),
    };
    let known = fields.get("step").and_then(|step| ticket(visit, step));
    let Some((ticket, ask)) = known.and_then(|ticket| visit.gate.asks(&ticket).map(|ask| (ticket, ask))) else {
        return unknown(visit, &visit.gate.unknown_ticket()).await;
    };
    let typed = match typed(ask, &fields) {
        Ok(typed) => typed,
        Err(bad) if is_page(visit, encoding) => {
            let reply = shown(visit, bad.status, ask, &ticket.id, Some(&bad.detail));
            return Answer::to(visit, reply, Some(Reason::MalformedRequest));
        }
        Err(bad) => return bad_form(visit, &bad),
    };
    match visit.gate.take_unfinished(&ticket) {
        Ok(unfinished) => take(visit, &ticket, unfinished, typed, encoding).await,
        Err(refusal) => unknown(visit, &refusal).await,
    }
}

fn read(visit: &Visit<'_>, body: &[u8]) -> Result<(Encoding, Fields), BadForm> {
    let encoding = encoding(visit.request.headers, body)?;
    let fields = Fields::read(encoding, body, fields::GO_ON)?;
    fields.required("step")?;
    Ok((encoding, fields))
}

fn typed(ask: Ask, fields: &Fields) -> Result<Typed, BadForm> {
    match ask {
        Ask::Code | Ask::SecondFactor => fields.required("code").map(|code| Typed::Code(code.to_owned())),
        Ask::Purpose => {
            let (least, most) = steps::PURPOSE_CHARS.into_inner();
            let detail = format!("purpose is {least} to {most} characters on one line");
            let bad = BadForm { status: StatusCode::BAD_REQUEST, detail };
            steps::purpose(fields.required("purpose")?).map(Typed::Purpose).ok_or(bad)
        }
    }
}

async fn take(visit: &Visit<'_>, ticket: &Ticket, unfinished: Unfinished, typed: Typed, encoding: Encoding) -> Answer {
    let (back, attempt) = (unfinished.back.clone(), unfinished.attempt.clone());
    // What is behind decides who may sign in, and how.
    let visit = &visit.toward(&back);
    let scene = Scene::of(visit).of_attempt(Some(&attempt));
    let ask = unfinished.ask();
    let checked = match typed {
        Typed::Code(code) => visit.gate.check_code(unfinished, &code, &visit.request).await,
        Typed::Purpose(purpose) => match unfinished.for_purpose(purpose) {
            Some(verified) => Checked::Good(verified),
            None => return unknown(visit, &visit.gate.unknown_ticket()).await,
        },
    };
    match checked {
        Checked::Good(verified) => go_on(visit, &scene, verified, encoding, &back).await,
        Checked::Wrong(who, refusal, left) => {
            let reply = wrong(visit, ask, left.is_some().then_some(ticket), encoding);
            let answer = sign_in::turn_away(visit, &scene, &who, &refusal, reply).await;
            left.into_iter().for_each(|left| again(visit, ticket, left));
            answer
        }
        Checked::Limited(who, refusal, left) => {
            attempt::limited(visit.state, &scene, &who, &refusal);
            again(visit, ticket, left);
            sign_in::answered(&who, respond::refusal(&refusal, &asked(visit, &back)), refusal.reason)
        }
    }
}

/// The sign-in waits on, as another attempt.
fn again(visit: &Visit<'_>, ticket: &Ticket, mut left: Unfinished) {
    left.attempt = new_attempt(visit);
    let scene = Scene::of(visit).of_attempt(Some(&left.attempt));
    attempt::stepped(visit.state, &scene, left.who(), &rule(visit, left.ask()), None);
    visit.gate.put_back(left, ticket, &visit.request);
}

/// No sign-in waits under this ticket in this browser. Guessing is limited as callbacks of providers are.
async fn unknown(visit: &Visit<'_>, refusal: &Refusal) -> Answer {
    let who = SignIn { email: None, user_id: None, method: Method::None, provider: None, rule: None, locked: false };
    if let Err(limit) = visit.gate.admit_callback(&visit.request) {
        attempt::limited(visit.state, &Scene::of(visit), &who, &limit);
        return sign_in::answered(&who, respond::refusal(&limit, &asked(visit, "/")), limit.reason);
    }
    sign_in::turn_away(visit, &Scene::of(visit), &who, refusal, over(visit, refusal.reason)).await
}

/// Records that a good credential is not let in, then says why.
async fn forbidden(
    visit: &Visit<'_>,
    scene: &Scene<'_>,
    who: &SignIn,
    refusal: &Refusal,
    message: Option<String>,
    back: &str,
) -> Answer {
    let mut asked = asked(visit, back);
    asked.account = who.email.as_deref();
    let detail = message.map_or(Cow::Borrowed(respond::sentence(refusal.reason)), Cow::Owned);
    let reason = Some(refusal.reason);
    let told = Told { status: StatusCode::FORBIDDEN, mark: Mark::Auth, reason, detail, wait: None };
    sign_in::turn_away(visit, scene, who, refusal, respond::tell(&told, &asked)).await
}

/// A wrong code: the page again while the sign-in waits on, else no more than that.
fn wrong(visit: &Visit<'_>, ask: Ask, ticket: Option<&Ticket>, encoding: Encoding) -> Reply {
    // Who was never sent a code must not learn it.
    let reason = match ask {
        Ask::Code => Reason::InvalidCredentials,
        Ask::SecondFactor | Ask::Purpose => Reason::SecondFactorFailed,
    };
    match ticket {
        Some(ticket) if is_page(visit, encoding) => {
            shown(visit, StatusCode::UNAUTHORIZED, ask, &ticket.id, Some(respond::sentence(reason)))
        }
        Some(_) | None => over(visit, reason),
    }
}

/// 401, in the form that the client reads.
fn over(visit: &Visit<'_>, reason: Reason) -> Reply {
    let asked = asked(visit, "/");
    let told = Told {
        status: StatusCode::UNAUTHORIZED,
        mark: Mark::Auth,
        reason: Some(reason),
        detail: respond::sentence(reason).into(),
        wait: None,
    };
    match classify(visit.request.headers) {
        Client::Program => respond::unauthorized(reason, &asked),
        Client::Navigation | Client::Grpc => {
            let mut reply = respond::tell(&told, &asked);
            reply.headers.push(respond::challenge(&asked));
            reply
        }
    }
}

fn shown(visit: &Visit<'_>, status: StatusCode, ask: Ask, step: &str, problem: Option<&str>) -> Reply {
    let asked = asked(visit, "/");
    let page = StepPage { frame: respond::frame(&asked, None), ask, step, problem };
    let mut reply = respond::page(status, &page);
    reply.headers.extend((status == StatusCode::UNAUTHORIZED).then(|| respond::challenge(&asked)));
    reply.headers.extend(asked.budget.into_iter().flat_map(respond::rate_limit_headers));
    reply
}

fn is_page(visit: &Visit<'_>, encoding: Encoding) -> bool {
    encoding == Encoding::Form && classify(visit.request.headers) == Client::Navigation
}

/// Absent without the browser's cookie.
fn ticket(visit: &Visit<'_>, step: &str) -> Option<Ticket> {
    let browser = cookie::find_browser(visit.request.headers, visit.secure)?;
    Some(Ticket { id: step.to_owned().into(), browser: browser.to_owned().into() })
}

/// What asks for it.
fn rule(visit: &Visit<'_>, ask: Ask) -> String {
    let key = match ask {
        Ask::Code => "login",
        Ask::SecondFactor | Ask::Purpose => ask.code(),
    };
    format!("circuits.{}.{key}", visit.gate.circuit().name)
}

fn new_attempt(visit: &Visit<'_>) -> String {
    visit.state.request_ids.next().to_string()
}
