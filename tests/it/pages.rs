//! The web pages of the admin port, as HTML: for browsers without script, and for whoever tries what he may not.

use harness::house::MAYA;
use harness::secrets::{ADMIN_TOKEN, AUDITOR_TOKEN, OTHER_PASSWORD, READER_TOKEN};
use harness::{Gateway, House, Request, Response};

/// Somebody at the pages, with the cookie of a sign-in.
pub(crate) struct Reader<'a> {
    gateway: &'a Gateway,
    cookie: String,
}

impl<'a> Reader<'a> {
    /// Signs in with a token, as the form does.
    #[track_caller]
    pub(crate) fn sign_in(gateway: &'a Gateway, token: &str) -> Self {
        let answer = gateway.admin_request("POST", "/sign-in").form(&[("token", token)]).send();
        assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{}", answer.text());
        Self { gateway, cookie: cookie(&answer) }
    }

    pub(crate) fn ask(&self, method: &str, target: &str) -> Request {
        self.gateway.admin_request(method, target).cookie(&self.cookie)
    }

    #[track_caller]
    pub(crate) fn page(&self, target: &str) -> String {
        let answer = self.ask("GET", target).send();
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{target}");
        assert!(answer.body.len() < 100 * 1024, "{target} has {} bytes", answer.body.len());
        answer.text()
    }

    /// What the forms of its pages carry.
    #[track_caller]
    fn csrf(&self) -> String {
        let page = self.page("/");
        page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }

    /// Sends a form as a page of its own does.
    #[track_caller]
    pub(crate) fn send(&self, target: &str, fields: &[(&str, &str)]) -> Response {
        let csrf = self.csrf();
        let fields: Vec<_> = fields.iter().copied().chain([("csrf", csrf.as_str())]).collect();
        let origin = format!("http://{}", self.gateway.admin_address());
        self.ask("POST", target).header("Origin", &origin).form(&fields).send()
    }
}

/// `NAME=VALUE` of what was set.
fn cookie(answer: &Response) -> String {
    answer.header("set-cookie").unwrap_or_default().split(';').next().unwrap_or_default().to_owned()
}

#[test]
fn a_link_opens_the_pages_once_and_leaves_entries() {
    let house = House::start();
    let made = house.gateway.admin_request("POST", "/api/v1/admin-link").bearer(AUDITOR_TOKEN).send();
    assert_eq!(made.status, 201, "{}", made.text());
    let path = made.json()["path"].as_str().unwrap().to_owned();
    let code = path.split_once('=').unwrap().1.to_owned();
    for _ in 0..2 {
        let page = house.gateway.admin_request("GET", &path).send();
        assert!(page.status == 200 && page.text().contains(&code), "looking does not use it up");
    }
    let follow =
        || house.gateway.admin_request("POST", "/sign-in").form(&[("link", &code), ("return", "/people")]).send();
    let answer = follow();
    assert_eq!((answer.status, answer.header("location")), (303, Some("/people")));
    let set = answer.header("set-cookie").unwrap();
    assert!(
        set.starts_with("vestibule-admin=") && set.contains("HttpOnly") && set.contains("SameSite=Strict"),
        "{set}"
    );
    assert!(!set.contains("Secure"), "the browser said nothing of TLS: {set}");
    let reader = Reader { gateway: &house.gateway, cookie: cookie(&answer) };
    let origin = format!("https://{}", house.gateway.admin_address());
    let over_tls = house.gateway.admin_request("POST", "/sign-in").header("Origin", &origin);
    let set = over_tls.form(&[("token", AUDITOR_TOKEN)]).send();
    assert!(set.header("set-cookie").unwrap().contains("; Secure;"), "{set:?}");
    assert!(reader.page("/people").contains("· auditor"));
    assert_eq!(follow().status, 401, "it is used up");
    let entries = house.gateway.logs_when("audit", "action.prefix=admin.l", 3);
    let told: Vec<_> =
        entries.iter().map(|entry| (entry["action"].as_str().unwrap(), entry["actor"].as_str().unwrap())).collect();
    assert_eq!(told, [("admin.login", "audit"), ("admin.login", "audit"), ("admin.link", "audit")]);

    assert_eq!(reader.send("/sign-out", &[]).header("location"), Some("/sign-in"));
    let answer = reader.ask("GET", "/people").send();
    assert_eq!((answer.status, answer.header("location")), (303, Some("/sign-in?return=/people")));
    house.gateway.logs_when("audit", "action=admin.logout", 1);
}

