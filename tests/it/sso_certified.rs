//! Signing in at a certified provider: oidc-provider, which tests/run.sh fetches from npm.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use harness::browser::{Jar, path};
use harness::house::MAYA;
use harness::provider::{CLIENT_ID, CLIENT_SECRET, pairs};
use harness::{Browser, Gateway, Request, Response, Upstream, port, until};

/// Ended when dropped.
struct Certified {
    child: Child,
    address: std::net::SocketAddr,
}

impl Certified {
    #[track_caller]
    fn start(gateway_port: u16) -> Self {
        let folder = std::env::var("VESTIBULE_OIDC_PROVIDER").expect("tests/run.sh says where oidc-provider is");
        let port = port::free();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/harness/certified.mjs");
        let backchannel = format!("http://wiki.localhost:{gateway_port}/.vestibule/backchannel-logout/corp");
        let child = Command::new("node")
            .args([script, &folder, &port.to_string(), "wiki.localhost", &backchannel])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let certified = Self { child, address: std::net::SocketAddr::from(([127, 0, 0, 1], port)) };
        until(Duration::from_secs(30), "oidc-provider listens", || {
            certified
                .ask("GET", "/.well-known/openid-configuration")
                .try_send()
                .ok()
                .filter(|answer| answer.status == 200)
        });
        certified
    }

    fn ask(&self, method: &str, target: &str) -> Request {
        Request::new(self.address, method, &self.address.to_string(), target).browser()
    }

    /// A person's way through its pages; gives the address to which it sends the browser in the end.
    #[track_caller]
    fn sign_in(&self, jar: &mut Jar, location: &str, person: &str) -> String {
        let mut answer = jar.send(&self.ask("GET", path(location)));
        for _ in 0..8 {
            let Some(next) = next(&answer) else {
                panic!("nothing leads on: {} {}", answer.status, answer.text());
            };
            if next.contains("/.vestibule/callback") {
                return next;
            }
            answer = jar.send(&self.ask("GET", path(&next)));
            if answer.status == 200 {
                let form = [("prompt", "login"), ("login", person), ("password", "any")];
                answer = jar.send(&self.ask("POST", path(&next)).form(&form));
            }
        }
        panic!("the provider leads in circles")
    }
}

fn next(answer: &Response) -> Option<String> {
    answer.header("location").map(str::to_owned)
}

impl Drop for Certified {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
#[ignore = "needs oidc-provider from npm; tests/run.sh fetches it"]
fn sso_certified_provider_signs_a_person_in_and_out() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("client.secret");
    std::fs::write(&secret, CLIENT_SECRET).unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut gateway = Gateway::start("[projects.docs]\nmembers = []\n");
    let certified = Certified::start(gateway.proxy().port());
    gateway.reconfigure(&format!(
        "[providers.corp]\nissuer = \"http://{}\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret = {{ file = {secret:?} }}\n\
         scopes = [\"openid\", \"email\", \"groups\", \"offline_access\"]\ngroups_claim = \"groups\"\nrecheck = \"1s\"\n\
         [circuits.wiki]\nhosts = [\"wiki.localhost\"]\nupstream = \"{}\"\naccess = \"allowlist\"\n\
         allow = [\"group:writers\"]\nlogin = [\"sso:corp\"]\n",
        certified.address,
        upstream.url()
    ));

    let (mut browser, mut jar) = (Browser::new(&gateway, "wiki.localhost", "203.0.113.1"), Jar::default());
    let location = next(&browser.get("/a?x=1")).unwrap();
    let callback = certified.sign_in(&mut jar, &location, "maya");
    let back = browser.get(path(&callback));
    assert_eq!((back.status, back.header("location")), (303, Some("/a?x=1")), "{}", back.text());
    assert_eq!(browser.get("/a?x=1").status, 200);
    assert_eq!(upstream.last().header("x-vestibule-user"), Some(MAYA));
    assert_eq!(upstream.last().header("x-vestibule-groups"), Some("writers"));
    let entry = gateway.logs_when("access", "status=success", 1).remove(0);
    assert_eq!((entry["user_id"].as_str(), entry["provider"].as_str()), (Some("corp:maya"), Some("corp")));
    assert_eq!(browser.get(path(&callback)).status, 400, "a callback is good once");

    // By its refresh token the session stays good past the time of the check.
    let checked = || gateway.logs("access", "action=reauth").is_empty() && browser.clone().get("/a").status == 200;
    let start = std::time::Instant::now();
    until(Duration::from_secs(10), "two checks", || {
        assert!(checked());
        (start.elapsed() > Duration::from_millis(2500)).then_some(())
    });

    let session = browser.cookie("vestibule").unwrap().to_owned();
    let location = next(&browser.post("/.vestibule/logout", &[])).unwrap();
    assert!(pairs(location.split_once('?').unwrap().1).contains_key("id_token_hint"), "{location}");
    let page = jar.send(&certified.ask("GET", path(&location)));
    assert!(
        page.status == 200 && page.text().contains("form"),
        "the provider knows where the person goes: {}",
        page.status
    );
    let gone = gateway.get("wiki.localhost", "/a").cookie(&format!("vestibule={session}")).send();
    assert_eq!(gone.status, 401);
}
