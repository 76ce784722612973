//! Parts of a circuit that go elsewhere, or let others in.

use harness::house::{MAYA, NOOR, people};
use harness::secrets::{PASSWORD, PIN, SHARED_PIN, SHARED_PIN_HASH};
use harness::{Gateway, Upstream};
use serde_json::Value;

const HOST: &str = "wiki.localhost";
/// Public, but for a part of it.
const OPEN: &str = "open.localhost";
/// SHA-256 of `0123456789abcdef`.
const KEY_HASH: &str = "sha256:9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f";

struct Wiki {
    gateway: Gateway,
    /// Of the circuits.
    upstream: Upstream,
    /// Of `/api` and what is below it.
    api: Upstream,
}

fn plan(upstream: &Upstream, api: &Upstream) -> String {
    let (url, api) = (upstream.url(), api.url());
    format!(
        r#"{people}
[login_limits]
per_ip = "1000/m"
[circuits.wiki]
project = "docs"
hosts = ["{HOST}"]
upstream = "{url}"
access = "members"
login = ["password"]
header_auth = [{{ header = "X-Api-Key", hash = "{KEY_HASH}" }}]
[[circuits.wiki.paths]]
prefix = "/webhook"
access = "public"
[[circuits.wiki.paths]]
prefix = "/write"
access = "allowlist"
allow = ["{MAYA}"]
login = ["pin"]
[[circuits.wiki.paths]]
prefix = "/kiosk"
access = "allowlist"
shared = {{ pin_hash = "{SHARED_PIN_HASH}" }}
[circuits.open]
hosts = ["{OPEN}"]
upstream = "{url}"
access = "public"
[[circuits.open.paths]]
prefix = "/admin"
access = "allowlist"
allow = ["{MAYA}"]
login = ["password"]
[[circuits.open.paths]]
prefix = "/api"
upstream = "{api}"
[[circuits.open.paths]]
prefix = "/ui"
rewrite = "strip"
[[circuits.open.paths]]
prefix = "/api/v1"
upstream = {{ url = "{api}", host_header = "upstream" }}
rewrite = {{ replace = "/v2" }}
"#,
        people = people()
    )
}

fn start() -> Wiki {
    let (upstream, api) = (Upstream::start(), Upstream::start());
    let gateway = Gateway::start(&plan(&upstream, &api));
    Wiki { gateway, upstream, api }
}

impl Wiki {
    fn status(&self, host: &str, target: &str) -> u16 {
        self.gateway.get(host, target).send().status
    }

    #[track_caller]
    fn cookie(&self, host: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.gateway.sign_in(host, fields).send();
        answer.session().unwrap_or_else(|| panic!("{} {}", answer.status, answer.text()))
    }

    /// Status and reason.
    fn told(&self, target: &str, cookie: &str) -> String {
        let answer = self.gateway.get(HOST, target).cookie(cookie).send();
        format!("{} {}", answer.status, answer.reason()).trim_end().to_owned()
    }
}

#[test]
fn a_public_path_of_a_protected_circuit_needs_no_cookie_and_leaves_an_entry() {
    let wiki = start();
    for target in ["/webhook", "/webhook/", "/webhook/github?delivery=1"] {
        let request = wiki.gateway.request("POST", HOST, target).header("X-Vestibule-User", "root");
        let answer = request.body("application/json", "{}").send();
        assert_eq!((answer.status, answer.header("x-vestibule")), (200, None), "{target}");
        let received = wiki.upstream.last();
        assert_eq!((received.target.as_str(), received.header("x-vestibule-user")), (target, None));
        let entry = wiki.gateway.entry_of(&answer);
        assert_eq!((&entry["circuit"], &entry["action"]), (&"wiki".into(), &"allowed".into()));
        assert_eq!((&entry["auth_method"], &entry["origin"]), (&"none".into(), &"backend".into()));
        assert_eq!(entry["path"], target.split('?').next().unwrap());
    }
    assert_eq!(wiki.upstream.count(), 3);
    for target in ["/", "/webhooks", "/webhook.json", "/x/webhook", "/write", "/kiosk"] {
        assert_eq!(wiki.told(target, ""), "401 no_credentials", "{target}");
    }
    assert_eq!(wiki.upstream.count(), 3, "nothing else passes");
    assert_eq!(wiki.gateway.logs("access", ""), Vec::<Value>::new(), "nobody tried to sign in");
}

