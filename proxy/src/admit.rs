//! From a head to a decision: forward, a page of our own, or an answer that says why not.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, Uri, header};
use vestibule_auth::gate::Front;
use vestibule_auth::sso::Rechecked;
use vestibule_auth::{Decision, Kind, Permit, Reason, Record, Refusal, Verdict};

use crate::attempt::{self, Scene};
use crate::context::{Request, authority};
use crate::exceeded::{self, Over};
use crate::forward::{Forward, is_back};
use crate::host;
use crate::login;
use crate::own_path::{Owner, owner};
use crate::reply::Reply;
use crate::respond;
use crate::routes::{Found, Route, Site};
use crate::state::State;

/// What is to be done with a request.
pub(crate) enum Step {
    /// [`Request::forward`] is set.
    Forward,
    /// The front rules let it through to a page of ours.
    OwnPage,
    /// Written as it stands; the reason is noted.
    Answer(Reply),
}

/// The whole decision. The first denial ends it, and is the only one that is noted.
pub(crate) async fn admit(state: &Arc<State>, request: &mut Request, headers: &HeaderMap) -> Step {
    let owner = owner(request.head.uri.path());
    let site = find(state, request, headers);
    if is_back(headers) {
        request.ending.reason = Some(Reason::LoopDetected);
        return Step::Answer(respond::came_back(&request.asked(headers)));
    }
    let Some(site) = site else {
        // What looks for hosts is refused as what looks for paths is.
        if let Some(refusal) = request.live.policy.failed_too_often(request.client.address) {
            request.ending.reason = Some(refusal.reason);
            return Step::Answer(respond::refusal(&refusal, &request.asked(headers)));
        }
        let reason = request.ending.reason.unwrap_or(Reason::CircuitNotFound);
        return Step::Answer(fail(request, headers, reason));
    };
    let (route, is_ours) = match owner {
        Owner::Nobody => (None, false),
        Owner::Vestibule => (Some(page_route(request, &site)), true),
        Owner::Upstream => (route_by_path(request, &site), false),
    };
    let Some(route) = route else {
        return Step::Answer(fail(request, headers, Reason::MalformedRequest));
    };
    request.route = Some(route.clone());
    if route.is_protected() && (!state.store.writable() || state.auth.damage().is_some()) {
        return Step::Answer(fail(request, headers, Reason::LogUnavailable));
    }
    // Nothing is behind the login host.
    if is_ours || route.is_login_host() {
        return front(state, request, headers, &site, &route);
    }
    decide(state, request, headers, &route).await
}

/// The answer of a listener that only leads to https: hosts that are served have a place there, no other.
pub(crate) fn redirect(state: &State, request: &mut Request, headers: &HeaderMap) -> Reply {
    if find(state, request, headers).is_none() {
        let reason = request.ending.reason.unwrap_or(Reason::CircuitNotFound);
        return fail(request, headers, reason);
    }
    respond::to_https(&request.asked(headers), request.host.as_deref().unwrap_or_default(), &request.live.settings)
}

/// Who answers a page of ours: by whose policy is signed in there, or a session looked at.
fn page_route(request: &Request, site: &Site) -> Arc<Route> {
    let target = login::leads_to(request.head.uri.path(), request.head.uri.query());
    site.door_to(target.as_deref().unwrap_or("/")).clone()
}

/// Who answers for the path. Where paths differ it is brought into its one spelling before that: the one that is decided
/// is the one that is recorded and sent. Absent where it has none.
fn route_by_path(request: &mut Request, site: &Site) -> Option<Arc<Route>> {
    let (path, route) = site.serving(request.head.uri.path())?;
    if let Cow::Owned(path) = path {
        request.head.uri = with_path(&request.head.uri, &path)?;
        request.respelled = true;
    }
    Some(route.clone())
}

/// Another path with the same query.
fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let query = uri.query();
    let target = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    Uri::try_from(target).ok()
}

/// An answer to what no gate refused; the reason is noted.
pub(crate) fn fail(request: &mut Request, headers: &HeaderMap, reason: Reason) -> Reply {
    request.ending.reason = Some(reason);
    if request.location.is_none() {
        request.location = Some(Arc::new(request.live.policy.locate(request.client.address)));
    }
    respond::failure(reason, &request.asked(headers))
}

