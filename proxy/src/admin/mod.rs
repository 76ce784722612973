//! The auditor's and operator's port: one table of routes, one door before all of them.

mod alerts;
mod backups;
mod bans;
mod change;
mod circuits;
mod config;
mod counts;
mod door;
mod erase;
mod export;
mod facade;
mod form;
mod grants;
mod health;
mod integrity;
pub(crate) mod lines;
mod list;
mod listener;
mod logs;
mod openapi;
mod pages;
mod people;
mod policy;
mod problem;
mod refusals;
mod secure;
mod seen;
mod sessions;
mod stats;
mod status;
mod stream;
mod tail;
mod throttle;
mod tokens;
mod upstreams;

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State as Shared};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use http::Method;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use vestibule_config::admin::{LogName, Role};

use crate::state::State;
use door::{Call, Visitor};
use facade::{cloudflare, netbird, rack_gateway, scalekit};
pub(crate) use integrity::shown as shown_report;
pub(crate) use listener::start;
use problem::Problem;
pub(crate) use problem::REASONS;
pub(crate) use stream::STREAMS;

/// Every endpoint. A change of state is never a GET.
pub(crate) const ROUTES: &[Route] = &[
    open("/livez", health::live),
    open("/readyz", health::ready),
    reads("/metrics", |call| Box::pin(ready(status::metrics(&call)))),
    reads("/api/openapi.json", |call| Box::pin(ready(openapi::document(&call)))),
    reads("/api/docs", |call| Box::pin(ready(openapi::reference(&call)))),
    reads("/api/v1/status", |call| Box::pin(status::status(call))),
    reads("/api/v1/circuits", |call| Box::pin(ready(circuits::list(&call)))),
    reads("/api/v1/projects", |call| Box::pin(people::projects(call))),
    reads("/api/v1/users", |call| Box::pin(people::users(call))),
    log("/api/v1/users-seen", LogName::Access, |call| Box::pin(seen::list(call))),
    log("/api/v1/stats", LogName::Requests, |call| Box::pin(stats::stats(call))),
    log("/api/v1/logs/access", LogName::Access, |call| Box::pin(logs::page(call))),
    exports("/api/v1/logs/access/export", LogName::Access, |call| Box::pin(export::export(call))),
    log("/api/v1/logs/access/tail", LogName::Access, |call| Box::pin(tail::tail(call))),
    log("/api/v1/logs/access/histogram", LogName::Access, |call| Box::pin(counts::histogram(call))),
    log("/api/v1/logs/access/facets", LogName::Access, |call| Box::pin(counts::facets(call))),
    log("/api/v1/logs/access/{id}", LogName::Access, |call| Box::pin(logs::one(call))),
    log("/api/v1/logs/requests", LogName::Requests, |call| Box::pin(logs::page(call))),
    exports("/api/v1/logs/requests/export", LogName::Requests, |call| Box::pin(export::export(call))),
    log("/api/v1/logs/requests/tail", LogName::Requests, |call| Box::pin(tail::tail(call))),
    log("/api/v1/logs/requests/histogram", LogName::Requests, |call| Box::pin(counts::histogram(call))),
    log("/api/v1/logs/requests/facets", LogName::Requests, |call| Box::pin(counts::facets(call))),
    log("/api/v1/logs/requests/{id}", LogName::Requests, |call| Box::pin(logs::one(call))),
    log("/api/v1/logs/audit", LogName::Audit, |call| Box::pin(logs::page(call))),
    exports("/api/v1/logs/audit/export", LogName::Audit, |call| Box::pin(export::export(call))),
    log("/api/v1/logs/audit/tail", LogName::Audit, |call| Box::pin(tail::tail(call))),
    log("/api/v1/logs/audit/histogram", LogName::Audit, |call| Box::pin(counts::histogram(call))),
    log("/api/v1/logs/audit/facets", LogName::Audit, |call| Box::pin(counts::facets(call))),
    log("/api/v1/logs/audit/{id}", LogName::Audit, |call| Box::pin(logs::one(call))),
    reads("/api/v1/integrity", |call| Box::pin(integrity::state(call))),
    reads("/api/v1/integrity/checkpoint", |call| Box::pin(integrity::head(call))),
    reads("/api/v1/integrity/anchors", |call| Box::pin(integrity::anchors(call))),
    changes(Method::POST, "/api/v1/integrity/anchors", |call| Box::pin(integrity::anchor(call))),
    changes(Method::POST, "/api/v1/integrity/key", |call| Box::pin(integrity::change_key(call))),
    changes(Method::POST, "/api/v1/integrity/erase", |call| Box::pin(ready(erase::erase(call)))),
    token(Method::POST, "/api/v1/integrity/verify", None, Role::Auditor, |call| Box::pin(integrity::verify(call))),
    log("/api/v1/alerts", LogName::Audit, |call| Box::pin(ready(alerts::list(&call)))),
    changes(Method::POST, "/api/v1/backups", |call| Box::pin(backups::create(call))),
    changes(Method::DELETE, "/api/v1/backups", |call| Box::pin(backups::release(call))),
    reads("/api/v1/tokens", |call| Box::pin(ready(tokens::list(&call)))),
    reads("/api/v1/sessions", |call| Box::pin(sessions::list(call))),
    reads("/api/v1/sessions/{id}", |call| Box::pin(sessions::one(call))),
    changes(Method::DELETE, "/api/v1/sessions", |call| Box::pin(sessions::end(call))),
    changes(Method::DELETE, "/api/v1/sessions/{id}", |call| Box::pin(sessions::end_one(call))),
    reads("/api/v1/bans", |call| Box::pin(ready(bans::list(&call)))),
    changes(Method::POST, "/api/v1/bans", |call| Box::pin(bans::add(call))),
    changes(Method::DELETE, "/api/v1/bans/{id}", |call| Box::pin(bans::remove(call))),
    reads("/api/v1/grants", |call| Box::pin(ready(grants::list(&call)))),
    reads("/api/v1/grants/{id}", |call| Box::pin(ready(grants::one(&call)))),
    changes(Method::POST, "/api/v1/grants", |call| Box::pin(grants::add(call))),
    changes(Method::DELETE, "/api/v1/grants/{id}", |call| Box::pin(grants::remove(call))),
    token(Method::POST, "/api/v1/policy/explain", None, Role::Reader, |call| Box::pin(ready(policy::explain(&call)))),
    reads("/api/v1/config", |call| Box::pin(ready(config::show(&call)))),
    changes(Method::PUT, "/api/v1/config", |call| Box::pin(config::put(call))),
    reads("/api/v1/config/history", |call| Box::pin(config::history(call))),
    changes(Method::POST, "/api/v1/config/validate", |call| Box::pin(config::validate(call))),
    changes(Method::POST, "/api/v1/config/rollback", |call| Box::pin(config::rollback(call))),
    changes(Method::POST, "/api/v1/config/reload", |call| Box::pin(config::reload(call))),
    token(Method::POST, "/api/v1/admin-link", None, Role::Reader, |call| Box::pin(pages::sign_in::link(call))),
    view("/api/events/proxy", LogName::Requests, Role::Reader, netbird::list, netbird::problem),
    view(ACCESS_REQUESTS, LogName::Access, Role::Reader, cloudflare::list, cloudflare::problem),
    view(ACCESS_REQUESTS_V4, LogName::Access, Role::Reader, cloudflare::list, cloudflare::problem),
    view(AUTH_REQUESTS, LogName::Access, Role::Reader, scalekit::list, scalekit::problem),
    view("/api/v1/audit-logs", LogName::Audit, Role::Reader, rack_gateway::list, rack_gateway::problem),
    view("/api/v1/audit-logs/export", LogName::Audit, Role::Auditor, rack_gateway::export, rack_gateway::problem),
    entrance(Method::GET, "/sign-in", |visitor| Box::pin(ready(pages::sign_in::show(&visitor)))),
    entrance(Method::POST, "/sign-in", |visitor| Box::pin(pages::sign_in::sign_in(visitor))),
    entrance(Method::GET, "/sign-in/sso", |visitor| Box::pin(pages::sso::start(visitor))),
    entrance(Method::GET, "/sign-in/callback", |visitor| Box::pin(pages::sso::finish(visitor))),
    acts("/sign-out", Role::Reader, |call| Box::pin(pages::sign_in::sign_out(call))),
    page("/", |call| Box::pin(pages::overview::page(call))),
    page_of("/logs/access", LogName::Access, Role::Reader, |call| Box::pin(pages::log::page(call))),
    page_of("/logs/access/export", LogName::Access, Role::Auditor, |call| Box::pin(export::export(call))),
    page_of("/logs/access/tail", LogName::Access, Role::Reader, |call| Box::pin(tail::tail(call))),
    page_of("/logs/access/facets", LogName::Access, Role::Reader, |call| Box::pin(counts::facets(call))),
    page_of("/logs/access/{id}", LogName::Access, Role::Reader, |call| Box::pin(pages::entry::page(call))),
    page_of("/logs/access/{id}/proof", LogName::Access, Role::Auditor, |call| Box::pin(pages::entry::proof(call))),
    page_of("/logs/requests", LogName::Requests, Role::Reader, |call| Box::pin(pages::log::page(call))),
    page_of("/logs/requests/export", LogName::Requests, Role::Auditor, |call| Box::pin(export::export(call))),
    page_of("/logs/requests/tail", LogName::Requests, Role::Reader, |call| Box::pin(tail::tail(call))),
    page_of("/logs/requests/facets", LogName::Requests, Role::Reader, |call| Box::pin(counts::facets(call))),
    page_of("/logs/requests/{id}", LogName::Requests, Role::Reader, |call| Box::pin(pages::entry::page(call))),
    page_of("/logs/requests/{id}/proof", LogName::Requests, Role::Auditor, |call| Box::pin(pages::entry::proof(call))),
    page_of("/logs/audit", LogName::Audit, Role::Reader, |call| Box::pin(pages::log::page(call))),
    page_of("/logs/audit/export", LogName::Audit, Role::Auditor, |call| Box::pin(export::export(call))),
    page_of("/logs/audit/tail", LogName::Audit, Role::Reader, |call| Box::pin(tail::tail(call))),
    page_of("/logs/audit/facets", LogName::Audit, Role::Reader, |call| Box::pin(counts::facets(call))),
    page_of("/logs/audit/{id}", LogName::Audit, Role::Reader, |call| Box::pin(pages::entry::page(call))),
    page_of("/logs/audit/{id}/proof", LogName::Audit, Role::Auditor, |call| Box::pin(pages::entry::proof(call))),
    page_of("/people", LogName::Access, Role::Reader, |call| Box::pin(pages::people::page(call))),
    page("/sessions", |call| Box::pin(pages::sessions::page(call))),
    acts("/sessions/revoke", Role::Admin, |call| Box::pin(pages::sessions::revoke(call))),
    page("/bans", |call| Box::pin(ready(pages::bans::page(&call)))),
    acts("/bans", Role::Admin, |call| Box::pin(pages::bans::add(call))),
    acts("/bans/remove", Role::Admin, |call| Box::pin(pages::bans::remove(call))),
    page("/circuits", |call| Box::pin(pages::circuits::page(call))),
    page("/circuits/{id}", |call| Box::pin(pages::circuits::one(call))),
    page("/why", |call| Box::pin(ready(pages::why::page(&call)))),
    page("/config", |call| Box::pin(pages::config::page(call))),
    page_for(Role::Admin, "/config/edit", |call| Box::pin(ready(pages::config::change::edit(&call)))),
    acts("/config/check", Role::Admin, |call| Box::pin(pages::config::change::check(call))),
    acts("/config/apply", Role::Admin, |call| Box::pin(pages::config::change::apply(call))),
    page_for(Role::Admin, "/config/revisions/{id}", |call| Box::pin(pages::config::history::one(call))),
    acts("/config/rollback", Role::Admin, |call| Box::pin(pages::config::history::rollback(call))),
    acts("/config/reload", Role::Admin, |call| Box::pin(pages::config::reload(call))),
    page("/integrity", |call| Box::pin(pages::integrity::page(call))),
    acts("/integrity/anchor", Role::Admin, |call| Box::pin(pages::integrity::anchor(call))),
    acts("/integrity/verify", Role::Auditor, |call| Box::pin(pages::integrity::verify(call))),
    page("/status", |call| Box::pin(pages::status::page(call))),
];

