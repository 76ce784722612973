//! Our own paths on the circuits' hosts and on the login host, `/.vestibule/…`: signing in, signing out, who am I, where
//! may I go, and the keys by which upstreams know what we say.

mod back_channel;
mod callback;
mod code;
mod fields;
mod hand_over;
mod keys;
mod launcher;
mod login_host;
mod own_site;
mod sign_in;
mod sign_in_page;
mod sign_out;
mod sso;
mod steps;
mod whoami;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::header::ALLOW;
use http::{HeaderValue, StatusCode};
use vestibule_auth::{Method, Reason, Session};

use crate::reply::{Mark, Reply};
use crate::respond::{self, Asked, Told};
use crate::visit::Visit;

/// What providers call; the rest of the path is a provider's name.
pub(crate) const BACK_CHANNEL_LOGOUT: &str = "/.vestibule/backchannel-logout/";

/// Public keys of the identity assertions.
pub(crate) const KEYS: &str = "/.vestibule/jwks.json";

pub(crate) use callback::Parameters as CallbackParameters;
pub(crate) use fields::form_pairs;
pub(crate) use hand_over::leads_on;
pub(crate) use own_site::{is_this_machine, origin_at, sent_from_here};

/// A longer body of a form is refused.
pub(crate) const BODY_BYTES: usize = 16 * 1024;

/// An answer, and what the request's entry needs to know of it.
#[derive(Debug)]
pub(crate) struct Answer {
    /// For the client.
    pub(crate) reply: Reply,
    /// For the entry: the precise reason, which the client may not be told.
    pub(crate) reason: Option<Reason>,
    /// Who it was: the new session after a sign-in, else the one that came with the request.
    pub(crate) session: Option<Arc<Session>>,
    /// What was tried, or how the session began.
    pub(crate) method: Method,
}

/// Where the pages by which somebody signs in lead in the end: what is behind decides who may sign in, and how. Absent for
/// pages that lead nowhere.
pub(crate) fn leads_to<'a>(path: &str, query: Option<&'a str>) -> Option<Cow<'a, str>> {
    let page = path.strip_prefix("/.vestibule/")?;
    (page == "login" || page.starts_with("sso/")).then(|| sign_in_page::return_path_of(query))
}

/// Answers every request below `/.vestibule/`, the login host's start page, and what is led on to where people sign in.
/// Credentials are read from the body only: a query is never looked at, but for `return` on the sign-in page and for
/// what a provider sends with the browser.
pub(crate) async fn handle(visit: &Visit<'_>, body: Bytes) -> Answer {
    let method = visit.request.method;
    let reads = method == http::Method::GET || method == http::Method::HEAD;
    let is_login_host = own_site::is_login_host(visit);
    let path = match visit.request.path.strip_prefix("/.vestibule/") {
        Some(path) => path,
        None if is_login_host && visit.request.path == "/" => "circuits",
        None if is_login_host => return not_found(visit),
        None => return hand_over::straight(visit).await,
    };
    match path {
        "login" if is_public(visit) => not_found(visit),
        "login" if reads && is_login_host => login_host::page(visit).await,
        "login" if reads => sign_in_page::show(visit).await,
        "login" if method == http::Method::POST => sign_in::attempt(visit, &body).await,
        "login" => wrong_method(visit, "GET, HEAD, POST"),
        "code" if method == http::Method::POST => code::ask(visit, &body).await,
        "code" => wrong_method(visit, "POST"),
        "continue" if reads => steps::page(visit),
        "continue" if method == http::Method::POST => steps::answer(visit, &body).await,
        "continue" => wrong_method(visit, "GET, HEAD, POST"),
        "logout" if reads => sign_out::page(visit).await,
        "logout" if method == http::Method::POST => sign_out::end(visit, &body).await,
        "logout" => wrong_method(visit, "GET, HEAD, POST"),
        "whoami" if reads => whoami::answer(visit),
        "whoami" => wrong_method(visit, "GET, HEAD"),
        "jwks.json" if reads => keys::answer(visit),
        "jwks.json" => wrong_method(visit, "GET, HEAD"),
        "circuits" if is_public(visit) => not_found(visit),
        "circuits" if reads => launcher::answer(visit),
        "circuits" => wrong_method(visit, "GET, HEAD"),
        "session" if is_public(visit) || is_login_host => not_found(visit),
        "session" if method == http::Method::GET => hand_over::redeem(visit).await,
        "session" => wrong_method(visit, "GET"),
        "callback" if is_public(visit) => not_found(visit),
        "callback" if method == http::Method::GET => sso::finish(visit).await,
        "callback" => wrong_method(visit, "GET"),
        path => match path.split_once('/') {
            Some(("sso", provider)) if method == http::Method::GET && is_login_host => {
                login_host::start(visit, provider).await
            }
            Some(("sso", provider)) if method == http::Method::GET => sso::start(visit, provider).await,
            Some(("sso", _)) => wrong_method(visit, "GET"),
            Some(("backchannel-logout", provider)) if method == http::Method::POST => {
                back_channel::end(visit, provider, &body).await
            }
            Some(("backchannel-logout", _)) => wrong_method(visit, "POST"),
            Some(_) | None => not_found(visit),
        },
    }
}

