//! What is behind a circuit: several upstreams and their health, redirects, headers, loops.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use harness::{Gateway, Upstream, until};
use serde_json::Value;

/// A public circuit `a` on `a.localhost`.
fn circuit(lines: &str) -> String {
    format!("[circuits.a]\nhosts = [\"a.localhost\"]\naccess = \"public\"\n{lines}\n")
}

/// What the admin port says of the circuit's upstreams.
fn upstreams(gateway: &Gateway) -> Vec<Value> {
    let rows = gateway.admin("/api/v1/circuits").json()["data"].as_array().unwrap().clone();
    rows[0]["upstreams"].as_array().unwrap().clone()
}

fn closed() -> String {
    format!("http://127.0.0.1:{}", harness::port::free())
}

/// An upstream that takes every connection, reads, and closes it.
fn mute() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            drop(std::io::Read::read(&mut &stream, &mut [0; 4096]));
        }
    });
    url
}

#[test]
fn requests_are_shared_by_upstreams_that_are_as_busy() {
    let all = [Upstream::start(), Upstream::start(), Upstream::start()];
    let urls = all.each_ref().map(|upstream| format!("{:?}", upstream.url())).join(", ");
    let gateway = Gateway::start(&circuit(&format!("upstreams = [{urls}]")));
    for number in 0..9 {
        let answer = gateway.get("a.localhost", &format!("/{number}")).send();
        assert_eq!(answer.status, 200);
        let at = gateway.entry_of(&answer)["upstream"].clone();
        let took: Vec<_> = all.iter().filter(|upstream| upstream.count_of(&format!("/{number}")) > 0).collect();
        assert_eq!((took.len(), &at), (1, &took[0].url().into()), "the entry says which one");
    }
    assert_eq!(all.each_ref().map(Upstream::count), [3, 3, 3]);
    // One is busy: the others get what comes.
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| gateway.get("a.localhost", "/slow/1000").send());
        until(Duration::from_secs(3), "a busy one", || {
            upstreams(&gateway).iter().any(|upstream| upstream["in_flight"] == 1).then_some(())
        });
        (0..6).for_each(|_| assert_eq!(gateway.get("a.localhost", "/quick").send().status, 200));
        assert_eq!(slow.join().unwrap().status, 200);
    });
    let busy = all.iter().find(|upstream| upstream.count_of("/slow/1000") == 1).unwrap();
    assert_eq!(busy.count_of("/quick"), 0);
}

#[test]
fn one_that_cannot_be_connected_to_costs_no_request() {
    let (good, gone) = (Upstream::start(), closed());
    let mut gateway = Gateway::start(&circuit(&format!("upstreams = [\"{gone}\", \"{}\"]", good.url())));
    for number in 0..6 {
        let request = gateway.request("POST", "a.localhost", "/x").body("text/plain", format!("body {number}"));
        assert_eq!(request.send().status, 200, "nothing was sent to the one that is gone");
        assert_eq!(good.last().body, format!("body {number}").as_bytes());
    }
    assert_eq!(good.count(), 6);
    let [first, second] = <[Value; 2]>::try_from(upstreams(&gateway)).unwrap();
    assert_eq!(
        (&first["url"], &first["healthy"], &first["failures"]),
        (&gone.as_str().into(), &false.into(), &1.into())
    );
    assert_eq!((&first["last_error"]["reason"], &first["retries"]), (&"backend_refused".into(), &1.into()));
    assert!(first["since"].is_string() && second["since"].is_null());
    assert_eq!((&second["healthy"], &second["addresses"][0]), (&true.into(), &good.address().to_string().into()));

    // Each has its own figures, and a reload takes none of them.
    let figures = |gateway: &Gateway, url: &str| {
        let names = ["requests_total", "failures_total", "retries_total", "healthy", "answer_seconds_count"];
        let label = format!("upstream=\"{url}\"");
        names.map(|name| gateway.metric(&format!("vestibule_upstream_{name}"), &[&label]) as u64)
    };
    let both = |gateway: &Gateway| (figures(gateway, &gone), figures(gateway, &good.url()));
    assert_eq!(both(&gateway), ([1, 1, 1, 0, 0], [6, 0, 0, 1, 6]));
    let another = circuit("upstream = \"http://127.0.0.1:9\"").replace("circuits.a", "circuits.b");
    gateway.reconfigure(&(gateway.body().to_owned() + &another.replace("a.localhost", "b.localhost")));
    assert_eq!(both(&gateway), ([1, 1, 1, 0, 0], [6, 0, 0, 1, 6]));
}

