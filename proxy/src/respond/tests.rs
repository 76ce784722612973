use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::Value;

use super::*;

struct Request {
    method: Method,
    headers: HeaderMap,
    path_and_query: &'static str,
    secure: bool,
    budget: Option<Budget>,
}

impl Request {
    fn new(lines: &[(&'static str, &'static str)]) -> Self {
        let pairs = lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let headers = pairs.collect();
        Self { method: Method::GET, headers, path_and_query: "/a?x=1&y=2", secure: false, budget: None }
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            method: &self.method,
            headers: &self.headers,
            path_and_query: self.path_and_query,
            authority: "wiki.test:8080",
            secure: self.secure,
            request_id: "r-1",
            circuit: None,
            project_label: None,
            account: Some("maya@example.net"),
            budget: self.budget.as_ref(),
            request: None,
            login_host: None,
        }
    }
}

const BROWSER: &[(&str, &str)] = &[("sec-fetch-mode", "navigate"), ("accept", "text/html")];
const PROGRAM: &[(&str, &str)] = &[("accept", "*/*")];
const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc+proto")];

fn refused(reason: Reason, kind: Kind) -> Refusal {
    Refusal { reason, kind, rule: "circuits.wiki.secret_rule".to_owned() }
}

fn budget() -> Budget {
    Budget {
        limit: "browse".into(),
        quota: 60,
        remaining: 0,
        retry_after: Duration::from_millis(1_200),
        reset: Duration::from_millis(2_900),
    }
}

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    let mut values = reply.headers.iter().filter(|(sent, _)| sent == name).map(|(_, value)| value.to_str().unwrap());
    let value = values.next();
    assert_eq!(values.next(), None, "{name} is there twice");
    value
}

fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

fn text(reply: &Reply) -> &str {
    std::str::from_utf8(&reply.body).unwrap()
}

#[test]
fn strangers_are_sent_to_sign_in_with_path_and_query() {
    let mut request = Request::new(BROWSER);
    let stranger = refused(Reason::NoCredentials, Kind::SignIn);
    let reply = refusal(&stranger, &request.asked());
    assert_eq!(reply.status, StatusCode::FOUND);
    assert_eq!(header(&reply, "location"), Some("/.vestibule/login?return=%2Fa%3Fx%3D1%26y%3D2"));
    assert_eq!(header(&reply, "cache-control"), Some("no-store"));
    assert_eq!(header(&reply, "set-cookie"), None);

    request.method = Method::POST;
    let reply = refusal(&stranger, &request.asked());
    assert_eq!(reply.status, StatusCode::FOUND);
    assert_eq!(header(&reply, "location"), Some("/.vestibule/login?return=%2F"));
}

#[test]
fn programs_get_a_problem_that_says_where_to_sign_in() {
    let mut request = Request::new(PROGRAM);
    request.secure = true;
    let reply = refusal(&refused(Reason::NoCredentials, Kind::SignIn), &request.asked());
    let login_url = "https://wiki.test:8080/.vestibule/login?return=%2Fa%3Fx%3D1%26y%3D2";
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(header(&reply, "content-type"), Some("application/problem+json"));
    let challenge = format!("Vestibule realm=\"\", login_url=\"{login_url}\"");
    assert_eq!(header(&reply, "www-authenticate"), Some(challenge.as_str()));
    assert_eq!(
        body(&reply),
        serde_json::json!({
            "type": "about:blank",
            "title": "Unauthorized",
            "status": 401,
            "reason": "no_credentials",
            "request_id": "r-1",
            "detail": "Sign in to use this service.",
            "login_url": login_url,
        })
    );
}

#[test]
fn an_authority_with_other_characters_is_not_repeated() {
    let request = Request::new(PROGRAM);
    let asked = Asked { authority: "wiki.test\", x=\"", ..request.asked() };
    let reply = refusal(&refused(Reason::NoCredentials, Kind::SignIn), &asked);
    assert_eq!(body(&reply)["login_url"], "/.vestibule/login?return=%2Fa%3Fx%3D1%26y%3D2");
}

