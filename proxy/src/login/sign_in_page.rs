//! The sign-in page: what it offers, and where it leads.

use std::borrow::Cow;

use http::header::SET_COOKIE;
use http::{HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;
use vestibule_auth::{Method, Reason, Wanted};
use vestibule_config::SignInWay;
use vestibule_config::access::Ways;

use super::fields::{Encoding, Fields};
use super::{Answer, asked, hand_over, own_site, sso};
use crate::attempt::{self, Passed, Progress, Scene};
use crate::classify::{Client, classify};
use crate::pages::{self, Back, Form, ProviderLink, Secret, SignInPage};
use crate::reply::Reply;
use crate::visit::Visit;
use crate::{cookie, respond, return_path};

/// `GET /.vestibule/login?return=PATH`; at the login host for what a circuit wants, or for the launcher.
pub(super) async fn show(visit: &Visit<'_>) -> Answer {
    let back = return_target(visit);
    if !own_site::may_sign_in(visit) {
        return Answer::refused(visit, Reason::TlsRequired, "/");
    }
    let another = wants_another(visit.query) || visit.wanted.is_some_and(Wanted::another);
    if let Some(login) = hand_over::elsewhere(visit).filter(|_| !wants_shared(visit)) {
        return hand_over::send(visit, login, &back, another);
    }
    let reads_page = visit.request.method == http::Method::GET;
    let alone = sso::sole_provider(visit.gate).filter(|_| reads_page && sso::goes_straight(visit.gate));
    if let Some(provider) = alone.filter(|_| visit.session.is_none() && !another) {
        return sso::begin(visit, provider, goal(visit, &back), false).await;
    }
    let mut reply = shown(visit, StatusCode::OK, &back, "", None);
    if reads_page {
        reply.headers.extend(opened(visit).map(|value| (SET_COOKIE, value)));
    }
    Answer::to(visit, reply, None)
}

/// What a provider, and who comes back from it, is told of where somebody wants to be: a path of this host, or the id of
/// what a circuit wants.
pub(super) fn goal<'a>(visit: &Visit<'a>, back: &'a str) -> &'a str {
    visit.wanted.map_or(back, Wanted::id)
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

/// The same for a wrong secret, an unknown account, and one that may not sign in: the page again, or a problem.
pub(super) fn wrong(visit: &Visit<'_>, encoding: Encoding, back: &str, fields: &Fields) -> Reply {
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
        forms: &forms(visit),
        back: match visit.wanted {
            Some(wanted) => Back { name: "request", value: wanted.id() },
            None => Back { name: "return", value: back },
        },
        shared: &shared_page(visit).unwrap_or_default(),
        email,
        account: asked.account,
        problem: problem.map(respond::sentence),
    };
    let mut reply = respond::page(status, &page);
    if let Some(wanted) = visit.wanted {
        // Browsers look at where a form leads in the end too.
        pages::let_forms_lead_to(&mut reply.headers, wanted.origin());
    }
    reply.headers.extend((status == StatusCode::UNAUTHORIZED).then(|| respond::challenge(&asked)));
    reply.headers.extend(asked.budget.into_iter().flat_map(respond::rate_limit_headers));
    reply
}

/// In the order of the circuit's `login`.
fn providers(visit: &Visit<'_>, back: &str) -> Vec<ProviderLink> {
    if hand_over::elsewhere(visit).is_some() {
        let address = return_path::sign_in(back);
        return vec![ProviderLink { label: "your account".into(), address }];
    }
    let another = wants_another(visit.query) || visit.wanted.is_some_and(Wanted::another);
    let links = sso::providers(visit).iter().filter_map(|name| {
        let label = visit.gate.provider_label(name.as_str())?.clone();
        let address = match visit.wanted {
            Some(wanted) => return_path::provider_for(name.as_str(), wanted.id(), another),
            None => return_path::provider(name.as_str(), back, another),
        };
        Some(ProviderLink { label, address })
    });
    links.collect()
}

/// A circuit's own secret, and a code that it sends, are typed on its own host.
fn shared_page(visit: &Visit<'_>) -> Option<String> {
    let (wanted, ways) = (visit.wanted?, visit.gate.access().ways()?);
    (ways.shared.is_some() || ways.code)
        .then(|| format!("{}{}", wanted.origin(), return_path::sign_in_shared(wanted.back())))
}

/// `shared` of the query, where something is typed on the circuit's own host: its page is wanted, and no account.
fn wants_shared(visit: &Visit<'_>) -> bool {
    let asked = visit.query.unwrap_or_default().split('&').any(|pair| pair == "shared=1");
    asked && visit.gate.access().ways().is_some_and(|ways| ways.shared.is_some() || ways.code)
}

/// In the order of the circuit's `login`, its shared secrets last; each on the host where it is typed.
fn forms(visit: &Visit<'_>) -> Vec<Form> {
    let Some(ways) = visit.gate.access().ways() else { return Vec::new() };
    let Ways { login, providers: _, code, shared, header_auth: _ } = ways;
    let login = if hand_over::elsewhere(visit).is_some() { &[] } else { login.as_slice() };
    let shared = shared.as_ref().filter(|_| !own_site::is_login_host(visit));
    let own = login.iter().map(|way| match way {
        SignInWay::Password => Form { title: "With your password", personal: true, secret: Secret::Password },
        SignInWay::Pin => Form { title: "With your PIN", personal: true, secret: Secret::Pin },
    });
    let password = shared.is_some_and(|shared| shared.password_hash.is_some());
    let pin = shared.is_some_and(|shared| shared.pin_hash.is_some());
    let shared_password = Form { title: "With the shared password", personal: false, secret: Secret::Password };
    let shared_pin = Form { title: "With the shared PIN", personal: false, secret: Secret::Pin };
    let sent = Form { title: "With a code by e-mail", personal: true, secret: Secret::Sent };
    let own = own.chain((*code && !own_site::is_login_host(visit)).then_some(sent));
    own.chain(password.then_some(shared_password)).chain(pin.then_some(shared_pin)).collect()
}

/// `return` of the query, decoded once and checked; anything else in the query is not looked at. Nobody wants to be
/// anywhere but at the launcher of the login host.
pub(super) fn return_target<'a>(visit: &Visit<'a>) -> Cow<'a, str> {
    return_path_of(visit.query.filter(|_| !own_site::is_login_host(visit)))
}

/// The same of a host that is a circuit's.
pub(super) fn return_path_of(query: Option<&str>) -> Cow<'_, str> {
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
