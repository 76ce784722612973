//! What `deploy/docs/features.md` promises: each line names tests that are there, and what no other test asks in these
//! words is asked here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use harness::house::MAYA;
use harness::secrets::ADMIN_TOKEN;
use harness::{Connection, Gateway, House, Provider, Upstream, until};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// `MODULE::TEST` of this package, or `FILE::TEST` from the top on.
fn exists(test: &str) -> bool {
    let Some((file, name)) = test.rsplit_once("::") else { return false };
    let own = format!("tests/it/{}", file.replace("::", "/"));
    let files = if file.contains('/') {
        [file.to_owned(), String::new()]
    } else {
        [format!("{own}.rs"), format!("{own}/mod.rs")]
    };
    let named = format!("fn {name}(");
    files.iter().any(|file| std::fs::read_to_string(root().join(file)).is_ok_and(|text| text.contains(&named)))
}

#[test]
fn every_line_names_tests_that_are_there() {
    let text = std::fs::read_to_string(root().join("deploy/docs/features.md")).unwrap();
    let rows =
        text.lines().filter_map(|line| line.strip_prefix("| ")).map(|line| line.split(" | ").collect::<Vec<_>>());
    let rows: Vec<_> = rows.filter(|cells| cells[0].ends_with(|last: char| last.is_ascii_digit())).collect();
    let numbers: BTreeSet<_> = rows.iter().map(|cells| cells[0].to_owned()).collect();
    let all = [('C', 38), ('D', 12), ('E', 18), ('F', 17)];
    let all = all.iter().flat_map(|(group, last)| (1..=*last).map(move |number| format!("{group}{number}")));
    assert_eq!(numbers, all.collect::<BTreeSet<_>>(), "each number once");
    assert_eq!(rows.len(), numbers.len());
    for cells in rows {
        let tests: Vec<_> = cells[2].split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "{} names no test", cells[0]);
        tests.iter().for_each(|test| assert!(exists(test), "{}: there is no test {test}", cells[0]));
    }
}

/// curl as people call it, with a jar for its cookies.
struct Terminal {
    folder: tempfile::TempDir,
}

impl Terminal {
    fn open() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Status, where it leads, and the body.
    #[track_caller]
    fn curl(&self, arguments: &[&str]) -> (u16, String, Vec<u8>) {
        let at = |name: &str| self.folder.path().join(name);
        let mut curl = Command::new("curl");
        curl.args(["-s", "--max-time", "20", "-w", "%{http_code} %{redirect_url}", "-o"]).arg(at("body"));
        curl.arg("-c").arg(at("jar")).arg("-b").arg(at("jar")).args(arguments);
        let output = curl.output().unwrap();
        assert!(output.status.success(), "curl {arguments:?}: {}", output.status);
        let told = String::from_utf8(output.stdout).unwrap();
        let (status, location) = told.split_once(' ').unwrap();
        (status.parse().unwrap(), location.to_owned(), std::fs::read(at("body")).unwrap_or_default())
    }

    /// As a browser asks for a page.
    #[track_caller]
    fn page(&self, url: &str) -> (u16, String, Vec<u8>) {
        self.curl(&["-H", "Accept: text/html", url])
    }
}

fn two_circuits(provider: &Provider, upstream: &Upstream) -> String {
    let circuit = |name: &str, login: &str| {
        format!(
            "[circuits.{name}]\nhosts = [\"{name}.localhost\"]\nupstream = \"{}\"\naccess = \"allowlist\"\n\
             allow = [\"{MAYA}\"]\nlogin = [{login}]\n",
            upstream.url()
        )
    };
    provider.toml("corp", "") + &circuit("wiki", "\"sso:corp\"") + &circuit("both", "\"sso:corp\", \"password\"")
}

#[test]
fn curl_is_led_to_a_provider_and_back_to_the_whole_address_and_a_callback_is_good_once() {
    let (provider, upstream) = (Provider::start(), Upstream::start());
    let gateway = Gateway::start(&two_circuits(&provider, &upstream));
    let at = |circuit: &str| format!("http://{circuit}.localhost:{}/a?x=1&y=2", gateway.proxy().port());
    let (status, _, body) = Terminal::open().curl(&["-L", "-H", "Accept: text/html", &at("wiki")]);
    let told: Value = serde_json::from_slice(&body).unwrap_or_default();
    assert_eq!((status, told["target"].as_str()), (200, Some("/a?x=1&y=2")), "{}", String::from_utf8_lossy(&body));

    let step_by_step = Terminal::open();
    let (_, to_provider, _) = step_by_step.page(&at("wiki"));
    assert!(to_provider.starts_with(&provider.issuer()), "the only way in is asked at once: {to_provider}");
    let (_, callback, _) = step_by_step.page(&to_provider);
    let (status, back, _) = step_by_step.page(&callback);
    assert_eq!((status, back), (303, at("wiki")));
    assert_eq!(step_by_step.page(&callback).0, 400, "the same callback once more");

    let (status, to_page, _) = Terminal::open().page(&at("both"));
    assert_eq!(status, 302);
    assert!(to_page.contains("/.vestibule/login?return="), "several ways in are chosen from: {to_page}");
}