#[test]
fn the_key_of_one_policy_reaches_no_upstream_of_the_circuit() {
    let wiki = start();
    let key = |target| wiki.gateway.get(HOST, target).header("X-Api-Key", "0123456789abcdef").send();
    assert_eq!(key("/page").status, 200);
    assert_eq!(key("/webhook").status, 200);
    assert_eq!(wiki.upstream.last().header("x-api-key"), None);
    assert_eq!(key("/write").status, 401, "it lets nobody in where the path has a policy of its own");
}

#[test]
fn the_longest_prefix_of_whole_segments_says_where_to_and_what_is_rewritten() {
    let wiki = start();
    for (target, api, expected) in [
        ("/", false, "/"),
        ("/apiary", false, "/apiary"),
        ("/api", true, "/api"),
        ("/api/x?b=1&a=%2F", true, "/api/x?b=1&a=%2F"),
        ("/api/v1", true, "/v2"),
        ("/api/v1/", true, "/v2/"),
        ("/api/v1/x/y?q", true, "/v2/x/y?q"),
        ("/api/v10/x", true, "/api/v10/x"),
        ("/ui/a?b=1", false, "/a?b=1"),
        ("/ui", false, "/"),
        ("/ui?b=1", false, "/?b=1"),
        ("/ui/ui/", false, "/ui/"),
        ("/uix", false, "/uix"),
    ] {
        let answer = wiki.gateway.get(OPEN, target).send();
        assert_eq!(answer.status, 200, "{target}");
        let (there, url) = if api { (&wiki.api, wiki.api.url()) } else { (&wiki.upstream, wiki.upstream.url()) };
        assert_eq!(there.last().target, expected, "{target}");
        let entry = wiki.gateway.entry_of(&answer);
        assert_eq!(entry["upstream"], url, "{target}");
        assert_eq!(entry["path"], target.split('?').next().unwrap(), "what the client asked for is recorded");
    }
    wiki.gateway.get(OPEN, "/api/v1/x").send();
    assert_eq!(wiki.api.last().header("host"), Some(wiki.api.address().to_string().as_str()));
    let received = (wiki.upstream.count(), wiki.api.count());
    assert_eq!(wiki.status(OPEN, "/ui/.vestibule/login"), 400, "what is ours is never forwarded");
    assert_eq!((wiki.upstream.count(), wiki.api.count()), received);
}

#[test]
fn what_is_decided_is_what_is_sent_and_recorded() {
    let wiki = start();
    for (target, path, query) in [
        ("/%61pi/caf%c3%a9?x=%2F;b&%61", "/api/caf%C3%A9", "?x=%2F;b&%61"),
        ("/api/a%20b+c%2Bd@e", "/api/a%20b+c%2Bd@e", ""),
        ("/ap%69/~%7E%2d%2E_", "/api/~~-._", ""),
        ("/api/100%25", "/api/100%25", ""),
    ] {
        let answer = wiki.gateway.get(OPEN, target).send();
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(wiki.api.last().target, format!("{path}{query}"));
        assert_eq!(wiki.gateway.entry_of(&answer)["path"], path);
    }
    assert_eq!(wiki.upstream.count(), 0);
}