#[test]
fn where_all_are_gone_the_answer_says_so() {
    let urls = [closed(), closed(), closed(), closed()];
    let gateway = Gateway::start(&circuit(&format!("upstreams = {urls:?}")));
    for _ in 0..2 {
        let answer = gateway.get("a.localhost", "/").send();
        assert_eq!((answer.status, answer.reason().as_str()), (502, "backend_refused"));
        assert_eq!(gateway.entry_of(&answer)["request_id"], answer.json()["request_id"]);
    }
    let tried: u64 = upstreams(&gateway).iter().map(|upstream| upstream["failures"].as_u64().unwrap()).sum();
    assert_eq!(tried, 6, "each request tries two others at most, and unhealthy ones where there is nothing else");
}

#[test]
fn only_what_may_be_repeated_is_sent_to_another_one() {
    let (good, mute) = (Upstream::start(), mute());
    let gateway = Gateway::start(&circuit(&format!("upstreams = [\"{mute}\", \"{}\"]", good.url())));
    for method in ["GET", "HEAD", "OPTIONS", "DELETE"] {
        for _ in 0..2 {
            assert_eq!(gateway.request(method, "a.localhost", "/").send().status, 200, "{method}");
        }
    }
    assert_eq!(good.count(), 8);
    let send = |method: &str, body: &str| {
        let answers = (0..2).map(|_| gateway.request(method, "a.localhost", "/").body("text/plain", body).send());
        let mut statuses: Vec<_> = answers.map(|answer| answer.status).collect();
        statuses.sort_unstable();
        statuses
    };
    assert_eq!(send("POST", ""), [200, 502]);
    assert_eq!(send("PUT", "a body"), [200, 502]);
    assert!(upstreams(&gateway).iter().all(|upstream| upstream["healthy"] == true), "it can be connected to");
}

#[test]
fn one_that_says_that_it_is_ill_gets_nothing_until_it_is_well() {
    let (steady, other) = (Upstream::start(), Upstream::start());
    let health = "{ path = \"/healthz?deep\", every = \"1s\", healthy_after = 1, unhealthy_after = 1 }";
    let lines = format!("upstreams = [\"{}\", \"{}\"]\nhealth = {health}", steady.url(), other.url());
    let gateway = Gateway::start(&circuit(&lines));
    let becomes = |healthy: bool| {
        until(Duration::from_secs(5), "the check", || (upstreams(&gateway)[1]["healthy"] == healthy).then_some(()));
    };
    let visit = || (0..4).for_each(|_| drop(gateway.get("a.localhost", "/page").send()));
    until(Duration::from_secs(5), "a question", || (other.count_of("/healthz?deep") > 0).then_some(()));
    assert_eq!(other.last().header("host"), Some("a.localhost"));
    visit();
    assert_eq!((steady.count_of("/page"), other.count_of("/page")), (2, 2));

    other.answer_with(503);
    becomes(false);
    assert_eq!(upstreams(&gateway)[1]["last_error"]["reason"], "status 503");
    visit();
    assert_eq!((steady.count_of("/page"), other.count_of("/page")), (6, 2));

    // Nobody is well: who is asked answers what it has.
    steady.answer_with(500);
    until(Duration::from_secs(5), "the check", || (upstreams(&gateway)[0]["healthy"] == false).then_some(()));
    let answer = gateway.get("a.localhost", "/page").send();
    assert!(matches!(answer.status, 500 | 503) && answer.header("x-vestibule").is_none(), "{answer:?}");

    other.answer_with(302);
    becomes(true);
    other.answer_with(0);
    let before = other.count_of("/page");
    visit();
    assert_eq!(other.count_of("/page"), before + 4);
    assert_eq!(gateway.logs("requests", "path.prefix=/healthz"), Vec::<Value>::new(), "no request of anybody's");
}