#[test]
fn a_flood_of_wrong_pins_is_a_few_rows_whose_counts_are_all_of_them() {
    let house = House::start();
    let count = 1000;
    harness::load::parallel(4, count, |_| house.gateway.sign_in("pin.localhost", &[("pin", "654321")]));
    let total = |query: &str| {
        let answer = house.gateway.admin(&format!("/api/v1/logs/access?{query}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    until(Duration::from_secs(3), "an entry for each", || {
        (total("count=true&limit=1")["total"] == count).then_some(())
    });
    let folded = total("fold=true&limit=1000");
    let rows = folded["data"].as_array().unwrap();
    let sum: u64 = rows.iter().map(|row| row["event_count"].as_u64().unwrap()).sum();
    assert_eq!(sum, count as u64);
    assert!(rows.len() < 30, "{} rows", rows.len());
}

#[test]
fn the_last_of_five_thousand_entries_is_reached_page_by_page() {
    let house = House::start();
    let count = 5000;
    assert_eq!(visit(&house.gateway, "pub.localhost", count, |_| "203.0.113.1".to_owned()), count);
    house.gateway.logs_when("requests", "seq=4999", 1);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = house.gateway.admin(&format!("/api/v1/logs/requests?limit=250&fields=seq{cursor}")).json();
        seen.extend(page["data"].as_array().unwrap().iter().map(|row| row["seq"].as_u64().unwrap()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
        assert!(seen.len() <= count, "it ends");
    }
    // Some that came at the same time are not in the order in which they were written.
    seen.sort_unstable();
    assert_eq!(seen, (0..count as u64).collect::<Vec<_>>(), "each once");
    let numbered = "/api/events/proxy?page=50&page_size=100&sort_by=timestamp&sort_order=desc";
    let last = house.gateway.admin(numbered).json();
    assert_eq!(
        (last["data"].as_array().unwrap().len(), &last["total_pages"]),
        (100, &Value::from(50)),
        "by numbers too"
    );
}

#[test]
fn what_is_older_than_its_log_keeps_is_gone_after_a_start_and_stated_and_the_rest_verifies() {
    let mut house = House::with("[logs.requests]\nkeep = \"3s\"\n");
    house.session("mem.localhost", MAYA);
    for _ in 0..3 {
        house.get("pub.localhost", "/old").send();
    }
    let old = house.gateway.logs_when("requests", "path=/old", 3).len();
    house.gateway.stop();
    let start = Instant::now();
    until(Duration::from_secs(6), "more than is kept", || {
        (start.elapsed() > Duration::from_millis(3100)).then_some(())
    });
    house.gateway.launch();
    house.get("pub.localhost", "/new").send();
    until(Duration::from_secs(5), "the old ones are gone", || {
        (house.gateway.logs("requests", "").iter().all(|row| row["path"] != "/old")).then_some(())
    });
    assert_eq!(house.gateway.logs_when("requests", "path=/new", 1).len(), 1, "newer ones stay");
    assert_eq!(house.gateway.logs("access", "status=success").len(), 1, "each log keeps its own time");
    let said = house.gateway.logs_when("audit", "action=log.prune", 1);
    let gone: u64 = said.iter().map(|row| row["details"]["entries"].as_u64().unwrap()).sum();
    assert!(gone > old as u64, "the sign-in's request too: {said:#?}");
    let verified = house.gateway.admin_request("POST", "/api/v1/integrity/verify").bearer(ADMIN_TOKEN).send();
    assert_eq!(verified.json()["valid"], true, "{}", verified.text());
}

#[test]
fn a_hundred_thousand_addresses_take_bounded_memory_and_free_nobody_who_is_limited() {
    let mut house = House::with("[rate_limits.few]\nper = \"ip\"\nrate = \"1/h\"\n");
    let limited = "hosts = [\"pub.localhost\"]\nrate_limits = [\"few\"]\nlog = { requests = \"blocked\" }";
    let body = house.gateway.body().replace("hosts = [\"pub.localhost\"]", limited);
    house.gateway.reconfigure(&body);
    let guest = || house.get("pub.localhost", "/").from("203.0.113.9").send().status;
    assert_eq!([guest(), guest()], [200, 429]);
    let before = house.gateway.peak_memory();
    let count = 110_000;
    let admitted = visit(&house.gateway, "pub.localhost", count, |number| {
        format!("10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255)
    });
    let keys = house.gateway.metric("vestibule_limiter_keys", &["few"]);
    assert!((90_000.0..=100_000.0).contains(&keys), "{keys} of {count} are kept");
    // All of them are limited, so that the rest finds no room, and is refused rather than let in uncounted.
    assert!((90_000..=100_100).contains(&admitted), "{admitted} of {count} were let in");
    let grown = (house.gateway.peak_memory() - before) >> 20;
    assert!(grown < 200, "{grown} MiB");
    assert_eq!(guest(), 429, "who is limited is not forgotten");
}

/// Sends so many requests over four connections, each from an address of its own. How many were let in; the others were
/// limited.
fn visit(gateway: &Gateway, host: &str, count: usize, address: impl Fn(usize) -> String + Sync) -> usize {
    let workers = 4;
    let visit = |worker: usize| {
        let mut connection = Connection::open(gateway.proxy()).unwrap();
        let statuses = (worker..count).step_by(workers).map(|number| {
            let status = connection.send(&gateway.get(host, "/").from(&address(number))).unwrap().status;
            assert!(matches!(status, 200 | 429), "{status}");
            status
        });
        statuses.filter(|status| *status == 200).count()
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..workers).map(|worker| scope.spawn(move || visit(worker))).collect();
        all.into_iter().map(|one| one.join().unwrap()).sum()
    })
}
