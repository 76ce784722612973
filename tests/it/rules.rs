//! Scanners, reputation, allow lists of which one suffices, and rules that only observe.

use std::time::Duration;

use harness::house::people;
use harness::{Gateway, Setup, Upstream, command, until};
use serde_json::{Value, json};

const HOST: &str = "a.localhost";
/// In the harness's places: Germany, and China.
const GERMAN: &str = "203.0.113.7";
const CHINESE: &str = "198.51.100.7";
const NOWHERE: &str = "192.0.2.7";

struct Rules {
    gateway: Gateway,
    upstream: Upstream,
}

fn body(upstream: &Upstream, more: &str) -> String {
    format!(
        "{}[rate_limits.one]\nper = \"ip\"\nrate = \"1/h\"\n[circuits.a]\nproject = \"docs\"\nhosts = [\"{HOST}\"]\n\
         upstream = \"{}\"\n{more}\n",
        people(),
        upstream.url()
    )
}

fn start(more: &str) -> Rules {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&body(&upstream, more));
    Rules { gateway, upstream }
}

impl Rules {
    /// Status, reason, what would have been refused for.
    fn told(&self, from: &str, agent: &str) -> String {
        let answer = self.gateway.get(HOST, "/").from(from).header("User-Agent", agent).send();
        let entry = self.gateway.entry_of(&answer);
        let observed = entry["would_block"].as_array().cloned().unwrap_or_default();
        let codes: Vec<_> = observed.iter().filter_map(Value::as_str).collect();
        format!("{} {} [{}]", answer.status, entry["reason"].as_str().unwrap_or("-"), codes.join(" "))
    }
}

const BROWSER: &str = "Mozilla/5.0";

#[test]
fn scanners_are_refused_before_the_sign_in_page_where_the_circuit_says_so() {
    let mut rules = start("access = \"members\"\nlogin = [\"password\"]\nblock_scanners = true");
    let page = rules.gateway.get(HOST, "/").browser().header("User-Agent", "sqlmap/1.7").send();
    assert_eq!((page.status, page.header("x-vestibule"), page.header("location")), (403, Some("rule"), None));
    assert_eq!(rules.gateway.entry_of(&page)["reason"], "bot_blocked");
    let form = rules.gateway.get(HOST, "/.vestibule/login").header("User-Agent", "Nikto/2.5").send();
    assert_eq!(form.status, 403);
    assert_eq!(rules.told(NOWHERE, BROWSER), "401 no_credentials []");
    let open = body(&rules.upstream, "access = \"public\"\nblock_scanners = true");
    rules.gateway.reconfigure(&open);
    assert_eq!(rules.told(NOWHERE, "Mozilla/5.0 (SQLMap)"), "403 bot_blocked []");
    assert_eq!(rules.told(NOWHERE, BROWSER), "200 - []");
    assert_eq!(rules.upstream.count(), 1);
    rules.gateway.reconfigure(&body(&rules.upstream, "access = \"public\""));
    assert_eq!(rules.told(NOWHERE, "sqlmap/1.7"), "200 - []");
}

#[test]
fn a_bad_name_refuses_or_is_recorded_and_the_list_is_read_again() {
    let upstream = Upstream::start();
    let mut gateway = Gateway::start(&body(&upstream, "access = \"public\""));
    let list = gateway.folder().join("abuse.netset");
    std::fs::write(&list, format!("# bad\n{NOWHERE}\n")).unwrap();
    let set = format!("[ip_sets]\nabuse = {{ file = \"{}\" }}\n", list.display());
    let more = |key: &str| {
        format!("{set}{}", body(&upstream, &format!("access = \"public\"\nreputation = {{ {key} = [\"@abuse\"] }}")))
    };
    gateway.reconfigure(&more("enforce"));
    let mut rules = Rules { gateway, upstream: Upstream::start() };
    assert_eq!(rules.told(NOWHERE, BROWSER), "403 reputation_ban []");
    assert_eq!(rules.told(GERMAN, BROWSER), "200 - []");
    std::fs::write(&list, format!("{GERMAN}\n")).unwrap();
    let body = rules.gateway.body().to_owned();
    rules.gateway.reconfigure(&body);
    assert_eq!(
        (rules.told(NOWHERE, BROWSER), rules.told(GERMAN, BROWSER)),
        ("200 - []".into(), "403 reputation_ban []".into())
    );
    let observing = more("observe");
    rules.gateway.reconfigure(&observing);
    let answer = rules.gateway.get(HOST, "/").from(GERMAN).send();
    let entry = rules.gateway.entry_of(&answer);
    assert_eq!((answer.status, &entry["would_block"]), (200, &json!(["reputation_ban"])));
    assert_eq!(entry["metadata"], json!({ "mode": "observe", "verdict": "reputation_ban" }));
    assert_eq!(rules.gateway.logs("requests", "would_block.contains=reputation_ban").len(), 1);
}

