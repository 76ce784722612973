//! Who comes in by which route, and what those leave who do not.

use std::fmt::Write as _;

use http::header::{ALLOW, WWW_AUTHENTICATE};

use super::*;

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
