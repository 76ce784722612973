//! What reaches the upstream and what comes back, byte for byte.

use harness::house::{MAYA, NOOR};
use harness::{Connection, House, Request};

/// Client copies of what only the gateway may say.
const FORGED: [(&str, &str); 14] = [
    ("X-Vestibule-User", "root"),
    ("x-vestibule-user", "root"),
    ("X_Vestibule_User", "root"),
    ("X-Vestibule.User", "root"),
    ("X-Vestibule-Groups", "admins"),
    ("X-Vestibule-Assertion", "e30.e30."),
    ("X-Auth-User", "root"),
    ("X_AUTH_USER", "root"),
    ("X-Auth-Groups", "admins"),
    ("X-Auth-Assertion", "e30.e30."),
    ("Forwarded", "for=6.6.6.6"),
    ("X-Real-IP", "6.6.6.6"),
    ("X-Forwarded-Host", "evil.example"),
    ("Proxy", "http://evil.example"),
];

fn ruled() -> House {
    let mut house = House::start();
    let identity = "hosts = [\"list.localhost\"]\nidentity = { user = \"X-Auth-User\", groups = \"X-Auth-Groups\", jwt = \"X-Auth-Assertion\" }";
    let body = house.gateway.body().replace("hosts = [\"list.localhost\"]", identity);
    house.gateway.reconfigure(&body);
    house
}

#[test]
fn forged_identity_headers_never_arrive_on_public_circuits_either() {
    let house = ruled();
    // Nobody forges what a trusted proxy says of the client; that has a test of its own.
    for (name, value) in FORGED.into_iter().filter(|(name, _)| *name != "X-Forwarded-Host") {
        house.get("pub.localhost", "/").header(name, value).send();
        let received = String::from_utf8_lossy(&house.upstream.last().head).into_owned();
        assert!(!received.contains(value), "{name}: {received}");
    }
    let mut request = house.get("pub.localhost", "/");
    for (name, value) in FORGED {
        request = request.header(name, value).header(name, value);
    }
    request.send();
    let received = String::from_utf8_lossy(&house.upstream.last().head).to_lowercase();
    assert!(!received.contains("root") && !received.contains("admins") && !received.contains("6.6.6.6"), "{received}");
}

#[test]
fn the_upstream_learns_who_it_is_from_the_gateway_alone() {
    let house = ruled();
    let cookie = house.session("mem.localhost", MAYA);
    let mut request = house.get("mem.localhost", "/").cookie(&cookie);
    for (name, value) in FORGED {
        request = request.header(name, value);
    }
    request.send();
    let received = house.upstream.last();
    let users: Vec<_> =
        received.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-vestibule-user")).collect();
    assert_eq!(users.len(), 1, "{:?}", received.fields);
    assert_eq!(received.header("x-vestibule-user"), Some(MAYA));
    assert_eq!(received.header("x-vestibule-groups"), Some("writers"));

    let cookie = house.session("list.localhost", MAYA);
    house.get("list.localhost", "/").cookie(&cookie).header("X-Vestibule-User", "root").send();
    let received = house.upstream.last();
    assert_eq!(received.header("x-auth-user"), Some(MAYA));
    assert_eq!(received.header("x-auth-groups"), Some("writers"));
    assert_eq!(received.header("x-vestibule-user"), None);
}

#[test]
fn our_cookie_is_cut_out_and_the_rest_stays_byte_for_byte() {
    let house = House::start();
    let ours = house.session("mem.localhost", MAYA);
    let cases = [
        (format!("a={{\"x\":1}}; {ours}; b=2"), Some("a={\"x\":1}; b=2")),
        (format!("{ours}; b=2"), Some("b=2")),
        (format!("a=1; {ours}"), Some("a=1")),
        (ours.clone(), None),
        (format!("a=\"q;uoted\";{ours};  b=sp ace ; c"), Some("a=\"q;uoted\";  b=sp ace ; c")),
        (
            format!("a=1; {ours}; vestibule-old=x; __Host-vestibule=y; vestibules=z; b=vestibule=1"),
            Some("a=1; b=vestibule=1"),
        ),
    ];
    for (sent, expected) in cases {
        let answer = house.get("mem.localhost", "/").header("Cookie", &sent).send();
        assert_eq!(answer.status, 200, "{sent}");
        assert_eq!(house.upstream.last().header("cookie"), expected, "{sent}");
    }
}

