//! The configuration's change from afar: checked whole, written whole, recorded with both values, and undone.

use std::time::Duration;

use harness::house::{MAYA, NOOR};
use harness::secrets::{ADMIN_TOKEN, PASSWORD_HASH};
use harness::{Authority, Gateway, House, Request, Response};
use serde_json::{Value, json};

use crate::cli::ask;

fn call(gateway: &Gateway, method: &str, path: &str) -> Request {
    gateway.admin_request(method, &format!("/api/v1/config{path}")).bearer(ADMIN_TOKEN)
}

fn revision(gateway: &Gateway) -> String {
    let answer = call(gateway, "GET", "").send();
    let revision = answer.json()["revision"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("etag"), Some(&*format!("\"{revision}\"")));
    revision
}

fn text(gateway: &Gateway) -> String {
    std::fs::read_to_string(gateway.config()).unwrap()
}

fn put(gateway: &Gateway, revision: &str, text: &str) -> Response {
    call(gateway, "PUT", "").header("if-match", &format!("\"{revision}\"")).body("application/toml", text).send()
}

/// Of the circuit `mem`.
fn opened(text: &str) -> String {
    let (head, rest) = text.split_once("[circuits.mem]").unwrap();
    head.to_owned()
        + "[circuits.mem]"
        + &rest.replacen("access = \"members\"\nlogin = [\"password\", \"pin\"]", "access = \"public\"", 1)
}

#[test]
fn a_put_is_in_force_is_one_entry_with_both_values_and_can_be_undone() {
    let house = House::start();
    let gateway = &house.gateway;
    let (first, before) = (revision(gateway), text(gateway));
    assert_eq!(house.get("mem.localhost", "/").send().status, 401);

    let answer = put(gateway, &first, &opened(&before));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = answer.json();
    assert_eq!(house.get("mem.localhost", "/").send().status, 200, "without waiting for anything");
    assert_eq!(text(gateway), opened(&before));
    let second = revision(gateway);
    assert_eq!((told["before"].as_str(), told["after"].as_str()), (Some(&*first), Some(&*second)));
    assert_eq!(told["widens"], true);
    assert_eq!(told["access"][0]["circuit"], "mem");
    assert_eq!(told["access"][0]["gains"], json!(["everybody"]));

    let entries = gateway.logs_when("audit", "resource_type=config", 1);
    assert_eq!(entries.len(), 1, "{entries:?}");
    let entry = &entries[0];
    for (member, value) in [
        ("actor", "ops"),
        ("actor_type", "token"),
        ("action_type", "policy"),
        ("action", "config.change"),
        ("status", "success"),
        ("source_ip", "127.0.0.1"),
    ] {
        assert_eq!(entry[member], value, "{entry}");
    }
    assert_eq!(entry["http_status"], 200);
    assert_eq!(entry["before"]["settings"]["circuits.mem.access"], "\"members\"");
    assert_eq!(entry["after"]["settings"]["circuits.mem.access"], "\"public\"");
    assert_eq!((&entry["before"]["revision"], &entry["after"]["revision"]), (&json!(first), &json!(second)));
    assert_eq!(entry["details"]["widens"], true);

    let listed = call(gateway, "GET", "/history").send().json();
    let row = |at: usize, member: &str| listed["data"][at][member].clone();
    assert_eq!((row(0, "revision"), row(0, "cause"), row(0, "actor")), (json!(second), json!("put"), json!("ops")));
    assert_eq!(
        (row(1, "revision"), row(1, "cause"), row(1, "actor")),
        (json!(first), json!("start"), json!("vestibule"))
    );
    assert_eq!((row(0, "current"), row(1, "current")), (json!(true), json!(false)));

    let back = call(gateway, "POST", "/rollback").json(&json!({ "revision": first })).send();
    assert_eq!(back.status, 200, "{}", back.text());
    assert_eq!((text(gateway), revision(gateway)), (before, first));
    assert_eq!(house.get("mem.localhost", "/").send().status, 401);
    assert_eq!(gateway.logs_when("audit", "action=config.rollback", 1)[0]["status"], "success");
    let unknown = call(gateway, "POST", "/rollback").json(&json!({ "revision": "0000000000000000" })).send();
    assert_eq!(unknown.status, 404);
}

