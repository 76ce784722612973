//! Browsers' questions before requests of other sites' pages.

use crate::house::{GERMANY, HOME, House, Visit, password};

const PLAN: &str = r#"
[geo]
database = PLACES
[users."maya@example.net"]
password_hash = PASSWORD_HASH
[projects.docs]
members = ["maya@example.net"]
[rate_limits.few]
per = "ip"
rate = "1/h"
[circuits.plain]
hosts = ["plain.example.net"]
upstream = "http://127.0.0.1:9"
project = "docs"
access = "members"
login = ["password"]
[circuits.passes]
hosts = ["passes.example.net"]
upstream = "http://127.0.0.1:9"
project = "docs"
access = "members"
login = ["password"]
cors = "pass"
country_block = ["DE"]
[circuits.answers]
hosts = ["answers.example.net"]
upstream = "http://127.0.0.1:9"
project = "docs"
access = "members"
login = ["password"]
cors = { origins = ["https://app.example.net"], methods = ["GET", "PUT"], headers = ["Content-Type"] }
[circuits.limited]
hosts = ["limited.example.net"]
upstream = "http://127.0.0.1:9"
project = "docs"
access = "members"
login = ["password"]
cors = "pass"
rate_limits = ["few"]
"#;

fn preflight() -> Visit {
    let asks = Visit::from(HOME).by("OPTIONS").showing("origin", "https://app.example.net");
    asks.showing("access-control-request-method", "PUT")
}

#[tokio::test]
async fn a_question_is_passed_on_answered_or_refused_as_the_circuit_says() {
    let house = House::new();
    let policy = house.policy(PLAN);
    assert_eq!(preflight().answer(&policy, "plain"), "403 cross_site");
    assert_eq!(preflight().answer(&policy, "passes"), "allow");
    let headers = |names: &str| preflight().showing("access-control-request-headers", names);
    for (visit, expected) in [
        (preflight(), "preflight"),
        (headers("content-type"), "preflight"),
        (headers("Content-Type,"), "preflight"),
        (headers("content-type, x-other"), "403 cross_site"),
        (headers("*"), "403 cross_site"),
        (headers("content-type").showing("access-control-request-headers", "x-other"), "403 cross_site"),
    ] {
        assert_eq!(visit.answer(&policy, "answers"), expected);
    }
    let other = |origin: &str, method: &str| {
        let asks = Visit::from(HOME).by("OPTIONS").showing("origin", origin);
        asks.showing("access-control-request-method", method).answer(&policy, "answers")
    };
    assert_eq!(other("https://app.example.net", "GET"), "preflight");
    for (origin, method) in [
        ("https://app.example.net", "DELETE"),
        ("https://app.example.net", "put"),
        ("https://app.example.net.evil.test", "PUT"),
        ("http://app.example.net", "PUT"),
        ("https://app.example.net:8443", "PUT"),
        ("null", "PUT"),
        ("*", "PUT"),
    ] {
        assert_eq!(other(origin, method), "403 cross_site", "{origin} {method}");
    }
}

#[tokio::test]
async fn nothing_but_such_a_question_gets_in_by_it() {
    let house = House::new();
    let policy = house.policy(PLAN);
    let refused = "login no_credentials";
    for method in ["GET", "POST", "PUT", "options", "OPTION", "HEAD", "PROPFIND"] {
        assert_eq!(preflight().by(method).answer(&policy, "passes"), refused, "{method}");
    }
    let asks = || Visit::from(HOME).by("OPTIONS");
    for (what, visit) in [
        ("no origin", asks().showing("access-control-request-method", "PUT")),
        ("no method", asks().showing("origin", "https://app.example.net")),
        ("two origins", preflight().showing("origin", "https://evil.test")),
        ("two methods", preflight().showing("access-control-request-method", "GET")),
        ("a body", preflight().showing("content-length", "5")),
        ("chunks", preflight().showing("transfer-encoding", "chunked")),
        ("an upgrade", preflight().showing("upgrade", "websocket")),
        ("another method", preflight().showing("x-http-method-override", "DELETE")),
        ("another method", preflight().showing("x-method-override", "DELETE")),
    ] {
        assert_eq!(visit.answer(&policy, "passes"), refused, "{what}");
    }
}

#[tokio::test]
async fn rules_and_limits_come_first_and_sessions_count_as_ever() {
    let house = House::new();
    let policy = house.policy(PLAN);
    let away = Visit::from(GERMANY).by("OPTIONS").showing("origin", "https://app.example.net");
    let away = away.showing("access-control-request-method", "PUT");
    assert_eq!(away.answer(&policy, "passes"), "403 country_restricted");
    assert_eq!(preflight().answer(&policy, "limited"), "allow");
    assert_eq!(preflight().answer(&policy, "limited"), "429 rate_limited_ip");
    let cookie = house.cookie(&policy, "plain", password("maya@example.net")).await;
    assert_eq!(preflight().with(&cookie).answer(&policy, "plain"), "allow");
    assert_eq!(preflight().showing("authorization", "Bearer vst_wrong").answer(&policy, "passes"), "401 invalid_token");
}
