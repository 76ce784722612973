//! What a credential does, and what of it is recorded.

use super::*;

#[tokio::test]
async fn a_good_password_opens_a_session_and_leaves_one_entry() {
    let rig = Rig::new(&settings(""));
    let answer = Ask::post("wiki", "/.vestibule/login", MAYA).with(("user-agent", "curl/8")).send(&rig).await;
    assert_eq!((answer.status(), answer.header("location")), (303, Some("/a?x=1&y=2")));
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-vestibule="), "{cookie}");
    assert!(cookie.ends_with("; Max-Age=86400; Path=/; Secure; HttpOnly; SameSite=Lax"), "{cookie}");
    let session = answer.session.as_ref().unwrap();
    assert_eq!(
        (answer.reason, answer.method, session.email.as_deref()),
        (None, Method::Password, Some("maya@example.net"))
    );

    let ask = Ask::get("wiki", "/page").cookie(&answer.cookie_value());
    assert!(matches!(ask.decide(&rig).verdict, Verdict::Pass(_)));

    let entries = rig.entries(Log::Access, &[]);
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    for (field, value) in [
        ("action", "login"),
        ("status", "success"),
        ("result", "success"),
        ("auth_method", "password"),
        ("email", "maya@example.net"),
        ("user_id", "local:maya@example.net"),
        ("session_id", session.id.as_str()),
        ("circuit", "wiki"),
        ("project", "docs"),
        ("host", "wiki.test"),
        ("policy", "members"),
        ("request_id", "r-1"),
        ("source_ip", "192.0.2.1"),
        ("user_agent", "curl/8"),
        ("revision", &rig.state.live.load().settings.revision),
    ] {
        assert_eq!(entry[field], value, "{field} in {entry}");
    }
    for absent in ["reason", "provider", "country", "node", "rule"] {
        assert_eq!(entry[absent], Value::Null, "{absent} in {entry}");
    }
    assert!(entry["attempt_id"].is_string() && entry["duration_ms"].is_number(), "{entry}");
}

#[tokio::test]
async fn json_in_json_out() {
    let rig = Rig::new(&settings(""));
    let body = r#"{"pin":"123456","return":"//evil.test/"}"#;
    let answer = Ask::post("shared", "/.vestibule/login", body).with(JSON).send(&rig).await;
    assert_eq!(answer.status(), 200);
    let expires = answer.session.as_ref().unwrap().expires.to_string();
    assert_eq!(answer.json(), serde_json::json!({ "return": "/", "expires": expires }));
    assert_eq!(rig.entries(Log::Access, &[])[0]["user_id"], "shared:shared");

    let body = r#"{"pin":"654321"}"#;
    let answer = Ask::post("shared", "/.vestibule/login", body).with(JSON).with(PAGE).send(&rig).await;
    assert_eq!((answer.status(), answer.header("set-cookie")), (401, None));
    assert_eq!(answer.json()["reason"], "invalid_credentials");
    assert!(answer.header("www-authenticate").unwrap().starts_with("Vestibule realm=\"shared\", login_url=\"https://"));
}

#[tokio::test]
async fn nobody_learns_which_accounts_exist() {
    let rig = Rig::new(&settings(""));
    let mut bodies = Vec::new();
    for (email, password) in [("maya", "wrong"), ("nobody", "wrong"), ("otto", "wrong"), ("otto", "correct horse")] {
        let body = format!("email={email}@example.net&password={password}");
        let answer = Ask::post("wiki", "/.vestibule/login", &body).send(&rig).await;
        assert_eq!((answer.status(), answer.header("set-cookie")), (401, None));
        assert_eq!(answer.json()["reason"], "invalid_credentials");
        bodies.push(answer.reply.body.clone());
        let page = Ask::post("wiki", "/.vestibule/login", &body).with(PAGE).send(&rig).await;
        assert_eq!(page.status(), 401);
        let text = page.text().replace(email, "NAME");
        assert!(text.contains("These credentials are not accepted.") && text.contains("<form"), "{text}");
        bodies.push(text.into_bytes().into());
    }
    for pair in bodies.chunks(2) {
        assert_eq!(pair, &bodies[..2]);
    }
    let entries = rig.entries(Log::Access, &[]);
    let told: Vec<_> = entries.iter().rev().step_by(2).map(|entry| (&entry["email"], &entry["reason"])).collect();
    let told = serde_json::to_value(told).unwrap();
    assert_eq!(
        told,
        serde_json::json!([
            ["maya@example.net", "invalid_password"],
            ["nobody@example.net", "user_not_found"],
            ["otto@example.net", "user_blocked"],
            ["otto@example.net", "user_blocked"],
        ])
    );
    assert!(entries.iter().all(|entry| entry["result"] == "failed" && entry["status"] == "failure"));
    assert_eq!(sessions(&rig), 0);
}

#[tokio::test]
async fn good_credentials_that_the_policy_refuses_are_told_why() {
    let rig = Rig::new(&settings(""));
    let body = "email=zoe@example.net&pin=123456";
    let answer = Ask::post("wiki", "/.vestibule/login", body).send(&rig).await;
    assert_eq!((answer.status(), answer.header("set-cookie")), (403, None));
    assert_eq!(answer.json()["reason"], "not_project_member");
    let page = Ask::post("wiki", "/.vestibule/login", body).with(PAGE).send(&rig).await;
    assert!(page.text().contains("zoe@example.net"), "{}", page.text());
    let entry = &rig.entries(Log::Access, &[])[0];
    assert_eq!((&entry["result"], &entry["reason"]), (&"failed".into(), &"not_project_member".into()));
    assert_eq!(sessions(&rig), 0);
}