impl Answer {
    /// Of a request that tried nothing; the session that it came with is named in its entry.
    fn to(visit: &Visit<'_>, reply: Reply, reason: Option<Reason>) -> Self {
        let session = visit.session.cloned();
        let method = session.as_ref().map_or(Method::None, |session| session.method);
        Self { reply, reason, session, method }
    }

    /// A reason of the closed list, told as it is.
    fn refused(visit: &Visit<'_>, reason: Reason, back: &str) -> Self {
        Self::to(visit, respond::failure(reason, &asked(visit, back)), Some(reason))
    }
}

/// `back` is where the client wants to be in the end; it stands in for the target, for nobody returns to our paths.
fn asked<'a>(visit: &Visit<'a>, back: &'a str) -> Asked<'a> {
    let circuit = visit.gate.circuit();
    let project = circuit.project.as_ref().and_then(|name| visit.live.settings.projects.get(name));
    Asked {
        method: visit.request.method,
        headers: visit.request.headers,
        path_and_query: back,
        authority: visit.authority,
        secure: visit.secure,
        request_id: visit.request_id,
        circuit: Some(circuit),
        project_label: project.map(|project| project.label.as_deref().unwrap_or(project.name.as_str())),
        account: visit.session.and_then(|session| session.email.as_deref()),
        budget: visit.budget,
        request: visit.wanted.map(vestibule_auth::Wanted::id),
        login_host: own_site::login_host(visit),
    }
}

fn is_public(visit: &Visit<'_>) -> bool {
    !visit.gate.is_protected()
}

fn not_found(visit: &Visit<'_>) -> Answer {
    plain(visit, StatusCode::NOT_FOUND, "There is nothing at this address.")
}

fn wrong_method(visit: &Visit<'_>, allowed: &'static str) -> Answer {
    let mut answer = plain(visit, StatusCode::METHOD_NOT_ALLOWED, "This address does not take that method.");
    answer.reply.headers.push((ALLOW, HeaderValue::from_static(allowed)));
    answer
}

/// A body that cannot be read as what it should be; `detail` names the field.
fn bad_form(visit: &Visit<'_>, bad: &fields::BadForm) -> Answer {
    let told = Told {
        status: bad.status,
        mark: Mark::Auth,
        reason: Some(Reason::MalformedRequest),
        detail: Cow::Borrowed(&bad.detail),
        wait: None,
    };
    Answer::to(visit, respond::tell(&told, &asked(visit, "/")), told.reason)
}

fn plain(visit: &Visit<'_>, status: StatusCode, detail: &'static str) -> Answer {
    let told = Told { status, mark: Mark::Auth, reason: None, detail: detail.into(), wait: None };
    Answer::to(visit, respond::tell(&told, &asked(visit, "/")), None)
}

#[cfg(test)]
mod tests;
