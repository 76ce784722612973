//! The admin port's own description, and whether its answers obey it.

use std::process::Command;

use harness::House;
use harness::house::{MAYA, NOOR};
use harness::secrets::ADMIN_TOKEN;

/// Streams never end; and nothing is made up in TOML.
const NOT_ASKED: &str = "/tail$|/config$|/config/validate$";

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,negative_data_rejection,unsupported_method";

#[test]
fn openapi_schemathesis_finds_no_answer_that_is_not_as_described() {
    let house = House::start();
    for who in [MAYA, NOOR] {
        let cookie = house.session("mem.localhost", who);
        house.get("mem.localhost", "/page?x=1").cookie(&cookie).send();
    }
    house.get("pub.localhost", "/status/500").from("203.0.113.7").send();
    house.gateway.logs_when("requests", "", 3);
    let program = std::env::var("VESTIBULE_SCHEMATHESIS").expect("tests/run.sh says where schemathesis is");
    let document = format!("http://{}/api/openapi.json", house.gateway.admin_address());
    let run = Command::new(program)
        .args(["run", &document, "--exclude-path-regex", NOT_ASKED, "--checks", CHECKS, "--phases", "fuzzing"])
        .args(["--mode", "all", "--max-examples", "3", "--seed", "1", "--request-timeout", "20", "--no-color"])
        .args(["-H", &format!("Authorization: Bearer {ADMIN_TOKEN}")])
        .current_dir(house.gateway.folder())
        .output()
        .unwrap();
    assert!(run.status.success(), "{}\n{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
}

#[test]
fn the_description_loads_nothing_and_says_who_may_ask() {
    let house = House::start();
    let document = house.gateway.admin("/api/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    let fields = &document["components"]["schemas"]["RequestEntry"]["properties"];
    assert!(fields["status_code"]["description"].is_string(), "{fields}");
    assert!(document["components"]["parameters"]["requests.status_code.min"].is_object());
    let end = &document["paths"]["/api/v1/sessions"]["delete"];
    assert_eq!(end["description"], "Role: admin.", "{end}");

    let page = house.gateway.admin("/api/docs");
    assert_eq!(page.status, 200);
    let text = page.text();
    assert!(text.contains("/api/v1/logs/requests/histogram"), "every path stands on it");
    assert!(!text.contains("<script") && !text.contains("src="), "and nothing is loaded");
    assert_eq!(house.gateway.admin_request("GET", "/api/docs").send().status, 401);
}
