//! Forty applications behind the gateway: their hosts, circuits, routes and files.

use std::fmt::Write;

use super::chance::{Chance, Zipf};

/// Hosts, and as many circuits.
pub(super) const SITES: usize = 40;

/// Route templates of a site.
const ROUTES: usize = 38;

/// Static files of a site.
const FILES: usize = 60;

/// Distinct numbers and UUIDs that stand in paths.
const THINGS: usize = 200_000;

/// Their plural is regular.
const NOUNS: [&str; 48] = [
    "account", "alert", "archive", "asset", "badge", "board", "booking", "brand", "budget", "calendar", "case",
    "channel", "claim", "client", "comment", "contract", "course", "dataset", "parcel", "device", "draft", "event",
    "folder", "forecast", "garden", "grade", "invoice", "issue", "job", "ledger", "lesson", "meeting", "member",
    "notice", "offer", "order", "patient", "payment", "plan", "release", "report", "room", "sample", "shift", "ticket",
    "trip", "vendor", "volume",
];
const PROJECTS: [&str; 8] = ["billing", "campus", "clinic", "docs", "fleet", "lab", "shop", "works"];
const STAGES: [&str; 4] = ["", "-beta", "-internal", "-admin"];

/// How a path goes on after its fixed beginning.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tail {
    /// It ends.
    Nothing,
    /// `/123456`.
    Number,
    /// `/` and a UUID.
    Uuid,
    /// `?page=3&per_page=50`.
    Page,
    /// `?q=…&cursor=…`.
    Search,
}

#[derive(Debug)]
pub(super) struct Route {
    pub(super) method: &'static str,
    path: String,
    tail: Tail,
    /// Half of the answers take less, in milliseconds.
    pub(super) median_ms: f64,
}

#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) bytes: u64,
}

#[derive(Debug)]
pub(super) struct Site {
    pub(super) host: String,
    pub(super) circuit: String,
    pub(super) project: &'static str,
    pub(super) upstreams: Vec<String>,
    pub(super) routes: Vec<Route>,
    pub(super) files: Vec<File>,
}

/// All sites, the busiest first.
pub(super) fn sites(chance: &mut Chance) -> Vec<Site> {
    (0..SITES).map(|number| site(number, chance)).collect()
}

fn site(number: usize, chance: &mut Chance) -> Site {
    let noun = NOUNS.get(number).unwrap();
    let circuit = format!("{noun}s{}", STAGES.get(number % STAGES.len()).unwrap());
    let upstreams = (0..1 + chance.below(3)).map(|node| format!("http://10.0.{number}.{}:8080", 10 + node)).collect();
    Site {
        host: format!("{circuit}.example.net"),
        circuit,
        project: PROJECTS.get(number % PROJECTS.len()).unwrap(),
        upstreams,
        routes: (0..ROUTES).map(|_| route(chance)).collect(),
        files: (0..FILES).map(|at| file(at, chance)).collect(),
    }
}

fn route(chance: &mut Chance) -> Route {
    let (thing, part) = (chance.one(&NOUNS), chance.one(&NOUNS));
    let tail =
        *chance.one(&[Tail::Nothing, Tail::Nothing, Tail::Number, Tail::Number, Tail::Uuid, Tail::Page, Tail::Search]);
    let version = 1 + chance.below(3);
    let path = match tail {
        Tail::Nothing => format!("/{thing}s/{part}"),
        Tail::Number => format!("/api/v{version}/{thing}s"),
        Tail::Uuid => format!("/api/v{version}/{thing}s/{part}"),
        Tail::Page => format!("/{thing}s"),
        Tail::Search => format!("/api/v{version}/{thing}s/{part}s"),
    };
    let method = *chance.one(&["GET", "GET", "GET", "GET", "GET", "POST", "POST", "PUT", "PATCH", "DELETE"]);
    Route { method, path, tail, median_ms: chance.around(35.0, 1.0) }
}

fn file(at: usize, chance: &mut Chance) -> File {
    let kind = ["js", "css", "svg", "woff2", "webp"].get(at % 5).unwrap();
    let path = format!("/assets/{}.{:08x}.{kind}", chance.one(&NOUNS), chance.bits() >> 32);
    File { path, bytes: chance.around(16_000.0, 1.3) as u64 }
}

impl Route {
    /// Writes a path of this template, and its query.
    pub(super) fn write(&self, things: &Things, chance: &mut Chance, path: &mut String, query: &mut String) {
        path.push_str(&self.path);
        match self.tail {
            Tail::Nothing => (),
            Tail::Number => write!(path, "/{}", 1000 + things.draw(chance)).unwrap(),
            Tail::Uuid => {
                // The same thing has the same name every time.
                let name = Chance::new(things.draw(chance) as u64).bits();
                let (high, low) = (name >> 32, name & 0xffff_ffff);
                write!(path, "/{high:08x}-{:04x}-4{:03x}-9{:03x}-{low:08x}c0de", low >> 16, low & 0xfff, high & 0xfff)
                    .unwrap();
            }
            Tail::Page => write!(query, "page={}&per_page=50", 1 + things.draw(chance) % 40).unwrap(),
            Tail::Search => {
                let cursor = chance.bits() >> 16;
                write!(query, "q={}+{}&cursor={cursor:012x}", chance.one(&NOUNS), things.draw(chance) % 40).unwrap();
            }
        }
    }
}

/// What paths name, some of it far more often than the rest.
#[derive(Debug)]
pub(super) struct Things(Zipf);

impl Things {
    pub(super) fn new() -> Self {
        Self(Zipf::new(THINGS, 0.95))
    }

    fn draw(&self, chance: &mut Chance) -> usize {
        self.0.draw(chance)
    }
}