const ACCESS_REQUESTS: &str = "/accounts/{id}/access/logs/access_requests";
const ACCESS_REQUESTS_V4: &str = "/client/v4/accounts/{id}/access/logs/access_requests";
const AUTH_REQUESTS: &str = "/api/v1/logs/authentication/requests";

/// One endpoint.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// As axum writes it; `{id}` is one segment.
    pub(crate) path: &'static str,
    /// The log that it reads, for tokens that name theirs.
    pub(crate) log: Option<LogName>,
    pub(crate) answer: Answer,
    /// Adds what the clients of this path look for to a problem.
    pub(crate) told: fn(Problem) -> Problem,
}

/// Who may ask, and who answers.
pub(crate) enum Answer {
    /// Anybody may.
    Open(fn(&Port) -> Response),
    /// A token of at least this role may.
    Token(Role, fn(Call) -> Answering),
    /// Whoever signed in to the pages with at least this role may. What is no GET must come from a page of this sign-in.
    Page(Role, fn(Call) -> Answering),
    /// The way in to the pages: anybody may, from here.
    Entrance(fn(Visitor) -> Answering),
}

impl Route {
    /// Whether people read its answers in a browser.
    fn is_page(&self) -> bool {
        match self.answer {
            Answer::Open(_) | Answer::Token(..) => false,
            Answer::Page(..) | Answer::Entrance(_) => true,
        }
    }
}