#[test]
fn each_upstream_has_its_own_places() {
    let (small, large) = (Upstream::start(), Upstream::start());
    let lines = format!(
        "upstreams = [{{ url = \"{}\", max_in_flight = 1 }}, {{ url = \"{}\", max_in_flight = 2 }}]",
        small.url(),
        large.url()
    );
    let gateway = Gateway::start(&circuit(&lines));
    let start = Instant::now();
    let answers = harness::load::parallel(5, 5, |_| gateway.get("a.localhost", "/slow/1500"));
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 503, 503], "{:?}", start.elapsed());
    assert_eq!((small.count(), large.count()), (1, 2));
}

#[test]
fn a_name_is_looked_up_and_one_that_is_not_known_is_told() {
    let upstream = Upstream::start();
    let known = format!("http://localhost:{}", upstream.address().port());
    let more = |name: &str, url: &str| circuit(&format!("upstream = \"{url}\"")).replace(".a]", &format!(".{name}]"));
    let unknown = more("b", "http://nowhere.invalid:81").replace("a.localhost", "b.localhost");
    let gateway = Gateway::start(&(more("a", &known) + &unknown));
    assert_eq!(gateway.get("a.localhost", "/").send().status, 200);
    let start = Instant::now();
    let answers = harness::load::parallel(4, 8, |_| gateway.get("b.localhost", "/"));
    assert!(answers.iter().all(|answer| answer.status == 502 && answer.reason() == "backend_unreachable"));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_circuit_of_paths_alone_leads_nowhere_else() {
    let (api, ui) = (Upstream::start(), Upstream::start());
    let part = |prefix: &str, url: &str, more: &str| {
        format!("[[circuits.a.paths]]\nprefix = \"{prefix}\"\nupstream = \"{url}\"\n{more}")
    };
    let body = circuit("") + &part("/api", &api.url(), "") + &part("/ui", &ui.url(), "rewrite = \"strip\"\n");
    let gateway = Gateway::start(&body);
    for (target, status) in [("/api/x", 200), ("/api", 200), ("/ui/a?b=1", 200), ("/apiary", 404), ("/", 404)] {
        let answer = gateway.get("a.localhost", target).send();
        assert_eq!(answer.status, status, "{target}");
        if status == 404 {
            let entry = gateway.entry_of(&answer);
            assert_eq!((&entry["reason"], &entry["origin"]), (&"circuit_not_found".into(), &"no_route".into()));
            assert_eq!(entry["circuit"], "a");
        }
    }
    assert_eq!((ui.last().target.as_str(), api.count()), ("/a?b=1", 2));
}

#[test]
fn a_circuit_that_leads_back_here_is_told_within_one_hop() {
    let upstream = Upstream::start();
    let mut gateway = Gateway::start(&circuit(&format!("upstream = \"{}\"", upstream.url())));
    let here = gateway.proxy();
    let name = format!("http://localhost:{}", here.port());
    for (url, host) in [
        (format!("http://{here}"), "client"),
        (format!("http://{here}"), "upstream"),
        (name.clone(), "client"),
        (name, "upstream"),
    ] {
        gateway.reconfigure(&circuit(&format!("upstream = {{ url = \"{url}\", host_header = \"{host}\" }}")));
        let before = gateway.logs("requests", "").len();
        let answer = gateway.get("a.localhost", "/loop").send();
        assert_eq!((answer.status, answer.reason().as_str()), (421, "loop_detected"), "{url} {host}");
        let entries = gateway.logs_when("requests", "", before + 2);
        assert_eq!(entries.len(), before + 2, "one request came back, once: {url} {host}");
        assert!(entries.iter().any(|entry| entry["reason"] == "loop_detected" && entry["action"] == "blocked"));
    }
}

#[test]
fn nobody_can_make_a_request_look_like_one_that_came_back() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&circuit(&format!("upstream = \"{}\"", upstream.url())));
    gateway.get("a.localhost", "/").send();
    let ours = upstream.last().header("x-vestibule-hop").unwrap().to_owned();
    assert_eq!(ours.len(), 32);
    for forged in ["1", "", &"0".repeat(32)] {
        assert_eq!(gateway.get("a.localhost", "/").header("X-Vestibule-Hop", forged).send().status, 200);
        let hops =
            upstream.last().fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-vestibule-hop")).count();
        assert_eq!((hops, upstream.last().header("x-vestibule-hop")), (1, Some(ours.as_str())));
    }
}

