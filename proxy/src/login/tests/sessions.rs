//! Sessions after the sign-in: who am I, signing out, a policy that changed.

use super::*;

#[tokio::test]
async fn whoami_and_logout_follow_the_session() {
    let rig = Rig::new(&settings(""));
    let cookie = signed_in(&rig).await;
    let whoami = |circuit| Ask::get(circuit, "/.vestibule/whoami").cookie(&cookie).send(&rig);
    let answer = whoami("wiki").await;
    assert_eq!(answer.status(), 200);
    let session = answer.session.clone().unwrap();
    assert_eq!(
        answer.json(),
        serde_json::json!({
            "email": "maya@example.net",
            "user_id": "local:maya@example.net",
            "groups": ["writers"],
            "method": "password",
            "circuit": "wiki",
            "session_id": session.id.as_str(),
            "created": session.created.to_string(),
            "expires": session.expires.to_string(),
        })
    );
    let elsewhere = whoami("shared").await;
    assert_eq!((elsewhere.status(), elsewhere.json()["reason"].as_str()), (401, Some("missing_session")));
    assert_eq!(Ask::get("wiki", "/.vestibule/whoami").send(&rig).await.json()["reason"], "no_credentials");

    let button = Ask::get("wiki", "/.vestibule/logout").cookie(&cookie).send(&rig).await;
    assert!(button.text().contains("<form method=\"post\" action=\"/.vestibule/logout\">"), "{}", button.text());
    assert_eq!(whoami("wiki").await.status(), 200, "a GET ends nothing");

    let gone = Ask::post("wiki", "/.vestibule/logout", "").cookie(&cookie).send(&rig).await;
    assert_eq!((gone.status(), gone.header("location")), (303, Some("/.vestibule/logout")));
    assert!(gone.header("set-cookie").unwrap().starts_with("__Host-vestibule=; Max-Age=0"));
    assert_eq!(whoami("wiki").await.status(), 401);
    let ask = Ask::get("wiki", "/page").cookie(&cookie);
    assert!(matches!(ask.decide(&rig).verdict, Verdict::Refuse(refusal) if refusal.reason == Reason::SessionRevoked));
    let entry = &rig.entries(Log::Access, &[("action", "logout")])[0];
    assert_eq!((&entry["status"], &entry["session_id"]), (&"success".into(), &session.id.as_str().into()));

    let page = Ask::get("wiki", "/.vestibule/logout").send(&rig).await;
    assert!(page.text().contains("You are signed out"), "{}", page.text());
}

#[tokio::test]
async fn logout_can_lead_to_another_account_and_speaks_json() {
    let rig = Rig::new(&settings(""));
    let answer = Ask::post("wiki", "/.vestibule/logout", "return=%2Fa").send(&rig).await;
    assert_eq!((answer.status(), answer.header("location")), (303, Some("/.vestibule/login?return=%2Fa")));
    let answer = Ask::post("wiki", "/.vestibule/logout", "return=//evil.test").send(&rig).await;
    assert_eq!(answer.header("location"), Some("/.vestibule/login?return=%2F"));
    let answer = Ask::post("wiki", "/.vestibule/logout", "").with(JSON).send(&rig).await;
    assert_eq!((answer.status(), answer.json()), (200, serde_json::json!({ "signed_out": true })));
    let answer = Ask::post("wiki", "/.vestibule/logout", "pin=1").send(&rig).await;
    assert_eq!((answer.status(), answer.json()["detail"].as_str()), (400, Some("unknown field \"pin\"; send return")));
    assert_eq!(rig.entries(Log::Access, &[]).len(), 0, "nobody was signed in");
}

#[tokio::test]
async fn a_session_that_the_policy_refuses_is_one_attempt_per_revision() {
    // New hashes would end the session for another reason, so the text is made once.
    let before = settings("");
    let rig = Rig::new(&before);
    let cookie = signed_in(&rig).await;
    for (revision, text) in ["members = []", "members = []\n# again"].into_iter().enumerate() {
        let text = before.replace("members = [\"maya@example.net\", \"otto@example.net\"]", text);
        let now = rig.state.clock.now();
        let settings = load_text(&text, now).unwrap_or_else(|report| panic!("{}", report.render(false)));
        let previous = rig.state.live.load_full();
        rig.state.live.store(Arc::new(Live::new(settings, &rig.state.auth, Some(&previous), now)));
        for _ in 0..3 {
            refused_once(&rig, &cookie).await;
        }
        let refused = rig.entries(Log::Access, &[("reason", "not_project_member")]);
        assert_eq!(refused.len(), revision + 1);
        assert_eq!(refused[0]["session_id"], rig.entries(Log::Access, &[("result", "success")])[0]["session_id"]);
        let whoami = Ask::get("wiki", "/.vestibule/whoami").cookie(&cookie).send(&rig).await;
        assert_eq!(whoami.status(), 401);
    }
}

async fn refused_once(rig: &Rig, cookie: &str) {
    let ask = Ask::get("wiki", "/page").cookie(cookie);
    let decision = ask.decide(rig);
    let Verdict::Refuse(refusal) = &decision.verdict else { panic!("maya is no member any more") };
    let live = rig.state.live.load();
    let scene = Scene {
        attempt: None,
        purpose: None,
        time_us: rig.state.clock.now().as_microsecond(),
        request_id: "r-2",
        source_ip: ask.client,
        location: &decision.location,
        user_agent: None,
        revision: &live.settings.revision,
        circuit: live.policy.gate("wiki").unwrap().circuit(),
        access: live.policy.gate("wiki").unwrap().access(),
        host: "wiki.test",
    };
    attempt::policy_refused(&rig.state, &scene, decision.session.as_ref().unwrap(), refusal).await.unwrap();
}
