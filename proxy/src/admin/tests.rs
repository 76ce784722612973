use std::fmt::Write;
use std::net::Ipv4Addr;

use http::header::{ALLOW, AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use tower::ServiceExt;
use vestibule_logstore::Log;

use super::*;
use crate::rig::{Rig, example};

mod config;
mod streams;

/// One answer, read to its end.
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}", self.body))
    }
}

struct Bench {
    rig: Rig,
    port: Arc<Port>,
    peer: Ipv4Addr,
}

impl Bench {
    fn new() -> Self {
        Self::of(&example())
    }

    /// On this file.
    fn of(text: &str) -> Self {
        let rig = Rig::new(text);
        let port = Arc::new(Port::new(rig.state.clone()));
        Self { rig, port, peer: Ipv4Addr::LOCALHOST }
    }

    async fn ask(&self, method: &str, path: &str, token: Option<&str>) -> Answered {
        self.ask_as("127.0.0.1:9180", method, path, token).await
    }

    /// As a browser that signed in with this token: its cookie, and a form of one of its pages. Absent: it did not.
    async fn visit(&self, route: &Route, path: &str, token: Option<&str>) -> Response {
        let mut request = Request::builder().method(route.method.clone()).uri(path).header(HOST, "127.0.0.1:9180");
        let mut body = String::new();
        let now = self.rig.state.clock.elapsed();
        if let Some(token) = token {
            let value = pages::sign_ins::sign_in_of(&self.port, token).unwrap_or_else(|| "x".to_owned());
            request = request.header(http::header::COOKIE, format!("vestibule-admin={value}"));
            body = self.port.sign_ins.find(&value, now).map(|it| format!("csrf={}", it.csrf())).unwrap_or_default();
        }
        let mut request = request.body(axum::body::Body::from(body)).unwrap();
        request.extensions_mut().insert(door::Peer(self.peer.into()));
        router(self.port.clone()).oneshot(request).await.unwrap()
    }

    async fn ask_as(&self, host: &str, method: &str, path: &str, token: Option<&str>) -> Answered {
        read(self.open(host, method, path, token, &[]).await).await
    }

    /// The answer before its body is read.
    async fn open(
        &self,
        host: &str,
        method: &str,
        path: &str,
        token: Option<&str>,
        fields: &[(&str, &str)],
    ) -> Response {
        let mut request = Request::builder().method(method).uri(path).header(HOST, host);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut request = request.body(axum::body::Body::empty()).unwrap();
        request.extensions_mut().insert(door::Peer(self.peer.into()));
        router(self.port.clone()).oneshot(request).await.unwrap()
    }
}

