//! Recorded requests against a file that is not in force.

use harness::House;
use harness::house::{MAYA, NOOR};
use serde_json::{Value, json};

use crate::cli::ask;

#[test]
fn who_would_lose_and_gain_access_is_listed_with_counts() {
    let house = House::start();
    let session = house.session("mem.localhost", NOOR);
    for _ in 0..3 {
        assert_eq!(house.get("mem.localhost", "/p/1").cookie(&session).send().status, 200);
    }
    let other = house.session("mem.localhost", MAYA);
    house.get("mem.localhost", "/p/1").cookie(&other).send();
    for _ in 0..2 {
        assert_eq!(house.get("list.localhost", "/").send().status, 401);
    }
    house.get("pub.localhost", "/").send();
    house.gateway.logs_when("requests", "", 9);
    let before = std::fs::read_to_string(house.gateway.config()).unwrap();
    let replay = |text: &str| {
        let file = house.gateway.folder().join("new.toml");
        std::fs::write(&file, text).unwrap();
        let (code, out, err) = ask(&house, &["replay", "-c", file.to_str().unwrap(), "-o", "json"]);
        assert_eq!(code, 0, "{err}");
        let rows: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (rows, err)
    };
    let (rows, remark) = replay(&before);
    assert!(rows.is_empty(), "the same file changes nothing: {rows:?}");
    assert!(remark.contains("0 changes; 0 could not be asked again"), "{remark}");

    let next = before.replace(&format!("\"{MAYA}\", \"{NOOR}\", "), &format!("\"{MAYA}\", ")).replace(
        &format!("access = \"allowlist\"\nallow = [\"{MAYA}\", \"group:reviewers\"]\nlogin = [\"password\", \"pin\"]"),
        "access = \"public\"",
    );
    let (rows, _) = replay(&next);
    let told: Vec<_> = rows
        .iter()
        .map(|row| json!([row["change"], row["who"], row["circuit"], row["requests"], row["reason"], row["example"]]))
        .collect();
    assert_eq!(
        told,
        [
            json!(["gains", "anybody", "list", 2, null, "GET list.localhost/"]),
            json!(["loses", NOOR, "mem", 3, "not_project_member", "GET mem.localhost/p/1"]),
        ]
    );
    assert!(rows[1]["place"].as_str().unwrap().contains("new.toml:"), "{rows:?}");
    assert_eq!(house.gateway.logs("requests", "").len(), 9, "nothing was asked of the server itself");
}
