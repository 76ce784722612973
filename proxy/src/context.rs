//! What is known of a request so far. Its entry is written when it ends, however it ends.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header, request};
use pingora::http::RequestHeader;
use vestibule_auth::{Budget, Identity, Location, Reason, RequestView, Session};

use crate::client_address::Client;
use crate::cookie;
use crate::edge::Tls;
use crate::forward::{Forward, Told, asks_for_websocket};
use crate::record;
use crate::reply::Mark;
use crate::request_id;
use crate::respond::Asked;
use crate::routes::{Route, Site};
use crate::state::{Live, State};
use crate::tunnel::{Place, Remembered};

/// One request's `CTX`. Dropping it writes the entry, so that a panic or a shutdown leaves one too.
pub(crate) struct Context {
    /// Shared parts.
    pub(crate) state: Arc<State>,
    /// The client's, moved out of Pingora's hands: it would copy all of them for the upstream, and remove from the
    /// copy what must not pass.
    pub(crate) fields: HeaderMap,
    /// Present from the head to the entry.
    pub(crate) request: Option<Box<Request>>,
    /// Handed on from one request of a connection to the next.
    pub(crate) told: Option<Arc<Told>>,
}

/// Fields that Pingora itself looks at after the head was read: how the body ends, and who waits for what.
const FRAMING: [HeaderName; 3] = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::EXPECT];

/// One request from its head on.
pub(crate) struct Request {
    /// The configuration that it keeps to its end.
    pub(crate) live: Arc<Live>,
    /// When the head was read, in microseconds since 1970.
    pub(crate) time_us: i64,
    /// The same on the clock that never goes back.
    pub(crate) started: Duration,
    /// For the answer, the upstream and the entries.
    pub(crate) request_id: HeaderValue,
    /// Resolved address, peer, scheme.
    pub(crate) client: Client,
    /// Of its connection; absent in clear.
    pub(crate) tls: Option<Arc<Tls>>,
    /// As sent, but for [`Self::respelled`].
    pub(crate) head: Head,
    /// The path was brought into its one spelling.
    pub(crate) respelled: bool,
    /// Canonical, once it could be read.
    pub(crate) host: Option<Arc<str>>,
    /// Its circuit, once it is known to be in force.
    pub(crate) site: Option<Arc<Site>>,
    /// Its circuit, or the path of it that answers.
    pub(crate) route: Option<Arc<Route>>,
    /// Where the client is.
    pub(crate) location: Option<Arc<Location>>,
    /// The live session that its cookie names, or that it opened.
    pub(crate) session: Option<Arc<Session>>,
    /// Whose session it is, on pages of ours, if the policy would let it pass now.
    pub(crate) identity: Option<Arc<Identity>>,
    /// The log's `auth_method` where no session says it: of an attempt.
    pub(crate) tried: Option<vestibule_auth::Method>,
    /// The tightest request limit.
    pub(crate) budget: Option<Budget>,
    /// What rules would have refused it for, that only observe.
    pub(crate) observed: Vec<Reason>,
    /// It asks for a WebSocket.
    pub(crate) asks_for_tunnel: bool,
    /// Present where it lasts.
    pub(crate) lasting: Option<Place>,
    /// Present once a gate let it pass.
    pub(crate) forward: Option<Forward>,
    /// How it ended.
    pub(crate) ending: Ending,
    /// A disabled circuit leaves a count and no entry.
    pub(crate) silent: bool,
}

/// The request line; shares the bytes that were read.
pub(crate) struct Head {
    /// As sent.
    pub(crate) method: Method,
    /// In origin form.
    pub(crate) uri: Uri,
    /// As sent.
    pub(crate) version: Version,
}

/// How a request ended; at first as if its client had left at once.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ending {
    /// 0: client gone before one was sent.
    pub(crate) status: u16,
    /// Absent: the upstream's own answer.
    pub(crate) mark: Option<Mark>,
    /// Of the closed list.
    pub(crate) reason: Option<Reason>,
    /// Body bytes from the client.
    pub(crate) bytes_in: u64,
    /// Body bytes to the client.
    pub(crate) bytes_out: u64,
    /// It was let in and ended later for the reason.
    pub(crate) is_cut: bool,
}

impl Context {
    /// Before the head is looked at.
    pub(crate) fn new(state: Arc<State>) -> Self {
        Self { state, fields: HeaderMap::new(), request: None, told: None }
    }

