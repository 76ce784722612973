//! What is shipped for Prometheus and Grafana is about metrics that exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use harness::{House, until};
use serde_json::Value;

/// The metrics of the contract; each is on the dashboard.
const PROMISED: [&str; 15] = [
    "vestibule_requests_total",
    "vestibule_denials_total",
    "vestibule_attempts_total",
    "vestibule_rate_limited_total",
    "vestibule_request_duration_seconds_bucket",
    "vestibule_upstream_duration_seconds_bucket",
    "vestibule_active_connections",
    "vestibule_log_queue_depth",
    "vestibule_log_dropped_total",
    "vestibule_log_entries_total",
    "vestibule_log_bytes",
    "vestibule_limiter_keys",
    "vestibule_config_last_reload_successful",
    "vestibule_sessions",
    "vestibule_certificate_expiry_seconds",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/grafana")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

/// What the panels ask.
fn questions(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// Metrics that a text names, each with what stands in braces behind it.
fn metrics(text: &str) -> Vec<(String, String)> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let found = text.match_indices("vestibule_").filter(|(at, _)| !text[..*at].ends_with(is_name));
    let metric = |(at, _): (usize, &str)| {
        let rest = &text[at..];
        let (name, rest) = rest.split_at(rest.find(|c| !is_name(c)).unwrap_or(rest.len()));
        let labels = rest.strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or_default();
        (name.to_owned(), labels.to_owned())
    };
    found.map(metric).collect()
}

/// Whether the page has such a metric, also one without a value yet.
fn is_on(page: &str, name: &str) -> bool {
    let family = ["_total", "_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let kind = |kind: &str| page.contains(&format!("# TYPE {family} {kind}\n"));
    match name.strip_prefix(family).unwrap_or_default() {
        "_total" => kind("counter"),
        "" => kind("gauge"),
        _ => kind("histogram"),
    }
}

/// Whether some line of the metric has what a matcher asks for; one with a variable of Grafana asks for the label only.
fn can_match(page: &str, name: &str, matcher: &str) -> bool {
    let (label, wanted) = matcher.split_once(['=', '!']).unwrap();
    let wanted = wanted.trim_start_matches(['=', '~']).trim_matches('"');
    let has = |value: &str| {
        let part = if value.contains('$') { format!("{label}=\"") } else { format!("{label}=\"{value}\"") };
        page.lines().any(|line| line.starts_with(&format!("{name}{{")) && line.contains(&part))
    };
    wanted.split('|').all(has)
}

#[test]
fn dashboard_and_rules_are_about_metrics_that_exist() {
    let house = House::start();
    house.gateway.get("mem.localhost", "/").send();
    let page = until(Duration::from_secs(5), "a request is counted", || {
        Some(house.gateway.admin("/metrics").text()).filter(|page| page.contains("vestibule_requests_total{"))
    });
    let dashboard: Value = serde_json::from_str(&read("dashboard.json")).unwrap();
    let mut asked = questions(&dashboard);
    asked.push(dashboard["templating"]["list"][1]["definition"].as_str().unwrap().to_owned());
    let shown: BTreeSet<String> = asked.iter().flat_map(|text| metrics(text)).map(|(name, _)| name).collect();
    let missing: Vec<_> = PROMISED.iter().filter(|name| !shown.contains(**name)).collect();
    assert!(missing.is_empty(), "not on the dashboard: {missing:?}");

    let expressions =
        read("alerts.yml").lines().filter(|line| !line.contains("description")).collect::<Vec<_>>().join("\n");
    asked.push(expressions);
    for (name, labels) in asked.iter().flat_map(|text| metrics(text)) {
        assert!(is_on(&page, &name), "{name} is no metric");
        // No request has failed at its upstream here.
        for matcher in labels.split(',').filter(|matcher| !matcher.is_empty() && !matcher.contains("proxy_error")) {
            assert!(can_match(&page, &name, matcher), "{name} has no {matcher}");
        }
    }
}

#[test]
fn panels_have_names_of_their_own_and_stand_beside_each_other() {
    let dashboard: Value = serde_json::from_str(&read("dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let titles: BTreeSet<_> = panels.iter().map(|panel| panel["title"].as_str().unwrap()).collect();
    assert_eq!(titles.len(), panels.len());
    let number = |panel: &Value, member: &str| panel["gridPos"][member].as_u64().unwrap();
    let mut taken = BTreeSet::new();
    for panel in panels {
        let (x, y) = (number(panel, "x"), number(panel, "y"));
        assert!(x + number(panel, "w") <= 24, "{panel}");
        for place in (x..x + number(panel, "w")).flat_map(|x| (y..y + number(panel, "h")).map(move |y| (x, y))) {
            assert!(taken.insert(place), "{place:?} is taken: {panel}");
        }
    }
}

/// Prometheus' own program reads the rules, tries them, and reads every question of the dashboard.
#[test]
fn promtool_reads_the_rules_and_the_dashboard() {
    let promtool = std::env::var_os("VESTIBULE_PROMTOOL").expect("tests/run.sh names promtool");
    let run = |arguments: &[&str]| {
        let output = Command::new(&promtool).args(arguments).current_dir(folder()).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
    };
    run(&["check", "rules", "--lint=all", "--lint-fatal", "alerts.yml"]);
    run(&["test", "rules", "../../tests/it/alert_rules.yml"]);
    let dashboard: Value = serde_json::from_str(&read("dashboard.json")).unwrap();
    let rules: String = questions(&dashboard)
        .iter()
        .enumerate()
        .map(|(at, question)| {
            let question = question.replace("$__rate_interval", "5m").replace("$circuit", ".*");
            format!("  - record: question:{at}\n    expr: {}\n", serde_json::json!(question))
        })
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("groups:\n- name: dashboard\n  rules:\n{rules}")).unwrap();
    run(&["check", "rules", file.path().to_str().unwrap()]);
}
