//! Why a request would be let in or not: its host, its path, then the very gate that decides about requests.
//!
//! Serves the admin API, `vestibule why`, `vestibule replay` and `[[tests]]`.

mod apart;
mod place;
pub(crate) mod recorded;
mod scenarios;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderValue, Method, Uri};
use serde_json::{Value, json};
use vestibule_auth::explain::{BadVisitor, Explained, Heard, Question};
use vestibule_auth::{Clock, Hand, Kind, Reason, RequestView, Said, Visitor};
use vestibule_config::scenario::{Decision, Given};

use crate::host;
use crate::own_path::{Owner, owner};
use crate::routes::{Found, Route, Site};
use crate::state::Live;

pub(crate) use apart::Apart;
pub(crate) use scenarios::failures;

/// As a browser says, so that no rule about programs concerns the answer.
const BROWSER: HeaderValue = HeaderValue::from_static("Mozilla/5.0");

/// What was asked cannot be answered: which part of the question, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part}: {why}")]
pub(crate) struct BadQuestion {
    pub(crate) part: &'static str,
    pub(crate) why: String,
}

/// What would become of a request, and why.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) decision: Decision,
    /// Absent where it is let in.
    pub(crate) reason: Option<Reason>,
    /// Who answers; absent for a host of nobody, and empty for the login host.
    pub(crate) circuit: Option<Arc<str>>,
    /// What would have refused, and only observes.
    pub(crate) observed: Vec<Reason>,
    /// In the order in which they were asked; the last one decides.
    pub(crate) layers: Vec<Layer>,
}

/// What one layer said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) layer: &'static str,
    pub(crate) outcome: &'static str,
    /// The key that decides there; absent where no file says anything about it.
    pub(crate) rule: Option<String>,
    /// `vestibule.toml:12`
    pub(crate) place: Option<String>,
}

impl Answer {
    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        let layer = |layer: &Layer| {
            let Layer { layer, outcome, rule, place } = layer;
            json!({ "layer": layer, "outcome": outcome, "rule": rule, "place": place })
        };
        json!({
            "decision": self.decision.as_str(),
            "reason": self.reason.map(Reason::code),
            "circuit": self.circuit.as_deref(),
            "would_block": self.observed.iter().map(|reason| reason.code()).collect::<Vec<_>>(),
            "layers": self.layers.iter().map(layer).collect::<Vec<_>>(),
        })
    }
}

impl Live {
    /// What would become of a request. `live`: whether bans, locks, grants and limits of this moment count, or the
    /// configuration alone. Nothing is taken, written or noted.
    ///
    /// # Errors
    /// When nobody could ask so.
    pub(crate) fn explain(&self, given: &Given, clock: &dyn Clock, live: bool) -> Result<Answer, BadQuestion> {
        let asked = Asked::read(given)?;
        let found = match given.at {
            Some(at) => self.routes.find(&asked.host, &Hand::at(at)),
            None => self.routes.find(&asked.host, clock),
        };
        let site = match found {
            Found::Open(_, site) | Found::Expired(_, site) | Found::Disabled(site) => site,
            Found::Unknown => return Ok(nowhere()),
        };
        let question = Question { visitor: asked.visitor.clone(), at: given.at, live };
        Ok(self.explain_at(site, &asked, &question))
    }

