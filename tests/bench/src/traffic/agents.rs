//! What clients call themselves.

use super::chance::{Chance, Zipf};

/// Some 400 user agents: browsers, libraries of programs, scanners.
#[derive(Debug)]
pub(super) struct Agents {
    texts: Vec<String>,
    /// Browsers, the most used first, are the first of them.
    browsers: Zipf,
    libraries: usize,
    scanners: usize,
}

const SYSTEMS: [&str; 6] = [
    "Windows NT 10.0; Win64; x64",
    "Macintosh; Intel Mac OS X 10_15_7",
    "X11; Linux x86_64",
    "Linux; Android 15; Pixel 9",
    "Linux; Android 14; SM-S921B",
    "iPhone; CPU iPhone OS 18_5 like Mac OS X",
];

impl Agents {
    pub(super) fn new(chance: &mut Chance) -> Self {
        let mut texts = browsers();
        // Which of them are common is no matter of their place in the list.
        for at in (1..texts.len()).rev() {
            texts.swap(at, chance.below(at + 1));
        }
        let browsers = texts.len();
        texts.extend(libraries());
        let libraries = texts.len() - browsers;
        texts.extend(scanners());
        let scanners = texts.len() - browsers - libraries;
        Self { texts, browsers: Zipf::new(browsers, 1.1), libraries, scanners }
    }

    pub(super) fn text(&self, at: usize) -> &str {
        self.texts.get(at).map_or("", String::as_str)
    }

    pub(super) fn browser(&self, chance: &mut Chance) -> usize {
        self.browsers.draw(chance)
    }

    pub(super) fn library(&self, chance: &mut Chance) -> usize {
        self.texts.len() - self.scanners - 1 - chance.below(self.libraries)
    }

    /// The one that a scanner with this number uses.
    pub(super) fn scanner(&self, number: u64) -> usize {
        self.texts.len() - 1 - number as usize % self.scanners
    }
}

fn browsers() -> Vec<String> {
    let mut texts = Vec::new();
    for system in SYSTEMS {
        for version in 120..148 {
            texts.push(format!(
                "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
            ));
        }
        for version in 126..146 {
            texts.push(format!("Mozilla/5.0 ({system}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"));
        }
    }
    texts
}

fn libraries() -> impl Iterator<Item = String> {
    let python = (28..34).map(|minor| format!("python-requests/2.{minor}.0"));
    let go = ["Go-http-client/1.1", "Go-http-client/2.0"].map(str::to_owned);
    let curl = (4..14).map(|minor| format!("curl/8.{minor}.0"));
    python.chain(go).chain(curl)
}

fn scanners() -> impl Iterator<Item = String> {
    let census =
        (0..20).map(|minor| format!("Mozilla/5.0 (compatible; NetCensus/2.{minor}; +https://census.example/)"));
    let grab = (0..20).map(|minor| format!("Mozilla/5.0 portgrab/0.{minor}"));
    let client = (2..22).map(|minor| format!("fasthttp/1.{minor}"));
    census.chain(grab).chain(client)
}
