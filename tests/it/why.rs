//! Why a request is let in or not, by the running server and by the file alone; and what the file expects of itself.

use harness::house::{BRAM, INES, MAYA, NOOR};
use harness::secrets::ADMIN_TOKEN;
use harness::{Gateway, House, Setup, Upstream};
use serde_json::{Value, json};

use crate::cli::{ask, run};

const PARTS: &str = r#"
[circuits.parts]
project = "docs"
hosts = ["parts.localhost"]
upstream = "http://127.0.0.1:9"
access = "members"
login = ["password"]
ip_block = ["192.0.2.0/24"]
[[circuits.parts.paths]]
prefix = "/hook"
access = "public"
[[tests]]
name = "strangers are asked to sign in"
given = { url = "https://parts.localhost/", ip = "198.51.100.7" }
expect = { decision = "login", circuit = "parts" }
[[tests]]
name = "maya gets in"
given = { url = "https://parts.localhost/x", user = "maya@example.net" }
expect = { decision = "allow" }
"#;

fn explain(gateway: &Gateway, question: &Value) -> Value {
    let answer = gateway.admin_request("POST", "/api/v1/policy/explain").bearer(ADMIN_TOKEN).json(question).send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The words of the answer, and what decided, where.
fn told(gateway: &Gateway, question: &Value) -> String {
    let answer = explain(gateway, question);
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let last = answer["layers"].as_array().unwrap().last().unwrap();
    let place = word(&last["place"]);
    let place = place.rsplit('/').next().unwrap();
    assert!(place == "-" || place.starts_with("vestibule.toml:"), "{answer}");
    format!(
        "{} {} {} {}",
        word(&answer["decision"]),
        word(&answer["reason"]),
        word(&answer["circuit"]),
        word(&last["rule"])
    )
}

#[test]
fn the_running_server_explains_what_it_does() {
    let house = House::with(PARTS);
    let gateway = &house.gateway;
    for (question, expected) in [
        (json!({ "url": "https://pub.localhost/" }), "allow - pub circuits.pub.access"),
        (json!({ "url": "https://mem.localhost/" }), "login no_credentials mem circuits.mem.access"),
        (json!({ "url": "https://mem.localhost/", "user": NOOR }), "allow - mem circuits.mem.members"),
        (json!({ "url": "https://mem.localhost/", "user": BRAM }), "deny user_blocked mem users.state"),
        (json!({ "url": "https://list.localhost/", "user": NOOR }), "deny not_on_allowlist list circuits.list.allow"),
        (json!({ "url": "https://list.localhost/", "user": INES }), "allow - list circuits.list.allow"),
        (json!({ "url": "https://pin.localhost/", "login": "pin" }), "allow - pin circuits.pin.shared"),
        (json!({ "url": "https://nowhere.localhost/" }), "not_found circuit_not_found - -"),
        (json!({ "url": "https://parts.localhost/hook/x" }), "allow - parts circuits.parts.paths[\"/hook\"].access"),
        (json!({ "url": "https://parts.localhost/hooks" }), "login no_credentials parts circuits.parts.access"),
        (
            json!({ "url": "https://parts.localhost/hook", "ip": "192.0.2.9" }),
            "deny ip_restricted parts circuits.parts.ip_block",
        ),
    ] {
        assert_eq!(told(gateway, &question), expected, "{question}");
    }

    // The key is named by its line.
    let config = std::fs::read_to_string(gateway.config()).unwrap();
    let line = config.lines().position(|line| line.starts_with("ip_block")).unwrap() + 1;
    let answer = explain(gateway, &json!({ "url": "https://parts.localhost/", "ip": "192.0.2.9" }));
    let layers = answer["layers"].as_array().unwrap();
    assert_eq!(
        layers.iter().map(|layer| layer["layer"].as_str().unwrap()).collect::<Vec<_>>(),
        ["host", "circuit", "bans", "ip_block"]
    );
    assert!(layers[3]["place"].as_str().unwrap().ends_with(&format!(":{line}")), "{answer}");
    assert_eq!((layers[3]["outcome"].as_str(), layers[2]["outcome"].as_str()), (Some("hit"), Some("miss")));

    // A ban counts at once, and a question is nothing that anybody did.
    gateway.admin_request("POST", "/api/v1/bans").bearer(ADMIN_TOKEN).json(&json!({ "network": "203.0.113.7" })).send();
    let banned = json!({ "url": "https://mem.localhost/", "user": NOOR, "ip": "203.0.113.7" });
    assert_eq!(told(gateway, &banned), "deny ip_banned mem bans");
    assert_eq!((gateway.logs("access", "").len(), gateway.logs("requests", "").len()), (0, 0));
    let actions: Vec<_> = gateway.logs("audit", "").iter().map(|entry| entry["action"].to_string()).collect();
    assert_eq!(actions, ["\"ban.add\"", "\"system.start\""]);
}

#[test]
fn a_question_that_nobody_can_ask_is_named() {
    let house = House::start();
    for (question, parameter) in [
        (json!({ "url": "mem.localhost" }), "url"),
        (json!({ "url": "https://mem.localhost/", "user": "maya" }), "user"),
        (json!({ "url": "https://mem.localhost/", "user": MAYA, "login": "knock" }), "login"),
        (json!({ "url": "https://mem.localhost/", "ip": "here" }), "ip"),
        (json!({ "url": "https://mem.localhost/", "at": "soon" }), "at"),
        (json!({ "url": "https://mem.localhost/", "method": "a b" }), "method"),
    ] {
        let answer =
            house.gateway.admin_request("POST", "/api/v1/policy/explain").bearer(ADMIN_TOKEN).json(&question).send();
        assert_eq!((answer.status, answer.json()["parameter"].as_str()), (400, Some(parameter)), "{question}");
    }
}

#[test]
fn why_asks_the_server_else_the_file() {
    let mut house = House::with(PARTS);
    let why = |house: &House, more: &[&str]| {
        let args = ["why", "https://mem.localhost/", "--user", NOOR, "--ip", "203.0.113.7"];
        let (code, text, remarks) = ask(house, &[&args, more].concat());
        assert_eq!(code, 0, "{remarks}");
        (text, remarks)
    };
    house
        .gateway
        .admin_request("POST", "/api/v1/bans")
        .bearer(ADMIN_TOKEN)
        .json(&json!({ "network": "203.0.113.7" }))
        .send();
    let (text, remarks) = why(&house, &[]);
    assert!(text.ends_with("\ndeny, ip_banned, circuit mem\n"), "{text}");
    assert!(text.contains("host") && text.contains("hit") && text.contains("vestibule.toml:"), "{text}");
    assert_eq!(remarks, "");
    let json: Value = serde_json::from_str(&why(&house, &["-o", "json"]).0).unwrap();
    assert_eq!((json["decision"].as_str(), json["reason"].as_str()), (Some("deny"), Some("ip_banned")));

    house.gateway.stop();
    let (text, remarks) = why(&house, &[]);
    assert!(text.ends_with("\nallow, circuit mem\n"), "the file knows of no bans: {text}");
    assert!(remarks.contains("no server answers"), "{remarks}");
}

#[test]
fn tests_of_the_file_are_asked_by_check_at_the_start_and_before_a_reload() {
    let mut house = House::with(PARTS);
    let good = house.gateway.body().to_owned();
    let bad = good
        .replace("[projects.docs]", "[projects.others]\nmembers = []\n[projects.docs]")
        .replace("[circuits.parts]\nproject = \"docs\"", "[circuits.parts]\nproject = \"others\"");
    assert_ne!(good, bad);
    house.gateway.rewrite(&bad);
    let answer = house.gateway.admin_request("POST", "/api/v1/config/reload").bearer(ADMIN_TOKEN).send();
    assert_eq!(answer.status, 422);
    let report = answer.json()["report"].as_str().unwrap().to_owned();
    assert!(report.contains("the test \"maya gets in\" fails: decision is \"deny\" and not \"allow\""), "{report}");
    assert!(report.contains("not_project_member, by circuits.parts.members at"), "{report}");
    assert!(!report.contains("strangers"), "only what fails: {report}");
    let question = json!({ "url": "https://parts.localhost/x", "user": MAYA });
    assert_eq!(told(&house.gateway, &question), "allow - parts circuits.parts.members", "the old one stays");
    let entry = house.gateway.logs_when("audit", "action=config.reload&status=failed", 1).remove(0);
    assert!(entry["details"].to_string().contains("maya gets in"), "{entry}");

    let config = house.gateway.config();
    let check = |more: &[&str]| run(&[&["check", "-c", config.to_str().unwrap()], more].concat(), "");
    let (code, text, _) = check(&[]);
    let line = std::fs::read_to_string(&config).unwrap();
    let line = line.lines().enumerate().filter(|(_, line)| *line == "[[tests]]").nth(1).unwrap().0 + 1;
    assert_eq!(code, 3);
    assert!(text.contains(&format!("vestibule.toml:{line}:")) && text.contains("maya gets in"), "{text}");
    let json: Value = serde_json::from_str(&check(&["-o", "json"]).1).unwrap();
    assert_eq!(
        (json["valid"].as_bool(), json["problems"][0]["place"]["line"].as_u64()),
        (Some(false), Some(line as u64))
    );

    house.gateway.stop();
    house.gateway.spawn();
    assert_eq!(house.gateway.wait().code(), Some(3), "no start with a failing test: {}", house.gateway.output());

    house.gateway.rewrite(&good);
    assert_eq!(check(&[]).0, 0);
    house.gateway.launch();
}

/// A ban or a grant must not decide whether a file is good.
#[test]
fn what_administrators_added_meanwhile_does_not_concern_the_tests() {
    let upstream = Upstream::start();
    let body = harness::house::plan(&upstream) + PARTS;
    let mut gateway = Setup::new(&body).start();
    let ban = json!({ "network": "198.51.100.0/24" });
    assert_eq!(gateway.admin_request("POST", "/api/v1/bans").bearer(ADMIN_TOKEN).json(&ban).send().status, 201);
    gateway.reconfigure(&(body + "\n# another\n"));
}