#[test]
fn a_cookie_that_opens_nothing_is_cleared() {
    for (secure, cookie, cleared) in [
        (false, "a=1; vestibule=old", Some("vestibule=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax")),
        (true, "__Host-vestibule=old", Some("__Host-vestibule=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax")),
        (true, "vestibule=old", None),
    ] {
        for kind in [BROWSER, PROGRAM, GRPC] {
            let mut request = Request::new(&[kind, &[("cookie", cookie)]].concat());
            request.secure = secure;
            let reply = refusal(&refused(Reason::SessionExpired, Kind::SignIn), &request.asked());
            assert_eq!(header(&reply, "set-cookie"), cleared);
        }
    }
}

#[test]
fn grpc_is_answered_in_the_kind_that_it_speaks() {
    for (sent, expected) in [
        ("application/grpc+proto", "application/grpc"),
        ("application/grpc-web+proto", "application/grpc-web"),
        ("Application/gRPC-Web-Text", "application/grpc-web-text"),
    ] {
        let kind = [("content-type", sent)];
        let request = Request::new(&kind);
        let reply = refusal(&refused(Reason::NoCredentials, Kind::SignIn), &request.asked());
        assert_eq!((header(&reply, "content-type"), header(&reply, "grpc-status")), (Some(expected), Some("16")));
    }
}

#[test]
fn grpc_reads_its_own_status() {
    let request = Request::new(GRPC);
    for (kind, reason, status) in [
        (Kind::SignIn, Reason::NoCredentials, "16"),
        (Kind::Forbidden, Reason::NotOnAllowlist, "7"),
        (Kind::Limited(budget()), Reason::RateLimitedIp, "8"),
        (Kind::NotFound, Reason::CircuitNotFound, "12"),
    ] {
        let reply = refusal(&refused(reason, kind), &request.asked());
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(header(&reply, "content-type"), Some("application/grpc"));
        assert_eq!(header(&reply, "grpc-status"), Some(status));
        assert_eq!(header(&reply, "grpc-message"), Some(reason.code()));
        assert!(reply.body.is_empty());
    }
}

#[test]
fn the_refused_page_names_the_account_and_offers_another() {
    let reply = refusal(&refused(Reason::NotOnAllowlist, Kind::Forbidden), &Request::new(BROWSER).asked());
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert_eq!(reply.mark, Mark::Auth);
    for part in [
        "maya@example.net",
        "action=\"/.vestibule/logout\"",
        "name=\"return\" value=\"/a?x=1&#38;y=2\"",
        "Request r-1",
        "not_on_allowlist",
        "<a href=\"/a?x=1&#38;y=2\">Try again</a>",
    ] {
        assert!(text(&reply).contains(part), "{part} in {}", text(&reply));
    }
    assert!(!text(&reply).contains("secret_rule"));

    let reply = refusal(&refused(Reason::IpRestricted, Kind::Forbidden), &Request::new(BROWSER).asked());
    assert_eq!(reply.mark, Mark::Rule);
    assert!(!text(&reply).contains("<form"), "another account would not help: {}", text(&reply));
}

#[test]
fn a_retry_link_never_leads_to_another_host() {
    let mut request = Request::new(BROWSER);
    request.path_and_query = "//evil.test/\"><script>";
    let reply = refusal(&refused(Reason::NotOnAllowlist, Kind::Forbidden), &request.asked());
    assert!(!text(&reply).contains("evil.test"), "{}", text(&reply));
}

