//! Tails: entries as they are appended, none lost without a word.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use harness::gateway::command;
use harness::house::MAYA;
use harness::secrets::{ADMIN_TOKEN, PASSWORD, READER_TOKEN};
use harness::{Connection, House, http, until};
use serde_json::Value;

/// A token that a reload takes away.
const TAIL_TOKEN: &str = "vsta_test-tail";
const TAIL_TOKENS: &str = "\n[admin.tokens.tail]\nrole = \"reader\"\nlogs = [\"requests\"]\nhash = \
                           \"sha256:502d17665f8a9d93bb2cd58715059307255d9bef021c15f0103a8aff900de2c1\"\n";

/// One tail.
struct Tail {
    connection: Connection,
    unread: String,
    ended: bool,
}

#[derive(Debug)]
struct Event {
    id: String,
    kind: String,
    data: Value,
}

impl Tail {
    /// Open, with the first position read.
    fn open(house: &House, target: &str, token: &str, last: Option<&str>) -> Self {
        let mut request = house.gateway.admin_request("GET", target).bearer(token);
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let mut connection = Connection::open(house.gateway.admin_address()).unwrap();
        connection.write(&request.bytes()).unwrap();
        let (status, head) = connection.read_head().unwrap();
        let (_, fields) = http::parse_head(&head);
        assert_eq!((status, http::header(&fields, "content-type")), (200, Some("text/event-stream")));
        let mut tail = Self { connection, unread: String::new(), ended: false };
        assert!(tail.next().id.parse::<i64>().is_ok());
        tail
    }

    /// The next event, or what keeps the connection alive.
    fn next(&mut self) -> Event {
        loop {
            if let Some((event, rest)) = self.unread.split_once("\n\n") {
                let part = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
                let data = serde_json::from_str(part("data: ")).unwrap_or_default();
                let event = Event { id: part("id: ").to_owned(), kind: part("event: ").to_owned(), data };
                self.unread = rest.to_owned();
                return event;
            }
            assert!(self.read(), "the tail ended");
        }
    }

    /// The path of the next entry.
    fn path(&mut self) -> String {
        let event = self.next();
        assert_eq!(event.kind, "entry", "{event:?}");
        event.data["path"].as_str().unwrap().to_owned()
    }

    fn read(&mut self) -> bool {
        let mut bytes = Vec::new();
        self.ended = !http::read_chunk(self.connection.stream(), &mut bytes).unwrap();
        self.unread.push_str(&String::from_utf8(bytes).unwrap());
        !self.ended
    }

    /// Reads to the end, which must come although the tail says again and again that it lives.
    fn end(mut self) {
        let began = Instant::now();
        while self.read() {
            assert!(began.elapsed() < Duration::from_secs(15), "the tail goes on");
        }
    }
}

#[test]
fn a_new_entry_is_seen_within_a_second_as_the_api_has_it() {
    let house = House::start();
    house.get("pub.localhost", "/before").send();
    house.gateway.logs_when("requests", "path=/before", 1);
    let mut tail = Tail::open(&house, "/api/v1/logs/requests/tail?circuit=pub", READER_TOKEN, None);
    for number in 0..5 {
        house.get("mem.localhost", "/other").send();
        let answer = house.get("pub.localhost", &format!("/{number}")).send();
        let answered = Instant::now();
        let event = tail.next();
        assert!(answered.elapsed() < Duration::from_secs(1), "{:?}", answered.elapsed());
        let entry = house.gateway.entry_of(&answer);
        assert_eq!((&event.data, event.id), (&entry, entry["seq"].to_string()));
    }
}

