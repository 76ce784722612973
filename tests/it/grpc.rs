//! gRPC through the gateway, with its own library at both ends: over TLS in front, in clear behind.

use std::time::{Duration, Instant};

use harness::client::encode;
use harness::grpc::{self, SilentCall};
use harness::house::{MAYA, NOOR, people};
use harness::secrets::{ADMIN_TOKEN, PASSWORD};
use harness::{Authority, Gateway, GrpcService, Request, Setup};
use serde_json::{Value, json};

/// Public, for members, for a token, and in front of nothing.
const HOSTS: [&str; 4] = ["open.localhost", "team.localhost", "machine.localhost", "gone.localhost"];
/// Its hash is in [`plan`].
const TOKEN: &str = "Bearer vst_nightly-build";

struct Calls {
    gateway: Gateway,
    authority: Authority,
    /// Ended with the test.
    _service: GrpcService,
}

fn plan(url: &str) -> String {
    let circuit = |name: &str, url: &str, more: &str| {
        format!(
            "[circuits.{name}]\nproject = \"docs\"\nhosts = [\"{name}.localhost\"]\nupstream = {{ url = \"{url}\", http2 = \
             true }}\n{more}\n"
        )
    };
    let gone = format!("http://127.0.0.1:{}", harness::port::free());
    [
        people(),
        "[service_tokens.ci]\nhash = \"sha256:2119f0325918f0b500dc81e557b25017a5919e5b8aefa58637769846fea1e3b0\"\n"
            .to_owned(),
        circuit("open", url, "access = \"public\""),
        circuit("team", url, "access = \"members\"\nlogin = [\"password\"]"),
        circuit(
            "machine",
            url,
            "access = \"allowlist\"\nallow = [\"token:ci\"]\nlogin = [\"password\"]\nip_block = [\"203.0.113.7\"]",
        ),
        circuit("gone", &gone, "access = \"public\""),
    ]
    .concat()
}

impl Calls {
    fn start() -> Self {
        let (service, authority) = (GrpcService::start(), Authority::new());
        let body = plan(&service.url()) + &authority.certificate("house", &HOSTS);
        Self { gateway: Setup::new(&body).listener("tls = true").start(), authority, _service: service }
    }

    fn call(&self, host: &str, method: &str, metadata: &[(&str, &str)]) -> Value {
        grpc::call(self.gateway.listener(0), &self.authority, host, method, metadata)
    }

    /// A cookie of the circuit for its members.
    fn session(&self, person: &str) -> String {
        let (host, at) = ("team.localhost", self.gateway.listener(0));
        let form = format!("email={}&password={}", encode(person), encode(PASSWORD));
        let sent = Request::new(at, "POST", host, "/.vestibule/login").body("application/x-www-form-urlencoded", form);
        self.authority.send(at, host, &sent).unwrap().session().unwrap()
    }
}

#[test]
fn calls_of_every_kind_pass_with_their_status_in_trailers() {
    let calls = Calls::start();
    let once = calls.call("open.localhost", "Once", &[("x-own", "1"), ("x-vestibule-user", "forged")]);
    assert_eq!((&once["code"], &once["answer"]["message"]), (&json!(0), &json!("hello")), "{once}");
    let seen = &once["answer"]["metadata"];
    assert_eq!((&seen["x-own"], &seen["x-vestibule-user"]), (&json!("1"), &Value::Null), "{once}");
    assert_eq!(seen["x-forwarded-proto"], "https");
    assert_eq!((&once["begin"]["x-begin"], &once["end"]["x-end"]), (&json!("b"), &json!("e")), "{once}");
    assert_eq!(once["end"]["x-vestibule-user"], Value::Null, "a trailer says nothing in our name");
    let fails = calls.call("open.localhost", "Fails", &[]);
    assert_eq!((&fails["code"], &fails["details"]), (&json!(5), &json!("nothing of that name: ü")), "{fails}");
    assert_eq!(fails["trailing"]["x-end"], "e");

    let many = calls.call("open.localhost", "Many", &[]);
    let ages = many["ages"].as_array().unwrap();
    assert_eq!((ages.len(), &many["code"], &many["end"]["x-end"]), (3, &json!(0), &json!("e")), "{many}");
    assert!(ages.iter().all(|age| age.as_f64().unwrap() < 0.25), "each comes when it is sent: {many}");
    assert_eq!(calls.call("open.localhost", "Both", &[])["answers"], json!(["one", "two", "three"]));
    assert_eq!(calls.call("open.localhost", "Gather", &[])["lengths"], json!(vec![300_000; 10]));

    let entries = calls.gateway.logs_when("requests", "circuit=open&origin=backend", 5);
    assert_eq!(entries.len(), 5);
    assert!(entries.iter().all(|entry| entry["protocol"] == "HTTP/2" && entry["status_code"] == 200), "{entries:?}");
    let gathered = calls.gateway.logs("requests", "path.contains=Gather").remove(0);
    // Each message has five bytes of gRPC's in front.
    assert_eq!(gathered["bytes_in"], 10 * 300_005);
}

