//! The web pages of the admin port in a real browser.

use std::fs;
use std::path::Path;

use harness::chromium::WIDTH;
use harness::house::MAYA;
use harness::secrets::{ADMIN_TOKEN, OTHER_PASSWORD};
use harness::{Chromium, House};
use serde_json::json;

/// Becomes the title of a page that runs it.
const HOSTILE: [&str; 4] = [
    "<img src=x onerror=\"document.title='owned'\">",
    "\"><script>document.title='owned'</script>",
    "'-document.title='owned'-'",
    "</script></style><svg onload=\"document.title='owned'\">",
];

/// Where pictures of the pages are left to be looked at.
const PICTURES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/pages");

fn at(house: &House, target: &str) -> String {
    format!("http://{}{target}", house.gateway.admin_address())
}

/// Follows a link, as `vestibule admin-link` prints it.
#[track_caller]
fn sign_in(house: &House, browser: &Chromium) {
    let made = house.gateway.admin_request("POST", "/api/v1/admin-link").bearer(ADMIN_TOKEN).send();
    browser.open(&at(house, made.json()["path"].as_str().unwrap()));
    browser.press("form button");
    browser.reads("h1", "Overview");
}

/// Nothing of what strangers sent has run, and no rule of the page hinders the page itself.
#[track_caller]
fn is_harmless(browser: &Chromium) {
    assert!(browser.title().ends_with("· Vestibule"), "{} at {}", browser.title(), browser.url());
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
}

/// Fits a telephone, and is kept as a picture: wide, dark, narrow.
#[track_caller]
fn picture(browser: &Chromium, name: &str) {
    fs::create_dir_all(PICTURES).unwrap();
    for (width, dark, look) in [(1280, false, "light"), (1280, true, "dark"), (WIDTH, false, "narrow")] {
        browser.look(width, dark);
        assert!(browser.page_width() <= width, "{name} {look}: {} pixels", browser.page_width());
        fs::write(Path::new(PICTURES).join(format!("{name}-{look}.png")), browser.screenshot()).unwrap();
    }
    browser.look(1280, false);
}

#[test]
#[ignore = "needs Chromium and chromedriver; tests/run.sh installs them"]
fn chromium_pages_are_read_sorted_followed_and_change_things() {
    let house = House::start();
    house.session("mem.localhost", MAYA);
    for path in ["/one", "/two", "/three"] {
        house.get("pub.localhost", path).send();
    }
    house.gateway.logs_when("requests", "", 4);
    let browser = Chromium::start(true);
    sign_in(&house, &browser);
    picture(&browser, "overview");
    is_harmless(&browser);

    browser.open(&at(&house, "/logs/requests"));
    picture(&browser, "requests");
    browser.type_keys("/");
    browser.type_keys("two\u{e007}");
    browser.arrives_at(&at(&house, "/logs/requests?q=two"));
    browser.reads("tbody tr:last-child td:nth-child(5)", "/two");
    browser.open(&at(&house, "/logs/requests?circuit=pub"));
    browser.press("th:nth-child(5) a");
    browser.arrives_at(&at(&house, "/logs/requests?circuit=pub&sort=path&order=desc"));
    browser.reads("tbody tr:first-child td:nth-child(5)", "/two");
    browser.type_keys("j\u{e007}");
    browser.arrives_at(&at(&house, "/logs/requests/"));
    picture(&browser, "entry");
    is_harmless(&browser);

    browser.open(&at(&house, "/logs/requests"));
    browser.press("select[name=field] option[value=path]");
    browser.has("#values option[value='/three']");
    browser.write("[name=value]", "hre");
    browser.has("#values option:only-child[value='/three']");
    browser.press("form[role=search] button");
    browser.arrives_at(&at(&house, "/logs/requests?path=hre"));

    browser.open(&at(&house, "/logs/requests"));
    browser.type_keys("t");
    browser.arrives_at(&at(&house, "/logs/requests?live=1"));
    browser.reads("[data-live]", "Live: new entries come to the top.");
    house.get("pub.localhost", "/while-watching").header("User-Agent", HOSTILE[0]).send();
    browser.reads("tbody tr:first-child td:nth-child(5)", "/while-watching");
    is_harmless(&browser);

    browser.open(&at(&house, "/sessions"));
    browser.press("form[action='/sessions/revoke'] button");
    browser.reads("[role=status]", "The sessions are ended.");
    house.gateway.logs_when("audit", "action=session.revoke", 1);
    for page in [
        "logs/access",
        "logs/audit",
        "people",
        "sessions",
        "bans",
        "circuits",
        "circuits/mem",
        "config",
        "integrity",
        "status",
    ] {
        browser.open(&at(&house, &format!("/{page}")));
        picture(&browser, &page.replace('/', "-"));
        is_harmless(&browser);
    }
    browser.press("header form button");
    browser.reads("h1", "Sign in");
    picture(&browser, "sign-in");
}

