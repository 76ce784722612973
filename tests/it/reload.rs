//! A change is taken whole or not at all, and nothing that runs notices.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::house::MAYA;
use harness::secrets::ADMIN_TOKEN;
use harness::{Connection, Gateway, House, until};

fn revision(gateway: &Gateway) -> String {
    gateway.admin("/api/v1/status").json()["revision"].as_str().unwrap().to_owned()
}

/// The circuit `pub` answers 404 from now on.
fn without_pub(gateway: &Gateway) -> String {
    gateway.body().replace("[circuits.pub]", "[circuits.pub]\nenabled = false")
}

#[test]
fn hup_applies_a_change() {
    let mut house = House::start();
    let old = revision(&house.gateway);
    house.gateway.rewrite(&without_pub(&house.gateway));
    house.gateway.signal("HUP");
    until(Duration::from_secs(3), "the change", || {
        (house.get("pub.localhost", "/").send().status == 404).then_some(())
    });
    let entry = house.gateway.logs_when("audit", "action=config.reload", 1).remove(0);
    assert_eq!((&entry["status"], &entry["resource_type"]), (&"success".into(), &"config".into()));
    assert!(entry["before"].to_string().contains(&old), "{entry}");
    assert!(entry["after"].to_string().contains(&revision(&house.gateway)), "{entry}");
}

#[test]
fn a_changed_file_is_in_force_within_two_seconds() {
    let mut house = House::start();
    for round in 0..2 {
        let (body, status) = if round == 0 {
            (without_pub(&house.gateway), 404)
        } else {
            (house.gateway.body().replace("enabled = false", ""), 200)
        };
        house.gateway.rewrite(&body);
        until(Duration::from_millis(2200), "the change", || {
            (house.get("pub.localhost", "/").send().status == status).then_some(())
        });
    }
}

#[test]
fn an_included_file_is_watched_too() {
    let house = House::start();
    let included = house.gateway.folder().join("more.toml");
    std::fs::write(&included, "[users.\"late@example.net\"]\nname = \"Late\"\n").unwrap();
    let config = house.gateway.config();
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("include = [\"more.toml\"]\n{text}")).unwrap();
    let first = until(Duration::from_secs(3), "the include", || {
        house.gateway.logs("audit", "action=config.reload&status=success").pop()
    });
    std::fs::write(&included, "[users.\"late@example.net\"]\nname = \"Later\"\n").unwrap();
    until(Duration::from_secs(3), "the included change", || {
        house
            .gateway
            .logs("audit", "action=config.reload&status=success")
            .into_iter()
            .find(|entry| entry["id"] != first["id"])
    });
}

#[test]
fn a_broken_file_changes_nothing_and_is_reported() {
    let mut house = House::start();
    let (old, body) = (revision(&house.gateway), house.gateway.body().to_owned());
    let cookie = house.session("mem.localhost", MAYA);
    house
        .gateway
        .rewrite(&(without_pub(&house.gateway) + "\n[circuits.broken]\nhosts = [\"b.localhost\"]\nupstrem = \"x\"\n"));

    let answer = house.gateway.admin_request("POST", "/api/v1/config/reload").bearer(ADMIN_TOKEN).send();

    assert!((400..500).contains(&answer.status), "{}", answer.status);
    let text = answer.text();
    assert!(text.contains("access") && text.contains("upstrem"), "every problem at once: {text}");
    assert_eq!(house.get("pub.localhost", "/").send().status, 200);
    assert_eq!(house.get("mem.localhost", "/").cookie(&cookie).send().status, 200);
    assert_eq!(revision(&house.gateway), old);
    assert!(house.gateway.metric("vestibule_config_last_reload_successful", &[]) < 0.5);
    let entry = house.gateway.logs_when("audit", "action=config.reload&status=failed", 1).remove(0);
    assert!(entry["details"].to_string().contains("upstrem"), "{entry}");
    assert_eq!(house.gateway.admin_request("GET", "/readyz").send().status, 200, "it goes on with what it has");

    house.gateway.reconfigure(&body);
    assert!(house.gateway.metric("vestibule_config_last_reload_successful", &[]) > 0.5);
}

#[test]
fn a_listener_change_is_named_as_needing_a_restart() {
    let house = House::start();
    let text = std::fs::read_to_string(house.gateway.config()).unwrap();
    let listen = format!("address = \"{}\"", house.gateway.proxy());
    let other = format!("address = \"127.0.0.1:{}\"", harness::port::free());
    std::fs::write(house.gateway.config(), text.replace(&listen, &other)).unwrap();
    let answer = house.gateway.admin_request("POST", "/api/v1/config/reload").bearer(ADMIN_TOKEN).send();
    assert!(answer.text().contains("restart"), "{} {}", answer.status, answer.text());
    assert_eq!(house.get("pub.localhost", "/").send().status, 200);
}

/// Two circuits change their upstream at once, over and over, under load: no request fails, and no connection is cut.
#[test]
fn a_reload_is_atomic_under_load() {
    let mut house = House::start();
    let other = harness::Upstream::start();
    let (here, there) =
        (house.gateway.body().to_owned(), house.gateway.body().replace(&house.upstream.url(), &other.url()));
    let done = AtomicBool::new(false);
    let proxy = house.gateway.proxy();
    let request = house.get("pub.localhost", "/");
    let answered = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = Connection::open(proxy).unwrap();
                    let mut count = 0;
                    while !done.load(Ordering::Relaxed) {
                        assert_eq!(connection.send(&request).unwrap().status, 200);
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        for round in 0..20 {
            house.gateway.reconfigure(if round % 2 == 0 { &there } else { &here });
        }
        done.store(true, Ordering::Relaxed);
        workers.into_iter().map(|worker| worker.join().unwrap()).sum::<usize>()
    });
    assert_eq!(house.upstream.count() + other.count(), answered);
    assert!(other.count() > 0 && house.upstream.count() > 0);
    assert_eq!(house.gateway.logs_when("audit", "action=config.reload&status=success", 20).len(), 20);
}