#[tokio::test]
async fn limits_come_before_credentials_and_are_counted_once_a_minute() {
    let rig = Rig::new(&settings("[login_limits]\nper_ip = \"2/m\""));
    for _ in 0..2 {
        let answer = Ask::post("wiki", "/.vestibule/login", "email=a@b.test&password=x").send(&rig).await;
        assert_eq!(answer.status(), 401);
    }
    let flush = || rig.state.exceeded.flush(&rig.state.store, rig.state.clock.now().as_microsecond());
    for _ in 0..3 {
        let answer = Ask::post("wiki", "/.vestibule/login", MAYA).send(&rig).await;
        assert_eq!(answer.status(), 429, "{}", answer.text());
        assert_eq!(answer.json()["reason"], "rate_limited_ip");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=30).contains(&wait), "{wait}");
        assert_eq!(
            (answer.header("x-ratelimit-limit"), answer.header("x-ratelimit-remaining")),
            (Some("2"), Some("0"))
        );
        flush();
    }
    assert_eq!(sessions(&rig), 0);
    let limited = || rig.entries(Log::Access, &[("result", "rate_limited")]).len();
    until(|| limited() == 3).await;

    rig.clock.advance(Duration::from_secs(60));
    flush();
    rig.state.exceeded.flush_all(&rig.state.store);
    let audit = || rig.entries(Log::Audit, &[("action", "rate_limit.exceeded")]);
    until(|| !audit().is_empty()).await;
    let entries = audit();
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    assert_eq!((&entry["status"], &entry["resource"]), (&"denied".into(), &"wiki".into()));
    assert_eq!(entry["event_count"], 3);
    let details: Value = match entry["details"].as_str() {
        Some(text) => serde_json::from_str(text).unwrap(),
        None => entry["details"].clone(),
    };
    assert_eq!((&details["key"], &details["count"]), (&"192.0.2.1".into(), &3.into()));
}

#[tokio::test]
async fn without_a_record_there_is_no_session() {
    let rig = Rig::new(&settings(""));
    rig.state.store.close().unwrap();
    let good = Ask::post("wiki", "/.vestibule/login", MAYA).send(&rig).await;
    let bad = Ask::post("wiki", "/.vestibule/login", "email=maya@example.net&password=x").send(&rig).await;
    for answer in [good, bad] {
        assert_eq!((answer.status(), answer.header("set-cookie")), (503, None));
        assert_eq!(answer.json()["reason"], "log_unavailable");
        assert!(answer.header("retry-after").is_some());
    }
    assert_eq!(sessions(&rig), 0);
}

#[tokio::test]
async fn a_new_session_replaces_the_one_that_came_along() {
    let rig = Rig::new(&settings(""));
    let first = signed_in(&rig).await;
    let answer = Ask::post("wiki", "/.vestibule/login", MAYA).cookie(&first).send(&rig).await;
    let second = answer.cookie_value();
    assert_ne!(first, second);
    let passes = |cookie: &str| matches!(Ask::get("wiki", "/").cookie(cookie).decide(&rig).verdict, Verdict::Pass(_));
    assert!(!passes(&first) && passes(&second));
}

#[tokio::test]
async fn attempts_of_which_nothing_more_comes_end_by_themselves() {
    let rig = Rig::new(&settings(""));
    let page = || Ask::get("wiki", "/.vestibule/login").with(PAGE).send(&rig);
    let open = page().await;
    assert_eq!(open.status(), 200);
    let latest = || rig.entries(Log::Access, &[]);
    until(|| latest().len() == 1).await;
    let begun = latest().remove(0);
    assert_eq!((begun["status"].as_str(), begun["result"].as_str()), (Some("initiated"), None));

    rig.clock.advance(Duration::from_secs(629));
    let mut closed = attempt::Closed::default();
    attempt::close(&rig.state, &mut closed);
    page().await;
    until(|| latest().len() == 2).await;
    assert!(latest().iter().all(|row| row["status"] == "initiated"), "half a minute is left for the last callback");

    rig.clock.advance(Duration::from_secs(1));
    // Nothing is remembered over a restart but the log itself.
    attempt::close(&rig.state, &mut attempt::Closed::default());
    until(|| latest().iter().any(|row| row["status"] == "failure")).await;
    let rows = latest();
    let ended = rows.iter().find(|row| row["status"] == "failure").unwrap();
    for field in
        ["attempt_id", "request_id", "source_ip", "circuit", "project", "host", "policy", "revision", "user_agent"]
    {
        assert_eq!(ended[field], begun[field], "{field}");
    }
    assert_eq!((ended["result"].as_str(), ended["reason"].as_str()), (Some("failed"), Some("abandoned")));
    assert_eq!(ended["duration_ms"], 630_000);
    assert_eq!(rows.iter().filter(|row| row["status"] == "initiated").count(), 1, "the younger one goes on");

    attempt::close(&rig.state, &mut closed);
    rig.clock.advance(Duration::from_secs(3600));
    attempt::close(&rig.state, &mut closed);
    until(|| latest().iter().all(|row| row["status"] == "failure")).await;
    assert_eq!(rig.entries(Log::Access, &[("view", "events")]).len(), 4, "each ends once");
}