#[test]
fn an_upstream_cannot_set_our_cookies_or_our_mark() {
    let house = House::start();
    let answer = house.get("pub.localhost", "/mimic").send();
    assert_eq!(answer.header("x-vestibule"), None);
    let cookies: Vec<_> = answer
        .fields
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(cookies, ["own=kept"]);
    assert_eq!(house.gateway.entry_of(&answer)["origin"], "backend");
}

#[test]
fn forwarding_headers_are_rebuilt_when_the_peer_is_not_trusted() {
    let house = House::with_server("trusted_proxies = []");
    house
        .get("pub.localhost", "/")
        .from("203.0.113.7")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "evil.example")
        .send();
    let received = house.upstream.last();
    assert_eq!(received.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(received.header("x-real-ip"), Some("127.0.0.1"));
    assert_eq!(received.header("x-forwarded-proto"), Some("http"));
    assert_eq!(received.header("x-forwarded-host"), Some("pub.localhost"));
    assert!(!String::from_utf8_lossy(&received.head).contains("203.0.113.7"));
}

#[test]
fn forwarding_headers_are_appended_to_when_the_peer_is_trusted() {
    let house = House::start();
    house.get("pub.localhost", "/").from("203.0.113.7").header("X-Forwarded-Proto", "https").send();
    let received = house.upstream.last();
    assert_eq!(received.header("x-forwarded-for"), Some("203.0.113.7, 127.0.0.1"));
    assert_eq!(received.header("x-real-ip"), Some("203.0.113.7"));
    assert_eq!(received.header("x-forwarded-proto"), Some("https"));
}

#[test]
fn one_request_id_joins_answer_upstream_and_log() {
    let house = House::start();
    let answer = house.get("pub.localhost", "/").send();
    let id = answer.header("x-request-id").unwrap();
    assert_eq!(house.upstream.last().header("x-request-id"), Some(id));
    assert_eq!(house.gateway.entry_of(&answer)["request_id"], id);

    let given = house.get("pub.localhost", "/").header("X-Request-Id", "from-the-front-1").send();
    assert_eq!(given.header("x-request-id"), Some("from-the-front-1"), "a trusted peer's is kept");
    let hostile = house.get("pub.localhost", "/").header("X-Request-Id", &"x".repeat(200)).send();
    assert_ne!(hostile.header("x-request-id"), Some("x".repeat(200).as_str()));

    let strict = House::with_server("trusted_proxies = []");
    let refused = strict.get("pub.localhost", "/").header("X-Request-Id", "from-a-stranger").send();
    assert_ne!(refused.header("x-request-id"), Some("from-a-stranger"));
}

#[test]
fn other_headers_pass_untouched() {
    let house = House::start();
    let kept = [
        ("Authorization", "Basic dXNlcjpwYXNz"),
        ("X-Custom", "a,b; c=\"d\""),
        ("Accept-Language", "de, en;q=0.5"),
        ("Range", "bytes=0-1"),
    ];
    let mut request = house.get("pub.localhost", "/a%20b/%E2%82%AC?q=%2F&r=a+b");
    for (name, value) in kept {
        request = request.header(name, value);
    }
    request.send();
    let received = house.upstream.last();
    for (name, value) in kept {
        assert_eq!(received.header(name), Some(value));
    }
    assert_eq!(received.target, "/a%20b/%E2%82%AC?q=%2F&r=a+b");
    assert_eq!(house.gateway.logs("access", "").len(), 0, "other credentials are no attempt");
}

