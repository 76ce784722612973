//! Signing in at providers that others made, which tests/run.sh fetches: oidc-provider, certified, and canaille.

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::browser::{Jar, host, path};
use harness::house::MAYA;
use harness::provider::pairs;
use harness::real_provider::hidden;
use harness::{Authority, Browser, Gateway, RealProvider, Response, Setup, Upstream, Window, until};

/// Gives refresh tokens, and is asked about sessions.
const OF_PROVIDER: &str = "scopes = [\"openid\", \"email\", \"groups\", \"offline_access\"]\nrecheck = \"1s\"";

/// A circuit of the group writers, who sign in at the provider alone.
pub(crate) fn wiki(upstream: &Upstream) -> String {
    format!(
        "[circuits.wiki]\nhosts = [\"wiki.localhost\"]\nupstream = \"{}\"\naccess = \"allowlist\"\n\
         allow = [\"group:writers\"]\nlogin = [\"sso:corp\"]\n",
        upstream.url()
    )
}

/// To where an answer leads.
#[track_caller]
fn location(answer: &Response) -> String {
    let location = answer.header("location");
    location.unwrap_or_else(|| panic!("nothing leads on: {} {}", answer.status, answer.text())).to_owned()
}

/// Maya comes, stays past two checks of her session by its refresh token, and leaves.
#[track_caller]
fn comes_stays_and_leaves(gateway: &Gateway, upstream: &Upstream, provider: &RealProvider) {
    let (mut browser, mut jar) = (Browser::new(gateway, "wiki.localhost", "203.0.113.1"), Jar::default());
    let callback = provider.sign_in(&mut jar, &location(&browser.get("/a?x=1")));
    let back = browser.get(path(&callback));
    assert_eq!((back.status, back.header("location")), (303, Some("/a?x=1")), "{}", back.text());
    assert_eq!(browser.get("/a?x=1").status, 200);
    assert_eq!(upstream.last().header("x-vestibule-user"), Some(MAYA));
    assert_eq!(upstream.last().header("x-vestibule-groups"), Some("writers"));
    let entry = gateway.logs_when("access", "status=success", 1).remove(0);
    assert_eq!((entry["user_id"].as_str(), entry["provider"].as_str()), (Some("corp:maya"), Some("corp")));
    assert_eq!(browser.get(path(&callback)).status, 400, "a callback is good once");

    let start = Instant::now();
    until(Duration::from_secs(10), "two checks", || {
        let answer = browser.get("/a");
        assert_eq!(answer.status, 200, "{}", answer.text());
        (start.elapsed() > Duration::from_millis(2500)).then_some(())
    });
    assert_eq!(gateway.logs("access", "action=reauth").len(), 0);

    let session = browser.cookie("vestibule").unwrap().to_owned();
    let away = location(&browser.post("/.vestibule/logout", &[]));
    assert!(pairs(away.split_once('?').unwrap().1).contains_key("id_token_hint"), "{away}");
    let page = provider.open(&mut jar, &provider.ask("GET", path(&away)));
    assert!(matches!(page.status, 200 | 302), "the provider knows where the person goes: {}", page.text());
    let gone = gateway.get("wiki.localhost", "/a").cookie(&format!("vestibule={session}")).send();
    assert_eq!(gone.status, 401);
}

#[test]
#[ignore = "needs oidc-provider from npm; tests/run.sh fetches it"]
fn sso_certified_provider_signs_a_person_in_and_out() {
    let upstream = Upstream::start();
    let mut gateway = Gateway::start("[projects.docs]\nmembers = []\n");
    let certified = RealProvider::certified("wiki.localhost", gateway.proxy().port());
    gateway.reconfigure(&(certified.toml(OF_PROVIDER) + &wiki(&upstream)));
    comes_stays_and_leaves(&gateway, &upstream, &certified);
}