/// The answer to come.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Result<Response, Problem>> + Send>>;

const fn open(path: &'static str, answer: fn(&Port) -> Response) -> Route {
    Route { method: Method::GET, path, log: None, answer: Answer::Open(answer), told: plain }
}

const fn reads(path: &'static str, answer: fn(Call) -> Answering) -> Route {
    token(Method::GET, path, None, Role::Reader, answer)
}

const fn log(path: &'static str, log: LogName, answer: fn(Call) -> Answering) -> Route {
    token(Method::GET, path, Some(log), Role::Reader, answer)
}

/// In the shape of another product, problems too.
const fn view(
    path: &'static str,
    log: LogName,
    least: Role,
    answer: fn(Call) -> Answering,
    told: fn(Problem) -> Problem,
) -> Route {
    Route { method: Method::GET, path, log: Some(log), answer: Answer::Token(least, answer), told }
}

const fn exports(path: &'static str, log: LogName, answer: fn(Call) -> Answering) -> Route {
    token(Method::GET, path, Some(log), Role::Auditor, answer)
}

const fn changes(method: Method, path: &'static str, answer: fn(Call) -> Answering) -> Route {
    token(method, path, None, Role::Admin, answer)
}

const fn token(
    method: Method,
    path: &'static str,
    log: Option<LogName>,
    least: Role,
    answer: fn(Call) -> Answering,
) -> Route {
    Route { method, path, log, answer: Answer::Token(least, answer), told: plain }
}