#[test]
fn an_upstream_gets_the_headers_that_the_file_says() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("token");
    std::fs::write(&secret, "Bearer of-the-backend\n").unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let headers = format!("{{ X-Env = \"t\", Authorization = {{ file = {secret:?} }} }}");
    let lines = format!("upstream = {{ url = \"{}\", headers = {headers} }}", upstream.url());
    let gateway = Gateway::start(&circuit(&lines));
    gateway.get("a.localhost", "/").header("X-Env", "client").header("Authorization", "Basic Y2xpZW50").send();
    let received = upstream.last();
    let of = |name: &str| {
        let named = received.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    assert_eq!((of("x-env"), of("authorization")), (vec!["t"], vec!["Bearer of-the-backend"]));
}

#[test]
fn redirects_to_the_upstream_lead_to_the_circuit() {
    let upstream = Upstream::start();
    let (own, port) = (upstream.url(), upstream.address().port());
    let part = |prefix: &str, rewrite: &str| {
        format!("[[circuits.a.paths]]\nprefix = \"{prefix}\"\nupstream = \"{own}\"\nrewrite = {rewrite}\n")
    };
    let body = circuit(&format!("upstream = \"{own}\""))
        + &part("/ui", "\"strip\"")
        + &part("/api", "{ replace = \"/location\" }")
        + &format!(
            "[circuits.b]\nhosts = [\"b.localhost\"]\naccess = \"public\"\nupstream = {{ url = \"{own}\", \
             rewrite_redirects = false }}\n"
        );
    let gateway = Gateway::start(&body);
    let sent = |host: &str, target: &str, secure: bool| {
        let request = gateway.get(host, target);
        let answer = if secure { request.header("X-Forwarded-Proto", "https") } else { request }.send();
        assert_eq!(answer.status, 302, "{target}");
        assert_eq!(answer.header("location"), answer.header("content-location"), "{target}");
        answer.header("location").unwrap().to_owned()
    };
    for (location, expected) in [
        (format!("{own}/x?q%23f"), "http://a.localhost/x?q#f".to_owned()),
        (own.clone(), "http://a.localhost".to_owned()),
        (format!("{own}?q"), "http://a.localhost?q".to_owned()),
        (format!("HTTPS://127.0.0.1:{port}/x"), "http://a.localhost/x".to_owned()),
        (format!("http://[::ffff:127.0.0.1]:{port}/x"), "http://a.localhost/x".to_owned()),
        ("http://127.0.0.1/x".to_owned(), "http://127.0.0.1/x".to_owned()),
        ("http://other.test/x".to_owned(), "http://other.test/x".to_owned()),
        (format!("http://other.test:{port}/x"), format!("http://other.test:{port}/x")),
        (format!("http://127.0.0.1:{port}@other.test/x"), format!("http://127.0.0.1:{port}@other.test/x")),
        (format!("//127.0.0.1:{port}/x"), format!("//127.0.0.1:{port}/x")),
        ("/x?q".to_owned(), "/x?q".to_owned()),
        (format!("ftp://127.0.0.1:{port}/x"), format!("ftp://127.0.0.1:{port}/x")),
    ] {
        assert_eq!(sent("a.localhost", &format!("/location?{location}"), false), expected, "{location}");
    }
    let there = format!("/location?{own}/x");
    assert_eq!(sent("A.localhost:8443", &there, true), "https://a.localhost:8443/x");
    assert_eq!(sent("a.localhost", &format!("/ui{there}"), false), "http://a.localhost/ui/x");
    assert_eq!(sent("a.localhost", &format!("/api?{own}/location/y"), false), "http://a.localhost/api/y");
    assert_eq!(sent("a.localhost", &format!("/api?{own}/z"), false), "http://a.localhost/z");
    assert_eq!(sent("b.localhost", &there, false), format!("{own}/x"));
}