#[test]
fn the_cookie_opens_pages_alone_and_a_token_the_api_alone() {
    let mut house = House::start();
    let body = house.gateway.body().to_owned();
    {
        let reader = Reader::sign_in(&house.gateway, ADMIN_TOKEN);
        assert_eq!(reader.ask("GET", "/api/v1/status").send().status, 401);
        assert_eq!(reader.ask("DELETE", "/api/v1/sessions?all=true").send().status, 401);
        assert_eq!(house.gateway.admin_request("GET", "/").bearer(ADMIN_TOKEN).send().status, 303);
        let foreign = Request::new(house.gateway.admin_address(), "GET", "evil.example", "/").cookie(&reader.cookie);
        assert_eq!(foreign.send().status, 421);
        let wrong = house.gateway.admin_request("POST", "/sign-in").form(&[("token", "vsta_wrong")]).send();
        assert!(wrong.status == 401 && wrong.header("set-cookie").is_none() && wrong.text().contains("not known"));
        assert_eq!(
            house.gateway.admin_request("GET", "/sign-in?return=//evil.example/").send().text().matches("evil").count(),
            0
        );
    }
    // A token that is taken away takes its sign-ins with it.
    let more = format!("{body}\n[admin.tokens.guest]\nrole = \"reader\"\nhash = \"sha256:{GUEST_HASH}\"\n");
    house.gateway.reconfigure(&more);
    let cookie = Reader::sign_in(&house.gateway, "vsta_guest").cookie;
    house.gateway.reconfigure(&body);
    assert_eq!(Reader { gateway: &house.gateway, cookie }.ask("GET", "/").send().status, 303);
}

/// SHA-256 of the token `vsta_guest`.
const GUEST_HASH: &str = "a2f59dde179571e514375d5d2f76bb731747cc2e87008029b92e58d7ecabcc62";

#[test]
fn forms_of_other_sites_and_of_other_sign_ins_change_nothing() {
    let house = House::start();
    let reader = Reader::sign_in(&house.gateway, ADMIN_TOKEN);
    let csrf = reader.csrf();
    let ban = |origin: &str, csrf: &str| {
        let request = reader.ask("POST", "/bans").header("Origin", origin);
        request.form(&[("network", "203.0.113.7"), ("csrf", csrf)]).send()
    };
    let own = format!("http://{}", house.gateway.admin_address());
    let other = Reader::sign_in(&house.gateway, ADMIN_TOKEN).csrf();
    for (origin, csrf) in [("http://evil.example", csrf.as_str()), ("null", &csrf), (&own, ""), (&own, &other)] {
        let answer = ban(origin, csrf);
        assert_eq!(answer.status, 403, "{origin} {csrf}");
        assert!(answer.text().contains("cross_site"), "{}", answer.text());
    }
    assert_eq!(house.gateway.admin("/api/v1/bans").json()["data"].as_array().unwrap().len(), 0);
    assert_eq!(ban(&own, &csrf).status, 303);
    assert_eq!(house.gateway.admin("/api/v1/bans").json()["data"][0]["network"], "203.0.113.7/32");
    let denied = house.gateway.logs_when("audit", "status=denied&resource=/bans", 1);
    assert_eq!(denied[0]["http_status"], 403);
}