/// Rows G1 to G4: every field of a change, each status and type to be asked for, ranges that end after they begin.
#[test]
fn a_change_is_one_entry_with_every_field_and_each_filter_finds_it() {
    let house = House::start();
    let gateway = &house.gateway;
    let first = revision(gateway);
    let answer = call(gateway, "PUT", "")
        .header("if-match", &first)
        .header("user-agent", "editor/1")
        .body("application/toml", opened(&text(gateway)))
        .send();
    let id = gateway.logs_when("audit", "action=config.change", 1)[0]["id"].as_str().unwrap().to_owned();
    let one = gateway.admin(&format!("/api/v1/logs/audit/{id}")).json();
    for (member, value) in [
        ("actor", json!("ops")),
        ("actor_type", json!("token")),
        ("source_ip", json!("127.0.0.1")),
        ("user_agent", json!("editor/1")),
        ("action", json!("config.change")),
        ("action_type", json!("policy")),
        ("resource_type", json!("config")),
        ("resource", json!(gateway.config().display().to_string())),
        ("status", json!("success")),
        ("http_status", json!(200)),
        ("request_id", json!(answer.header("x-request-id").unwrap())),
        ("revision", json!(first)),
        ("event_count", json!(1)),
    ] {
        assert_eq!(one[member], value, "{member}: {one}");
    }
    assert!(one["duration_ms"].is_u64() && one["before"].is_object() && one["after"].is_object(), "{one}");

    put(gateway, "*", "nonsense = 1\n");
    gateway.admin_request("GET", "/api/v1/status").bearer("vsta_nobody's").send();
    for (filter, action) in [
        ("action_type=policy&status=success", "config.change"),
        ("action_type=policy&status=failed", "config.change"),
        ("action_type=admin&status=denied", "admin.access"),
        ("status=blocked", "admin.access"),
        ("resource_type=config&actor=ops&range=5m", "config.change"),
        ("resource_type=CONFIG&status=SUCCESS&since=15m", "config.change"),
        ("q=EDITOR/1", "config.change"),
    ] {
        let found = gateway.logs_when("audit", filter, 1);
        assert!(found.iter().any(|entry| entry["action"] == action), "{filter}: {found:?}");
    }
    for range in ["5m", "15m", "1h", "24h", "7d", "30d", "all"] {
        assert_eq!(gateway.logs("audit", &format!("range={range}&status=failed")).len(), 1, "{range}");
    }
    let turned = gateway.admin("/api/v1/logs/audit?since=2026-11-02T00:00:00Z&until=2026-11-01T00:00:00Z");
    assert_eq!(turned.status, 400);
    assert_eq!(gateway.admin("/api/v1/logs/audit?status=maybe").json()["parameter"], "status");
}

#[test]
fn a_bad_put_changes_nothing_and_is_a_failed_entry() {
    let house = House::start();
    let gateway = &house.gateway;
    let (first, before) = (revision(gateway), text(gateway));
    let answer =
        put(gateway, &first, &(before.clone() + "\n[circuits.x]\nhosts = [\"x.localhost\"]\nupstrem = \"x\"\n"));
    assert_eq!(answer.status, 422);
    assert!(answer.json()["report"].as_str().unwrap().contains("upstrem"));
    assert_eq!((text(gateway), revision(gateway)), (before.clone(), first.clone()));
    let entry = gateway.logs_when("audit", "action=config.change", 1).remove(0);
    assert_eq!((&entry["status"], &entry["after"]), (&json!("failed"), &Value::Null));
    assert_eq!(entry["http_status"], 422);

    assert_eq!(call(gateway, "PUT", "").body("application/toml", before.clone()).send().status, 428);
    let moved = put(gateway, "0123456789abcdef", &opened(&before));
    assert_eq!((moved.status, moved.json()["revision"].as_str()), (412, Some(&*first)));
    let entry = gateway.logs_when("audit", "action=config.change&http_status=412", 1).remove(0);
    assert_eq!((&entry["status"], &entry["actor"], &entry["after"]), (&json!("failed"), &json!("ops"), &Value::Null));
    assert_eq!((&entry["before"]["revision"], &entry["details"]["of"]), (&json!(first), &json!("0123456789abcdef")));
    let other = call(gateway, "PUT", "?file=other.toml").header("if-match", "*").body("application/toml", "").send();
    assert_eq!((other.status, other.json()["parameter"].as_str()), (400, Some("file")));
    assert_eq!((text(gateway), revision(gateway)), (before, first));
}

