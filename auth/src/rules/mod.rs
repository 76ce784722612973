//! Rules that come before anybody is asked who he is: addresses, countries, scanners, reputation.

mod country;
mod network;
mod scanner;

use vestibule_config::AddressRules;
use vestibule_config::circuit::{AllowMatch, Observed};

use crate::asking::{Layer, Said};
use crate::geo::Place;
use crate::request::RequestView;
use crate::verdict::Reason;
use country::Countries;
use network::Networks;
pub(crate) use network::Set;

/// The order of the rules; limits, which are rules too, come after them.
const ORDER: [(Observed, Layer); 5] = [
    (Observed::IpBlock, Layer::IpBlock),
    (Observed::IpAllow, Layer::IpAllow),
    (Observed::Country, Layer::Country),
    (Observed::Scanner, Layer::Scanner),
    (Observed::Reputation, Layer::Reputation),
];

/// The rules of one circuit.
pub(crate) struct Rules {
    networks: Networks,
    countries: Countries,
    allow_match: AllowMatch,
    block_scanners: bool,
    /// Whose address has a bad name.
    shunned: Set,
    /// Of whom some are not known yet.
    awaits_shunned: bool,
    /// The same, recorded only.
    watched: Set,
    observe: Vec<Observed>,
}

/// What the rules make of a request.
#[derive(Default)]
pub(crate) struct Ruled {
    /// The first that refuses, and its key.
    pub(crate) refusal: Option<(Reason, &'static str)>,
    /// What those before it would have refused for, that only observe.
    pub(crate) observed: Vec<Reason>,
}

impl Rules {
    pub(crate) fn new(rules: &AddressRules) -> Self {
        Self {
            networks: Networks::new(rules),
            countries: Countries::new(rules),
            allow_match: rules.allow_match,
            block_scanners: rules.block_scanners,
            shunned: Set::new(&rules.reputation.enforce),
            awaits_shunned: rules.reputation.is_awaited,
            watched: Set::new(&rules.reputation.observe),
            observe: rules.observe.clone(),
        }
    }

    /// Whether a rule only records what it would refuse.
    pub(crate) fn observes(&self, rule: Observed) -> bool {
        self.observe.contains(&rule)
    }

    /// Absent for the place: no database answers.
    pub(crate) fn judge(
        &self,
        request: &RequestView<'_>,
        place: Option<&Place>,
        mut hear: impl FnMut(Layer, Said, &'static str),
    ) -> Ruled {
        let mut ruled = Ruled::default();
        for (rule, layer) in ORDER {
            match self.refuses(rule, request, place) {
                Some((reason, key)) if self.observes(rule) => {
                    hear(layer, Said::Observed, key);
                    ruled.note(reason);
                }
                Some((reason, key)) => {
                    hear(layer, Said::Hit, key);
                    ruled.refusal = Some((reason, key));
                    break;
                }
                None => hear(layer, Said::Miss, self.key(rule)),
            }
        }
        if ruled.refusal.is_none() && self.watched.contains(request.client) {
            ruled.note(Reason::ReputationBan);
        }
        ruled
    }

    fn refuses(
        &self,
        rule: Observed,
        request: &RequestView<'_>,
        place: Option<&Place>,
    ) -> Option<(Reason, &'static str)> {
        let address = request.client;
        match rule {
            Observed::IpBlock => self.networks.blocks(address).then_some((Reason::IpRestricted, "ip_block")),
            Observed::IpAllow => {
                let refuses = !self.networks.allows(address) && !self.suffices(self.countries.lists(place));
                refuses.then_some((Reason::IpRestricted, "ip_allow"))
            }
            Observed::Country => self.countries.refuses(place, self.suffices(self.networks.lists(address))),
            Observed::Scanner => {
                let refuses = self.block_scanners && scanner::is_scanner(request.headers);
                refuses.then_some((Reason::BotBlocked, "block_scanners"))
            }
            Observed::Reputation if self.shunned.contains(address) => {
                Some((Reason::ReputationBan, "reputation.enforce"))
            }
            Observed::Reputation => {
                self.awaits_shunned.then_some((Reason::ReputationUnavailable, "reputation.enforce"))
            }
            Observed::RateLimit => None,
        }
    }

    /// Where a rule that has nothing to say stands in the file, if it does.
    fn key(&self, rule: Observed) -> &'static str {
        match rule {
            Observed::IpBlock => "ip_block",
            Observed::IpAllow => "ip_allow",
            Observed::Country => self.countries.key(),
            Observed::Scanner => "block_scanners",
            Observed::Reputation => "reputation.enforce",
            Observed::RateLimit => "rate_limits",
        }
    }