async fn read(response: Response) -> Answered {
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    Answered { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

/// Every route and every kind of token, as one picture.
const ROLES: &str = "                                        none wrong reader auditor admin narrow
GET    /livez                            200   200    200     200   200    200
GET    /readyz                           200   200    200     200   200    200
GET    /metrics                          401   401    200     200   200    200
GET    /api/openapi.json                 401   401    200     200   200    200
GET    /api/docs                         401   401    200     200   200    200
GET    /api/v1/status                    401   401    200     200   200    200
GET    /api/v1/circuits                  401   401    200     200   200    200
GET    /api/v1/projects                  401   401    200     200   200    200
GET    /api/v1/users                     401   401    200     200   200    200
GET    /api/v1/users-seen                401   401    200     200   200    200
GET    /api/v1/stats                     401   401    200     200   200    403
GET    /api/v1/logs/access               401   401    200     200   200    200
GET    /api/v1/logs/access/export        401   401    403     200   200    200
GET    /api/v1/logs/access/tail          401   401    200     200   200    200
GET    /api/v1/logs/access/histogram     401   401    200     200   200    200
GET    /api/v1/logs/access/facets        401   401    400     400   400    400
GET    /api/v1/logs/access/{id}          401   401    404     404   404    404
GET    /api/v1/logs/requests             401   401    200     200   200    403
GET    /api/v1/logs/requests/export      401   401    403     200   200    403
GET    /api/v1/logs/requests/tail        401   401    200     200   200    403
GET    /api/v1/logs/requests/histogram   401   401    200     200   200    403
GET    /api/v1/logs/requests/facets      401   401    400     400   400    403
GET    /api/v1/logs/requests/{id}        401   401    404     404   404    403
GET    /api/v1/logs/audit                401   401    200     200   200    403
GET    /api/v1/logs/audit/export         401   401    403     200   200    403
GET    /api/v1/logs/audit/tail           401   401    200     200   200    403
GET    /api/v1/logs/audit/histogram      401   401    200     200   200    403
GET    /api/v1/logs/audit/facets         401   401    400     400   400    403
GET    /api/v1/logs/audit/{id}           401   401    404     404   404    403
GET    /api/v1/integrity                 401   401    200     200   200    200
GET    /api/v1/integrity/checkpoint      401   401    400     400   400    400
GET    /api/v1/integrity/anchors         401   401    200     200   200    200
POST   /api/v1/integrity/anchors         401   401    403     403   409    409
POST   /api/v1/integrity/key             401   401    403     403   201    201
POST   /api/v1/integrity/erase           401   401    403     403   400    400
POST   /api/v1/integrity/verify          401   401    403     200   200    200
GET    /api/v1/alerts                    401   401    200     200   200    403
POST   /api/v1/backups                   401   401    403     403   201    201
DELETE /api/v1/backups                   401   401    403     403   200    404
GET    /api/v1/tokens                    401   401    200     200   200    200
GET    /api/v1/sessions                  401   401    200     200   200    200
GET    /api/v1/sessions/{id}             401   401    404     404   404    404
DELETE /api/v1/sessions                  401   401    403     403   200    200
DELETE /api/v1/sessions/{id}             401   401    403     403   404    404
GET    /api/v1/bans                      401   401    200     200   200    200
POST   /api/v1/bans                      401   401    403     403   400    400
DELETE /api/v1/bans/{id}                 401   401    403     403   404    404
GET    /api/v1/grants                    401   401    200     200   200    200
GET    /api/v1/grants/{id}               401   401    404     404   404    404
POST   /api/v1/grants                    401   401    403     403   400    400
DELETE /api/v1/grants/{id}               401   401    403     403   404    404
POST   /api/v1/policy/explain            401   401    400     400   400    400
GET    /api/v1/config                    401   401    200     200   200    200
PUT    /api/v1/config                    401   401    403     403   428    428
GET    /api/v1/config/history            401   401    200     200   200    200
POST   /api/v1/config/validate           401   401    403     403   200    200
POST   /api/v1/config/rollback           401   401    403     403   400    400
POST   /api/v1/config/reload             401   401    403     403   200    200
POST   /api/v1/admin-link                401   401    201     201   201    201
GET    /api/events/proxy                 401   401    200     200   200    403
GET    /accounts/{id}/access/logs/access_requests  401   401    200     200   200    200
GET    /client/v4/accounts/{id}/access/logs/access_requests  401   401    200     200   200    200
GET    /api/v1/logs/authentication/requests  401   401    200     200   200    200
GET    /api/v1/audit-logs                401   401    200     200   200    403
GET    /api/v1/audit-logs/export         401   401    403     200   200    403
GET    /sign-in                          200   200    200     200   200    200
POST   /sign-in                          401   401    401     401   401    401
GET    /sign-in/sso                      404   404    404     404   404    404
GET    /sign-in/callback                 404   404    404     404   404    404
POST   /sign-out                         303   303    303     303   303    303
GET    /                                 303   303    200     200   200    200
GET    /logs/access                      303   303    200     200   200    200
GET    /logs/access/export               303   303    403     200   200    200
GET    /logs/access/tail                 303   303    200     200   200    200
GET    /logs/access/facets               303   303    400     400   400    400
GET    /logs/access/{id}                 303   303    404     404   404    404
GET    /logs/access/{id}/proof           303   303    403     404   404    404
GET    /logs/requests                    303   303    200     200   200    403
GET    /logs/requests/export             303   303    403     200   200    403
GET    /logs/requests/tail               303   303    200     200   200    403
GET    /logs/requests/facets             303   303    400     400   400    403
GET    /logs/requests/{id}               303   303    404     404   404    403
GET    /logs/requests/{id}/proof         303   303    403     404   404    403
GET    /logs/audit                       303   303    200     200   200    403
GET    /logs/audit/export                303   303    403     200   200    403
GET    /logs/audit/tail                  303   303    200     200   200    403
GET    /logs/audit/facets                303   303    400     400   400    403
GET    /logs/audit/{id}                  303   303    404     404   404    403
GET    /logs/audit/{id}/proof            303   303    403     404   404    403
GET    /people                           303   303    200     200   200    200
GET    /sessions                         303   303    200     200   200    200
POST   /sessions/revoke                  303   303    403     403   400    400
GET    /bans                             303   303    200     200   200    200
POST   /bans                             303   303    403     403   400    400
POST   /bans/remove                      303   303    403     403   400    400
GET    /circuits                         303   303    200     200   200    200
GET    /circuits/{id}                    303   303    404     404   404    404
GET    /why                              303   303    200     200   200    200
GET    /config                           303   303    200     200   200    200
GET    /config/edit                      303   303    403     403   200    200
POST   /config/check                     303   303    403     403   400    400
POST   /config/apply                     303   303    403     403   400    400
GET    /config/revisions/{id}            303   303    403     403   404    404
POST   /config/rollback                  303   303    403     403   400    400
POST   /config/reload                    303   303    403     403   303    303
GET    /integrity                        303   303    200     200   200    200
POST   /integrity/anchor                 303   303    403     403   409    409
POST   /integrity/verify                 303   303    403     303   303    303
GET    /status                           303   303    200     200   200    200
";

#[tokio::test]
async fn every_route_admits_whom_its_row_says() {
    let mut bench = Bench::new();
    let mut table = format!("{:<39} none wrong reader auditor admin narrow\n", "");
    for route in ROUTES {
        // An id that is not there, and nothing to end: the door is tested, not what is behind it.
        let path = route.path.replace("{id}", "00000000-0000-0000-0000-000000000000");
        let path = if path == "/api/v1/sessions" && route.method == Method::DELETE {
            path + "?user=nobody%40example.net"
        } else {
            path
        };
        // So many wrong tokens of one address would be throttled.
        bench.peer = Ipv4Addr::from_bits(bench.peer.to_bits() + 1);
        let _ = write!(table, "{:<6} {:<32}", route.method.as_str(), route.path);
        for (token, width) in [
            (None, 5),
            (Some("x"), 6),
            (Some("reader"), 7),
            (Some("auditor"), 8),
            (Some("admin"), 6),
            (Some("narrow"), 7),
        ] {
            // A tail has no end that could be read.
            let answered = match route.answer {
                Answer::Open(_) | Answer::Token(..) => {
                    bench.open("127.0.0.1:9180", route.method.as_str(), &path, token, &[]).await
                }
                Answer::Page(..) | Answer::Entrance(_) => bench.visit(route, &path, token).await,
            };
            let _ = write!(table, "{:>width$}", answered.status().as_u16());
        }
        table.push('\n');
    }
    assert_eq!(table, ROLES);
}

#[tokio::test]
async fn what_is_not_there_is_told_to_holders_of_a_token_only() {
    let bench = Bench::new();
    for path in ["/api", "/api/v1/logs", "/api/v1/logs/other", "/debug/pprof", "/api/v1/logs/access/x/y"] {
        assert_eq!(bench.ask("GET", path, None).await.status, 401, "{path}");
        let answered = bench.ask("GET", path, Some("admin")).await;
        assert_eq!((answered.status.as_u16(), answered.json()["reason"].as_str()), (404, Some("not_found")), "{path}");
    }
}

#[tokio::test]
async fn nothing_of_a_log_can_be_changed_by_anybody() {
    let bench = Bench::new();
    for path in
        ["/api/v1/logs/access", "/api/v1/logs/audit", "/api/v1/logs/requests/00000000-0000-0000-0000-000000000000"]
    {
        for method in ["DELETE", "PUT", "POST", "PATCH"] {
            let answered = bench.ask(method, path, Some("admin")).await;
            assert_eq!(answered.status, 405, "{method} {path}");
            assert_eq!(answered.headers[ALLOW], "GET");
            assert_eq!(answered.json()["reason"], "method_not_allowed");
        }
    }
}

#[tokio::test]
async fn every_answer_carries_the_headers_of_a_careful_server() {
    let bench = Bench::new();
    for (method, path, token) in [
        ("GET", "/livez", None),
        ("GET", "/metrics", None),
        ("GET", "/metrics", Some("reader")),
        ("PUT", "/x", Some("admin")),
    ] {
        let Answered { headers, .. } = bench.ask(method, path, token).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ] {
            assert_eq!(headers[name], value, "{method} {path}");
        }
        assert_eq!(headers["x-request-id"].len(), 36);
        assert!(headers.keys().all(|name| !name.as_str().starts_with("access-control")), "no CORS");
    }
    assert!(bench.ask("GET", "/metrics", None).await.headers.contains_key(WWW_AUTHENTICATE));
}

#[tokio::test]
async fn other_names_in_host_are_misdirected_also_with_a_good_token() {
    let bench = Bench::new();
    for (host, status) in [
        ("127.0.0.1:9180", 200),
        ("127.0.0.1", 200),
        ("LOCALHOST:1", 200),
        ("logs.example.net", 200),
        ("Logs.Example.Net:443", 200),
        ("evil.test", 421),
        ("127.0.0.2:9180", 421),
        ("localhost.evil.test", 421),
        ("evil.test@localhost", 421),
        ("", 421),
    ] {
        assert_eq!(bench.ask_as(host, "GET", "/api/v1/status", Some("admin")).await.status, status, "{host:?}");
    }
    assert_eq!(bench.ask_as("evil.test", "GET", "/livez", None).await.status, 200, "health needs no name");
}

#[tokio::test]
async fn guessing_is_slowed_down_and_a_good_token_is_not() {
    let bench = Bench::new();
    for _ in 0..20 {
        assert_eq!(bench.ask("GET", "/metrics", Some("guess")).await.status, 401);
    }
    let answered = bench.ask("GET", "/metrics", Some("guess")).await;
    assert_eq!(answered.status, 429);
    assert_eq!(answered.headers["retry-after"], "61");
    assert_eq!(bench.ask("GET", "/metrics", Some("reader")).await.status, 200);
}

#[tokio::test]
async fn a_refused_read_is_an_audit_entry_and_a_flood_of_them_two() {
    let bench = Bench::new();
    for _ in 0..10 {
        bench.ask("GET", "/api/v1/logs/audit", Some("narrow")).await;
    }
    let entries = || bench.rig.entries(Log::Audit, &[("action", "admin.access")]);
    crate::rig::until(|| entries().len() == 1).await;
    let first = &entries()[0];
    assert_eq!((first["actor"].as_str(), first["actor_type"].as_str()), (Some("narrow"), Some("token")));
    assert_eq!((first["status"].as_str(), first["http_status"].as_u64()), (Some("denied"), Some(403)));
    assert_eq!((first["resource"].as_str(), first["event_count"].as_u64()), (Some("/api/v1/logs/audit"), Some(1)));
    bench.rig.clock.advance(std::time::Duration::from_secs(61));
    bench.port.refusals.flush(&bench.rig.state, false);
    crate::rig::until(|| entries().len() == 2).await;
    let counts: u64 = entries().iter().map(|entry| entry["event_count"].as_u64().unwrap()).sum();
    assert_eq!(counts, 10);
}

#[tokio::test]
async fn a_bad_parameter_is_named() {
    let bench = Bench::new();
    for (path, parameter) in [
        ("/api/v1/logs/access?result=maybe", "result"),
        ("/api/v1/logs/access?colour=red", "colour"),
        ("/api/v1/logs/requests?limit=0", "limit"),
        ("/api/v1/status?verbose=1", "verbose"),
        ("/api/v1/sessions?who=maya", "who"),
        ("/metrics?name=x", "name"),
    ] {
        let answered = bench.ask("GET", path, Some("admin")).await;
        assert_eq!(answered.status, 400, "{path}");
        assert_eq!(answered.headers["content-type"], "application/problem+json");
        let problem = answered.json();
        assert_eq!(problem["parameter"], parameter, "{problem}");
        for member in ["type", "title", "status", "reason", "request_id", "detail"] {
            assert!(!problem[member].is_null(), "{member} is missing in {problem}");
        }
    }
}

#[tokio::test]
async fn ending_sessions_needs_a_filter_and_leaves_who_and_what() {
    let bench = Bench::new();
    bench.rig.sign_in().await;
    for path in ["/api/v1/sessions", "/api/v1/sessions?all=true&user=a%40example.net", "/api/v1/sessions?all=yes"] {
        assert_eq!(bench.ask("DELETE", path, Some("admin")).await.status, 400, "{path}");
    }
    let listed = bench.ask("GET", "/api/v1/sessions?circuit=preview", Some("reader")).await.json();
    let id = listed["data"][0]["id"].as_str().unwrap();
    assert_eq!(listed["data"][0]["state"], "active");

    let ended = bench.ask("DELETE", "/api/v1/sessions?circuit=preview", Some("admin")).await.json();

    assert_eq!((ended["ended"].as_u64(), ended["data"][0]["id"].as_str()), (Some(1), Some(id)));
    let audit = bench.rig.entries(Log::Audit, &[("action", "session.revoke")]);
    assert_eq!(audit.len(), 1);
    assert_eq!((audit[0]["actor"].as_str(), audit[0]["resource"].as_str()), (Some("admin"), Some("preview")));
    assert_eq!(audit[0]["details"]["sessions"][0]["id"].as_str(), Some(id));
    let access = bench.rig.entries(Log::Access, &[("action", "revoke")]);
    assert_eq!((access.len(), access[0]["session_id"].as_str()), (1, Some(id)));
    assert_eq!(bench.ask("DELETE", &format!("/api/v1/sessions/{id}"), Some("admin")).await.status, 404);
}

#[tokio::test]
async fn one_entry_comes_with_what_belongs_to_it() {
    let bench = Bench::new();
    bench.rig.sign_in().await;
    bench.ask("DELETE", "/api/v1/sessions?all=true", Some("admin")).await;
    let access = bench.rig.entries(Log::Access, &[("action", "revoke")]);
    let path = format!("/api/v1/logs/access/{}", access[0]["id"].as_str().unwrap());
    assert_eq!(bench.ask("GET", &path, Some("reader")).await.json(), access[0]);
    let related = bench.ask("GET", &format!("{path}?include=related"), Some("reader")).await.json();
    assert_eq!(related["related"]["audit"][0]["action"], "session.revoke");
    let narrow = bench.ask("GET", &format!("{path}?include=related"), Some("narrow")).await.json();
    assert_eq!(narrow["related"], serde_json::json!({}), "the audit log is not this token's");
    assert_eq!(bench.ask("GET", "/api/v1/logs/access/nonsense", Some("reader")).await.status, 404);
}

#[tokio::test]
async fn readiness_says_what_is_wrong() {
    let bench = Bench::new();
    let ready = bench.ask("GET", "/readyz", None).await;
    assert_eq!(
        (ready.status.as_u16(), ready.body.as_str()),
        (200, "ready\nprocess: ok\nstore: ok\nstate: ok\nconfig: ok\ngeo: ok\n")
    );

    bench.rig.write("access = ");
    assert_eq!(bench.ask("POST", "/api/v1/config/reload", Some("admin")).await.status, 422);
    let degraded = bench.ask("GET", "/readyz", None).await;
    assert_eq!(degraded.status, 200);
    assert!(degraded.body.starts_with("degraded\n") && degraded.body.contains("config: last reload failed"));

    bench.rig.state.stopping.send_replace(true);
    let stopping = bench.ask("GET", "/readyz", None).await;
    assert_eq!(stopping.status, 503);
    assert!(stopping.body.contains("process: stopping"), "{}", stopping.body);
}

#[tokio::test]
async fn circuits_and_status_say_what_is_in_force_without_hashes() {
    let bench = Bench::new();
    let circuits = bench.ask("GET", "/api/v1/circuits", Some("reader")).await;
    let preview = &circuits.json()["data"][1];
    assert_eq!((preview["name"].as_str(), preview["access"].as_str()), (Some("preview"), Some("allowlist")));
    assert_eq!(preview["shared"], serde_json::json!(["pin"]));
    assert_eq!(preview["state"], "active");
    let status = bench.ask("GET", "/api/v1/status", Some("reader")).await;
    assert_eq!(status.json()["circuits"], 2);
    assert_eq!(status.json()["store"]["writable"], true);
    for body in [circuits.body, status.body] {
        assert!(!body.contains("argon2") && !body.contains("sha256"), "{body}");
    }
}
