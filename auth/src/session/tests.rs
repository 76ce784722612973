use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use vestibule_config::session::SessionLimits;

use super::store::Store;
use super::*;
use crate::clock::{Clock, Hand};
use crate::keyed::Keyed;
use crate::state::State as Database;

const HOUR: Duration = Duration::from_secs(3600);
const LIMITS: SessionLimits =
    SessionLimits { max_age: Duration::from_secs(24 * 3600), idle: HOUR, per_person: Some(3) };

struct Bench {
    folder: tempfile::TempDir,
    clock: Arc<Hand>,
    database: Arc<Database>,
    store: Arc<Store>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::at(folder, Arc::new(Hand::at("2026-01-01T00:00:00Z".parse().unwrap())))
    }

    fn at(folder: tempfile::TempDir, clock: Arc<Hand>) -> Self {
        let database = Database::open(folder.path()).unwrap();
        let keyed = Arc::new(Keyed::open(&database).unwrap());
        let store = Arc::new(Store::open(database.clone(), clock.clone(), keyed).unwrap());
        Self { folder, clock, database, store }
    }

    /// As `kill -9` leaves it where `flushed` is false: only what was written counts.
    fn restart(self, flushed: bool) -> Self {
        if flushed {
            self.store.flush(true).unwrap();
        }
        self.database.close().unwrap();
        Self::at(self.folder, self.clock)
    }

    fn draft(&self, email: Option<&str>, limits: SessionLimits) -> Draft {
        let (cookie, id) = self.store.new_cookie();
        Draft {
            cookie,
            id,
            circuit: "wiki".into(),
            email: email.map(Arc::from),
            user_id: email.map_or("shared:wiki".into(), |email| format!("local:{email}").into()),
            method: Method::Password,
            limits,
            source_ip: [192, 0, 2, 1].into(),
            user_agent: "test".to_owned(),
            fingerprint: "f".to_owned(),
            provided: None,
            passed: Passed::default(),
            parent: None,
        }
    }

    fn open(&self, email: Option<&str>, limits: SessionLimits) -> SessionCookie {
        self.clock.advance(Duration::from_millis(1));
        self.store.create(self.draft(email, limits), None).unwrap()
    }

    fn maya(&self) -> SessionCookie {
        self.open(Some("maya@example.net"), LIMITS)
    }

    /// `None`: no such session; else its state.
    fn state(&self, cookie: &SessionCookie) -> Option<State> {
        match self.store.find(&cookie.value, "wiki", &LIMITS) {
            Found::Live(_) => Some(State::Active),
            Found::Ended(state) => Some(state),
            Found::Missing => None,
            Found::Unreadable => panic!("the database answers"),
        }
    }

    fn listed(&self) -> Vec<State> {
        self.store.list(&SessionFilter::default(), 100).unwrap().into_iter().map(|listed| listed.state).collect()
    }
}

#[test]
fn a_cookie_opens_its_circuit_and_no_other_spelling_does() {
    let bench = Bench::new();
    let cookie = bench.maya();
    assert_eq!(cookie.value.len(), 43);
    assert_eq!(bench.state(&cookie), Some(State::Active));
    let missing = |value: &str, circuit| matches!(bench.store.find(value, circuit, &LIMITS), Found::Missing);
    assert!(missing(&cookie.value, "other"));
    for value in ["", "x", &"A".repeat(43), &format!("{}=", *cookie.value), &cookie.value.to_lowercase()] {
        assert!(missing(value, "wiki"), "{value:?}");
    }
    // The last digit holds two spare bits: the other spellings of the same bytes are refused.
    let mut bytes = cookie.value.as_bytes().to_vec();
    for digit in *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
        bytes[42] = digit;
        let value = String::from_utf8(bytes.clone()).unwrap();
        assert_eq!(missing(&value, "wiki"), value != *cookie.value);
    }
}

#[test]
fn sessions_survive_a_restart_and_the_disk_knows_no_cookie() {
    let bench = Bench::new();
    let (one, other) = (bench.maya(), bench.maya());
    bench.clock.advance(HOUR / 2);
    assert_eq!(bench.state(&one), Some(State::Active));
    let bench = bench.restart(true);
    bench.clock.advance(HOUR / 2);
    assert_eq!((bench.state(&one), bench.state(&other)), (Some(State::Active), Some(State::Expired)));
    let folder = bench.folder.path().join("state");
    bench.database.close().unwrap();
    for file in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for cookie in [&one, &other] {
            assert!(!bytes.windows(43).any(|window| window == cookie.value.as_bytes()), "a cookie is on disk");
        }
    }
}