/// The circuit in force behind the host; where there is none the reason is noted.
fn find(state: &State, request: &mut Request, headers: &HeaderMap) -> Option<Arc<Site>> {
    let Ok(host) = host::parse(authority(headers)) else {
        request.ending.reason = Some(Reason::MalformedRequest);
        return None;
    };
    let live = request.live.clone();
    match live.routes.find(&host.host, &*state.clock) {
        Found::Open(host, site) => {
            request.host = Some(host.clone());
            request.route = Some(site.own.clone());
            if !is_named_by_tls(state, request, host, site) {
                request.ending.reason = Some(Reason::Misdirected);
                return None;
            }
            request.site = Some(site.clone());
            return Some(site.clone());
        }
        // The client cannot tell it from a host that never was; the log can.
        Found::Expired(host, site) => {
            request.host = Some(host.clone());
            request.route = Some(site.own.clone());
            request.ending.reason = Some(Reason::CircuitExpired);
        }
        Found::Disabled(site) => {
            request.silent = true;
            state.metrics.disabled(&site.own.name);
        }
        Found::Unknown => request.host = Some(Arc::from(&*host.host)),
    }
    None
}

/// Whether the handshake named the same circuit: a browser keeps a connection for every host of its certificate, and a
/// rule of the name must hold for what is asked for on it.
fn is_named_by_tls(state: &State, request: &Request, host: &str, site: &Arc<Site>) -> bool {
    let Some(tls) = &request.tls else { return true };
    if *tls.name == *host {
        return true;
    }
    match request.live.routes.find(&tls.name, &*state.clock) {
        Found::Open(_, named) | Found::Expired(_, named) | Found::Disabled(named) => Arc::ptr_eq(named, site),
        Found::Unknown => false,
    }
}

fn front(state: &State, request: &mut Request, headers: &HeaderMap, site: &Site, route: &Route) -> Step {
    let Front { refusal, location, session, identity, budget, observed } = route.gate.front(&request.view(headers));
    let is_known = identity.is_some();
    request.location = Some(location);
    request.session = session;
    request.identity = identity;
    request.budget = budget;
    request.observed = observed;
    if !is_known && request.session.is_some() && login::leads_to(request.head.uri.path(), None).is_none() {
        find_admitting(request, headers, site);
    }
    match refusal.filter(|refusal| !is_exempt(request, refusal)) {
        None => Step::OwnPage,
        Some(refusal) => Step::Answer(refuse(state, request, headers, route, &refusal)),
    }
}

/// A session is one for all policies of its circuit: a page about it is answered by the first that lets it pass.
fn find_admitting(request: &mut Request, headers: &HeaderMap, site: &Site) {
    let view = request.view(headers);
    let found = site.all().find_map(|route| Some((route.clone(), route.gate.identity(&view)?)));
    if let Some((route, identity)) = found {
        request.route = Some(route);
        request.identity = Some(identity);
    }
}

/// A provider tells of logouts from wherever it is, and an upstream fetches keys from wherever it is.
fn is_exempt(request: &Request, refusal: &Refusal) -> bool {
    let by_rule = matches!(refusal.kind, Kind::Forbidden | Kind::Limited(_));
    let path = request.head.uri.path();
    by_rule && (path.starts_with(login::BACK_CHANNEL_LOGOUT) || path == login::KEYS)
}

async fn decide(state: &Arc<State>, request: &mut Request, headers: &HeaderMap, route: &Route) -> Step {
    let mut decision = route.gate.decide(&request.view(headers));
    if decision.recheck {
        decision = Box::pin(recheck(state, request, headers, route, decision)).await;
    }
    let Decision { verdict, location, session, budget, machine, recheck: _, observed } = decision;
    request.observed = observed;
    request.location = Some(location);
    request.session = session;
    request.budget = budget;
    if let Some(machine) = machine {
        request.tried = Some(machine.sign_in.method);
        // Boxed: every request would carry its room.
        let scene = scene(request, headers, route);
        if Box::pin(attempt::came(state, &scene, &route.gate, &machine, &verdict)).await.is_err() {
            return Step::Answer(fail(request, headers, Reason::LogUnavailable));
        }
        if let (Verdict::Refuse(refusal), Record::Limited) = (&verdict, machine.record) {
            // Counted already, as an attempt.
            request.ending.reason = Some(refusal.reason);
            return Step::Answer(respond::refusal(refusal, &request.asked(headers)));
        }
    }
    match verdict {
        Verdict::Pass(permit) => enter(state, request, headers, route, permit),
        Verdict::Preflight(allowed) => Step::Answer(respond::preflight(&allowed)),
        Verdict::Refuse(refusal) => {
            // Boxed: every request would carry its room.
            if !Box::pin(record_refused_session(state, request, headers, route, &refusal)).await {
                return Step::Answer(fail(request, headers, Reason::LogUnavailable));
            }
            let asked = (&request.head.method, headers);
            if login::leads_on(&request.live.settings, &route.gate, &refusal, asked) {
                request.ending.reason = Some(refusal.reason);
                return Step::OwnPage;
            }
            Step::Answer(refuse(state, request, headers, route, &refusal))
        }
    }
}