#[test]
fn who_may_not_call_is_told_in_the_words_of_grpc() {
    let calls = Calls::start();
    let noor = calls.session(NOOR);
    let cookie = [("cookie", noor.as_str())];
    let bearer = [("authorization", TOKEN)];
    let blocked = [bearer[0], ("x-forwarded-for", "203.0.113.7")];
    for (host, metadata, code, reason, origin) in [
        ("team.localhost", &[][..], 16, "no_credentials", "auth"),
        ("team.localhost", &cookie, 0, "", "backend"),
        ("machine.localhost", &[("authorization", "Bearer vst_guessed")], 16, "invalid_token", "auth"),
        ("machine.localhost", &bearer, 0, "", "backend"),
        ("machine.localhost", &blocked, 7, "ip_restricted", "rule"),
        ("team.localhost", &bearer, 7, "not_project_member", "auth"),
        ("gone.localhost", &[], 14, "backend_refused", "proxy_error"),
    ] {
        let told = calls.call(host, "Once", metadata);
        assert_eq!(told["code"], code, "{host} {metadata:?}: {told}");
        let circuit = host.split('.').next().unwrap();
        let found =
            calls.gateway.logs_when("requests", &format!("circuit={circuit}&path.contains=Once&reason={reason}"), 1);
        assert_eq!(found[0]["origin"], origin, "{host} {metadata:?}");
        if code != 0 {
            assert_eq!(told["details"], reason, "{host} {metadata:?}: {told}");
        }
    }
    assert_eq!(
        calls.gateway.metric("vestibule_upstream_failures_total", &["circuit=\"gone\"", "backend_refused"]),
        1.0
    );
}

#[test]
fn a_silent_stream_ends_with_its_session() {
    let calls = Calls::start();
    let maya = calls.session(MAYA);
    let at = calls.gateway.listener(0);
    let open = SilentCall::open(at, &calls.authority, "team.localhost", &[("cookie", &maya)]);
    let bystander = SilentCall::open(at, &calls.authority, "open.localhost", &[]);
    let revoke = calls.gateway.admin_request("DELETE", &format!("/api/v1/sessions?user={MAYA}"));
    assert!(revoke.bearer(ADMIN_TOKEN).send().status < 300);
    let start = Instant::now();
    let ended = open.ended();
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?} {ended}", start.elapsed());
    assert_ne!(ended["code"], 0, "{ended}");
    let entry = calls.gateway.logs_when("requests", "circuit=team&reason=session_revoked", 1).remove(0);
    assert_eq!((&entry["status_code"], &entry["action"]), (&json!(200), &json!("allowed")));
    assert_eq!(calls.gateway.logs("requests", "circuit=open&path.contains=Many"), Vec::<Value>::new(), "it goes on");
    drop(bystander);
}

#[test]
fn browsers_speak_it_over_http_1_and_are_refused_in_their_own_kind() {
    let service = GrpcService::start_web();
    let circuit = |name: &str, more: &str| {
        format!(
            "[circuits.{name}]\nproject = \"docs\"\nhosts = [\"{name}.localhost\"]\nupstream = \"{}\"\n{more}\n",
            service.url()
        )
    };
    let body = people()
        + &circuit("open", "access = \"public\"")
        + &circuit("team", "access = \"members\"\nlogin = [\"password\"]");
    let gateway = Gateway::start(&body);
    let call = |method: &str, host: &str| grpc::web_call(gateway.proxy(), method, &[("host", host)]);
    let once = call("Once", "open.localhost");
    assert_eq!((&once["code"], &once["answer"]["message"]), (&json!(0), &json!("hello")), "{once}");
    assert_eq!(call("Many", "open.localhost"), json!({ "code": 0, "count": 3 }));
    assert_eq!(call("Fails", "open.localhost")["code"], 5);
    let refused = call("Once", "team.localhost");
    assert_eq!(refused, json!({ "code": 16, "details": "no_credentials" }));
    let raw = gateway.request("POST", "team.localhost", "/vestibule.test.Echo/Once");
    let answer = raw.body("application/grpc-web-text+proto", "AAAAAAA=").send();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/grpc-web-text")));
    assert_eq!((answer.header("grpc-status"), answer.header("x-vestibule")), (Some("16"), Some("auth")));
}