#[test]
fn every_upstream_has_figures_of_its_own() {
    let (good, other, gone, mute) = (Upstream::start(), Upstream::start(), closed(), mute());
    let part = |prefix: &str, lines: &str| format!("[[circuits.a.paths]]\nprefix = \"{prefix}\"\n{lines}\n");
    let body = circuit(&format!("upstreams = [\"{gone}\", \"{}\"]", good.url()))
        + &part("/same", "access = \"public\"")
        + &part("/other", &format!("upstream = \"{}\"", other.url()))
        + &part("/mute", &format!("upstream = \"{mute}\""));
    let mut gateway = Gateway::start(&body);
    for (target, status) in [("/", 200), ("/same", 200), ("/other/x", 200), ("/mute", 502)] {
        assert_eq!(gateway.get("a.localhost", target).send().status, status, "{target}");
    }
    let figure = |gateway: &Gateway, name: &str, path: &str, url: &str, more: &str| {
        let labels = [&format!("circuit=\"a\",path=\"{path}\",upstream=\"{url}\""), more];
        let page = gateway.admin("/metrics").text();
        let lines = page.lines().filter(|line| line.starts_with(&format!("vestibule_upstream_{name}{{")));
        let mut found = lines.filter(|line| labels.iter().all(|label| line.contains(label)));
        let value = found.next().unwrap_or_else(|| panic!("{name} of {path:?} {url}: {page}")).rsplit(' ').next();
        assert_eq!(found.next(), None, "{name} {path} {url}");
        value.unwrap().to_owned()
    };
    let (url, no) = (good.url(), "");
    for (name, path, upstream, more, value) in [
        ("requests_total", "", url.as_str(), no, "2"),
        ("requests_total", "", &gone, no, "1"),
        ("requests_total", "/other", &other.url(), no, "1"),
        ("retries_total", "", &gone, no, "1"),
        ("failures_total", "", &gone, "backend_refused", "1"),
        ("failures_total", "", &url, "backend_refused", "0"),
        ("failures_total", "/mute", &mute, "backend_unreachable", "1"),
        ("healthy", "", &gone, no, "0"),
        ("healthy", "", &url, no, "1"),
        ("in_flight", "", &url, no, "0"),
        ("answer_seconds_count", "", &url, no, "2"),
        ("answer_seconds_count", "", &gone, no, "0"),
        ("answer_seconds_bucket", "/other", &other.url(), "le=\"+Inf\"", "1"),
    ] {
        assert_eq!(figure(&gateway, name, path, upstream, more), value, "{name} {path} {upstream} {more}");
    }
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| gateway.get("a.localhost", "/slow/1000").send());
        until(Duration::from_secs(3), "a request under way", || {
            (figure(&gateway, "in_flight", "", &url, no) == "1").then_some(())
        });
        slow.join().unwrap();
    });
    // What is kept of the configuration keeps its counts; what is gone is not on the page.
    gateway.reconfigure(&circuit(&format!("upstream = {{ url = \"{url}\", timeout = \"1s\" }}")));
    assert_eq!(figure(&gateway, "requests_total", "", &url, no), "3");
    assert!(!gateway.admin("/metrics").text().contains(&gone));
    assert_eq!(gateway.get("a.localhost", "/slow/3000").send().status, 504);
    assert_eq!(figure(&gateway, "failures_total", "", &url, "backend_timeout"), "1");
}