/// The session's provider is asked whether it still knows the person; then what is so now decides.
async fn recheck(
    state: &State,
    request: &mut Request,
    headers: &HeaderMap,
    route: &Route,
    decision: Decision,
) -> Decision {
    match route.gate.recheck(&request.view(headers)).await {
        Rechecked::Known => route.gate.decide(&request.view(headers)),
        Rechecked::Unanswered(refusal) => Decision { verdict: Verdict::Refuse(refusal), ..decision },
        Rechecked::Gone => {
            request.location = Some(decision.location.clone());
            if let Some(session) = &decision.session {
                let recorded = attempt::not_known_any_more(state, &scene(request, headers, route), session).await;
                if let Err(error) = recorded {
                    tracing::error!(error = &error as &dyn std::error::Error, "the end of a session is not recorded");
                }
            }
            route.gate.decide(&request.view(headers))
        }
    }
}

fn enter(state: &State, request: &mut Request, headers: &HeaderMap, route: &Route, permit: Permit) -> Step {
    if declared_length(headers) > request.live.settings.server.limits.body_bytes.0 {
        return Step::Answer(fail(request, headers, Reason::BodyTooLarge));
    }
    let Ok(target) = target(request, route) else {
        return Step::Answer(fail(request, headers, Reason::MalformedRequest));
    };
    let Some(upstreams) = &route.target else {
        return Step::Answer(fail(request, headers, Reason::CircuitNotFound));
    };
    let now = state.clock.elapsed();
    let Some(flight) = upstreams.enter(now) else {
        return Step::Answer(fail(request, headers, Reason::TooManyInFlight));
    };
    if request.asks_for_tunnel {
        let max = request.live.settings.server.limits.tunnels;
        request.lasting = state.lasting.tunnel(max, request.remembered(headers));
        if request.lasting.is_none() {
            return Step::Answer(fail(request, headers, Reason::TooManyInFlight));
        }
    }
    request.forward = Some(Forward::new(permit, flight, target, now));
    Step::Forward
}

/// Where the upstream gets another path and query than the client sent: those.
///
/// # Errors
/// When they would be ours, or none that can be sent.
fn target(request: &Request, route: &Route) -> Result<Option<Uri>, ()> {
    let uri = &request.head.uri;
    match route.path().map(|path| path.for_upstream(uri.path())) {
        Some(path) if path != uri.path() && owner(&path) == Owner::Upstream => {
            with_path(uri, &path).map(Some).ok_or(())
        }
        Some(path) if path != uri.path() => Err(()),
        Some(_) | None => Ok(request.respelled.then(|| uri.clone())),
    }
}

fn refuse(state: &State, request: &mut Request, headers: &HeaderMap, route: &Route, refusal: &Refusal) -> Reply {
    request.ending.reason = Some(refusal.reason);
    if let Kind::Limited(budget) = &refusal.kind {
        let account = request.session.as_ref().map(|session| &*session.user_id);
        let over = Over { budget, reason: refusal.reason, account };
        exceeded::note(state, &scene(request, headers, route), &over);
    }
    respond::refusal(refusal, &request.asked(headers))
}

/// A live session that the policy refuses is a failed attempt. False when that could not be recorded.
async fn record_refused_session(
    state: &State,
    request: &Request,
    headers: &HeaderMap,
    route: &Route,
    refusal: &Refusal,
) -> bool {
    let Some(session) = request.session.as_deref().filter(|_| is_policy(refusal.reason)) else { return true };
    attempt::policy_refused(state, &scene(request, headers, route), session, refusal).await.is_ok()
}

/// Membership, lists, groups and states; not the rules that look at no person.
fn is_policy(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::NotProjectMember
            | Reason::NotOnAllowlist
            | Reason::NotInGroup
            | Reason::UserBlocked
            | Reason::PendingApproval
            | Reason::GrantExpired
            | Reason::DomainNotAllowed
    )
}

fn scene<'a>(request: &'a Request, headers: &'a HeaderMap, route: &'a Route) -> Scene<'a> {
    Scene {
        time_us: request.time_us,
        request_id: request.request_id(),
        source_ip: request.client.address,
        location: request.location.as_deref().expect("a gate always says where the client is"),
        user_agent: attempt::user_agent(headers),
        revision: &request.live.settings.revision,
        circuit: &route.circuit,
        access: route.gate.access(),
        host: request.host.as_deref().unwrap_or_default(),
        attempt: None,
        purpose: None,
    }
}

/// Zero without `Content-Length`; the edge let only one through that is a number.
fn declared_length(headers: &HeaderMap) -> u64 {
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    declared.map_or(0, |length| length.parse().unwrap_or(u64::MAX))
}