#[test]
#[ignore = "needs canaille from PyPI; tests/run.sh fetches it"]
fn sso_canaille_signs_a_person_in_and_out_once_its_word_is_taken_for_addresses() {
    let (upstream, canaille) = (Upstream::start(), RealProvider::canaille("wiki.localhost"));
    let of_provider = "scopes = [\"openid\", \"email\", \"groups\"]\nrecheck = \"1s\"\n";
    let mut gateway = Gateway::start(&(canaille.toml(of_provider) + &wiki(&upstream)));
    let (mut browser, mut jar) = (Browser::new(&gateway, "wiki.localhost", "203.0.113.1"), Jar::default());
    let callback = canaille.sign_in(&mut jar, &location(&browser.get("/a")));
    let refused = browser.get(path(&callback));
    assert_eq!(refused.status, 403, "it vouches for no address: {}", refused.text());
    let entry = gateway.logs_when("access", "status=failure", 1).remove(0);
    assert_eq!((entry["reason"].as_str(), entry["email"].as_str()), (Some("email_not_verified"), Some(MAYA)));

    let trusting = format!("{of_provider}require_verified_email = false");
    gateway.reconfigure(&(canaille.toml(&trusting) + &wiki(&upstream)));
    comes_stays_and_leaves(&gateway, &upstream, &canaille);
}

#[test]
#[ignore = "needs oidc-provider from npm; tests/run.sh fetches it"]
fn sso_certified_provider_over_tls_is_believed_by_its_own_authority_alone() {
    let (upstream, authority, strangers) = (Upstream::start(), Arc::new(Authority::new()), Authority::new());
    let mut gateway = Gateway::start("[projects.docs]\nmembers = []\n");
    let certified = RealProvider::certified_over_tls("wiki.localhost", gateway.proxy().port(), &authority);
    let plan = |ca: &str| certified.toml(&format!("{OF_PROVIDER}\n{ca}")) + &wiki(&upstream);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::copy(strangers.file(), &file).unwrap();
    let ours = format!("ca = {file:?}");
    for (asked, ca) in ["", &ours].into_iter().enumerate() {
        gateway.reconfigure(&plan(ca));
        until(Duration::from_secs(15), "the provider is asked", || {
            let refused = gateway.get("wiki.localhost", "/a").browser().send();
            assert!(refused.status == 503 && refused.text().contains("provider_unavailable"), "{}", refused.text());
            (gateway.output().matches("provider cannot be asked").count() > asked).then_some(())
        });
    }
    // Taken while it runs, like the file itself.
    std::fs::copy(authority.file(), &file).unwrap();
    until(Duration::from_secs(15), "the new authority is known", || {
        (gateway.get("wiki.localhost", "/a").browser().send().status == 302).then_some(())
    });
    comes_stays_and_leaves(&gateway, &upstream, &certified);
}

/// Two circuits with one login host, at which people sign in at the certified provider.
pub(crate) struct TwoHouses {
    pub(crate) upstream: Upstream,
    gateway: Gateway,
    pub(crate) provider: RealProvider,
    pub(crate) login: String,
}

impl TwoHouses {
    #[track_caller]
    pub(crate) fn start() -> Self {
        let upstream = Upstream::start();
        let server = "login_host = \"login.localhost\"\ntrusted_proxies = [\"127.0.0.1\"]\nshutdown_grace = \"10s\"";
        let mut gateway = Setup::new("[projects.docs]\nmembers = []\n").server(server).start();
        let port = gateway.proxy().port();
        let login = format!("login.localhost:{port}");
        let provider = RealProvider::certified(&login, port);
        let circuits = wiki(&upstream) + &wiki(&upstream).replace("wiki", "board");
        // Without refresh tokens, so that nothing but the provider's word ends a session.
        gateway.reconfigure(&(provider.toml("scopes = [\"openid\", \"email\", \"groups\"]") + &circuits));
        Self { upstream, gateway, provider, login }
    }

    /// A page of a circuit, as a browser names it.
    pub(crate) fn at(&self, circuit: &str) -> String {
        format!("http://{circuit}.localhost:{}/a?x=1", self.gateway.proxy().port())
    }

