//! How long the pages of the admin port take on a large request log, and how many bytes they are.

use std::path::Path;
use std::time::Instant;

use harness::secrets::ADMIN_TOKEN;
use harness::{Gateway, Response};

use crate::{Plan, contender, reading};

/// What a page may take once the heads of the log are known, in milliseconds, and how long it may be.
const MS_BOUND: f64 = 50.0;
const BYTES_BOUND: usize = 100_000;

/// A start may take so long, in seconds.
const START_BOUND: f64 = 2.0;

/// Each is asked so often; the first time counts as cold, and of the others the fastest.
const TIMES: usize = 6;

/// Views that people begin with, then questions of which each looks at another part of the log.
const PAGES: [&str; 24] = [
    "/",
    "/?range=1h",
    "/logs/requests",
    "/logs/requests?range=1h",
    "/logs/requests?range=7d",
    "/logs/requests?range=30d",
    "/logs/requests?range=all",
    "/logs/requests?range=all&action=blocked",
    "/logs/requests?range=all&status_code.min=500",
    "/logs/requests?range=all&method=POST&status_code=404",
    "/logs/requests?range=all&source_ip=203.0.113.7",
    "/logs/requests?range=all&path.prefix=/api",
    "/logs/requests?range=all&sort=duration_ms&order=desc",
    "/logs/requests?range=all&q=zebra-quokka",
    "/logs/requests?range=7d&user_agent.contains=curl",
    "/logs/access?range=all",
    "/logs/audit?range=all",
    "/people",
    "/sessions",
    "/bans",
    "/circuits",
    "/config",
    "/integrity",
    "/status",
];

/// Fills a log where the folder has none yet, starts a gateway on it, and prints what each page took.
///
/// # Panics
/// When a figure is not reached.
pub(crate) fn measure(plan: &Plan) {
    let folder = tempfile::tempdir().unwrap();
    let data = plan.data.clone().unwrap_or_else(|| folder.path().join("data"));
    if !data.join("logs").exists() {
        reading::fill(plan.pages_entries, &data.join("logs"));
    }
    let origin = contender::origin(folder.path());
    let (gateway, seconds) = start(origin.address, &data);
    println!("start on {} entries: {seconds:.2} s, to be reached: {START_BOUND:.0} s", plan.pages_entries);
    let signed_in = gateway.admin_request("POST", "/sign-in").form(&[("token", ADMIN_TOKEN)]).send();
    let cookie = signed_in.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    println!("{:60} {:>9} {:>9} {:>8}", "page", "first ms", "then ms", "bytes");
    let mut slow = seconds > START_BOUND;
    for page in PAGES {
        let ask = || gateway.admin_request("GET", page).cookie(&cookie).send();
        let (answers, times): (Vec<_>, Vec<_>) = (0..TIMES).map(|_| timed(ask)).unzip();
        let Some((first, then)) = times.split_first() else { continue };
        let then = then.iter().copied().fold(f64::INFINITY, f64::min);
        let bytes = answers.iter().map(|answer: &Response| answer.body.len()).max().unwrap();
        assert!(answers.iter().all(|answer| answer.status == 200), "{page}");
        let is_slow = then > MS_BOUND || bytes > BYTES_BOUND;
        println!("{page:60} {first:9.1} {then:9.1} {bytes:8}{}", if is_slow { " !" } else { "" });
        slow |= is_slow;
    }
    assert!(!slow, "to be reached: {MS_BOUND} ms and {BYTES_BOUND} bytes a page");
}

/// A gateway on the folder, and the seconds until it was ready.
fn start(origin: std::net::SocketAddr, data: &Path) -> (Gateway, f64) {
    let setup = contender::house(origin).data_dir(data);
    let began = Instant::now();
    let gateway = setup.start();
    (gateway, began.elapsed().as_secs_f64())
}

fn timed(ask: impl Fn() -> Response) -> (Response, f64) {
    let began = Instant::now();
    let answer = ask();
    (answer, began.elapsed().as_secs_f64() * 1e3)
}