/// The tests run as root, whom no mode keeps out: a folder in place of the file's own does.
#[test]
fn a_file_that_takes_no_text_is_a_conflict() {
    let house = House::start();
    let gateway = &house.gateway;
    let first = revision(gateway);
    let good = text(gateway);
    let included = gateway.folder().join("more.toml");
    std::fs::write(&included, "[users.\"late@example.net\"]\nname = \"Late\"\n").unwrap();
    assert_eq!(put(gateway, &first, &format!("include = [\"more.toml\"]\n{good}")).status, 200);
    let with = revision(gateway);
    let later = "[users.\"late@example.net\"]\nname = \"Later\"\n";
    let one = call(gateway, "PUT", "?file=more.toml").header("if-match", &with).body("application/toml", later).send();
    assert_eq!((one.status, std::fs::read_to_string(&included).unwrap().as_str()), (200, later), "{}", one.text());

    assert_eq!(put(gateway, &revision(gateway), &good).status, 200);
    std::fs::remove_file(&included).unwrap();
    let gone = call(gateway, "POST", "/rollback").json(&json!({ "revision": with })).send();
    assert_eq!((gone.status, gone.json()["reason"].as_str()), (409, Some("config_unwritable")), "{}", gone.text());
    assert_eq!((text(gateway), revision(gateway)), (good, first));
    let entry = gateway.logs_when("audit", "action=config.rollback", 1).remove(0);
    assert_eq!((&entry["status"], &entry["http_status"]), (&json!("failed"), &json!(409)));
}

/// A token that a request changes is an act of that request; what a changed file does is nobody's request.
#[test]
fn entries_have_the_status_of_the_request_that_made_the_change() {
    let mut house = House::start();
    let token = |name: &str| {
        format!("\n[service_tokens.{name}]\nhash = \"sha256:{}\"\n", if name == "one" { "a" } else { "b" }.repeat(64))
    };
    let body = house.gateway.body().to_owned() + &token("one");
    house.gateway.reconfigure(&body);
    let entry = house.gateway.logs_when("audit", "action=token.add&resource=one", 1).remove(0);
    assert_eq!(entry["http_status"], 200);
    house.gateway.rewrite(&(body + &token("two")));
    let quiet = harness::until(Duration::from_secs(10), "the file is read", || {
        house.gateway.logs("audit", "action=token.add&resource=two").pop()
    });
    let change = house.gateway.logs("audit", "action=config.reload").remove(0);
    assert_eq!([&quiet["http_status"], &change["http_status"]], [&Value::Null, &Value::Null]);
    assert_eq!(change["details"]["cause"], "file");
}

#[test]
fn no_secret_is_in_an_entry_and_its_change_is() {
    let mut house = House::start();
    let other = PASSWORD_HASH.replace("m=19456", "m=20000");
    let body = house.gateway.body().replacen(PASSWORD_HASH, &other, 1);
    house.gateway.reconfigure(&body);
    let entry = house.gateway.logs_when("audit", "action=config.reload&status=success", 1).remove(0);
    let key = format!("users.\"{MAYA}\".password_hash");
    assert_eq!(
        (&entry["before"]["settings"][&key], &entry["after"]["settings"][&key]),
        (&json!("\"[hidden]\""), &json!("\"[hidden]\" # changed"))
    );
    assert!(!entry.to_string().contains("argon2id"), "{entry}");
    let shown = call(&house.gateway, "GET", "").send().text();
    assert!(!shown.contains("argon2id") && shown.contains("[hidden]"), "{shown}");
}