/// Ways to write `/admin/secret` and the like that some server understands.
fn tricks(protected: &str, public: &str) -> Vec<String> {
    let (first, rest) = protected.split_at(1);
    let encoded = format!("%{:02x}{rest}", first.as_bytes()[0]);
    let twice = format!("%25{:02x}{rest}", first.as_bytes()[0]);
    let letters: String = protected.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let mut tricks = vec![encoded, twice, letters, protected.to_uppercase(), format!("{protected};x=1")];
    tricks.iter_mut().for_each(|trick| *trick = format!("/{trick}/secret"));
    for between in [
        "/../",
        "/./../",
        "/..;/",
        "/..;x=1/",
        "/%2e%2e/",
        "/%2E%2e/",
        "/.%2e/",
        "/%252e%252e/",
        "/..%2f",
        "/..%5c",
        "\\..\\",
        "/%2e%2e%2f",
        "/x/../../",
        "/%5c../",
        "//../",
        "/..//",
        "/..%00/",
        "/..%0d/",
        "%2f..%2f",
        "/%c0%ae%c0%ae/",
        "/%2e%2e;/",
        "/.;/../",
        "/..\\",
        "/%2e./",
        "/x%2f..%2f..%2f",
        "/%u002e%u002e/",
    ] {
        tricks.push(format!("/{public}{between}{protected}/secret"));
    }
    for before in ["//", "/./", "/%2f", "/%5c", "/.//", "/x/../", "/;/", "/%00/", "/%2e/", "/;x=1/", "/x/..;/", "/.%5c"]
    {
        tricks.push(format!("{before}{protected}/secret"));
    }
    for after in ["%2f", "%5c", "%00", "%0a", ";", "%3b", "\\", "//"] {
        tricks.push(format!("/{protected}{after}secret"));
    }
    tricks
}

/// As lenient as servers are: resolves escapes twice, folds letters, cuts parameters, merges slashes, follows dots.
fn leniently(target: &str) -> String {
    let path = target.split('?').next().unwrap_or_default().to_lowercase();
    let once = |path: &str| {
        let mut bytes = path.bytes();
        let mut resolved = Vec::new();
        while let Some(byte) = bytes.next() {
            let digits = bytes.clone().take(2).map(char::from).collect::<String>();
            match u8::from_str_radix(&digits, 16).ok().filter(|_| byte == b'%' && digits.len() == 2) {
                Some(value) => {
                    resolved.push(value);
                    bytes.nth(1);
                }
                None => resolved.push(byte),
            }
        }
        String::from_utf8_lossy(&resolved).into_owned()
    };
    let path = once(&once(&path)).replace(['\\', '\0'], "/");
    let mut segments: Vec<String> = Vec::new();
    for segment in path.split('/').map(|segment| segment.split(';').next().unwrap_or_default().trim().to_owned()) {
        match segment.as_str() {
            "" | "." => (),
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/"))
}

#[test]
fn no_spelling_of_a_protected_path_is_a_public_one() {
    let wiki = start();
    assert_eq!((wiki.status(OPEN, "/admin/secret"), wiki.status(OPEN, "/x")), (401, 200));
    assert_eq!((wiki.told("/page/secret", ""), wiki.status(HOST, "/webhook")), ("401 no_credentials".to_owned(), 200));
    let mut seen = 0;
    for (host, tricks) in
        [(OPEN, tricks("admin", "x")), (OPEN, tricks("admin", "api")), (HOST, tricks("page", "webhook"))]
    {
        for trick in tricks {
            let before = (wiki.upstream.count(), wiki.api.count());
            let status = wiki.status(host, &trick);
            seen += 1;
            if (wiki.upstream.count(), wiki.api.count()) == before {
                assert!(status == 400 || status == 401, "{trick}: {status}");
                continue;
            }
            let last = if wiki.api.count() > before.1 { wiki.api.last() } else { wiki.upstream.last() };
            let found = leniently(&last.target);
            let is_public = if host == OPEN { !found.starts_with("/admin") } else { found.starts_with("/webhook") };
            assert!(is_public, "{trick} reached the upstream as {}", last.target);
        }
    }
    assert!(seen > 140, "{seen}");
    let refused = wiki.gateway.get(OPEN, "/x/%2e%2e/admin/secret").send();
    assert_eq!((refused.status, refused.reason().as_str()), (400, "malformed_request"));
    let entry = wiki.gateway.entry_of(&refused);
    assert_eq!((&entry["reason"], &entry["path"]), (&"malformed_request".into(), &"/x/%2e%2e/admin/secret".into()));
}

#[test]
fn a_circuit_without_paths_passes_them_byte_for_byte() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&format!(
        "[circuits.a]\nhosts = [\"a.localhost\"]\naccess = \"public\"\nupstream = \"{}\"\n",
        upstream.url()
    ));
    for target in [
        "/a%2Fb",
        "/a%2fb;x=1",
        "/a//b/",
        "/a/../b",
        "/%61",
        "/caf%c3%a9",
        "/caf%e9",
        "/a%20b+c?d=e%20f+g;h&i=%2F&i=1",
        "/%252f",
        "/a\\b",
        "/A/b",
        "/%zz",
        "/;",
        "/a?",
    ] {
        assert_eq!(gateway.get("a.localhost", target).send().status, 200, "{target}");
        assert_eq!(upstream.last().target, target);
    }
}