#[test]
fn a_tail_goes_on_after_the_last_event_and_misses_no_long_request() {
    let house = House::start();
    let mut tail = Tail::open(&house, "/api/v1/logs/requests/tail", READER_TOKEN, None);
    let slow = house.get("pub.localhost", "/slow/1500");
    let running = std::thread::spawn(move || slow.send());
    until(Duration::from_secs(2), "the request's start", || (house.upstream.count() == 1).then_some(()));
    house.get("pub.localhost", "/fast").send();
    let seen = tail.next();
    assert_eq!(seen.data["path"], "/fast");
    drop(tail);
    running.join().unwrap();
    house.get("pub.localhost", "/last").send();
    let mut again = Tail::open(&house, "/api/v1/logs/requests/tail", READER_TOKEN, Some(&seen.id));
    assert_eq!((again.path(), again.path()), ("/slow/1500".to_owned(), "/last".to_owned()), "by their arrival");
    let times = house.gateway.logs("requests", "order=asc&fields=path");
    assert_eq!(times[0]["path"], "/slow/1500", "although it began first");
}

#[test]
fn the_access_log_shows_every_state_of_an_attempt() {
    let house = House::start();
    let mut tail = Tail::open(&house, "/api/v1/logs/access/tail", READER_TOKEN, None);
    house.gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", PASSWORD)]).send();
    house.gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", "wrong")]).send();
    let events = house.gateway.logs_when("access", "order=asc", 2);
    let mut seen = Vec::new();
    while seen.iter().filter(|entry: &&Value| !entry["result"].is_null()).count() < 2 {
        seen.push(tail.next().data);
    }
    assert!(events.iter().all(|event| seen.contains(event)), "{seen:?}");
}

#[test]
fn a_tail_ends_with_its_token_and_with_the_server() {
    let mut house = House::with(TAIL_TOKENS);
    let other = house.gateway.admin_request("GET", "/api/v1/logs/audit/tail").bearer(TAIL_TOKEN).send();
    assert_eq!(other.status, 403, "{}", other.text());
    let taken = Tail::open(&house, "/api/v1/logs/requests/tail", TAIL_TOKEN, None);
    let kept = Tail::open(&house, "/api/v1/logs/requests/tail", READER_TOKEN, None);
    let body = house.gateway.body().replace(TAIL_TOKENS, "");
    house.gateway.reconfigure(&body);
    let reloaded = Instant::now();
    taken.end();
    assert!(reloaded.elapsed() < Duration::from_secs(2), "{:?}", reloaded.elapsed());

    let stopping = Instant::now();
    house.gateway.signal("TERM");
    kept.end();
    assert!(stopping.elapsed() < Duration::from_secs(2), "{:?}", stopping.elapsed());
    assert!(house.gateway.wait().success());
}

#[test]
fn what_is_not_for_a_tail_is_named() {
    let house = House::start();
    for (query, name) in [("limit=5", "limit"), ("cursor=x", "cursor"), ("nonsense=1", "nonsense")] {
        let answer = house.gateway.admin(&format!("/api/v1/logs/requests/tail?{query}"));
        assert!(answer.status == 400 && answer.text().contains(name), "{}", answer.text());
    }
}

#[test]
fn the_command_line_follows_over_a_restart_and_loses_nothing() {
    let mut house = House::start();
    let mut command = command(&["logs", "requests", "-f", "-o", "json"]);
    command.env("VESTIBULE_ADMIN_URL", format!("http://{}", house.gateway.admin_address()));
    command.env("VESTIBULE_ADMIN_TOKEN", ADMIN_TOKEN);
    let mut follower = Follower(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut lines = BufReader::new(follower.0.stdout.take().unwrap()).lines();
    let mut next = move || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap()["path"].clone();
    until(Duration::from_secs(8), "a tail", || {
        (house.gateway.metric("vestibule_admin_streams", &["tail"]) > 0.5).then_some(())
    });
    house.get("pub.localhost", "/one").send();
    assert_eq!(next(), "/one");

    house.gateway.stop();
    house.gateway.launch();
    house.get("pub.localhost", "/two").send();

    assert_eq!(next(), "/two");
}

/// Ends with its test.
struct Follower(Child);

impl Drop for Follower {
    fn drop(&mut self) {
        drop((self.0.kill(), self.0.wait()));
    }
}