/// Files whose path stays the same: that they changed is told, not what they hold.
#[test]
fn what_a_named_file_holds_is_part_of_the_difference() {
    let (one, other) = (Authority::new(), Authority::new());
    let files = tempfile::tempdir().unwrap();
    let at = |name: &str| files.path().join(name).display().to_string();
    let write = |authority: &Authority, networks: &str| {
        std::fs::copy(authority.file(), at("ca.pem")).unwrap();
        std::fs::write(at("abuse.netset"), networks).unwrap();
    };
    write(&one, "192.0.2.0/24\n");
    let house = House::with(&format!(
        "[ip_sets]\nabuse = {{ file = {:?} }}\n[circuits.far]\nhosts = [\"far.localhost\"]\naccess = \"public\"\n\
         upstream = {{ url = \"https://127.0.0.1:9\", ca = {ca:?} }}\n",
        at("abuse.netset"),
        ca = at("ca.pem")
    ));
    let first = revision(&house.gateway);
    write(&other, "192.0.2.0/24\n198.51.100.0/24\n");
    let entry = house.gateway.logs_when("audit", "action=config.reload&status=success", 1).remove(0);
    // The entry is on disk before the change is in force.
    let is_changed = || (revision(&house.gateway) != first).then_some(());
    harness::until(Duration::from_secs(10), "another revision", is_changed);
    let told = |when: &str, key: &str| entry[when]["settings"][key].as_str().unwrap_or_default().to_owned();
    let key = "circuits.far.upstream.ca";
    let path = format!("{:?}", at("ca.pem"));
    assert_eq!((told("before", key), told("after", key)), (path.clone(), format!("{path} # changed")), "{entry}");
    let lists = ["before", "after"].map(|when| told(when, "ip_sets.abuse"));
    assert_eq!(lists, ["[\"192.0.2.0/24\"]", "[\"192.0.2.0/24\", \"198.51.100.0/24\"]"], "{entry}");
    assert!(!entry.to_string().contains("sha256"), "{entry}");
}

#[test]
fn a_text_comes_back_without_its_secrets_and_they_stay() {
    let house = House::start();
    let gateway = &house.gateway;
    let shown = call(gateway, "GET", "?file=vestibule.toml").send();
    let (shown, tag) = (shown.text(), shown.header("etag").unwrap().to_owned());
    assert!(shown.contains("\"[hidden]\"") && !shown.contains("argon2id") && !shown.contains("sha256:"), "{shown}");
    let before = text(gateway);
    let next = shown.replace("name = \"Noor\"", "name = \"Noor N.\"");
    let answer = call(gateway, "PUT", "").header("if-match", &tag).body("application/toml", next).send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(text(gateway), before.replace("name = \"Noor\"", "name = \"Noor N.\""));
}

#[test]
fn diff_calls_out_who_gains_and_changes_nothing() {
    let mut house = House::start();
    let first = revision(&house.gateway);
    let (code, out, _) = ask(&house, &["config", "diff"]);
    assert_eq!((code, out.as_str()), (0, "nothing would change\n"));
    let body = house
        .gateway
        .body()
        .replace(&format!("\"{MAYA}\", \"{NOOR}\", "), &format!("\"{MAYA}\", \"domain:partner.example\", "));
    std::fs::copy(house.gateway.config(), house.gateway.folder().join("before.toml")).unwrap();
    let check = call(&house.gateway, "POST", "/validate")
        .body("application/toml", text(&house.gateway) + "\n[circuits.x]\n")
        .send();
    assert_eq!((check.status, check.json()["valid"].as_bool()), (200, Some(false)), "{}", check.text());

    house.gateway.rewrite(&body);
    let before = house.gateway.folder().join("before.toml");
    let (code, out, err) = ask(&house, &["config", "diff", "--from", before.to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("WIDENED  mem: gains domain:partner.example, ines@partner.example"), "{out}");
    assert!(out.contains(&format!("narrowed  mem: loses {NOOR}")), "{out}");
    assert!(out.contains("- projects.docs.members = ") && out.contains("+ projects.docs.members = "), "{out}");
    // The running server has seen the file by itself in the meantime, or says the same of it.
    let (code, _, err) = ask(&house, &["config", "diff"]);
    assert_eq!(code, 0, "{err}");
    let (code, out, _) = ask(&house, &["reload"]);
    assert_eq!(code, 0, "{out}");

    let (code, out, _) = ask(&house, &["config", "history"]);
    assert!(code == 0 && out.contains(&first) && out.starts_with("REVISION"), "{out}");
    let (code, out, err) = ask(&house, &["rollback", &first]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains(&format!("is now {first}")), "{out}");
    assert_eq!(revision(&house.gateway), first);
}

#[test]
fn the_schema_knows_every_section() {
    let (code, out, _) = crate::cli::run(&["config", "schema"], "");
    let schema: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 0);
    let at = |pointer: &str| schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}: {out}")).clone();
    assert_eq!(
        at("/properties/circuits/additionalProperties/properties/access/enum"),
        json!(["public", "members", "allowlist"])
    );
    assert_eq!(at("/properties/server/additionalProperties"), false);
    assert_eq!(at("/properties/tests/items/properties/expect/properties/decision/enum/0"), "allow");
}
