//! What the login host serves, and to whom.

use super::*;

#[test]
fn the_login_host_shows_the_circuits_and_nothing_else() {
    let inn = Inn::start();
    let mut window = inn.window();
    let root = format!("http://{LOGIN}/");
    let (way, page) = window.open(&root, None);
    let text = page.text();
    assert_eq!(way.last().map(String::as_str), Some("http://login.localhost/.vestibule/login?return=%2F"));
    assert!(text.contains("Example SSO") && text.contains("name=\"password\"") && !text.contains("shared"), "{text}");
    let there = format!("http://{LOGIN}/.vestibule/login");
    let (way, page) = {
        let answer = window.post(&there, &[("email", NOOR), ("password", PASSWORD)]);
        window.follow(&there, answer, None)
    };
    assert_eq!((page.status, way.last()), (200, Some(&root)));
    let text = page.text();
    assert!(
        text.contains("http://wiki.localhost/") && text.contains("http://pub.localhost/") && text.contains(NOOR),
        "{text}"
    );
    assert!(!text.contains("own.localhost") && !text.contains("sso.localhost"), "{text}");
    assert_eq!(window.open("http://wiki.localhost/", None).1.status, 200, "and opens them");
    let row = inn.gateway.logs_when("access", "action=login&status=success", 1).remove(0);
    assert_eq!((&row["circuit"], &row["host"], &row["email"]), (&Value::Null, &json!(LOGIN), &json!(NOOR)));
    let who = window.get(&format!("http://{LOGIN}/.vestibule/whoami"));
    assert_eq!((who.status, who.json()["email"].as_str()), (200, Some(NOOR)));
    for target in ["/a", "/index.html", "/.vestibule/x"] {
        assert_eq!(window.get(&format!("http://{LOGIN}{target}")).status, 404, "{target}");
    }
    let upgrade = inn.gateway.get(LOGIN, "/").header("Upgrade", "websocket").header("Connection", "Upgrade").send();
    assert_eq!(upgrade.status, 401);
    let ban = json!({ "network": "203.0.113.0/24", "for": "1h", "note": "test" });
    let banned = inn.gateway.admin_request("POST", "/api/v1/bans").bearer(ADMIN_TOKEN).json(&ban).send();
    assert!(banned.status < 300, "{}", banned.text());
    assert_eq!(window.get(&root).status, 403, "bans hold here too");
}

#[test]
fn programs_are_told_where_to_sign_in_and_plain_hosts_refuse() {
    let inn = Inn::start();
    let answer = inn.gateway.get("wiki.localhost", "/a?x=1").send();
    assert_eq!((answer.status, answer.reason()), (401, "no_credentials".to_owned()));
    let login_url = answer.json()["login_url"].as_str().unwrap().to_owned();
    let mut window = inn.window();
    let (way, page) = inn.sign_in(&mut window, &login_url, MAYA);
    assert_eq!((page.status, way.last().map(String::as_str)), (200, Some("http://wiki.localhost/a?x=1")));
    let posted = inn.gateway.request("POST", "wiki.localhost", "/a").browser().form(&[]).send();
    assert_eq!(posted.header("location"), Some("/.vestibule/login?return=%2F"), "a form is not sent on");

    let body = json!({ "email": MAYA, "password": PASSWORD });
    let signed_in = inn.gateway.request("POST", LOGIN, "/.vestibule/login").json(&body).send();
    assert_eq!((signed_in.status, signed_in.json()["return"].as_str()), (200, Some("/")));
    let unknown = json!({ "email": MAYA, "password": PASSWORD, "request": "made-up" });
    let unknown = inn.gateway.request("POST", LOGIN, "/.vestibule/login").json(&unknown).send();
    assert_eq!((unknown.status, unknown.reason()), (400, "invalid_code".to_owned()));
    let wrong = inn.gateway.sign_in(LOGIN, &[("email", MAYA), ("password", "wrong")]).send();
    assert_eq!((wrong.status, wrong.reason()), (401, "invalid_credentials".to_owned()));
    let here = json!({ "email": MAYA, "password": PASSWORD, "request": "x" });
    assert_eq!(inn.gateway.request("POST", "wiki.localhost", "/.vestibule/login").json(&here).send().status, 400);
}

#[test]
fn sign_in_needs_tls_and_the_cookies_say_so() {
    let (provider, upstream) = (Provider::start(), Upstream::start());
    let plan = plan(&provider, &upstream, "").replace("wiki.localhost", "wiki.test");
    let gateway = Setup::new(&plan).server("login_host = \"login.test\"\ntrusted_proxies = [\"127.0.0.1\"]").start();
    let ask = |host: &str, target: &str, scheme: &str| {
        gateway.get(host, target).browser().header("X-Forwarded-Proto", scheme).send()
    };
    for (host, target) in
        [("wiki.test", "/"), ("wiki.test", "/.vestibule/session?code=x"), ("login.test", "/.vestibule/login")]
    {
        let plain = ask(host, target, "http");
        assert!(plain.status == 400 && plain.text().contains("tls_required"), "{host}{target}: {}", plain.text());
    }
    let secure = ask("wiki.test:8443", "/a", "https");
    let location = secure.header("location").unwrap();
    assert!(location.starts_with("https://login.test:8443/.vestibule/login?request="), "{location}");
    let set = secure.header("set-cookie").unwrap();
    assert!(set.starts_with("__Host-vestibule-browser=") && set.contains("; Secure; HttpOnly; SameSite=Lax"), "{set}");
    assert_eq!(ask("login.test:8443", "/.vestibule/login", "https").status, 200);
    assert!(gateway.logs("access", "status=failure").is_empty());
}
