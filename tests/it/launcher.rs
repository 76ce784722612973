//! The circuits that somebody may open.

use harness::House;
use harness::house::{INES, MAYA, NOOR};
use harness::secrets::SHARED_PIN;
use serde_json::json;

const PATH: &str = "/.vestibule/circuits";

fn names(house: &House, host: &str, cookie: &str) -> Vec<String> {
    let answer = house.get(host, PATH).cookie(cookie).send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let circuits = answer.json()["circuits"].as_array().cloned().unwrap();
    circuits.iter().map(|circuit| circuit["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_person_sees_what_that_person_may_open() {
    let mut house = House::start();
    let (maya, noor) = (house.session("mem.localhost", MAYA), house.session("mem.localhost", NOOR));
    let ines = house.session("list.localhost", INES);
    assert_eq!(names(&house, "mem.localhost", &maya), ["list", "mem", "pub"]);
    assert_eq!(names(&house, "mem.localhost", &noor), ["mem", "pub"]);
    assert_eq!(names(&house, "list.localhost", &ines), ["list", "pub"]);
    let pin = house.gateway.sign_in("pin.localhost", &[("pin", SHARED_PIN)]).send().session().unwrap();
    assert_eq!(names(&house, "pin.localhost", &pin), ["pin", "pub"]);

    let answer = house.get("mem.localhost:8443", PATH).cookie(&noor).header("X-Forwarded-Proto", "https").send();
    assert_eq!(answer.status, 401, "over https the cookie has another name");
    let answer = house.get("mem.localhost:8080", PATH).cookie(&noor).send();
    let linked = json!({ "name": "mem", "label": "Documentation", "url": "http://mem.localhost:8080/" });
    assert_eq!(answer.json()["circuits"][0], linked);

    let off = house.gateway.body().replace("[circuits.list]\n", "[circuits.list]\nenabled = false\n");
    house.gateway.reconfigure(&off);
    assert_eq!(names(&house, "mem.localhost", &maya), ["mem", "pub"]);
}

#[test]
fn a_browser_gets_a_page_and_a_stranger_the_sign_in_page() {
    let house = House::start();
    let noor = house.session("mem.localhost", NOOR);
    let page = house.get("mem.localhost", PATH).cookie(&noor).browser().send();
    let text = page.text();
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(text.contains("<a href=\"http://pub.localhost/\">pub</a>") && text.contains(NOOR), "{text}");
    assert!(!text.contains("list.localhost") && !text.contains("<script"), "{text}");

    let stranger = house.get("mem.localhost", PATH).browser().send();
    assert_eq!((stranger.status, stranger.header("location")), (302, Some("/.vestibule/login?return=%2F")));
    let program = house.get("mem.localhost", PATH).send();
    assert_eq!((program.status, program.reason().as_str()), (401, "no_credentials"));
    assert!(!program.text().contains("pub"), "{}", program.text());
    assert_eq!(house.get("pub.localhost", PATH).send().status, 404, "nobody is signed in on a public circuit");
    assert_eq!(house.gateway.request("POST", "mem.localhost", PATH).cookie(&noor).send().status, 405);
}