    /// Opens a circuit and signs in at the provider, which may ask for nothing.
    #[track_caller]
    fn sign_in(&self, window: &mut Window, jar: &mut Jar, circuit: &str) -> String {
        let to_login = location(&window.get(&self.at(circuit)));
        assert_eq!(host(&to_login), self.login);
        let to_provider = location(&window.get(&to_login));
        let callback = self.provider.sign_in(jar, &to_provider);
        assert_eq!(host(&callback), self.login, "the provider knows the login host alone");
        let back = window.get(&callback);
        let (way, page) = window.follow(&callback, back, None);
        assert_eq!((page.status, way.last()), (200, Some(&self.at(circuit))), "{way:#?}");
        self.session(window, circuit)
    }

    fn session(&self, window: &Window, circuit: &str) -> String {
        window.cookie(host(&self.at(circuit)), "vestibule").unwrap()
    }

    fn status(&self, circuit: &str, cookie: &str) -> u16 {
        self.gateway.get(&format!("{circuit}.localhost"), "/").cookie(cookie).send().status
    }
}

#[test]
#[ignore = "needs oidc-provider from npm; tests/run.sh fetches it"]
fn sso_certified_provider_signs_in_once_for_two_circuits_and_out_of_both() {
    let all = TwoHouses::start();
    let (mut window, mut jar) = (Window::new(&all.gateway, "203.0.113.1"), Jar::default());
    let wiki = all.sign_in(&mut window, &mut jar, "wiki");
    assert_eq!(all.upstream.last().header("x-vestibule-user"), Some(MAYA));
    let (way, page) = window.open(&all.at("board"), None);
    assert_eq!((page.status, way.last()), (200, Some(&all.at("board"))), "nobody is asked twice: {way:#?}");
    let board = all.session(&window, "board");
    assert_eq!((all.status("wiki", &wiki), all.status("board", &board)), (200, 200));

    let gone = window.post(&all.at("board").replace("/a?x=1", "/.vestibule/logout"), &[]);
    let away = location(&gone);
    let told = pairs(away.split_once('?').unwrap().1);
    assert_eq!(told["post_logout_redirect_uri"], format!("http://{}/.vestibule/logout", all.login));
    assert_eq!((all.status("wiki", &wiki), all.status("board", &board)), (401, 401), "out of both");
    let page = all.provider.open(&mut jar, &all.provider.ask("GET", path(&away)));
    let back = leave(&all.provider, &mut jar, &page);
    assert!(back.starts_with(&told["post_logout_redirect_uri"]), "{back}");
    assert_eq!(window.get(&back).status, 200, "and here is a page for who comes back");
}

#[test]
#[ignore = "needs oidc-provider from npm; tests/run.sh fetches it"]
fn sso_certified_provider_tells_the_login_host_who_left() {
    let all = TwoHouses::start();
    let (mut window, mut jar) = (Window::new(&all.gateway, "203.0.113.1"), Jar::default());
    let wiki = all.sign_in(&mut window, &mut jar, "wiki");
    assert_eq!(window.open(&all.at("board"), None).1.status, 200);
    let board = all.session(&window, "board");
    let (mut other, mut elsewhere) = (Window::new(&all.gateway, "203.0.113.2"), Jar::default());
    let untouched = all.sign_in(&mut other, &mut elsewhere, "wiki");

    // At the provider itself, where no circuit has a hand in it.
    let page = all.provider.open(&mut jar, &all.provider.ask("GET", "/session/end"));
    leave(&all.provider, &mut jar, &page);
    until(Duration::from_secs(10), "the provider tells", || (all.status("wiki", &wiki) == 401).then_some(()));
    assert_eq!(all.status("board", &board), 401);
    assert_eq!(all.status("wiki", &untouched), 200, "another sign-in of the same person");
    let rows = all.gateway.logs_when("access", "action=logout", 3);
    assert!(rows.iter().all(|row| row["email"] == MAYA && row["provider"] == "corp"), "{rows:#?}");
}

/// Presses the button of the provider's own page; gives where that leads.
#[track_caller]
fn leave(provider: &RealProvider, jar: &mut Jar, page: &Response) -> String {
    let secret = hidden(page, "xsrf").unwrap_or_else(|| panic!("no form: {} {}", page.status, page.text()));
    let form = [("xsrf", secret.as_str()), ("logout", "yes")];
    location(&provider.open(jar, &provider.ask("POST", "/session/end/confirm").form(&form)))
}