#[test]
fn a_path_has_its_own_ways_to_sign_in_and_judges_every_session() {
    let wiki = start();
    let page = wiki.gateway.get(HOST, "/write/x?y=1").browser().send();
    assert_eq!((page.status, page.header("location")), (302, Some("/.vestibule/login?return=%2Fwrite%2Fx%3Fy%3D1")));
    let form = wiki.gateway.get(HOST, "/.vestibule/login?return=%2Fwrite%2Fx%3Fy%3D1").browser().send();
    assert!(form.text().contains("With your PIN") && !form.text().contains("With your password"), "{}", form.text());
    let form = wiki.gateway.get(HOST, "/.vestibule/login?return=%2Fpage").browser().send();
    assert!(form.text().contains("With your password") && !form.text().contains("With your PIN"), "{}", form.text());

    let by_password = wiki.cookie(HOST, &[("email", MAYA), ("password", PASSWORD)]);
    assert_eq!((wiki.told("/page", &by_password), wiki.told("/webhook", &by_password)), ("200".into(), "200".into()));
    assert_eq!(wiki.told("/write/x", &by_password), "401 account_mismatch");

    let by_pin = wiki.cookie(HOST, &[("email", MAYA), ("pin", PIN), ("return", "/write/x")]);
    assert_eq!(wiki.told("/write/x", &by_pin), "200");
    assert_eq!(wiki.upstream.last().header("x-vestibule-user"), Some(MAYA));
    assert_eq!(wiki.told("/page", &by_pin), "401 account_mismatch", "the circuit does not take a PIN");
    let entries = wiki.gateway.logs_when("access", "status=success", 2);
    assert_eq!((&entries[0]["policy"], &entries[1]["policy"]), (&"allowlist".into(), &"members".into()));

    let wrong = wiki.gateway.sign_in(HOST, &[("email", MAYA), ("pin", PIN)]).send();
    assert_eq!((wrong.status, wrong.reason().as_str()), (401, "invalid_credentials"), "no PIN where it leads to /");
    let stranger = wiki.gateway.sign_in(HOST, &[("email", NOOR), ("password", PASSWORD), ("return", "/write")]).send();
    assert_eq!(stranger.status, 401, "no password where it leads to /write");
    let failed = wiki.gateway.logs_when("access", "status=failure", 2);
    assert_eq!(failed[0]["rule"], "circuits.wiki.paths[\"/write\"].login");
    assert_eq!(failed[1]["rule"], "circuits.wiki.login");
}

#[test]
fn the_secret_of_a_path_opens_that_path_alone() {
    let wiki = start();
    let refused = wiki.gateway.sign_in(HOST, &[("pin", SHARED_PIN)]).send();
    assert_eq!((refused.status, refused.session()), (401, None), "the circuit itself has none");
    let kiosk = wiki.cookie(HOST, &[("pin", SHARED_PIN), ("return", "/kiosk")]);
    assert_eq!((wiki.told("/kiosk", &kiosk), wiki.told("/kiosk/a", &kiosk)), ("200".into(), "200".into()));
    for target in ["/", "/page", "/write"] {
        assert_eq!(wiki.told(target, &kiosk), "401 account_mismatch", "{target}");
    }
    let whoami = wiki.gateway.get(HOST, "/.vestibule/whoami").cookie(&kiosk).send();
    assert_eq!((whoami.status, &whoami.json()["user_id"]), (200, &"shared:wiki".into()));
    let launcher = wiki.gateway.get(HOST, "/.vestibule/circuits").cookie(&kiosk).send().json();
    let urls: Vec<_> = launcher["circuits"].as_array().unwrap().iter().map(|circuit| circuit["url"].clone()).collect();
    assert!(urls.iter().any(|url| url.as_str().unwrap().ends_with("wiki.localhost/kiosk")), "{urls:?}");
    let gone = wiki.gateway.request("POST", HOST, "/.vestibule/logout").cookie(&kiosk).send();
    assert_eq!(gone.status, 303);
    assert_eq!(wiki.told("/kiosk", &kiosk), "401 session_revoked");
}

