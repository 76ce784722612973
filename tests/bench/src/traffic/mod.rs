//! Traffic as a company's gateway sees it, made up: the same seed makes the same requests.
//!
//! Five thousand accounts, a few of them far busier than the rest, visit forty sites: a page and its files in quick
//! succession, a pause, the next page; more by day than by night and on weekdays. One request in twenty-five is of
//! somebody who looks for open doors. Visits overlap, so that requests of many are interleaved, in order of time.

mod agents;
mod chance;
mod drawn;
mod people;
mod places;
mod request_id;
mod scanners;
mod sites;
mod visit;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::f64::consts::TAU;

pub use drawn::Drawn;
pub use request_id::version_7;

use agents::Agents;
use chance::{Chance, Zipf};
use people::Person;
use scanners::Scanners;
use sites::{Site, Things};
use visit::Visit;

/// Microseconds of an hour and of a day.
const HOUR: f64 = 3600e6;
const DAY: f64 = 24.0 * HOUR;

/// Requests of a visit in the mean, which decides how many visits a day has.
const REQUESTS_PER_VISIT: f64 = 26.7;

/// Visits in a hundred that are a scanner's. Theirs are short: they are 4 requests in a hundred.
const SCANNER_PERCENT: usize = 17;

/// Days that a configuration is in force.
const REVISION_DAYS: i64 = 3;

/// How much, and when.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// Requests in all.
    pub entries: u64,
    /// Microseconds since 1970 of the first.
    pub start: i64,
    /// Over so many days, but for chance.
    pub days: u32,
    /// Without sessions, referers and TLS.
    pub is_lean: bool,
}

/// All that there is before anybody comes.
#[derive(Debug)]
pub struct World {
    agents: Agents,
    people: Vec<Person>,
    sites: Vec<Site>,
    scanners: Scanners,
    things: Things,
    busy_people: Zipf,
    busy_sites: Zipf,
    busy_routes: Zipf,
    busy_files: Zipf,
    revisions: Vec<String>,
}

impl World {
    /// The same for the same seed.
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let agents = Agents::new(&mut chance);
        let people = people::people(&agents, &mut chance);
        let sites = sites::sites(&mut chance);
        Self {
            busy_people: Zipf::new(people.len(), 1.0),
            busy_sites: Zipf::new(sites.len(), 1.0),
            busy_routes: Zipf::new(sites.first().map_or(0, |site| site.routes.len()), 1.0),
            busy_files: Zipf::new(sites.first().map_or(0, |site| site.files.len()), 0.8),
            scanners: Scanners::new(&mut chance),
            things: Things::new(),
            revisions: (0..32).map(|_| format!("{:016x}", chance.bits())).collect(),
            agents,
            people,
            sites,
        }
    }

    /// The e-mail of somebody who comes often: the eleventh of all accounts.
    pub fn heavy_user(&self) -> &str {
        self.people.get(10).and_then(|person| person.email.as_deref()).unwrap()
    }

    /// A circuit of middling size.
    pub fn circuit(&self) -> &str {
        self.sites.get(8).map(|site| site.circuit.as_str()).unwrap()
    }

    /// A text that scanners send and nobody else.
    pub const fn needle(&self) -> &'static str {
        scanners::NEEDLE
    }
}

/// Makes one request after another.
pub struct Traffic<'w, I> {
    world: &'w World,
    chance: Chance,
    span: Span,
    made: u64,
    /// Time of the request that was made last.
    last: i64,
    /// When the next visit begins.
    arrival: i64,
    /// Those who are there now; free places too.
    visits: Vec<Visit<'w>>,
    free: Vec<usize>,
    /// When each of them sends the next request.
    due: BinaryHeap<Reverse<(i64, usize)>>,
    request_id: I,
}

impl<'w, I: FnMut(i64, &mut String)> Traffic<'w, I> {
    /// `request_id` is called with the time of each request and appends its id.
    pub fn new(world: &'w World, seed: u64, span: Span, request_id: I) -> Self {
        Self {
            world,
            chance: Chance::new(!seed),
            span,
            made: 0,
            last: span.start,
            arrival: span.start,
            visits: Vec::new(),
            free: Vec::new(),
            due: BinaryHeap::new(),
            request_id,
        }
    }

    /// Fills `drawn` with the next request; false when there are no more.
    pub fn next(&mut self, drawn: &mut Drawn<'w>) -> bool {
        if self.made == self.span.entries {
            return false;
        }
        self.made += 1;
        let (due, place) = self.next_due();
        drawn.time = due.max(self.last + 1);
        self.last = drawn.time;
        drawn.request_id.clear();
        (self.request_id)(drawn.time, &mut drawn.request_id);
        let day = (drawn.time - self.span.start) / DAY as i64;
        drawn.revision = self.world.revisions.get((day / REVISION_DAYS) as usize % 32).map_or("", String::as_str);
        let visit = self.visits.get_mut(place).unwrap();
        match visit.send(self.world, &mut self.chance, drawn) {
            Some(pause) => self.due.push(Reverse((due + pause, place))),
            None => self.free.push(place),
        }
        if self.span.is_lean {
            drawn.make_lean();
        }
        true
    }

    /// When and by whom the next request is sent, after all visits that begin before it were begun.
    fn next_due(&mut self) -> (i64, usize) {
        loop {
            match self.due.peek() {
                Some(Reverse((due, _))) if *due <= self.arrival => return self.due.pop().unwrap().0,
                Some(_) | None => self.begin(),
            }
        }
    }

    fn begin(&mut self) {
        let visit = if self.chance.percent(SCANNER_PERCENT) {
            Visit::of_scanner(self.world, &mut self.chance)
        } else {
            Visit::of_person(self.world, &mut self.chance)
        };
        let place = if let Some(place) = self.free.pop() {
            *self.visits.get_mut(place).unwrap() = visit;
            place
        } else {
            self.visits.push(visit);
            self.visits.len() - 1
        };
        self.due.push(Reverse((self.arrival, place)));
        let mean = f64::from(self.span.days) * DAY * REQUESTS_PER_VISIT / self.span.entries as f64;
        self.arrival += self.chance.wait(mean / busyness(self.arrival)) as i64;
    }
}

/// How many come at this time, for one that comes in the mean: few at night, fewer on Saturdays and Sundays.
fn busyness(time: i64) -> f64 {
    let time = time as f64;
    let hour = time / HOUR % 24.0;
    // 1970 began on a Thursday.
    let weekday = (time / DAY) as i64 % 7;
    let by_day = if matches!(weekday, 2 | 3) { 0.5 } else { 1.2 };
    (1.0 - 0.7 * ((hour - 2.0) / 24.0 * TAU).cos()) * by_day
}

#[cfg(test)]
mod tests;