#[test]
fn a_created_session_is_on_disk_at_once_and_an_ended_one_too() {
    let bench = Bench::new();
    let (one, other) = (bench.maya(), bench.maya());
    let filter = SessionFilter { id: Some(other.session.id.as_str().to_owned()), ..SessionFilter::default() };
    assert_eq!(bench.store.end(&filter, State::Logout).unwrap().len(), 1);
    let bench = bench.restart(false);
    assert_eq!((bench.state(&one), bench.state(&other)), (Some(State::Active), Some(State::Logout)));
    assert_eq!(bench.store.live_count(), 1);
}

#[test]
fn a_session_ends_at_its_age_or_when_it_rests() {
    let bench = Bench::new();
    let cookie = bench.maya();
    for _ in 0..24 {
        bench.clock.advance(HOUR - Duration::from_secs(1));
        assert_eq!(bench.state(&cookie), Some(State::Active));
    }
    bench.clock.advance(Duration::from_secs(23));
    assert_eq!(bench.state(&cookie), Some(State::Active));
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.state(&cookie), Some(State::Expired));
    let resting = bench.maya();
    bench.clock.advance(HOUR);
    assert_eq!(bench.state(&resting), Some(State::Expired));
    // Once over, a session stays over, whatever the clock says.
    bench.clock.set("2026-01-01T00:00:01Z".parse().unwrap());
    assert_eq!((bench.state(&cookie), bench.state(&resting)), (Some(State::Expired), Some(State::Expired)));
    let bench = bench.restart(true);
    assert_eq!(bench.state(&resting), Some(State::Expired));
    assert_eq!(bench.store.live_count(), 0);
}

#[test]
fn the_stricter_of_sign_in_and_now_counts() {
    let bench = Bench::new();
    let hours = |age: u32, idle: u32| SessionLimits { max_age: HOUR * age, idle: HOUR * idle, per_person: Some(9) };
    for (then, now, after, good) in [
        (hours(2, 2), hours(9, 9), HOUR * 2, false),
        (hours(9, 9), hours(2, 2), HOUR * 2, false),
        (hours(9, 9), hours(2, 2), HOUR, true),
        (hours(9, 1), hours(9, 9), HOUR, false),
        (hours(9, 9), hours(9, 1), HOUR, false),
        (hours(9, 9), hours(0, 9), Duration::ZERO, false),
        (hours(0, 9), hours(9, 9), Duration::ZERO, false),
    ] {
        let cookie = bench.open(Some("maya@example.net"), then);
        bench.clock.advance(after);
        let found = matches!(bench.store.find(&cookie.value, "wiki", &now), Found::Live(_));
        assert_eq!(found, good, "{then:?} {now:?} {after:?}");
    }
}

#[test]
fn one_more_of_a_person_ends_the_oldest() {
    let bench = Bench::new();
    let cookies: Vec<_> = (0..5).map(|_| bench.maya()).collect();
    let other = bench.open(Some("maya@example.net.example"), LIMITS);
    let shared: Vec<_> = (0..5).map(|_| bench.open(None, LIMITS)).collect();
    let states: Vec<_> = cookies.iter().map(|cookie| bench.state(cookie)).collect();
    let (ended, live) = (Some(State::Revoked), Some(State::Active));
    assert_eq!(states, [ended, ended, live, live, live]);
    assert!(shared.iter().chain([&other]).all(|cookie| bench.state(cookie) == live));
    assert_eq!(bench.store.live_count(), 3 + 1 + 5);
}

#[test]
fn a_new_sign_in_ends_the_session_that_was_presented() {
    let bench = Bench::new();
    let old = bench.maya();
    let new = bench.store.create(bench.draft(Some("maya@example.net"), LIMITS), Some(&old.session)).unwrap();
    assert_ne!(old.session.id, new.session.id);
    assert_eq!((bench.state(&old), bench.state(&new)), (Some(State::Revoked), Some(State::Active)));
}