#[test]
fn a_public_circuit_has_a_door_for_its_protected_path() {
    let wiki = start();
    let asked = wiki.gateway.get(OPEN, "/admin/x").browser().send();
    assert_eq!(asked.header("location"), Some("/.vestibule/login?return=%2Fadmin%2Fx"));
    assert_eq!(wiki.gateway.get(OPEN, "/.vestibule/login?return=%2Fadmin%2Fx").browser().send().status, 200);
    let forbidden = wiki.gateway.sign_in(OPEN, &[("email", NOOR), ("password", PASSWORD), ("return", "/admin")]).send();
    assert_eq!((forbidden.status, forbidden.reason().as_str()), (403, "not_on_allowlist"));
    let entry = wiki.gateway.logs_when("access", "status=failure", 1).remove(0);
    assert_eq!(entry["rule"], "circuits.open.paths[\"/admin\"].allow");

    let cookie = wiki.cookie(OPEN, &[("email", MAYA), ("password", PASSWORD), ("return", "/admin")]);
    let answer = wiki.gateway.get(OPEN, "/admin/x").cookie(&cookie).send();
    assert_eq!(answer.status, 200);
    assert_eq!(wiki.gateway.entry_of(&answer)["email"], MAYA);
    assert_eq!(wiki.upstream.last().header("x-vestibule-user"), Some(MAYA));
    let answer = wiki.gateway.get(OPEN, "/page").cookie(&cookie).send();
    assert_eq!(wiki.upstream.last().header("x-vestibule-user"), None, "nobody is looked at there");
    assert_eq!(wiki.gateway.entry_of(&answer)["email"], Value::Null);
    let whoami = wiki.gateway.get(OPEN, "/.vestibule/whoami").cookie(&cookie).send();
    assert_eq!((whoami.status, &whoami.json()["email"]), (200, &MAYA.into()));
}

#[test]
fn a_changed_path_counts_from_the_next_request_on() {
    let mut wiki = start();
    assert_eq!(wiki.told("/webhook", ""), "200");
    let body = wiki.gateway.body().to_owned();
    wiki.gateway.reconfigure(&body.replace("prefix = \"/webhook\"", "prefix = \"/webhook/github\""));
    assert_eq!(
        (wiki.told("/webhook", ""), wiki.told("/webhook/github", "")),
        ("401 no_credentials".into(), "200".into())
    );
    wiki.gateway.reconfigure(&body.replace("prefix = \"/webhook\"\naccess = \"public\"", "prefix = \"/webhook\""));
    assert_eq!(wiki.told("/webhook/github", ""), "401 no_credentials", "the circuit's policy");
}

#[test]
fn the_circuits_list_names_paths_and_no_hash() {
    let wiki = start();
    let answer = wiki.gateway.admin("/api/v1/circuits");
    assert!(!answer.text().contains("argon2id") && !answer.text().contains("sha256"), "{}", answer.text());
    let circuits = answer.json()["data"].clone();
    let wiki = circuits.as_array().unwrap().iter().find(|circuit| circuit["name"] == "wiki").unwrap();
    assert_eq!(wiki["paths"][0]["prefix"], "/webhook");
    assert_eq!((&wiki["paths"][0]["access"], &wiki["access"]), (&"public".into(), &"members".into()));
    assert_eq!(
        (&wiki["paths"][1]["login"], &wiki["paths"][2]["shared"]),
        (&["pin"].as_slice().into(), &["pin"].as_slice().into())
    );
}
