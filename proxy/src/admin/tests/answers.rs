//! What is answered to whom comes in.

use super::*;

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