    fn explain_at(&self, site: &Site, asked: &Asked, question: &Question) -> Answer {
        let path = asked.uri.path();
        let served = match owner(path) {
            Owner::Nobody => None,
            Owner::Vestibule => Some((path.into(), &site.own, true)),
            Owner::Upstream => site.serving(path).map(|(path, route)| (path, route, route.is_login_host())),
        };
        let mut layers = vec![self.layer("host", Said::Hit, &hosts_of(&site.own), asked)];
        let Some((path, route, is_ours)) = served else {
            return refused_before(site, layers, Reason::MalformedRequest);
        };
        if let Some(part) = route.path() {
            let rule = format!("circuits.{}.paths[{:?}].prefix", route.name, part.prefix.as_str());
            layers.push(self.layer("path", Said::Hit, &rule, asked));
        }
        let view = asked.view(&path);
        let explained =
            if is_ours { route.gate.explain_front(&view, question) } else { route.gate.explain(&view, question) };
        let Explained { refusal, observed, layers: heard } = explained;
        let said = |Heard { layer, said, rule }: &Heard| self.layer(layer.code(), *said, rule, asked);
        layers.extend(heard.iter().map(said));
        Answer {
            decision: refusal.as_ref().map_or(Decision::Allow, |refusal| decision(&refusal.kind)),
            reason: refusal.map(|refusal| refusal.reason),
            circuit: Some(route.name.clone()),
            observed,
            layers,
        }
    }

    fn layer(&self, layer: &'static str, said: Said, rule: &str, asked: &Asked) -> Layer {
        let place = place::of(&self.settings, rule, &asked.visitor);
        // A key that nobody wrote says nothing.
        let is_silent = said == Said::Miss && place.is_none();
        Layer { layer, outcome: said.code(), rule: (!is_silent).then(|| rule.to_owned()), place }
    }
}

/// A question that can be asked.
struct Asked {
    uri: Uri,
    /// In its one spelling.
    host: String,
    method: Method,
    headers: HeaderMap,
    client: IpAddr,
    visitor: Visitor,
}

impl Asked {
    fn read(given: &Given) -> Result<Self, BadQuestion> {
        let Given { url, method, user, groups, login, ip, at: _ } = given;
        let bad = |part, why: &str| BadQuestion { part, why: why.to_owned() };
        let no_page = || bad("url", "write one such as https://wiki.example.net/");
        let uri: Uri = url.parse().map_err(|_| no_page())?;
        let authority = uri.authority().filter(|_| uri.scheme().is_some()).ok_or_else(no_page)?;
        let host = host::parse(authority.as_str()).map_err(|_| no_page())?.host.into_owned();
        let method = method.as_deref().unwrap_or("GET").to_ascii_uppercase();
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| bad("method", "write one such as GET"))?;
        let visitor = Visitor::of(user.as_deref(), groups.iter().cloned().collect(), login.as_deref());
        let part = |bad: &BadVisitor| match bad {
            BadVisitor::Login(_) => "login",
            BadVisitor::User(_) | BadVisitor::NoUser(_) => "user",
        };
        let visitor = visitor.map_err(|error| BadQuestion { part: part(&error), why: error.to_string() })?;
        Ok(Self {
            host,
            method,
            headers: HeaderMap::from_iter([(USER_AGENT, BROWSER)]),
            client: ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            visitor,
            uri,
        })
    }

    fn view<'a>(&'a self, path: &'a str) -> RequestView<'a> {
        let Self { uri: _, host, method, headers, client, visitor: _ } = self;
        RequestView { method, host, path, headers, client: *client, cookie: None }
    }
}

fn hosts_of(route: &Route) -> String {
    if route.is_login_host() { "server.login_host".to_owned() } else { format!("circuits.{}.hosts", route.name) }
}

fn nowhere() -> Answer {
    let layer = Layer { layer: "host", outcome: Said::Miss.code(), rule: None, place: None };
    Answer {
        decision: Decision::NotFound,
        reason: Some(Reason::CircuitNotFound),
        circuit: None,
        observed: Vec::new(),
        layers: vec![layer],
    }
}

fn refused_before(site: &Site, layers: Vec<Layer>, reason: Reason) -> Answer {
    let circuit = Some(site.own.name.clone());
    Answer { decision: Decision::Deny, reason: Some(reason), circuit, observed: Vec::new(), layers }
}

fn decision(kind: &Kind) -> Decision {
    match kind {
        Kind::SignIn => Decision::Login,
        Kind::Credential | Kind::Forbidden | Kind::Unavailable(_) => Decision::Deny,
        Kind::Limited(_) => Decision::Limited,
        Kind::NotFound => Decision::NotFound,
    }
}
