//! The settings in force, as `vestibule config show` prints them.

mod circuit;
mod limits;
mod logs;
mod page;
mod people;
mod scenario;
mod server;
mod telling;
mod upstream;

use crate::Settings;
use crate::access::AllowEntry;
use crate::units::display_duration;

use page::{Page, inline, text};
pub(crate) use telling::{Purpose, unmarked};

impl Settings {
    /// As TOML, secrets hidden. With `origins` each line ends in the place that set it, or in `default`.
    pub fn show(&self, origins: bool) -> String {
        self.page(origins, Purpose::Reading)
    }

    /// The same without origins, for a comparison; see [`Purpose::Comparing`].
    pub(crate) fn compared(&self) -> String {
        self.page(false, Purpose::Comparing)
    }

    fn page(&self, origins: bool, purpose: Purpose) -> String {
        let mut page = Page { settings: self, origins, purpose, text: String::new(), table: Vec::new() };
        page.server(&self.server);
        if let Some(geo) = &self.geo {
            page.table(&["geo"]);
            page.set("database", text(geo.database.display()));
            page.set("when_unavailable", text(geo.when_unavailable.as_str()));
        }
        self.providers.values().for_each(|provider| page.provider(provider));
        page.table(&["sessions"]);
        page.set("max_age", text(display_duration(self.sessions.max_age)));
        page.set("idle", text(display_duration(self.sessions.idle)));
        page.set_some("per_person", self.sessions.per_person);
        self.users.values().for_each(|user| page.user(user));
        self.service_tokens.values().for_each(|token| page.service_token(token));
        for project in self.projects.values() {
            page.table(&["projects", project.name.as_str()]);
            page.set_some("label", project.label.as_ref().map(text));
            page.set("members", page.list(project.members.iter().map(AllowEntry::to_string)));
        }
        page.table(&["ip_sets"]);
        for (name, networks) in &self.ip_sets {
            page.set(name.as_str(), page.list(networks));
        }
        self.rate_limits.values().for_each(|limit| page.rate_limit(limit));
        page.login_limits(&self.login_limits);
        self.failed_answers.iter().for_each(|limit| page.failed_answers(limit));
        self.circuits.values().for_each(|circuit| page.circuit(circuit));
        page.logs(&self.logs);
        page.admin(&self.admin);
        page.tls(&self.tls);
        self.mail.iter().for_each(|mail| page.mail(mail));
        self.hooks.values().for_each(|hook| page.hook(hook));
        self.tests.iter().enumerate().for_each(|(at, test)| page.test(at, test));
        self.alerts.values().for_each(|alert| page.alert(alert));
        page.text
    }
}