#[test]
fn ending_matches_all_that_is_named_and_only_that() {
    let bench = Bench::new();
    let (maya, ben) = (bench.maya(), bench.open(Some("ben@example.net"), LIMITS));
    let filter = |email: &str, circuit: &str| SessionFilter {
        id: None,
        email: Some(email.to_owned()),
        circuit: Some(circuit.to_owned()),
    };
    assert!(bench.store.end(&filter("maya@example.net", "other"), State::Revoked).unwrap().is_empty());
    let ended = bench.store.end(&filter("maya@example.net", "wiki"), State::Revoked).unwrap();
    assert_eq!(ended.iter().map(|listed| listed.id.as_str()).collect::<Vec<_>>(), [maya.session.id.as_str()]);
    assert_eq!((bench.state(&maya), bench.state(&ben)), (Some(State::Revoked), Some(State::Active)));
    assert!(bench.store.end(&filter("maya@example.net", "wiki"), State::Revoked).unwrap().is_empty());
    assert_eq!(bench.listed(), [State::Active, State::Revoked]);
    let found = bench.store.find_by_id(maya.session.id.as_str()).unwrap().unwrap();
    assert_eq!((found.state, found.user_agent.as_str()), (State::Revoked, "test"));
    assert!(bench.store.find_by_id("nothing").unwrap().is_none());
}

#[test]
fn the_sweep_marks_the_expired_and_forgets_them_after_a_month() {
    let bench = Bench::new();
    let used = bench.maya();
    bench.maya();
    bench.clock.advance(HOUR - Duration::from_secs(60));
    bench.state(&used);
    bench.clock.advance(Duration::from_secs(60));
    assert_eq!(bench.store.live_count(), 2);
    bench.store.sweep().unwrap();
    assert_eq!(bench.store.live_count(), 1);
    assert_eq!(bench.listed(), [State::Expired, State::Active]);
    bench.clock.advance(HOUR * 24 * 30);
    for _ in 0..2 {
        bench.store.sweep().unwrap();
    }
    assert_eq!(bench.listed(), [State::Expired], "the one that was marked now stays for another month");
}

#[test]
fn nobody_else_reads_the_files() {
    let bench = Bench::new();
    let folder = bench.folder.path().join("state");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    bench.database.close_files_to_others();
    for file in std::fs::read_dir(&folder).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}

#[test]
fn no_request_brings_an_ended_session_back() {
    let bench = Bench::new();
    for _ in 0..200 {
        let cookie = bench.maya();
        let filter = SessionFilter { id: Some(cookie.session.id.as_str().to_owned()), ..SessionFilter::default() };
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..50).for_each(|_| assert_ne!(bench.state(&cookie), None)));
            }
            scope.spawn(|| bench.store.end(&filter, State::Revoked).unwrap());
        });
        assert_eq!(bench.state(&cookie), Some(State::Revoked));
    }
}

impl Bench {
    /// A sign-in at the login host.
    fn root(&self) -> SessionCookie {
        self.clock.advance(Duration::from_millis(1));
        let draft = Draft { circuit: LOGIN.into(), ..self.draft(Some("maya@example.net"), LIMITS) };
        self.store.create(draft, None).unwrap()
    }

    /// A session of `wiki` that comes from one.
    fn child(&self, root: &SessionCookie) -> SessionCookie {
        self.clock.advance(Duration::from_millis(1));
        let parent = Parent { id: root.session.id.as_str().to_owned(), sealed: None };
        let draft = self.draft(Some("maya@example.net"), LIMITS);
        self.store.create(Draft { parent: Some((parent, root.session.expires)), ..draft }, None).unwrap()
    }

    fn root_state(&self, root: &SessionCookie) -> Option<State> {
        match self.store.find(&root.value, LOGIN, &LIMITS) {
            Found::Live(_) => Some(State::Active),
            Found::Ended(state) => Some(state),
            Found::Missing => None,
            Found::Unreadable => panic!("the database answers"),
        }
    }
}

fn by_id(cookie: &SessionCookie) -> SessionFilter {
    SessionFilter { id: Some(cookie.session.id.as_str().to_owned()), ..SessionFilter::default() }
}

