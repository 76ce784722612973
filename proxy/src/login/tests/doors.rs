//! Which requests are looked at, and what the page shows.

use super::*;

#[tokio::test]
async fn forms_of_other_sites_and_plain_connections_are_no_attempt() {
    let rig = Rig::new(&settings(""));
    for header in [("origin", "https://evil.test"), ("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site")] {
        for path in ["/.vestibule/login", "/.vestibule/logout"] {
            let answer = Ask::post("wiki", path, if path.ends_with("in") { MAYA } else { "" }).with(header);
            let answer = answer.send(&rig).await;
            assert_eq!((answer.status(), answer.reason), (403, Some(Reason::CrossSite)), "{header:?} {path}");
        }
    }
    for method in [http::Method::GET, http::Method::POST] {
        let plain = Ask { secure: false, method, ..Ask::post("wiki", "/.vestibule/login", MAYA) };
        let answer = plain.send(&rig).await;
        assert_eq!((answer.status(), answer.json()["reason"].as_str()), (400, Some("tls_required")));
        assert!(answer.json()["detail"].as_str().unwrap().contains("https://"));
    }
    assert_eq!(rig.entries(Log::Access, &[]).len(), 0);
    assert_eq!(sessions(&rig), 0);

    let open = Rig::new(&settings("").replace("[server]", "[server]\ninsecure_sign_in = true"));
    let plain = Ask { secure: false, ..Ask::post("wiki", "/.vestibule/login", MAYA) };
    let answer = plain.send(&open).await;
    assert_eq!(answer.status(), 303);
    assert!(answer.header("set-cookie").unwrap().starts_with("vestibule="));
}

#[tokio::test]
async fn a_query_is_no_credential() {
    let rig = Rig::new(&settings(""));
    let query = Some("email=maya@example.net&password=correct+horse&pin=123456");
    let answer = Ask { query, ..Ask::get("wiki", "/.vestibule/login") }.send(&rig).await;
    assert_eq!((answer.status(), sessions(&rig)), (200, 0));
    assert!(answer.header("set-cookie").unwrap().starts_with("__Host-vestibule-browser="), "it opens nothing");
    assert!(!answer.text().contains("123456") && !answer.text().contains("correct"), "{}", answer.text());
    let answer = Ask { query, ..Ask::post("wiki", "/.vestibule/login", "return=/") }.send(&rig).await;
    assert_eq!((answer.status(), answer.json()["detail"].as_str()), (400, Some("password or pin is missing")));
    assert_eq!(rig.entries(Log::Access, &[("result.not", "")]).len(), 0, "nothing was decided");
}

#[tokio::test]
async fn the_page_offers_what_the_circuit_takes_and_escapes_what_it_shows() {
    let rig = Rig::new(&settings(""));
    let query = Some("return=%2Fa%3Fx%3D%22%3E%3Cscript%3E&other=1");
    let answer = Ask { query, ..Ask::get("wiki", "/.vestibule/login") }.send(&rig).await;
    for part in ["Sign in · wiki", "wiki · Documentation", "With your password", "With your PIN"] {
        assert!(answer.text().contains(part), "{part} in {}", answer.text());
    }
    assert!(answer.text().contains("value=\"/a?x=&#34;&#62;&#60;script&#62;\""), "{}", answer.text());
    assert!(!answer.text().contains("shared"), "{}", answer.text());
    let answer = Ask::get("shared", "/.vestibule/login").send(&rig).await;
    assert!(answer.text().contains("With the shared PIN") && !answer.text().contains("email"), "{}", answer.text());

    for hostile in ["//evil.test", "https://evil.test", "/%5Cevil.test", "/.vestibule/logout"] {
        let query = format!("return={hostile}");
        let answer = Ask { query: Some(&query), ..Ask::get("wiki", "/.vestibule/login") }.send(&rig).await;
        assert!(answer.text().contains("name=\"return\" value=\"/\""), "{hostile}: {}", answer.text());
    }
    let body = format!("email={HOSTILE}&password=x&return={HOSTILE}");
    let answer = Ask::post("wiki", "/.vestibule/login", &body).with(PAGE).send(&rig).await;
    assert_eq!(answer.status(), 401);
    assert!(!answer.text().contains("<script"), "{}", answer.text());
}

#[tokio::test]
async fn other_paths_and_methods_are_answered_plainly() {
    let rig = Rig::new(&settings(""));
    for (circuit, path, status) in [
        ("wiki", "/.vestibule/", 404),
        ("wiki", "/.vestibule/loginx", 404),
        ("wiki", "/.vestibule/login/", 404),
        ("open", "/.vestibule/login", 404),
        ("open", "/.vestibule/whoami", 401),
    ] {
        let answer = Ask::get(circuit, path).send(&rig).await;
        assert_eq!(answer.status(), status, "{circuit} {path}");
    }
    assert_eq!(Ask::post("open", "/.vestibule/login", "pin=123456").send(&rig).await.status(), 404);
    for (path, allowed) in [("login", "GET, HEAD, POST"), ("logout", "GET, HEAD, POST"), ("whoami", "GET, HEAD")] {
        let path = format!("/.vestibule/{path}");
        let answer = Ask { method: http::Method::PUT, ..Ask::get("wiki", &path) }.send(&rig).await;
        assert_eq!((answer.status(), answer.header("allow")), (405, Some(allowed)));
    }
}