/// Keys, as WebDriver spells them.
const ENTER: &str = "\u{e007}";
const SHIFT: &str = "\u{e008}";
const LEFT: &str = "\u{e012}";
const HOME: &str = "\u{e011}";
const TAB: &str = "\u{e004}";

/// Whoever has no mouse takes a stretch of time from the chart, as dragging over it does.
#[test]
#[ignore = "needs Chromium and chromedriver; tests/run.sh installs them"]
fn chromium_pages_take_a_time_from_the_chart_by_keys() {
    let house = House::start();
    house.get("pub.localhost", "/one").send();
    house.gateway.logs_when("requests", "", 1);
    let browser = Chromium::start(true);
    sign_in(&house, &browser);
    browser.open(&at(&house, "/logs/requests?range=1h&circuit=pub"));
    let hint = "Arrow keys go from bar to bar, with Shift they take several; Enter shows their time.";
    browser.reads("[data-brushed]", hint);
    // From what stands before the chart: it is one stop, and its last bar has the focus.
    browser.focus(".filters li:last-child a");
    browser.type_keys(TAB);
    let last = "svg[data-brush] a:last-of-type";
    assert_eq!(browser.focused("data-until"), browser.attribute(last, "data-until"));
    browser.type_keys(TAB);
    assert_eq!(browser.focused("data-until"), None, "one stop");
    browser.focus(last);
    browser.type_keys(LEFT);
    let until = browser.focused("data-until").unwrap();
    assert_ne!(Some(&until), browser.attribute(last, "data-until").as_ref());
    browser.type_keys_with(SHIFT, &[LEFT, LEFT]);
    let since = browser.focused("data-since").unwrap();
    let shown = |time: &str| time.replace('T', " ").chars().take(19).collect::<String>();
    browser.reads("[data-brushed]", &format!("{} to {}: Enter shows it.", shown(&since), shown(&until)));
    picture(&browser, "chart-by-keys");
    browser.type_keys("\u{e00c}");
    browser.reads("[data-brushed]", hint);
    let last_of_all = browser.focused("data-until").unwrap();
    browser.type_keys_with(SHIFT, &[HOME]);
    let first = browser.focused("data-since").unwrap();
    browser.type_keys(ENTER);
    browser.arrives_at(&at(&house, "/logs/requests?circuit=pub&since="));
    let url = browser.url();
    for time in [&first, &last_of_all] {
        assert!(url.contains(&harness::client::encode(time)), "{time}: {url}");
    }
    is_harmless(&browser);
}

#[test]
#[ignore = "needs Chromium and chromedriver; tests/run.sh installs them"]
fn chromium_pages_run_nothing_of_what_strangers_send() {
    let house = House::start();
    for hostile in HOSTILE {
        let request = house.get("pub.localhost", "/").header("User-Agent", hostile);
        request.header("Referer", &format!("http://x/{hostile}")).send();
        let form = [("email", hostile), ("password", OTHER_PASSWORD)];
        house.gateway.sign_in("mem.localhost", &form).header("User-Agent", hostile).send();
        let path = hostile.replace(' ', "%20").replace('"', "%22").replace(['<', '>'], "%3C");
        house.get("pub.localhost", &format!("/{path}?{path}")).send();
    }
    let ban = house.gateway.admin_request("POST", "/api/v1/bans").bearer(ADMIN_TOKEN);
    assert_eq!(ban.json(&json!({ "network": "203.0.113.7", "note": HOSTILE[0] })).send().status, 201);
    house.gateway.logs_when("requests", "", 12);
    let browser = Chromium::start(true);
    sign_in(&house, &browser);
    let all = "id,time,user_agent,email,referer,path,query";
    let mut targets = vec!["/".to_owned(), "/bans".to_owned(), format!("/logs/requests?fields={all}&fold=false")];
    targets.push("/logs/access?fields=time,email,user_agent".to_owned());
    targets.push("/logs/audit?fields=time,details,after".to_owned());
    targets.extend(HOSTILE.map(|hostile| format!("/logs/requests?q={}&path={0}", harness::client::encode(hostile))));
    for log in ["requests", "access", "audit"] {
        let entries = house.gateway.logs(log, "").into_iter().take(5);
        targets.extend(entries.map(|entry| format!("/logs/{log}/{}", entry["id"].as_str().unwrap())));
    }
    for target in &targets {
        browser.open(&at(&house, target));
        is_harmless(&browser);
    }
    for hostile in HOSTILE {
        browser.open(&at(&house, &format!("/sign-in?link={}&return={0}", harness::client::encode(hostile))));
        is_harmless(&browser);
    }
}