const fn entrance(method: Method, path: &'static str, answer: fn(Visitor) -> Answering) -> Route {
    Route { method, path, log: None, answer: Answer::Entrance(answer), told: plain }
}

const fn page(path: &'static str, answer: fn(Call) -> Answering) -> Route {
    page_for(Role::Reader, path, answer)
}

const fn page_for(least: Role, path: &'static str, answer: fn(Call) -> Answering) -> Route {
    Route { method: Method::GET, path, log: None, answer: Answer::Page(least, answer), told: plain }
}

const fn page_of(path: &'static str, log: LogName, least: Role, answer: fn(Call) -> Answering) -> Route {
    Route { method: Method::GET, path, log: Some(log), answer: Answer::Page(least, answer), told: plain }
}

/// What a button of a page does.
const fn acts(path: &'static str, least: Role, answer: fn(Call) -> Answering) -> Route {
    Route { method: Method::POST, path, log: None, answer: Answer::Page(least, answer), told: plain }
}

const fn plain(problem: Problem) -> Problem {
    problem
}

/// What the endpoints share.
pub(crate) struct Port {
    pub(crate) state: Arc<State>,
    pub(crate) started: Timestamp,
    /// Queries that run at the same time; one more waits, see `logs`.
    queries: Arc<Semaphore>,
    /// Statistics are added up one after the other, and do not wait for queries.
    sums: Arc<Semaphore>,
    /// Exports and tails that run at the same time; one more is refused.
    exports: stream::Places,
    tails: stream::Places,
    verifications: Arc<Semaphore>,
    watched: Mutex<integrity::Watched>,
    throttle: throttle::Throttle,
    refusals: refusals::Refusals,
    sign_ins: pages::sign_ins::SignIns,
}

impl Port {
    fn new(state: Arc<State>) -> Self {
        let started = state.clock.now();
        let queries = Arc::new(Semaphore::new(logs::QUERIES_AT_ONCE));
        let sums = Arc::new(Semaphore::new(1));
        Self {
            state,
            started,
            queries,
            sums,
            exports: stream::Places::new(stream::EXPORT, export::EXPORTS_AT_ONCE),
            tails: stream::Places::new(stream::TAIL, tail::TAILS_AT_ONCE),
            verifications: integrity::turns(),
            watched: Mutex::default(),
            throttle: Default::default(),
            refusals: Default::default(),
            sign_ins: Default::default(),
        }
    }
}

fn router(port: Arc<Port>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let filter = MethodFilter::try_from(route.method.clone()).expect("the table holds common methods");
        let admit = move |Shared(port): Shared<Arc<Port>>, request: Request| door::admit(port, Some(route), request);
        router = router.route(route.path, on(filter, admit));
    }
    // One door for what is not there, too: without a token nobody learns what is.
    let unknown = |Shared(port): Shared<Arc<Port>>, request: Request| door::admit(port, None, request);
    router.fallback(unknown).method_not_allowed_fallback(unknown).with_state(port)
}

#[cfg(test)]
mod tests;
