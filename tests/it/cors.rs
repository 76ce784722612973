//! Browsers' questions before requests of other sites' pages.

use harness::house::people;
use harness::{Gateway, Request, Upstream};

const APP: &str = "https://app.example.net";

fn start(cors: &str) -> (Gateway, Upstream) {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&format!(
        "{}[circuits.api]\nproject = \"docs\"\nhosts = [\"api.localhost\"]\nupstream = \"{}\"\naccess = \"members\"\n\
         login = [\"password\"]\nip_block = [\"192.0.2.0/24\"]\n{cors}\n",
        people(),
        upstream.url()
    ));
    (gateway, upstream)
}

fn preflight(gateway: &Gateway, origin: &str) -> Request {
    let request = gateway.request("OPTIONS", "api.localhost", "/items").header("Origin", origin);
    request.header("Access-Control-Request-Method", "PUT")
}

#[test]
fn without_a_word_about_it_the_answer_is_no() {
    let (gateway, upstream) = start("");
    let answer = preflight(&gateway, APP).send();
    assert_eq!((answer.status, answer.header("x-vestibule")), (403, Some("auth")));
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let entry = gateway.entry_of(&answer);
    assert_eq!((&entry["action"], &entry["reason"]), (&"blocked".into(), &"cross_site".into()));
    assert_eq!(gateway.request("OPTIONS", "api.localhost", "/items").send().status, 401, "no question of a browser");
    assert_eq!(upstream.count(), 0);
}

#[test]
fn passed_on_it_is_the_upstreams_to_answer_and_opens_nothing_else() {
    let (gateway, upstream) = start("cors = \"pass\"");
    let answer = preflight(&gateway, APP).header("X-Vestibule-User", "root").send();
    assert_eq!((answer.status, answer.header("x-vestibule")), (200, None));
    let received = upstream.last();
    assert_eq!((received.method.as_str(), received.header("origin")), ("OPTIONS", Some(APP)));
    assert_eq!((received.header("x-vestibule-user"), received.header("x-vestibule-assertion")), (None, None));
    let entry = gateway.entry_of(&answer);
    assert_eq!((&entry["action"], &entry["origin"]), (&"allowed".into(), &"backend".into()));
    assert_eq!((&entry["auth_method"], &entry["method"]), (&"none".into(), &"OPTIONS".into()));

    for method in ["GET", "POST", "PUT", "DELETE", "HEAD", "PROPFIND", "options"] {
        let request = gateway.request(method, "api.localhost", "/items").header("Origin", APP);
        let answer = request.header("Access-Control-Request-Method", "PUT").send();
        assert_eq!(answer.status, 401, "{method}");
    }
    assert_eq!(preflight(&gateway, APP).body("text/plain", "x").send().status, 401);
    assert_eq!(preflight(&gateway, APP).header("X-HTTP-Method-Override", "DELETE").send().status, 401);
    assert_eq!(preflight(&gateway, APP).header("X_HTTP_Method_Override", "DELETE").send().status, 200);
    assert!(upstream.last().fields.iter().all(|(name, _)| !name.to_lowercase().contains("override")));
    let blocked = preflight(&gateway, APP).from("192.0.2.9").send();
    assert_eq!((blocked.status, blocked.reason().as_str()), (403, "ip_restricted"));
    assert_eq!(upstream.count(), 2);
}

#[test]
fn answered_here_it_names_one_origin_and_what_it_may() {
    let (gateway, upstream) = start(&format!(
        "cors = {{ origins = [\"{APP}\"], methods = [\"GET\", \"PUT\"], headers = [\"content-type\"] }}"
    ));
    let answer = preflight(&gateway, APP).header("Access-Control-Request-Headers", "content-type").send();
    assert_eq!((answer.status, answer.body.len(), answer.header("content-length")), (204, 0, None));
    for (name, value) in [
        ("access-control-allow-origin", APP),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "GET, PUT"),
        ("access-control-allow-headers", "content-type"),
        ("vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        ("x-vestibule", "auth"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let entry = gateway.entry_of(&answer);
    assert_eq!(
        (&entry["action"], &entry["origin"], &entry["status_code"]),
        (&"allowed".into(), &"auth".into(), &204.into())
    );
    for refused in [
        preflight(&gateway, "https://evil.test"),
        preflight(&gateway, APP).header("Access-Control-Request-Headers", "content-type, x-secret"),
        preflight(&gateway, "null"),
    ] {
        let answer = refused.send();
        assert_eq!((answer.status, answer.reason().as_str()), (403, "cross_site"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    assert_eq!(gateway.logs("access", ""), Vec::<serde_json::Value>::new());
    assert_eq!(upstream.count(), 0);
}