#[test]
fn a_limit_says_how_long_to_wait() {
    let mut request = Request::new(PROGRAM);
    request.budget = Some(Budget { quota: 9, remaining: 5, ..budget() });
    let limited = refused(Reason::RateLimitedIp, Kind::Limited(budget()));
    let reply = refusal(&limited, &request.asked());
    assert_eq!((reply.status, reply.mark), (StatusCode::TOO_MANY_REQUESTS, Mark::Rule));
    assert_eq!(header(&reply, "retry-after"), Some("2"));
    assert_eq!(header(&reply, "x-ratelimit-limit"), Some("60"));
    assert_eq!(header(&reply, "x-ratelimit-remaining"), Some("0"));
    assert_eq!(header(&reply, "x-ratelimit-reset"), Some("3"));
    assert_eq!(body(&reply)["reason"], "rate_limited_ip");

    let page = refusal(&limited, &Request::new(BROWSER).asked());
    assert!(text(&page).contains("Try again in 2 seconds."), "{}", text(&page));
}

#[test]
fn a_full_queue_says_when_to_come_back() {
    let refusal_ = refused(Reason::HashQueueFull, Kind::Unavailable(Duration::ZERO));
    let reply = refusal(&refusal_, &Request::new(PROGRAM).asked());
    assert_eq!((reply.status, header(&reply, "retry-after")), (StatusCode::SERVICE_UNAVAILABLE, Some("1")));
}

#[test]
fn an_expired_circuit_looks_like_none() {
    for kind in [BROWSER, PROGRAM] {
        let mut request = Request::new(kind);
        let unknown = failure(Reason::CircuitNotFound, &Asked { account: None, ..request.asked() });
        request.budget = Some(budget());
        let expired = refused(Reason::CircuitExpired, Kind::NotFound);
        let asked = Asked { project_label: Some("Documentation"), ..request.asked() };
        for known in [refusal(&expired, &asked), failure(Reason::CircuitExpired, &asked)] {
            assert_eq!((known.status, known.mark), (StatusCode::NOT_FOUND, Mark::NoRoute));
            assert_eq!((&known.body, &known.headers), (&unknown.body, &unknown.headers));
            assert!(text(&known).contains("circuit_not_found"));
        }
    }
}

#[test]
fn every_failure_has_a_status_and_a_known_body() {
    let mut table = String::new();
    for reason in Reason::ALL {
        let reply = failure(*reason, &Request::new(PROGRAM).asked());
        assert_eq!(body(&reply)["status"], reply.status.as_u16());
        table += &format!("{} {} {}\n", reason.code(), reply.status.as_u16(), reply.mark.code());
    }
    for line in [
        "ip_restricted 403 rule",
        "user_blocked 403 auth",
        "user_locked 429 auth",
        "too_many_in_flight 503 proxy_error",
        "circuit_not_found 404 no_route",
        "backend_refused 502 proxy_error",
        "backend_unreachable 502 proxy_error",
        "backend_timeout 504 proxy_error",
        "backend_tls_error 502 proxy_error",
        "log_unavailable 503 proxy_error",
        "malformed_request 400 proxy_error",
        "head_too_large 431 proxy_error",
        "head_timeout 408 proxy_error",
        "body_too_large 413 proxy_error",
        "tls_required 400 auth",
        "cross_site 403 auth",
    ] {
        assert!(table.lines().any(|found| found == line), "{line} in\n{table}");
    }
}

#[test]
fn every_answer_of_ours_is_closed_to_frames_caches_and_scripts() {
    for kind in [BROWSER, PROGRAM, GRPC] {
        for reason in Reason::ALL {
            let reply = failure(*reason, &Request::new(kind).asked());
            let policy = header(&reply, "content-security-policy").unwrap();
            assert!(policy.starts_with("default-src 'none'; "), "{policy}");
            assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
            assert_eq!(header(&reply, "x-content-type-options"), Some("nosniff"));
            assert_eq!(header(&reply, "x-frame-options"), Some("DENY"));
            assert_eq!(header(&reply, "referrer-policy"), Some("same-origin"));
            assert_eq!(header(&reply, CACHE_CONTROL.as_str()), Some("no-store"));
            assert!(header(&reply, CONTENT_TYPE.as_str()).is_some());
        }
    }
}