#[test]
fn roles_show_in_what_pages_offer_and_in_what_is_done() {
    let house = House::start();
    let session = house.session("mem.localhost", MAYA);
    let reader = Reader::sign_in(&house.gateway, READER_TOKEN);
    let page = reader.page("/sessions");
    assert!(page.contains(MAYA) && !page.contains("/sessions/revoke"), "{page}");
    assert!(!reader.page("/logs/access").contains("/export?"));
    assert_eq!(reader.ask("GET", "/logs/access/export?format=csv").send().status, 403);
    assert_eq!(reader.send("/sessions/revoke", &[("user", MAYA)]).status, 403);
    assert_eq!(reader.send("/integrity/verify", &[]).status, 403);

    let admin = Reader::sign_in(&house.gateway, ADMIN_TOKEN);
    let page = admin.page("/sessions");
    let id = page.split("name=\"id\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let answer = admin.send("/sessions/revoke", &[("id", id)]);
    assert_eq!(answer.header("location"), Some("/sessions?done=revoked"), "{}", answer.text());
    assert!(admin.page("/sessions?done=revoked").contains("The sessions are ended."));
    assert_ne!(house.get("mem.localhost", "/").cookie(&session).send().status, 200);
    house.gateway.logs_when("audit", "action=session.revoke&actor=ops", 1);
    assert_eq!(admin.send("/sessions/revoke", &[("id", id)]).status, 404);

    assert_eq!(admin.send("/bans", &[("network", "203.0.113.0/24"), ("for", "1h"), ("note", "<b>")]).status, 303);
    let page = admin.page("/bans");
    assert!(page.contains("203.0.113.0/24") && page.contains("&#60;b&#62;"), "{page}");
    let id = page.split("name=\"id\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(admin.send("/bans/remove", &[("id", id)]).header("location"), Some("/bans?done=unbanned"));
}

#[test]
fn a_page_and_the_api_say_the_same() {
    let house = House::start();
    house.session("mem.localhost", MAYA);
    house.gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", OTHER_PASSWORD)]).send();
    for path in ["/a", "/b", "/c"] {
        house.get("pub.localhost", path).send();
    }
    house.get("mem.localhost", "/").send();
    house.gateway.logs_when("requests", "", 6);
    let reader = Reader::sign_in(&house.gateway, AUDITOR_TOKEN);
    for (log, question) in [
        ("requests", "circuit=pub&sort=path&order=asc"),
        ("requests", "outcome=denied"),
        ("requests", "path.prefix=/.vestibule&q=LOGIN"),
        ("access", "result=failed,success&sort=email"),
        ("audit", "action=system.start"),
    ] {
        let ids: Vec<_> =
            house.gateway.logs(log, question).iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect();
        assert!(!ids.is_empty(), "{log} {question}");
        let page = reader.page(&format!("/logs/{log}?{question}"));
        let link = format!("<td><a href=\"/logs/{log}/");
        let shown: Vec<_> = page.split(&link).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect();
        assert_eq!(shown, ids, "{log} {question}");
        let export = reader.ask("GET", &format!("/logs/{log}/export?{question}&format=ndjson")).send();
        assert_eq!(export.text().lines().count(), ids.len(), "{log} {question}");
    }
    let stats = house.gateway.admin("/api/v1/stats").json();
    let page = reader.page("/");
    assert!(page.contains(&format!("<dd>{}</dd>", stats["total"])), "{page}");
    let entry = &house.gateway.logs("access", "status=failure")[0];
    let page = reader.page(&format!("/logs/access/{}", entry["id"].as_str().unwrap()));
    for part in ["invalid_password", MAYA, "Of the same request in the requests log", "attempt_id"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let proof = reader.ask("GET", &format!("/logs/access/{}/proof", entry["id"].as_str().unwrap())).send();
    assert!(proof.status == 200 && proof.header("content-disposition").unwrap().contains("attachment"));
    assert!(proof.text().starts_with("c2sp.org/tlog-proof@v1\n"), "{}", proof.text());
    for target in ["/people", "/sessions", "/bans", "/circuits", "/circuits/mem", "/config", "/integrity", "/status"] {
        reader.page(target);
    }
    assert!(reader.page("/people").contains(MAYA));
    let url = "http://mem.localhost/";
    let explained = house.gateway.admin_request("POST", "/api/v1/policy/explain").bearer(READER_TOKEN);
    let explained = explained.json(&serde_json::json!({ "url": url, "user": "eve@example.net" })).send().json();
    let page = reader.page(&format!("/why?url={}&user=eve%40example.net", harness::client::encode(url)));
    for layer in explained["layers"].as_array().unwrap() {
        assert!(page.contains(&format!("<td>{}</td>", layer["layer"].as_str().unwrap())), "{layer}: {page}");
    }
    assert!(page.contains(explained["decision"].as_str().unwrap()), "{explained}: {page}");
}

#[test]
fn every_filter_of_the_form_becomes_part_of_the_address() {
    let house = House::start();
    let reader = Reader::sign_in(&house.gateway, READER_TOKEN);
    let typed = "/logs/requests?range=1h&q=&since=&until=&field=path&op=.contains&value=a%2Cb";
    let answer = reader.ask("GET", typed).send();
    assert_eq!((answer.status, answer.header("location")), (303, Some("/logs/requests?range=1h&path.contains=a%5C,b")));
    assert!(reader.page("/logs/requests?range=1h&path.contains=a%5C,b").contains("path contains a\\,b"));
    for (target, named) in
        [("/logs/requests?colour=red", "colour"), ("/?range=7d", "range"), ("/logs/access?sort=x", "sort")]
    {
        let answer = reader.ask("GET", target).send();
        assert!(answer.status == 400 && answer.text().contains(named), "{target}: {}", answer.text());
    }
    assert_eq!(reader.ask("GET", "/logs/requests/00000000-0000-0000-0000-000000000000").send().status, 404);
}

#[test]
fn a_verification_is_begun_and_told_by_the_page() {
    let house = House::start();
    house.session("mem.localhost", MAYA);
    let reader = Reader::sign_in(&house.gateway, AUDITOR_TOKEN);
    assert_eq!(reader.send("/integrity/verify", &[]).header("location"), Some("/integrity"));
    harness::until(std::time::Duration::from_secs(20), "the verification's end", || {
        reader.page("/integrity").contains("Every entry is as it was signed").then_some(())
    });
    house.gateway.logs_when("audit", "action=log.verify&status=success&actor=audit", 1);
}

/// How many entries each row of a log's page stands for.
fn folded(page: &str) -> Vec<u64> {
    let rows = page.split("<tbody>").nth(1).unwrap().split("</tbody>").next().unwrap().split("<tr").skip(1);
    rows.map(|row| row.split('×').nth(1).map_or(1, |rest| rest.split('<').next().unwrap().parse().unwrap())).collect()
}

#[test]
fn a_flood_of_bad_pins_is_a_few_rows_that_sum_up_to_all_of_it() {
    let house = House::start();
    for _ in 0..1000 {
        let status = house.gateway.sign_in("pin.localhost", &[("pin", "000000")]).send().status;
        assert!(matches!(status, 401 | 429), "{status}");
    }
    house.gateway.logs_when("access", "result=failed,rate_limited", 1000);
    let page = Reader::sign_in(&house.gateway, READER_TOKEN).page("/logs/access?circuit=pin");
    let rows = folded(&page);
    assert!(rows.len() < 20 && rows.iter().sum::<u64>() == 1000, "{rows:?}");
}

#[test]
fn adjacent_equal_entries_are_one_row_and_others_part_them() {
    let house = House::start();
    for path in ["/a", "/a", "/a", "/b", "/a"] {
        // Each is there before the next is sent, so that their order is known.
        house.gateway.entry_of(&house.get("pub.localhost", path).send());
    }
    let reader = Reader::sign_in(&house.gateway, READER_TOKEN);
    assert_eq!(folded(&reader.page("/logs/requests?circuit=pub")), [1, 1, 3]);
    assert_eq!(folded(&reader.page("/logs/requests?circuit=pub&fold=false")), [1; 5]);
}
