//! One visit: requests of one client to one site, in bursts.

use std::net::IpAddr;

use super::World;
use super::chance::Chance;
use super::drawn::{Answer, Drawn};
use super::people::Person;
use super::places::{PLACES, Place};
use super::request_id::hex;
use super::scanners::Scanner;
use super::sites::{Route, Site};

/// Requests of a visit, at most.
const REQUESTS_MAX: f64 = 300.0;

/// Files and calls of a page, at most.
const BURST_MAX: usize = 14;

/// Microseconds of a millisecond and of a second.
const MILLISECOND: f64 = 1e3;
const SECOND: f64 = 1e6;

const TLS: [&str; 3] = [
    "TLSv1.3 TLS13_AES_256_GCM_SHA384",
    "TLSv1.3 TLS13_AES_128_GCM_SHA256",
    "TLSv1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
];

/// Status codes of backends after so many of a thousand dynamic requests; the rest is good.
const BACKEND_ERRORS: [(usize, u64); 8] =
    [(40, 302), (80, 404), (95, 400), (103, 403), (112, 422), (121, 429), (125, 500), (127, 401)];

/// So many of a hundred thousand requests are not answered by the upstream, and what the client gets.
const UPSTREAM_ERRORS: [(usize, u64, &str); 3] =
    [(120, 502, "backend_refused"), (170, 503, "backend_unreachable"), (200, 504, "backend_timeout")];

/// So many of a hundred requests of scanners, and what stops them.
const REFUSALS: [(usize, u64, &str, &str); 6] = [
    (50, 302, "auth", "no_credentials"),
    (70, 401, "auth", "no_credentials"),
    (82, 403, "rule", "country_restricted"),
    (92, 429, "rule", "rate_limited_ip"),
    (98, 403, "rule", "bot_blocked"),
    (100, 400, "proxy_error", "malformed_request"),
];

#[derive(Debug)]
enum Guest<'w> {
    Person(&'w Person),
    Scanner,
}

/// A client while it is there.
#[derive(Debug)]
pub(super) struct Visit<'w> {
    guest: Guest<'w>,
    site: &'w Site,
    address: IpAddr,
    place: Place,
    agent: &'w str,
    tls: &'static str,
    /// None for those who have no session.
    session: Option<u128>,
    /// Requests still to come.
    left: usize,
    /// Files and calls of the present page still to come.
    burst: usize,
    /// Path of the present page.
    page: String,
}

impl<'w> Visit<'w> {
    pub(super) fn of_person(world: &'w World, chance: &mut Chance) -> Self {
        let person = world.people.get(world.busy_people.draw(chance)).unwrap();
        let site = world.sites.get(world.busy_sites.draw(chance)).unwrap();
        let session = u128::from(chance.bits()) << 64 | u128::from(chance.bits());
        let travels = chance.percent(2);
        Self {
            guest: Guest::Person(person),
            site,
            address: *chance.one(&person.addresses),
            place: if travels { *chance.one(PLACES) } else { person.place },
            agent: world.agents.text(*chance.one(&person.agents)),
            tls: TLS.get(usize::from(person.is_program())).unwrap(),
            session: (!person.is_program()).then_some(session),
            left: 1 + chance.around(20.0, 0.9).min(REQUESTS_MAX) as usize,
            burst: 0,
            page: String::new(),
        }
    }

    pub(super) fn of_scanner(world: &'w World, chance: &mut Chance) -> Self {
        let Scanner { address, place, agent, number } = world.scanners.draw(&world.agents, chance);
        Self {
            guest: Guest::Scanner,
            site: world.sites.get((number >> 20) as usize % world.sites.len()).unwrap(),
            address,
            place,
            agent: world.agents.text(agent),
            tls: TLS.get((number >> 30) as usize % TLS.len()).unwrap(),
            session: None,
            left: 1 + chance.below(12),
            burst: 0,
            page: String::new(),
        }
    }

    /// Fills in the next request, and says how many microseconds later another one follows, if any does.
    pub(super) fn send(&mut self, world: &'w World, chance: &mut Chance, drawn: &mut Drawn<'w>) -> Option<i64> {
        self.introduce(drawn);
        drawn.upstream = match self.guest {
            Guest::Person(_) => chance.one(self.site.upstreams.as_slice()).as_str(),
            Guest::Scanner => "",
        };
        let pause = match self.guest {
            Guest::Scanner => {
                self.knock(world, chance, drawn);
                chance.around(400.0 * MILLISECOND, 0.6)
            }
            Guest::Person(person) if person.is_program() => {
                call(self.route(world, chance), world, chance, drawn);
                chance.around(250.0 * MILLISECOND, 0.8)
            }
            Guest::Person(_) => self.browse(world, chance, drawn),
        };
        self.left -= 1;
        (self.left > 0).then_some(pause as i64)
    }

