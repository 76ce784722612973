//! One circuit, its policy and its paths.

use super::{Page, inline, text};
use crate::access::{Access, AllowEntry, SharedSecret};
use crate::circuit::{AddressRules, Circuit, CircuitPath, Reputation, Rewrite};
use crate::cors::{Cors, CorsAnswer};
use crate::header_key::HeaderKey;
use crate::steps::Steps;
use crate::units::display_duration;

impl Page<'_> {
    pub(super) fn circuit(&mut self, circuit: &Circuit) {
        let path = &["circuits", circuit.name.as_str()];
        self.table(path);
        self.set_some("project", circuit.project.as_ref().map(text));
        self.set("hosts", self.list(&circuit.hosts));
        self.access(&circuit.access);
        self.steps(&circuit.steps);
        self.cors(circuit.cors.as_ref());
        self.set("trusted_addresses", self.list(&circuit.trusted_addresses));
        self.rules(&circuit.rules);
        let limits = self.list(circuit.rate_limits.iter().map(|limit| &limit.name));
        self.set_or("rate_limits", limits, &["defaults", "rate_limits"]);
        self.set_some("expires", circuit.expires);
        self.set("enabled", circuit.enabled);
        circuit.upstreams.iter().for_each(|upstreams| self.upstreams(upstreams, path, path));
        let general = self.settings.sessions;
        self.table(&[path.as_slice(), &["session"]].concat());
        let max_age = text(display_duration(circuit.session.max_age));
        let idle = text(display_duration(circuit.session.idle));
        // The stricter one is in force, and that is the general one where they are equal.
        match circuit.session.max_age < general.max_age {
            true => self.set("max_age", max_age),
            false => self.set_from("max_age", max_age, &["sessions", "max_age"]),
        }
        match circuit.session.idle < general.idle {
            true => self.set("idle", idle),
            false => self.set_from("idle", idle, &["sessions", "idle"]),
        }
        self.table(&[path.as_slice(), &["identity"]].concat());
        self.set("user", text(&circuit.identity.user));
        self.set("groups", text(&circuit.identity.groups));
        self.set("jwt", text(&circuit.identity.jwt));
        self.table(&[path.as_slice(), &["log"]].concat());
        self.set("requests", text(circuit.log.requests.as_str()));
        self.set("personal_data", text(circuit.log.personal_data.as_str()));
        circuit.paths.iter().enumerate().for_each(|(at, part)| self.path(circuit, at, part));
    }

    fn steps(&mut self, steps: &Steps) {
        self.set_some("second_factor", steps.second_factor.map(|factor| text(factor.as_str())));
        self.set("purpose", steps.purpose);
        self.set_some("hook", steps.hook.as_ref().map(|hook| text(&hook.name)));
    }

    fn path(&mut self, circuit: &Circuit, at: usize, part: &CircuitPath) {
        let paths = ["circuits", circuit.name.as_str(), "paths"];
        self.element(&paths, at);
        self.set("prefix", text(&part.prefix));
        self.set(
            "rewrite",
            match &part.rewrite {
                Rewrite::Preserve => text("preserve"),
                Rewrite::Strip => text("strip"),
                Rewrite::Replace(other) => format!("{{ replace = {} }}", text(other)),
            },
        );
        part.access.iter().for_each(|access| self.access(access));
        let number = at.to_string();
        let origin = [paths.as_slice(), &[number.as_str()]].concat();
        part.upstreams.iter().for_each(|upstreams| self.upstreams(upstreams, &paths, &origin));
    }

    fn access(&mut self, access: &Access) {
        let (policy, allow, ways) = match access {
            Access::Public => ("public", None, None),
            Access::Members(ways) => ("members", None, Some(ways)),
            Access::Allowlist { allow, ways } => ("allowlist", Some(allow), Some(ways)),
        };
        self.set("access", text(policy));
        self.set_some("allow", allow.map(|allow| self.list(allow.iter().map(AllowEntry::to_string))));
        let Some(ways) = ways else { return };
        self.set("login", self.list(ways.names()));
        if let Some(SharedSecret { password_hash, pin_hash }) = &ways.shared {
            let held = [("password_hash", password_hash), ("pin_hash", pin_hash)];
            let held = held.map(|(name, hash)| hash.as_ref().map(|hash| (name, self.hash(hash))));
            self.set("shared", inline(held));
        }
        let key = |HeaderKey { header, hash }: &HeaderKey| {
            format!("{{ header = {}, hash = {} }}", text(header), self.token(hash))
        };
        let keys = ways.header_auth.iter().map(key).collect::<Vec<_>>().join(", ");
        self.set("header_auth", format!("[{keys}]"));
    }

    fn cors(&mut self, cors: Option<&Cors>) {
        let shown = cors.map(|cors| match cors {
            Cors::Pass => text("pass"),
            Cors::Answer(CorsAnswer { origins, methods, headers }) => {
                let (origins, methods, headers) = (self.list(origins), self.list(methods), self.list(headers));
                format!("{{ origins = {origins}, methods = {methods}, headers = {headers} }}")
            }
        });
        self.set_some("cors", shown);
    }

    fn rules(&mut self, rules: &AddressRules) {
        self.set_some("ip_allow", rules.ip_allow.as_ref().map(|list| self.list(list)));
        self.set("ip_block", self.list(&rules.ip_block));
        self.set_some("country_allow", rules.country_allow.as_ref().map(|list| self.list(list)));
        self.set("country_block", self.list(&rules.country_block));
        self.set("allow_match", text(rules.allow_match.as_str()));
        self.set("block_scanners", rules.block_scanners);
        let Reputation { enforce, is_awaited: _, observe } = &rules.reputation;
        self.set("reputation", format!("{{ enforce = {}, observe = {} }}", self.list(enforce), self.list(observe)));
        self.set("observe", self.list(rules.observe.iter().map(|rule| rule.as_str())));
    }
}
