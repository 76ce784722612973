//! What a circuit asks on its own host.

use super::*;

#[test]
fn a_shared_secret_stays_on_its_own_host() {
    let inn = Inn::start();
    let mut window = inn.window();
    let (way, page) = window.open("http://mixed.localhost/a?x=1", None);
    let text = page.text();
    assert!(host(way.last().unwrap()) == LOGIN && !text.contains("name=\"pin\""), "{text}");
    let own = "http://mixed.localhost/.vestibule/login?return=%2Fa%3Fx%3D1&shared=1";
    assert!(text.contains(&own.replace('&', "&#38;")), "{text}");
    let request = text.split("name=\"request\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let there = format!("http://{LOGIN}/.vestibule/login");
    let refused = window.post(&there, &[("pin", SHARED_PIN), ("request", request)]);
    assert!(refused.status == 400 && refused.text().contains("email is missing"), "{}", refused.text());

    let page = window.get(own).text();
    assert!(page.contains("name=\"pin\"") && !page.contains("name=\"email\""), "{page}");
    assert!(page.contains("href=\"/.vestibule/login?return=%2Fa%3Fx%3D1\""), "{page}");
    let answer = window.post("http://mixed.localhost/.vestibule/login", &[("pin", SHARED_PIN), ("return", "/a?x=1")]);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/a?x=1")));
    assert_eq!(window.get("http://mixed.localhost/a?x=1").status, 200);
    assert_eq!(window.cookie(LOGIN, "vestibule"), None);
    let (way, _) = window.open("http://wiki.localhost/", None);
    assert_eq!(host(way.last().unwrap()), LOGIN, "it is good nowhere else");
}

#[test]
fn a_path_with_a_policy_of_its_own_asks_for_its_own_way_in() {
    let path = format!(
        "[[circuits.wiki.paths]]\nprefix = \"/vault\"\naccess = \"allowlist\"\nallow = [\"{MAYA}\"]\nlogin = [\"pin\"]\n"
    );
    let inn = Inn::with("", &path);
    let mut window = inn.window();
    assert_eq!(inn.sign_in(&mut window, "http://wiki.localhost/", MAYA).1.status, 200);
    let (way, page) = window.open("http://wiki.localhost/vault/a?x=1", None);
    let text = page.text();
    assert!(host(way.last().unwrap()) == LOGIN && text.contains("name=\"pin\""), "{way:#?}");
    assert!(!text.contains("name=\"password\""), "{text}");
    let request = text.split("name=\"request\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let there = format!("http://{LOGIN}/.vestibule/login");
    let answer = window.post(&there, &[("email", MAYA), ("pin", PIN), ("request", request)]);
    let (way, page) = window.follow(&there, answer, None);
    assert_eq!((page.status, way.last().map(String::as_str)), (200, Some("http://wiki.localhost/vault/a?x=1")));
    let (way, _) = window.open("http://wiki.localhost/", None);
    assert_eq!(host(way.last().unwrap()), LOGIN, "the rest asks for the password again");
}

#[test]
fn what_a_circuit_asks_beyond_a_credential_is_asked_on_its_own_host() {
    let mut inn = Inn::start();
    let hosts = "hosts = [\"own.localhost\"]";
    let body = inn.gateway.body().replace(hosts, &format!("{hosts}\npurpose = true"));
    inn.gateway.reconfigure(&body);
    let mut window = inn.window();
    let purpose = |window: &mut Window, at: &str, page: &Response| {
        assert!(at.starts_with("http://own.localhost/.vestibule/continue?step="), "{at}");
        assert_eq!((page.status, session(window, "own").as_str()), (200, ""), "nobody is in yet");
        let step = page.text().split("name=\"step\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let target = "http://own.localhost/.vestibule/continue";
        let answer = window.post(target, &[("step", &step), ("purpose", "a look at the door")]);
        window.follow(target, answer, None)
    };
    let (way, page) = inn.sign_in(&mut window, "http://own.localhost/a?x=1", MAYA);
    assert_eq!(inn.upstream.count(), 0);
    let (way, page) = purpose(&mut window, way.last().unwrap(), &page);
    assert_eq!((page.status, way.last().map(String::as_str)), (200, Some("http://own.localhost/a?x=1")));
    let rows = inn.gateway.logs_when("access", "status=success", 1);
    assert_eq!((&rows[0]["purpose"], &rows[0]["action"]), (&json!("a look at the door"), &json!("login")));
    assert_eq!(inn.gateway.logs("access", "").len(), 1, "one attempt is one row");

    // Without the credential again, and not without the purpose.
    window.forget("own.localhost", "vestibule");
    let (way, page) = window.open("http://own.localhost/b", None);
    let (_, page) = purpose(&mut window, way.last().unwrap(), &page);
    assert_eq!(page.status, 200);
    assert_eq!(window.open("http://wiki.localhost/", None).1.status, 200, "others ask for nothing more");
}
