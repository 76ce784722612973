use serde_json::json;

use super::*;

const STYLE: fn(bool) -> Style = |colored| Style { today: "2026-11-23".to_owned(), colored };

#[test]
fn requests_read_like_a_table() {
    let allowed = json!({
        "time": "2026-11-23T12:04:31.207551Z", "action": "allowed", "origin": "backend", "circuit": "wiki",
        "email": "maya@example.net", "source_ip": "192.0.2.10", "country": "DE", "method": "GET", "path": "/p/17",
        "query": null, "status_code": 200, "duration_ms": 18, "bytes_out": 4198, "reason": null,
    });
    assert_eq!(
        request(&allowed, &STYLE(false)),
        "12:04:31.207 ALLOW wiki       maya@example.net     192.0.2.10      DE  GET    /p/17                        200    18ms   4.1k"
    );
    let asked = json!({
        "time": "2026-11-22T12:04:31.990000Z", "action": "blocked", "origin": "auth", "circuit": "wiki",
        "email": null, "user_id": null, "source_ip": "198.51.100.7", "country": null, "method": "GET",
        "path": "/admin", "query": "a=1", "status_code": 302, "duration_ms": 1, "bytes_out": 0,
        "reason": "no_credentials",
    });
    assert_eq!(
        request(&asked, &STYLE(false)),
        "2026-11-22 12:04:31.990 LOGIN wiki       -                    198.51.100.7    -   GET    /admin?a=1                   302     1ms      0  no_credentials"
    );
}

#[test]
fn every_decision_has_its_word() {
    for (action, origin, reason, word) in [
        ("allowed", "backend", None, "ALLOW"),
        ("allowed", "auth", None, "ALLOW"),
        ("blocked", "auth", Some("session_expired"), "LOGIN"),
        ("blocked", "auth", Some("not_on_allowlist"), "DENY"),
        ("blocked", "rule", Some("ip_restricted"), "DENY"),
        ("blocked", "rule", Some("rate_limited_ip"), "LIMIT"),
        ("blocked", "no_route", Some("circuit_not_found"), "DENY"),
        ("allowed", "proxy_error", Some("backend_timeout"), "ERROR"),
    ] {
        let entry = json!({ "action": action, "origin": origin, "reason": reason });
        assert_eq!(decision(&entry).0, word, "{entry}");
    }
}

#[test]
fn attempts_and_acts_have_their_own_columns() {
    let wrong = json!({
        "time": "2026-11-23T12:04:33.114000Z", "status": "failure", "action": "login", "circuit": "preview",
        "email": "eve@partner.example", "source_ip": "203.0.113.9", "country": "CN", "auth_method": "password",
        "reason": "invalid_password",
    });
    assert_eq!(
        attempt(&wrong, &STYLE(false)),
        "12:04:33.114 FAIL  preview    eve@partner.example  203.0.113.9     CN  login  password  invalid_password"
    );
    let reload = json!({
        "time": "2026-11-23T12:04:33.114000Z", "status": "success", "action": "config.reload", "actor": "vestibule",
        "source_ip": null, "resource": "vestibule.toml", "details": { "cause": "signal" },
    });
    assert_eq!(
        act(&reload, &STYLE(false)),
        "12:04:33.114 OK    config.reload        vestibule    -               vestibule.toml  {\"cause\":\"signal\"}"
    );
}

#[test]
fn what_a_terminal_would_obey_is_escaped() {
    let hostile = json!({
        "time": "2026-11-23T12:04:31.207551Z", "action": "allowed", "origin": "backend", "circuit": "wiki",
        "path": "/\u{1b}[2J\r\n\u{202e}x\u{9b}", "method": "GET", "user_id": "a\tb",
    });
    let line = request(&hostile, &STYLE(false));
    assert!(line.contains(r"/\u{1b}[2J\r\n\u{202e}x\u{9b}"), "{line}");
    assert!(line.contains(r"a\tb"), "{line}");
    assert!(!line.chars().any(char::is_control), "{line:?}");
}

#[test]
fn colours_are_put_around_the_word_only() {
    let entry = json!({ "time": "2026-11-23T12:04:31.207551Z", "action": "allowed", "origin": "backend" });
    let line = request(&entry, &STYLE(true));
    assert!(line.starts_with("12:04:31.207 \x1b[32mALLOW\x1b[0m -"), "{line:?}");
}

#[test]
fn sizes_have_four_figures_at_most() {
    for (bytes, shown) in [
        (0, "0"),
        (1023, "1023"),
        (1024, "1.0k"),
        (4198, "4.1k"),
        (10_240, "10k"),
        (1_048_575, "1023k"),
        (1_048_576, "1.0M"),
        (1 << 40, "1.0T"),
    ] {
        assert_eq!(size(bytes), shown, "{bytes}");
    }
}