    /// What all requests of a visit have in common.
    fn introduce(&self, drawn: &mut Drawn<'w>) {
        drawn.address = self.address;
        Place { country: drawn.country, subdivision: drawn.subdivision, city: drawn.city, asn: drawn.asn } = self.place;
        drawn.user_agent = self.agent;
        drawn.host = &self.site.host;
        drawn.circuit = &self.site.circuit;
        drawn.project = self.site.project;
        drawn.tls = self.tls;
        drawn.path.clear();
        drawn.query.clear();
        drawn.referer.clear();
        drawn.session_id.clear();
        if let Some(session) = self.session {
            hex((session >> 64) as u64, 16, &mut drawn.session_id);
            hex(session as u64, 16, &mut drawn.session_id);
        }
        let person = match self.guest {
            Guest::Person(person) => Some(person),
            Guest::Scanner => None,
        };
        drawn.auth_method = person.map_or("none", |person| person.auth_method);
        drawn.email = person.and_then(|person| person.email.as_deref());
        drawn.user_id = person.map(|person| person.user_id.as_str());
        drawn.protocol = if self.session.is_some() { "HTTP/2" } else { "HTTP/1.1" };
    }

    fn route(&self, world: &World, chance: &mut Chance) -> &'w Route {
        self.site.routes.get(world.busy_routes.draw(chance)).unwrap()
    }

    /// A page, or a file or a call that belongs to the present one.
    fn browse(&mut self, world: &'w World, chance: &mut Chance, drawn: &mut Drawn<'w>) -> f64 {
        if self.burst == 0 {
            call(self.route(world, chance), world, chance, drawn);
            self.page.clone_from(&drawn.path);
            self.burst = chance.below(BURST_MAX);
        } else {
            self.burst -= 1;
            if chance.percent(50) {
                self.fetch(world, chance, drawn);
            } else {
                call(self.route(world, chance), world, chance, drawn);
            }
        }
        if self.burst == 0 { chance.around(18.0 * SECOND, 1.1) } else { chance.around(60.0 * MILLISECOND, 0.9) }
    }

    /// A static file, which the browser often has already.
    fn fetch(&self, world: &'w World, chance: &mut Chance, drawn: &mut Drawn<'w>) {
        let file = self.site.files.get(world.busy_files.draw(chance)).unwrap();
        drawn.method = "GET";
        drawn.path.push_str(&file.path);
        for part in ["https://", &self.site.host, &self.page] {
            drawn.referer.push_str(part);
        }
        let is_known = chance.percent(45);
        let upstream_ms = chance.around(1.6, 0.7) as u64;
        drawn.answer = Answer {
            status: if is_known { 304 } else { 200 },
            origin: "backend",
            reason: None,
            upstream_ms: Some(upstream_ms),
            duration_ms: upstream_ms + chance.below(3) as u64,
            bytes_in: 0,
            bytes_out: if is_known { 0 } else { file.bytes },
        };
    }

    fn knock(&self, world: &'w World, chance: &mut Chance, drawn: &mut Drawn<'w>) {
        drawn.method = if chance.percent(15) { "POST" } else { "GET" };
        drawn.path.push_str(world.scanners.path(chance));
        let rank = chance.below(100);
        let (_, status, origin, reason) = *REFUSALS.iter().find(|(below, ..)| rank < *below).unwrap();
        drawn.answer = Answer {
            status,
            origin,
            reason: Some(reason),
            upstream_ms: None,
            duration_ms: chance.below(3) as u64,
            bytes_in: if drawn.method == "POST" { 20 + chance.below(400) as u64 } else { 0 },
            bytes_out: 250 + chance.below(900) as u64,
        };
    }
}

/// A request that the upstream works on.
fn call<'w>(route: &'w Route, world: &World, chance: &mut Chance, drawn: &mut Drawn<'w>) {
    drawn.method = route.method;
    route.write(&world.things, chance, &mut drawn.path, &mut drawn.query);
    let is_reading = route.method == "GET";
    let bytes_in = if is_reading { 0 } else { chance.around(900.0, 1.3) as u64 };
    let rare = chance.below(100_000);
    if let Some((_, status, reason)) = UPSTREAM_ERRORS.iter().find(|(below, ..)| rare < *below) {
        let duration_ms = if *status == 504 { 30_000 } else { 0 } + chance.around(3.0, 1.0) as u64;
        let (origin, reason, upstream_ms) = ("proxy_error", Some(*reason), None);
        drawn.answer = Answer { status: *status, origin, reason, upstream_ms, duration_ms, bytes_in, bytes_out: 620 };
        return;
    }
    let common = chance.below(1000);
    let error = BACKEND_ERRORS.iter().find(|(below, _)| common < *below).map(|(_, status)| *status);
    let status = error.unwrap_or(match route.method {
        "POST" => 201,
        "DELETE" => 204,
        _ => 200,
    });
    let upstream_ms = chance.around(route.median_ms, 0.9) as u64;
    let is_empty = matches!(status, 204 | 302);
    drawn.answer = Answer {
        status,
        origin: "backend",
        reason: None,
        upstream_ms: Some(upstream_ms),
        duration_ms: upstream_ms + chance.below(4) as u64,
        bytes_in,
        bytes_out: if is_empty { 0 } else { chance.around(3800.0, 1.3) as u64 },
    };
}
