//! One of `[[tests]]`.

use super::{Page, inline, text};
use crate::scenario::{Expectation, Given, Scenario};

impl Page<'_> {
    pub(super) fn test(&mut self, at: usize, test: &Scenario) {
        let Scenario { name, given, expect, .. } = test;
        let Given { url, method, user, groups, login, ip, at: instant } = given;
        self.element(&["tests"], at);
        self.set("name", text(name));
        let given = [
            Some(("url", text(url))),
            method.as_ref().map(|method| ("method", text(method))),
            user.as_ref().map(|user| ("user", text(user))),
            (!groups.is_empty()).then(|| ("groups", self.list(groups))),
            login.as_ref().map(|login| ("login", text(login))),
            ip.map(|ip| ("ip", text(ip))),
            instant.map(|instant| ("at", instant.to_string())),
        ];
        self.set("given", inline(given));
        let Expectation { decision, reason, circuit } = expect;
        let expect = [
            decision.map(|decision| ("decision", text(decision.as_str()))),
            reason.as_ref().map(|reason| ("reason", text(reason))),
            circuit.as_ref().map(|circuit| ("circuit", text(circuit))),
        ];
        self.set("expect", inline(expect));
    }
}