#[test]
fn hop_by_hop_headers_stay_on_their_hop() {
    let house = House::start();
    let fields = [
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authenticate", "Basic"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("Proxy-Connection", "keep-alive"),
        ("TE", "trailers"),
        ("Trailer", "X-Own"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
        ("Proxy", "http://evil.example"),
        ("X-Hop", "1"),
    ];
    let request = house.get("pub.localhost", "/").header("Connection", "close, X-Hop, Upgrade, HTTP2-Settings");
    let request = fields.iter().fold(request, |request, (name, value)| request.header(name, value));
    assert_eq!(request.send().status, 200);
    let received = house.upstream.last();
    for (name, _) in fields {
        assert_eq!(received.header(name), None, "{name}");
    }
}

#[test]
fn no_header_and_no_method_opens_what_is_closed() {
    let house = House::start();
    let refused = |request: Request, what: &str| {
        let answer = request.send();
        assert!(matches!(answer.status, 302 | 401), "{what}: {}", answer.status);
    };
    for (name, value) in [
        ("Authorization", "Bearer anything"),
        ("Authorization", "Basic bWF5YUBleGFtcGxlLm5ldDp4"),
        ("X-Vestibule-User", MAYA),
        ("X-Forwarded-User", MAYA),
        ("Remote-User", MAYA),
        ("X-Original-URL", "/public"),
        ("X-Rewrite-URL", "/public"),
        ("X-Forwarded-Uri", "/public"),
        ("X-Forwarded-Host", "pub.localhost"),
        ("X-Forwarded-Method", "OPTIONS"),
        ("X-HTTP-Method-Override", "OPTIONS"),
        ("X-Middleware-Subrequest", "middleware"),
        ("User-Agent", "kube-probe/1.30"),
        ("User-Agent", "vestibule-health"),
        ("X-Vestibule-Hop", "0"),
        ("Connection", "close, Cookie"),
        ("Cookie", "vestibule=x; __Host-vestibule=x"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Content-Type", "application/json"),
        ("Forwarded", "for=127.0.0.1;host=pub.localhost"),
    ] {
        refused(house.get("mem.localhost", "/").header(name, value), name);
    }
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "BREW"] {
        refused(house.gateway.request(method, "mem.localhost", "/"), method);
    }
    let preflight = house.gateway.request("OPTIONS", "mem.localhost", "/").header("Origin", "https://app.example.net");
    let answer = preflight.header("Access-Control-Request-Method", "PUT").send();
    assert!(matches!(answer.status, 401 | 403), "{}", answer.status);
    assert_eq!(house.upstream.count(), 0);
}

#[test]
fn naming_what_routes_or_frames_a_request_has_no_effect() {
    let house = House::start();
    for named in ["Host", "host, X-Forwarded-For", "Content-Length", "X-Forwarded-Proto", "Cookie", "X-Vestibule-User"]
    {
        let answer = house
            .gateway
            .request("POST", "pub.localhost", "/up")
            .header("Connection", &format!("keep-alive, {named}"))
            .header("Cookie", "own=1")
            .from("203.0.113.7")
            .body("text/plain", "hello")
            .send();
        assert_eq!(answer.status, 200, "{named}");
        let received = house.upstream.last();
        assert_eq!(received.body, b"hello", "{named}");
        for (name, value) in [
            ("host", "pub.localhost"),
            ("content-length", "5"),
            ("cookie", "own=1"),
            ("x-forwarded-for", "203.0.113.7, 127.0.0.1"),
            ("x-forwarded-proto", "http"),
        ] {
            assert_eq!(received.header(name), Some(value), "{named}");
        }
        assert_eq!(received.header("connection"), None, "{named}");
    }
    let refused = house.get("pub.localhost", "/").header("Connection", "\"X-Forwarded-For\"").send();
    assert_eq!((refused.status, refused.reason().as_str()), (400, "malformed_request"));
}

#[test]
fn what_is_told_of_a_client_follows_each_request_of_its_connection() {
    let house = House::start();
    let (maya, noor) = (house.session("mem.localhost", MAYA), house.session("mem.localhost", NOOR));
    let mut connection = Connection::open(house.gateway.proxy()).unwrap();
    let mut told = |request: Request| {
        assert_eq!(connection.send(&request).unwrap().status, 200);
        let received = house.upstream.last();
        let name = |name: &str| received.header(name).map(str::to_owned);
        (name("x-vestibule-user"), name("x-forwarded-for").unwrap(), name("host").unwrap())
    };
    let mem = || house.get("mem.localhost", "/");
    let (own, host) = ("127.0.0.1".to_owned(), "mem.localhost".to_owned());
    let of = |person: &str| (Some(person.to_owned()), own.clone(), host.clone());
    for _ in 0..2 {
        assert_eq!(told(mem().cookie(&maya)), of(MAYA));
    }
    assert_eq!(told(mem().cookie(&noor)), of(NOOR));
    assert_eq!(told(mem().cookie(&maya).from("203.0.113.7")).1, "203.0.113.7, 127.0.0.1");
    assert_eq!(told(mem().cookie(&maya).from("203.0.113.8")).1, "203.0.113.8, 127.0.0.1");
    assert_eq!(told(mem().cookie(&maya)), of(MAYA));
    assert_eq!(told(house.get("pub.localhost", "/").cookie(&maya)), (None, own.clone(), "pub.localhost".into()));
    assert_eq!(told(house.get("pub.localhost:81", "/")), (None, own.clone(), "pub.localhost:81".into()));
    assert_eq!(told(mem().cookie(&noor)), of(NOOR));
}
