//! Signing in by password and PIN, and what the answers give away.

use harness::house::{BRAM, MAYA, NOOR, PETRA};
use harness::secrets::{PASSWORD, PIN, SHARED_PASSWORD, SHARED_PIN};
use harness::{House, Response};
use serde_json::json;

#[test]
fn a_shared_password_opens_its_circuit_and_no_other_does() {
    let house = House::start();
    let wrong = house.gateway.sign_in("pw.localhost", &[("password", "bad")]).send();
    assert_eq!((wrong.status, wrong.session()), (401, None));

    let right = house.gateway.sign_in("pw.localhost", &[("password", SHARED_PASSWORD)]).send();

    assert_eq!((right.status, right.header("location")), (303, Some("/")));
    let cookie = right.session().unwrap();
    assert_eq!(house.get("pw.localhost", "/x").cookie(&cookie).send().status, 200);
    assert_eq!(house.upstream.last().header("x-vestibule-user"), None, "it names nobody");
    assert_eq!(house.upstream.count(), 1);
    let circuits = house.gateway.admin("/api/v1/circuits").text();
    assert!(!circuits.contains("argon2"), "{circuits}");
}

#[test]
fn a_shared_pin_opens_its_circuit() {
    let house = House::start();
    assert_eq!(house.gateway.sign_in("pin.localhost", &[("pin", "654321")]).send().status, 401);
    let answer = house.gateway.sign_in("pin.localhost", &[("pin", SHARED_PIN)]).send();
    assert_eq!(answer.status, 303);
    let cookie = answer.session().unwrap();
    assert_eq!(house.get("pin.localhost", "/").cookie(&cookie).send().status, 200);
}

#[test]
fn a_person_signs_in_with_password_or_pin() {
    let house = House::start();
    for (name, secret) in [("password", PASSWORD), ("pin", PIN)] {
        let answer = house.gateway.sign_in("mem.localhost", &[("email", MAYA), (name, secret)]).send();
        assert_eq!(answer.status, 303, "{name}");
        let cookie = answer.session().unwrap();
        assert_eq!(house.get("mem.localhost", "/").cookie(&cookie).send().status, 200);
        assert_eq!(house.upstream.last().header("x-vestibule-user"), Some(MAYA));
    }
    let methods: Vec<_> = house
        .gateway
        .logs_when("access", "status=success&order=asc", 2)
        .iter()
        .map(|e| e["auth_method"].clone())
        .collect();
    assert_eq!(methods, ["password", "pin"]);
}