    /// Opens the record and leaves in `head` what Pingora needs: its target in origin form, as the absolute form names
    /// the same host as `Host`, which the edge has seen to, and its framing.
    pub(crate) fn begin(&mut self, peer: std::net::IpAddr, tls: Option<Arc<Tls>>, head: &mut RequestHeader) {
        let line = Head { method: head.method.clone(), uri: head.uri.clone(), version: head.version };
        let asks_for_tunnel = asks_for_websocket(&line, &head.headers);
        self.fields = take_fields(head, asks_for_tunnel);
        let live = self.state.live.load_full();
        let time_us = self.state.clock.now().as_microsecond();
        let client = Client::resolve(peer, &self.fields, &live.settings.server.trusted_proxies, tls.is_some());
        let request_id = client.request_id(&self.fields).unwrap_or_else(|| request_id::next(&self.state.request_ids));
        self.request = Some(Box::new(Request {
            live,
            time_us,
            started: self.state.clock.elapsed(),
            request_id,
            client,
            tls,
            head: line,
            respelled: false,
            host: None,
            site: None,
            route: None,
            location: None,
            session: None,
            identity: None,
            tried: None,
            budget: None,
            observed: Vec::new(),
            asks_for_tunnel,
            lasting: None,
            forward: None,
            ending: Ending::default(),
            silent: false,
        }));
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if let Some(request) = self.request.take() {
            record::finished(&self.state, &request, &self.fields);
        }
    }
}

impl Request {
    /// What policy may look at; `headers` are the client's.
    pub(crate) fn view<'a>(&'a self, headers: &'a HeaderMap) -> RequestView<'a> {
        RequestView {
            method: &self.head.method,
            host: self.host.as_deref().unwrap_or_default(),
            path: self.head.uri.path(),
            headers,
            client: self.client.address,
            cookie: cookie::find(headers, self.client.secure),
        }
    }

    /// What an answer of our own depends on; `headers` are the client's.
    pub(crate) fn asked<'a>(&'a self, headers: &'a HeaderMap) -> Asked<'a> {
        let project = self.route.as_ref().and_then(|route| route.circuit.project.as_ref());
        let project = project.and_then(|name| self.live.settings.projects.get(name));
        Asked {
            method: &self.head.method,
            headers,
            path_and_query: self.head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str),
            authority: authority(headers),
            secure: self.client.secure,
            request_id: self.request_id(),
            circuit: self.route.as_deref().map(|route| &*route.circuit),
            project_label: project.and_then(|project| project.label.as_deref()),
            account: self.session.as_ref().and_then(|session| session.email.as_deref()),
            budget: self.budget.as_ref(),
            request: None,
            login_host: self.login_host(),
        }
    }

    /// Another host where people sign in for this one.
    fn login_host(&self) -> Option<&str> {
        let host = self.live.settings.server.login_host.as_ref()?;
        Some(host.as_str()).filter(|host| self.host.as_deref() != Some(host))
    }

    /// How it ended, also where it was ended from outside.
    pub(crate) fn ended(&self) -> Ending {
        match self.lasting.as_ref().and_then(Place::over) {
            Some(reason) => Ending { reason: Some(reason), is_cut: true, ..self.ending },
            None => self.ending,
        }
    }

    /// What is needed to decide about it again; `headers` are the client's.
    pub(crate) fn remembered(&self, headers: &HeaderMap) -> Remembered {
        Remembered {
            host: self.host.clone().unwrap_or_default(),
            path: self.head.uri.path().into(),
            method: self.head.method.clone(),
            headers: headers.clone(),
            client: self.client.address,
            secure: self.client.secure,
            request_id: self.request_id.clone(),
            location: self.location.clone(),
            session: self.session.clone(),
        }
    }

    /// Visible ASCII, whoever made it.
    pub(crate) fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }
}

/// Pingora's head with its framing only, and with the target that its address has: of a target in absolute form that
/// is the path. `Upgrade` stays where it is asked for in a way that is passed on: with it Pingora reads no body.
fn take_fields(head: &mut RequestHeader, asks_for_tunnel: bool) -> HeaderMap {
    let stays = |name: &HeaderName| FRAMING.contains(name) || (asks_for_tunnel && *name == header::UPGRADE);
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = head.method.clone();
    parts.uri = head.uri.clone();
    parts.version = head.version;
    for (name, value) in head.headers.iter().filter(|(name, _)| stays(name)) {
        parts.headers.append(name, value.clone());
    }
    request::Parts::from(std::mem::replace(head, RequestHeader::from(parts))).headers
}

/// Host and port as the client wrote them; the target was brought into origin form before.
pub(crate) fn authority(headers: &HeaderMap) -> &str {
    headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}