    /// Whether the match of one allow list stands for that of the other.
    fn suffices(&self, is_listed: bool) -> bool {
        is_listed && self.allow_match == AllowMatch::Any
    }
}

impl Ruled {
    fn note(&mut self, reason: Reason) {
        if !self.observed.contains(&reason) {
            self.observed.push(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::Location;
    use http::{HeaderMap, HeaderValue, Method};
    use std::net::IpAddr;
    use std::sync::Arc;

    /// `@` in the text stands for where the rules are written.
    fn rules(text: &str) -> Rules {
        let file = format!(
            "[server]\ndata_dir = \"data\"\nlisten = [{{ address = \"127.0.0.1:0\" }}]\n[geo]\ndatabase = \"x\"\n\
             [circuits.a]\nhosts = [\"a.test\"]\nupstream = \"http://127.0.0.1:9\"\naccess = \"public\"\n{text}"
        );
        let settings = vestibule_config::load_text(&file, jiff::Timestamp::UNIX_EPOCH);
        let settings = settings.unwrap_or_else(|report| panic!("{}", report.render(false)));
        Rules::new(&settings.circuits.get("a").unwrap().rules)
    }

    /// What refuses, then what would.
    fn judged(rules: &Rules, address: &str, country: Option<&str>, agent: &str) -> String {
        let location = Location { country: country.map(Into::into), ..Location::default() };
        let place = Place { location: Arc::new(location), answered: country != Some("?") };
        let headers = HeaderMap::from_iter([(http::header::USER_AGENT, HeaderValue::from_str(agent).unwrap())]);
        let client: IpAddr = address.parse().unwrap();
        let request =
            RequestView { method: &Method::GET, host: "a.test", path: "/", headers: &headers, client, cookie: None };
        let Ruled { refusal, observed } = rules.judge(&request, Some(&place), |_, _, _| ());
        let refused = refusal.map_or("passes".to_owned(), |(reason, key)| format!("{} {key}", reason.code()));
        observed.iter().fold(refused, |text, reason| format!("{text}, {}", reason.code()))
    }

    const AGENT: &str = "Mozilla/5.0";

    #[test]
    fn the_allow_lists_combine_as_the_file_says_and_block_lists_win() {
        let lists = "ip_allow = [\"192.0.2.0/24\"]\ncountry_allow = [\"DE\"]\nip_block = [\"192.0.2.66\"]\n\
                     country_block = [\"KP\"]\n";
        let (all, any) = (rules(lists), rules(&format!("{lists}allow_match = \"any\"\n")));
        for (address, country, by_all, by_any) in [
            ("192.0.2.1", Some("DE"), "passes", "passes"),
            ("192.0.2.1", Some("FR"), "country_restricted country_allow", "passes"),
            ("192.0.2.1", None, "country_restricted country_allow", "passes"),
            ("198.51.100.1", Some("DE"), "ip_restricted ip_allow", "passes"),
            ("198.51.100.1", Some("FR"), "ip_restricted ip_allow", "ip_restricted ip_allow"),
            ("198.51.100.1", None, "ip_restricted ip_allow", "ip_restricted ip_allow"),
            ("192.0.2.66", Some("DE"), "ip_restricted ip_block", "ip_restricted ip_block"),
            ("192.0.2.1", Some("KP"), "country_restricted country_block", "country_restricted country_block"),
            ("192.0.2.1", Some("?"), "geo_unavailable country_allow", "geo_unavailable country_allow"),
            ("198.51.100.1", Some("?"), "ip_restricted ip_allow", "ip_restricted ip_allow"),
        ] {
            assert_eq!(judged(&all, address, country, AGENT), by_all, "all: {address} {country:?}");
            assert_eq!(judged(&any, address, country, AGENT), by_any, "any: {address} {country:?}");
        }
        let one = rules("country_allow = [\"DE\"]\nallow_match = \"any\"\n");
        assert_eq!(
            judged(&one, "192.0.2.1", Some("FR"), AGENT),
            "country_restricted country_allow",
            "nothing else allows"
        );
    }

    #[test]
    fn the_first_rule_that_refuses_is_the_one_that_is_named() {
        let rules = rules(
            "ip_block = [\"192.0.2.0/24\"]\ncountry_block = [\"KP\"]\nblock_scanners = true\n\
             reputation = { enforce = [\"203.0.113.0/24\"], observe = [\"198.51.100.0/24\"] }\n",
        );
        for (address, country, agent, expected) in [
            ("192.0.2.1", "KP", "sqlmap/1.7", "ip_restricted ip_block"),
            ("203.0.113.1", "KP", "sqlmap/1.7", "country_restricted country_block"),
            ("203.0.113.1", "DE", "sqlmap/1.7", "bot_blocked block_scanners"),
            ("203.0.113.1", "DE", AGENT, "reputation_ban reputation.enforce"),
            ("198.51.100.1", "DE", AGENT, "passes, reputation_ban"),
            ("198.51.100.1", "DE", "sqlmap", "bot_blocked block_scanners"),
            ("10.0.0.1", "DE", AGENT, "passes"),
        ] {
            assert_eq!(judged(&rules, address, Some(country), agent), expected, "{address} {country} {agent}");
        }
    }

    #[test]
    fn a_rule_that_observes_lets_the_next_one_decide() {
        let rules = rules(
            "ip_block = [\"192.0.2.0/24\"]\nip_allow = [\"203.0.113.0/24\"]\ncountry_block = [\"KP\"]\nblock_scanners = true\n\
             reputation = { enforce = [\"192.0.2.0/24\"], observe = [\"192.0.2.0/24\"] }\n\
             observe = [\"ip_block\", \"ip_allow\", \"country\", \"reputation\"]\n",
        );
        let judged = |country: &str, agent: &str| judged(&rules, "192.0.2.1", Some(country), agent);
        assert_eq!(judged("KP", AGENT), "passes, ip_restricted, country_restricted, reputation_ban");
        assert_eq!(judged("?", AGENT), "passes, ip_restricted, geo_unavailable, reputation_ban");
        assert_eq!(judged("DE", "Nikto"), "bot_blocked block_scanners, ip_restricted");
    }
}
