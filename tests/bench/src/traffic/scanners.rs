//! Those without an account who look for open doors.

use std::net::{IpAddr, Ipv4Addr};

use super::agents::Agents;
use super::chance::{Chance, Zipf};
use super::places::{PLACES, Place};

/// Addresses that ever scan.
const ADDRESSES: usize = 300_000;

/// Paths that are made up beside the well-known ones.
const GUESSES: usize = 600;

/// The one that the questions look for: a part of it is in no other text.
pub(super) const NEEDLE: &str = "eval-stdin";

const KNOWN: [&str; 20] = [
    "/.env",
    "/wp-login.php",
    "/.git/config",
    "/xmlrpc.php",
    "/admin/login.php",
    "/phpmyadmin/index.php",
    "/actuator/env",
    "/server-status",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
    "/.aws/credentials",
    "/cgi-bin/luci/;stok=/locale",
    "/owa/auth/logon.aspx",
    "/solr/admin/info/system",
    "/HNAP1/",
    "/boaform/admin/formLogin",
    "/config.json",
    "/api/.env",
    "/backup.zip",
    "/remote/login",
    "/manager/html",
];
const PARTS: [&str; 30] = [
    "old", "new", "test", "dev", "db", "sql", "dump", "site", "www", "web", "shell", "upload", "files", "data", "tmp",
    "cache", "config", "setup", "install", "wp", "cms", "forum", "shop", "mail", "stats", "log", "debug", "info",
    "status", "portal",
];

/// One scanning address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanner {
    pub(super) address: IpAddr,
    pub(super) place: Place,
    /// At a place in [`Agents`].
    pub(super) agent: usize,
    /// The host that it found.
    pub(super) number: u64,
}

#[derive(Debug)]
pub(super) struct Scanners {
    addresses: Zipf,
    paths: Vec<String>,
    popular: Zipf,
}

impl Scanners {
    pub(super) fn new(chance: &mut Chance) -> Self {
        let mut paths: Vec<String> = KNOWN.map(str::to_owned).into();
        for _ in 0..GUESSES {
            let kind = chance.one(&["php", "bak", "zip", "sql", "asp", "jsp"]);
            paths.push(format!("/{}/{}.{kind}", chance.one(&PARTS), chance.one(&PARTS)));
        }
        let popular = Zipf::new(paths.len(), 1.0);
        Self { addresses: Zipf::new(ADDRESSES, 0.9), paths, popular }
    }

    pub(super) fn draw(&self, agents: &Agents, chance: &mut Chance) -> Scanner {
        // All that is known about an address follows from its number.
        let number = Chance::new(!(self.addresses.draw(chance) as u64)).bits();
        let address = IpAddr::V4(Ipv4Addr::from(0x9000_0000 | (number >> 36) as u32));
        let place = *PLACES.get(number as usize % PLACES.len()).unwrap();
        Scanner { address, place, agent: agents.scanner(number >> 8), number }
    }

    pub(super) fn path(&self, chance: &mut Chance) -> &str {
        self.paths.get(self.popular.draw(chance)).unwrap()
    }
}