#[test]
#[ignore = "needs Chromium and chromedriver; tests/run.sh installs them"]
fn chromium_pages_work_without_scripts() {
    let house = House::start();
    for path in ["/one", "/two"] {
        house.get("pub.localhost", path).send();
    }
    house.gateway.logs_when("requests", "", 2);
    let browser = Chromium::start(false);
    sign_in(&house, &browser);
    browser.open(&at(&house, "/logs/requests"));
    browser.write("[name=q]", "two");
    browser.press("form[role=search] button");
    browser.arrives_at(&at(&house, "/logs/requests?q=two"));
    browser.reads("tbody tr:last-child td:nth-child(5)", "/two");
    browser.press("tbody tr:last-child td:first-child a");
    browser.arrives_at(&at(&house, "/logs/requests/"));
    browser.open(&at(&house, "/logs/requests?live=1"));
    browser.reads("[data-live]", "Loads itself again every few seconds.");
    browser.open(&at(&house, "/bans"));
    browser.write("[name=network]", "203.0.113.9");
    browser.press("form[action='/bans'] button");
    browser.reads("[role=status]", "The network is kept out from the next request on.");
}

#[test]
#[ignore = "needs Chromium and chromedriver; tests/run.sh installs them"]
fn chromium_pages_change_the_configuration_and_go_back() {
    let mut house = House::start();
    let narrow = house.gateway.body().to_owned();
    house.gateway.reconfigure(&narrow.replacen("access = \"members\"", "access = \"public\"", 1));
    let file = house.gateway.config().display().to_string();
    let target = format!("file={}", harness::client::encode(&file));
    let browser = Chromium::start(true);
    sign_in(&house, &browser);
    browser.open(&at(&house, "/config"));
    picture(&browser, "config");
    browser.open(&at(&house, &format!("/config/edit?{target}")));
    let text = house.gateway.admin(&format!("/api/v1/config?{target}")).text();
    let wider = text.replacen("access = \"allowlist\"\nallow = []", "access = \"public\"", 1);
    let wider = wider.replacen("shared = { password_hash = \"[hidden]\" }", "", 1);
    browser.write("#text", &wider);
    picture(&browser, "config-edit");
    browser.press("button[formaction='/config/check']");
    browser.reads("[role=alert] li", "pw opens to: everybody");
    picture(&browser, "config-widened");
    is_harmless(&browser);
    browser.press("[name=widens]");
    browser.press("button:not([formaction]):not(.plain)");
    browser.reads("[role=status]", "The change stands in the file and is in force.");
    assert_eq!(house.get("pw.localhost", "/").send().status, 200);

    let browser = Chromium::start(false);
    sign_in(&house, &browser);
    browser.open(&at(&house, "/config"));
    browser.press("tbody tr:nth-child(3) td:first-child a");
    browser.arrives_at(&at(&house, "/config/revisions/"));
    browser.reads("h2", "What going back would change");
    picture(&browser, "config-revision");
    browser.press("form[action='/config/rollback'] button");
    browser.reads("[role=status]", "The files are as they were in that revision, and in force.");
    assert_eq!(house.get("pw.localhost", "/").send().status, 401);
    house.gateway.logs_when("audit", "action=config.rollback&status=success", 1);
}