#[test]
fn the_cookie_is_of_the_kind_that_its_scheme_allows() {
    let house = House::start();
    let sign_in = || house.gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", PASSWORD)]);
    let set = |answer: &Response| answer.header("set-cookie").unwrap().to_owned();

    let plain = set(&sign_in().send());
    let secure = set(&sign_in().header("X-Forwarded-Proto", "https").send());

    assert!(plain.starts_with("vestibule=") && !plain.contains("Secure"), "{plain}");
    assert!(secure.starts_with("__Host-vestibule=") && secure.contains("; Secure"), "{secure}");
    for cookie in [plain, secure] {
        for attribute in ["; HttpOnly", "; SameSite=Lax", "; Path=/"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
}

#[test]
fn credentials_in_the_query_are_ignored_and_never_logged() {
    let house = House::start();
    let asked = house.get("pw.localhost", "/?password=s3cret").send();
    assert_eq!(asked.status, 401);
    let posted = house.gateway.request("POST", "pw.localhost", "/.vestibule/login?password=s3cret").form(&[]).send();
    assert!(posted.status >= 400, "{}", posted.status);
    for answer in [asked, posted] {
        let entry = house.gateway.entry_of(&answer).to_string();
        assert!(!entry.contains(SHARED_PASSWORD), "{entry}");
    }
}

#[test]
fn wrong_credentials_look_the_same_whoever_they_name() {
    let house = House::start();
    let attempts = [
        ("known", MAYA, "wrong wrong wrong"),
        ("unknown", "nobody@example.net", "wrong wrong wrong"),
        ("blocked, right password", BRAM, PASSWORD),
        ("pending, right password", PETRA, PASSWORD),
        ("without that way in", NOOR, "wrong wrong wrong"),
    ];
    let mut bodies = Vec::new();
    for (number, (name, email, password)) in attempts.iter().enumerate() {
        let request = house.gateway.sign_in("mem.localhost", &[("email", email), ("password", password)]);
        let page = request.clone().browser().from(&format!("203.0.113.{number}")).send();
        let problem = request.from(&format!("192.0.2.{number}")).send();
        assert_eq!((page.status, problem.status), (401, 401), "{name}");
        assert_eq!(problem.reason(), "invalid_credentials", "{name}");
        let neutral = |answer: &Response| {
            let id = answer.header("x-request-id").unwrap();
            answer.text().replace(id, "ID").replace(email, "EMAIL")
        };
        let fields = |answer: &Response| answer.fields.iter().map(|(name, _)| name.to_lowercase()).collect::<Vec<_>>();
        bodies.push((neutral(&page), neutral(&problem), fields(&page), fields(&problem)));
    }
    for body in &bodies {
        assert_eq!(body, &bodies[0]);
    }
    let reasons: Vec<_> =
        house.gateway.logs_when("access", "order=asc", 10).iter().map(|entry| entry["reason"].clone()).collect();
    let precise = ["invalid_password", "user_not_found", "user_blocked", "pending_approval", "invalid_password"];
    assert_eq!(reasons, precise.into_iter().flat_map(|reason| [reason, reason]).collect::<Vec<_>>());
}

/// What takes the time is the hash; the times themselves are measured where the machine is quiet (tests/bench).
#[test]
fn wrong_credentials_cost_one_hash_whoever_they_name() {
    let house = House::start();
    let hashes = || house.gateway.metric("vestibule_hashes_total", &[]) as u64;
    let people = [MAYA, "nobody@example.net", BRAM, PETRA, "no address"];
    for (number, email) in people.into_iter().enumerate() {
        for (way, secret) in [("password", "wrong"), ("password", PASSWORD), ("pin", "000000")] {
            let before = hashes();
            let request = house.gateway.sign_in("list.localhost", &[("email", email), (way, secret)]);
            let status = request.from(&format!("10.{number}.0.1")).send().status;
            assert_eq!(hashes() - before, 1, "{email}, {way}: {status}");
        }
    }
    let before = hashes();
    let nobody = house.gateway.sign_in("pub.localhost", &[("email", MAYA), ("password", PASSWORD)]).send();
    assert_eq!((nobody.status, hashes()), (404, before), "a circuit without sign-in asks for nothing");
}

#[test]
fn programs_get_json_and_people_get_pages() {
    let house = House::start();
    let page = house.get("mem.localhost", "/a?b=1&c=2").browser().send();
    assert_eq!((page.status, page.header("x-vestibule")), (302, Some("auth")));
    assert_eq!(page.header("location"), Some("/.vestibule/login?return=%2Fa%3Fb%3D1%26c%3D2"));
    let legacy = house.get("mem.localhost", "/").header("Accept", "text/html,*/*").send();
    assert_eq!(legacy.status, 302, "a browser without fetch metadata");

    let programs = [
        house.get("mem.localhost", "/"),
        house.get("mem.localhost", "/").header("Accept", "*/*"),
        house.get("mem.localhost", "/").header("Accept", "application/json"),
        house.get("mem.localhost", "/").header("Accept", "text/html").header("X-Requested-With", "XMLHttpRequest"),
        house.get("mem.localhost", "/").header("Accept", "text/html").header("Sec-Fetch-Mode", "cors"),
    ];
    for request in programs {
        let answer = request.send();
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert!(answer.header("www-authenticate").is_some());
        let problem = answer.json();
        assert_eq!(problem["reason"], "no_credentials");
        assert_eq!(problem["status"], 401);
        assert_eq!(problem["request_id"], answer.header("x-request-id").unwrap());
        assert!(problem["login_url"].as_str().unwrap().contains("/.vestibule/login"), "{problem}");
    }
    let grpc = house.get("mem.localhost", "/").header("Content-Type", "application/grpc").send();
    assert_eq!((grpc.status, grpc.header("grpc-status")), (200, Some("16")));
    assert_eq!(house.upstream.count(), 0);
}

#[test]
fn the_form_works_without_script_and_returns_to_where_it_began() {
    let house = House::start();
    let page = house.get("mem.localhost", "/.vestibule/login?return=%2Fa%3Fb%3D1").browser().send();
    assert_eq!(page.status, 200);
    let html = page.text();
    assert!(html.contains("name=\"email\"") && html.contains("name=\"password\"") && html.contains("name=\"pin\""));
    assert!(!html.contains("<script"), "no script");
    assert!(html.contains(page.header("x-request-id").unwrap()));

    let fields = [("email", MAYA), ("password", PASSWORD), ("return", "/a?b=1")];
    let answer = house.gateway.sign_in("mem.localhost", &fields).browser().send();
    assert_eq!((answer.status, answer.header("location")), (303, Some("/a?b=1")));
}

#[test]
fn the_return_target_stays_on_this_host() {
    let house = House::start();
    let targets = [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "/.vestibule/logout",
        "http:evil.example",
        " /x",
        "",
    ];
    for (number, target) in targets.into_iter().enumerate() {
        let fields = [("password", SHARED_PASSWORD), ("return", target)];
        let answer = house.gateway.sign_in("pw.localhost", &fields).from(&format!("203.0.113.{number}")).send();
        assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{target:?}");
    }
}

#[test]
fn json_in_is_json_out() {
    let house = House::start();
    let post = |body: serde_json::Value| {
        house.gateway.request("POST", "mem.localhost", "/.vestibule/login").json(&body).send()
    };
    let answer = post(json!({"email": MAYA, "password": PASSWORD, "return": "/r"}));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["return"], "/r");
    let cookie = answer.session().unwrap();
    assert_eq!(house.get("mem.localhost", "/").cookie(&cookie).send().status, 200);
    let wrong = post(json!({"email": MAYA, "password": "wrong"}));
    assert_eq!((wrong.status, wrong.reason().as_str()), (401, "invalid_credentials"));
    assert_eq!(wrong.header("content-type"), Some("application/problem+json"));
}

#[test]
fn a_form_that_is_no_sign_in_is_refused_by_name() {
    let house = House::start();
    let forms: [&[(&str, &str)]; 5] = [
        &[],
        &[("email", MAYA)],
        &[("email", MAYA), ("password", PASSWORD), ("pin", PIN)],
        &[("email", MAYA), ("password", PASSWORD), ("password", "again")],
        &[("email", MAYA), ("password", PASSWORD), ("admin", "true")],
    ];
    for fields in forms {
        let answer = house.gateway.sign_in("mem.localhost", fields).send();
        assert_eq!((answer.status, answer.session()), (400, None), "{fields:?}");
    }
    let long = "x".repeat(20_000);
    let answer = house.gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", &long)]).send();
    assert!(matches!(answer.status, 400 | 413), "{}", answer.status);
    let odd = house.gateway.request("PUT", "mem.localhost", "/.vestibule/login").send();
    assert_eq!(odd.status, 405);
    assert!(odd.header("allow").is_some());
    assert_eq!(
        house.gateway.sign_in("pub.localhost", &[("password", "x")]).send().status,
        404,
        "nothing to sign in to"
    );
}

#[test]
fn a_form_of_another_site_is_refused() {
    let house = House::start();
    let sign_in = || house.gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", PASSWORD)]);
    let refused = [
        sign_in().header("Origin", "https://evil.example"),
        sign_in().header("Origin", "null"),
        sign_in().header("Sec-Fetch-Site", "cross-site"),
        sign_in().header("Sec-Fetch-Site", "same-site"),
        sign_in().header("Origin", "http://pub.localhost"),
    ];
    for request in refused {
        let answer = request.send();
        assert_eq!((answer.status, answer.reason().as_str(), answer.session()), (403, "cross_site", None));
    }
    let own = sign_in().header("Origin", "http://mem.localhost").header("Sec-Fetch-Site", "same-origin").send();
    assert_eq!(own.status, 303);
}

#[test]
fn signing_in_needs_tls_off_loopback() {
    let house = House::start();
    let mut house = house;
    let body = house.gateway.body().replace("\"mem.localhost\"", "\"mem.localhost\", \"mem.test\"");
    house.gateway.reconfigure(&body);
    let sign_in = || house.gateway.sign_in("mem.test", &[("email", MAYA), ("password", PASSWORD)]);

    let plain = sign_in().send();
    let fronted = sign_in().header("X-Forwarded-Proto", "https").send();

    assert_eq!((plain.status, plain.reason().as_str(), plain.session()), (400, "tls_required", None));
    assert_eq!(fronted.status, 303);
    assert_eq!(house.gateway.entry_of(&plain)["reason"], "tls_required");
    assert_eq!(house.gateway.logs_when("access", "", 1).len(), 1, "the refused one is no attempt");
}

#[test]
fn whoami_tells_who_it_is() {
    let house = House::start();
    let whoami = |cookie: &str| house.get("mem.localhost", "/.vestibule/whoami").cookie(cookie).send();
    assert_eq!(whoami("").status, 401);
    let cookie = house.session("mem.localhost", MAYA);
    let answer = whoami(&cookie);
    assert_eq!(answer.status, 200);
    let identity = answer.json();
    assert_eq!((identity["email"].as_str(), identity["method"].as_str()), (Some(MAYA), Some("password")));
    assert_eq!(identity["groups"], json!(["writers"]));
    assert!(identity["expires"].is_string(), "{identity}");
    assert!(!answer.text().contains(cookie.split('=').nth(1).unwrap()), "never the cookie");
}

#[test]
fn own_pages_carry_their_security_headers_and_others_do_not() {
    let house = House::start();
    let page = house.get("mem.localhost", "/.vestibule/login").browser().send();
    let csp = page.header("content-security-policy").unwrap();
    assert!(csp.contains("default-src 'none'") && csp.contains("frame-ancestors 'none'"), "{csp}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert!(page.header("cache-control").unwrap().contains("no-store"));
    assert!(page.header("referrer-policy").is_some());
    let backend = house.get("pub.localhost", "/").send();
    for name in ["content-security-policy", "x-content-type-options", "cache-control", "referrer-policy", "x-vestibule"]
    {
        assert_eq!(backend.header(name), None, "{name}");
    }
}

#[test]
fn error_as_a_parameter_belongs_to_the_upstream() {
    let house = House::start();
    let cookie = house.session("mem.localhost", MAYA);
    assert_eq!(house.get("mem.localhost", "/?error=x").cookie(&cookie).send().status, 200);
    assert_eq!(house.upstream.last().target, "/?error=x");
}

#[test]
fn a_refused_person_sees_which_account_it_is_and_how_to_change_it() {
    let mut house = House::start();
    let cookie = house.session("mem.localhost", NOOR);
    let body = house.gateway.body().replace(&format!("\"{NOOR}\", "), "");
    house.gateway.reconfigure(&body);
    let page = house.get("mem.localhost", "/").cookie(&cookie).browser().send();
    assert_eq!(page.status, 403);
    let html = page.text();
    assert!(html.contains(NOOR) && html.contains("/.vestibule/logout"), "{html}");
    let id = page.header("x-request-id").unwrap();
    assert!(html.contains(id));
    assert_eq!(house.gateway.logs_when("access", &format!("request_id={id}"), 1).len(), 1);
}