#[test]
fn a_list_that_is_not_there_yet_refuses_everybody_until_it_is_and_is_kept_from_then_on() {
    let (upstream, folder) = (Upstream::start(), tempfile::tempdir().unwrap());
    let list = folder.path().join("abuse.netset");
    let set = format!("[ip_sets]\nabuse = {{ file = {list:?} }}\n");
    let with = |rule: &str| format!("{set}{}", body(&upstream, &format!("access = \"public\"\n{rule}")));
    let mut rules = Rules {
        gateway: Gateway::start(&with("reputation = { enforce = [\"@abuse\"] }")),
        upstream: Upstream::start(),
    };
    assert_eq!(rules.told(GERMAN, BROWSER), "403 reputation_unavailable []");
    assert!(rules.gateway.output().contains("the file of \"@abuse\" is not there"), "{}", rules.gateway.output());
    rules.gateway.reconfigure(&with("reputation = { enforce = [\"@abuse\"] }\nobserve = [\"reputation\"]"));
    assert_eq!(rules.told(GERMAN, BROWSER), "200 - [reputation_unavailable]");
    rules.gateway.reconfigure(&with("reputation = { observe = [\"@abuse\"] }"));
    assert_eq!(rules.told(GERMAN, BROWSER), "200 - []");
    rules.gateway.reconfigure(&with("reputation = { enforce = [\"@abuse\"] }"));
    assert_eq!(rules.told(GERMAN, BROWSER), "403 reputation_unavailable []");

    std::fs::write(&list, format!("{NOWHERE}\n")).unwrap();
    let opens = || (rules.told(GERMAN, BROWSER) == "200 - []").then_some(());
    until(Duration::from_secs(5), "the list is taken as it comes", opens);
    assert_eq!(rules.told(NOWHERE, BROWSER), "403 reputation_ban []");

    // What was there and is gone changes nothing; another rule never waits.
    std::fs::remove_file(&list).unwrap();
    let refused = || (rules.gateway.metric("vestibule_config_last_reload_successful", &[]) as u64 == 0).then_some(());
    until(Duration::from_secs(5), "a refused reload", refused);
    assert_eq!(
        (rules.told(GERMAN, BROWSER), rules.told(NOWHERE, BROWSER)),
        ("200 - []".into(), "403 reputation_ban []".into())
    );
    let gateway = Setup::new(&with("ip_block = [\"@abuse\"]")).prepare();
    let checked = command(&["check", "-c"]).arg(gateway.config()).output().unwrap();
    let told = String::from_utf8_lossy(&checked.stderr).into_owned() + &String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(3), "{told}");
    assert!(told.contains("name the set in \"reputation\" alone"), "{told}");
}

#[test]
fn one_allow_list_suffices_where_the_circuit_says_any() {
    let lists =
        "access = \"public\"\nip_allow = [\"192.0.2.0/24\"]\ncountry_allow = [\"DE\"]\nip_block = [\"192.0.2.66\"]";
    let mut rules = start(lists);
    assert_eq!(rules.told(GERMAN, BROWSER), "403 ip_restricted []");
    assert_eq!(rules.told(NOWHERE, BROWSER), "403 country_restricted []");
    rules.gateway.reconfigure(&body(&rules.upstream, &format!("{lists}\nallow_match = \"any\"")));
    assert_eq!(rules.told(GERMAN, BROWSER), "200 - []");
    assert_eq!(rules.told(NOWHERE, BROWSER), "200 - []");
    assert_eq!(rules.told(CHINESE, BROWSER), "403 ip_restricted []");
    assert_eq!(rules.told("192.0.2.66", BROWSER), "403 ip_restricted []");
}

#[test]
fn what_is_observed_is_recorded_and_refuses_nobody() {
    let rules = start(
        "access = \"public\"\nrate_limits = [\"one\"]\nip_block = [\"198.51.100.0/24\"]\ncountry_block = [\"CN\"]\n\
         block_scanners = true\nobserve = [\"ip_block\", \"country\", \"scanner\", \"rate_limit\"]",
    );
    assert_eq!(rules.told(CHINESE, "sqlmap"), "200 - [ip_restricted country_restricted bot_blocked]");
    assert_eq!(rules.told(CHINESE, BROWSER), "200 - [ip_restricted country_restricted rate_limited_ip]");
    assert_eq!(rules.told(GERMAN, BROWSER), "200 - []");
    assert_eq!(rules.told(GERMAN, BROWSER), "200 - [rate_limited_ip]");
    assert_eq!(rules.upstream.count(), 4);
    assert_eq!(rules.gateway.logs("audit", "action=rate_limit.exceeded"), Vec::<Value>::new());
}