#[test]
fn what_came_from_a_sign_in_ends_with_it() {
    let bench = Bench::new();
    let (root, other) = (bench.root(), bench.root());
    let (one, two, third) = (bench.child(&root), bench.child(&root), bench.child(&other));
    assert_eq!(bench.store.end(&by_id(&root), State::Logout).unwrap().len(), 3);
    let live = Some(State::Active);
    let logout = Some(State::Logout);
    assert_eq!([bench.state(&one), bench.state(&two), bench.state(&third)], [logout, logout, live]);
    let ended = bench.store.end(&by_id(&third), State::Revoked).unwrap();
    assert_eq!((ended.len(), bench.root_state(&other)), (2, Some(State::Revoked)), "a child ends its root");
    assert_eq!(bench.store.live_count(), 0);
    let bench = bench.restart(false);
    assert_eq!([bench.state(&one), bench.state(&third)], [Some(State::Logout), Some(State::Revoked)]);
}

#[test]
fn the_sessions_of_a_circuit_end_without_the_sign_in() {
    let bench = Bench::new();
    let root = bench.root();
    let child = bench.child(&root);
    let wiki = SessionFilter { circuit: Some("wiki".to_owned()), ..SessionFilter::default() };
    assert_eq!(bench.store.end(&wiki, State::Revoked).unwrap().len(), 1);
    assert_eq!((bench.state(&child), bench.root_state(&root)), (Some(State::Revoked), Some(State::Active)));
}

#[test]
fn a_sign_in_rests_only_when_all_that_came_from_it_rests() {
    let bench = Bench::new();
    let root = bench.root();
    let child = bench.child(&root);
    for _ in 0..3 {
        bench.clock.advance(HOUR - Duration::from_secs(1));
        assert_eq!(bench.state(&child), Some(State::Active));
    }
    assert_eq!(bench.root_state(&root), Some(State::Active));
    let bench = bench.restart(true);
    bench.clock.advance(HOUR);
    assert_eq!(bench.root_state(&root), Some(State::Expired));
    assert_eq!(bench.state(&child), Some(State::Expired));
    bench.store.flush(false).unwrap();
    assert_eq!(bench.listed(), [State::Expired; 2]);
}

#[test]
fn a_session_lasts_no_longer_than_the_sign_in() {
    let bench = Bench::new();
    let root = bench.root();
    bench.clock.advance(HOUR / 2);
    let child = bench.child(&root);
    assert_eq!(child.session.expires, root.session.expires);
}

#[test]
fn a_person_has_so_many_sign_ins_and_each_so_many_sessions_of_a_circuit() {
    let bench = Bench::new();
    let roots: Vec<_> = (0..3).map(|_| bench.root()).collect();
    let children: Vec<_> = (0..12).map(|_| bench.child(&roots[0])).collect();
    let live = children.iter().filter(|child| bench.state(child) == Some(State::Active)).count();
    assert_eq!((live, bench.state(&children[3])), (8, Some(State::Revoked)));
    assert!(roots.iter().all(|root| bench.root_state(root) == Some(State::Active)), "they are no sign-ins");
    bench.root();
    assert_eq!(bench.root_state(&roots[0]), Some(State::Revoked), "the fourth sign-in");
    assert_eq!(bench.state(&children[11]), Some(State::Revoked));
}

#[test]
fn what_a_provider_says_later_counts_for_all_that_came_from_a_sign_in() {
    let bench = Bench::new();
    let provided = |groups: &[&str]| Provided {
        provider: "corp".to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        sid: None,
        sealed: None,
        checked: "2026-01-01T00:00:00Z".parse().unwrap(),
    };
    let draft = Draft { circuit: LOGIN.into(), ..bench.draft(Some("maya@example.net"), LIMITS) };
    let root = bench.store.create(Draft { provided: Some(provided(&["sre"])), ..draft }, None).unwrap();
    let parent = Parent { id: root.session.id.as_str().to_owned(), sealed: None };
    let draft = bench.draft(Some("maya@example.net"), LIMITS);
    let parent = Some((parent, root.session.expires));
    let child = bench.store.create(Draft { provided: Some(provided(&["sre"])), parent, ..draft }, None).unwrap();
    let groups = || match bench.store.find(&child.value, "wiki", &LIMITS) {
        Found::Live(live) => live.groups().into_iter().collect::<Vec<_>>(),
        Found::Missing | Found::Ended(_) | Found::Unreadable => panic!("it lives"),
    };
    assert_eq!(groups(), ["sre"]);
    let now = bench.clock.now();
    bench.store.checked(&root.session.id, ["dev".to_owned()].into(), None, now).unwrap();
    assert_eq!(groups(), ["dev"]);
}
