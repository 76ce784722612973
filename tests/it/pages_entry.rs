//! The page of one entry: how it came to its decision, and what is left where its content was erased.

use harness::House;
use harness::client::encode;
use harness::house::MAYA;
use harness::secrets::{AUDITOR_TOKEN, OTHER_PASSWORD, READER_TOKEN};
use serde_json::json;

use crate::cli::ask;
use crate::pages::Reader;

fn page_of(house: &House, log: &str, question: &str) -> String {
    let entry = house.gateway.logs_when(log, question, 1).remove(0);
    let reader = Reader::sign_in(&house.gateway, READER_TOKEN);
    reader.page(&format!("/logs/{log}/{}", entry["id"].as_str().unwrap()))
}

/// What follows the heading of the decision, to the next one.
#[track_caller]
fn decision(page: &str) -> &str {
    page.split("<h2>Decision</h2>").nth(1).unwrap_or_else(|| panic!("none: {page}")).split("<h2>").next().unwrap()
}

const SAME: &str = "Asked again of the configuration that decided it";
const OTHER: &str = "Asked again of the configuration of now, which is another than the one that decided it";

#[test]
fn an_entry_is_told_layer_by_layer_as_the_api_explains_it() {
    let mut house = House::start();
    house.get("mem.localhost", "/secret?x=1").send();
    let refused = page_of(&house, "requests", "circuit=mem&status_code=401");
    let trace = decision(&refused);
    let explained = house.gateway.admin_request("POST", "/api/v1/policy/explain").bearer(READER_TOKEN);
    let asked = json!({ "url": "https://mem.localhost/secret", "method": "GET", "ip": "127.0.0.1" });
    let explained = explained.json(&asked).send().json();
    assert!(trace.contains(SAME) && trace.contains(&format!("{} · ", explained["decision"].as_str().unwrap())));
    let layers = explained["layers"].as_array().unwrap();
    assert_eq!(trace.matches("<tr><td").count(), layers.len(), "{trace}");
    for layer in layers {
        for word in ["layer", "outcome"] {
            assert!(trace.contains(&format!(">{}</td>", layer[word].as_str().unwrap())), "{layer}: {trace}");
        }
    }
    let way = format!("/why?url={}&amp;method=GET&amp;ip=127.0.0.1", "https://mem.localhost/secret");
    assert!(trace.contains(&way.replace("&amp;", "&#38;")) || trace.contains(&way), "{way}: {trace}");

    // Somebody with a session, and the same under other rules.
    let session = house.session("mem.localhost", MAYA);
    house.get("mem.localhost", "/hers").cookie(&session).send();
    let question = format!("path=/hers&email={}", encode(MAYA));
    let allowed = page_of(&house, "requests", &question);
    assert!(decision(&allowed).contains("allow · ") && decision(&allowed).contains(SAME), "{allowed}");
    let narrow = house.gateway.body().replacen(&format!("members = [\"{MAYA}\", "), "members = [", 1);
    assert_ne!(narrow, house.gateway.body());
    house.gateway.reconfigure(&narrow);
    let now = page_of(&house, "requests", &question);
    assert!(decision(&now).contains(OTHER) && !decision(&now).contains("allow · "), "{now}");

    // Nothing was decided about a change, and an attempt is told as what it was made for.
    house.gateway.sign_in("pin.localhost", &[("pin", "000000")]).send();
    assert!(decision(&page_of(&house, "access", "circuit=pin")).contains("circuit pin"));
    assert!(!page_of(&house, "audit", "action=config.reload").contains("<h2>Decision</h2>"));
}

#[test]
fn an_erased_entry_says_so_and_has_neither_person_nor_decision_nor_proof() {
    let house = House::start();
    house.gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", OTHER_PASSWORD)]).send();
    let attempt = house.gateway.logs_when("access", &format!("email={}", encode(MAYA)), 1).remove(0);
    let target = format!("/logs/access/{}", attempt["id"].as_str().unwrap());
    let auditor = Reader::sign_in(&house.gateway, AUDITOR_TOKEN);
    let before = auditor.page(&target);
    assert!(before.contains(MAYA) && before.contains(">Proof</a>") && !before.contains("was erased"), "{before}");

    let (code, _, err) = ask(&house, &["erase", "--user", MAYA]);
    assert_eq!(code, 0, "{err}");
    let page = auditor.page(&target);
    assert!(page.contains("role=\"note\">The content of this entry was erased"), "{page}");
    for gone in [MAYA, ">Proof</a>", "<h2>Decision</h2>", "invalid_password", "127.0.0.1</dd>"] {
        assert!(!page.contains(gone), "{gone}: {page}");
    }
    assert!(page.contains(&attempt["id"].as_str().unwrap().to_owned()), "its place in the log stays: {page}");
    let who = page.split("href=\"/logs/audit?").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    let audit = auditor.page(&format!("/logs/audit?{who}"));
    assert!(audit.contains("user.erase") && audit.contains("href=\"/logs/audit/"), "{audit}");
    let list = auditor.page("/logs/access?range=all");
    assert!(list.contains(">erased</span>") && !list.contains(MAYA), "{list}");
}
