//! The settings in force, as `vestibule config show` prints them.

mod circuit;
mod telling;
mod upstream;

use std::fmt::Display;
use std::path::Path;

use crate::Settings;
use crate::access::AllowEntry;
use crate::admin::{Admin, AdminTls, LogName, Operators};
use crate::alert::Alert;
use crate::anchors::AnchorPlace;
use crate::certificate::Certificates;
use crate::failed_answers::FailedAnswers;
use crate::hook::Hook;
use crate::limit::{LoginLimits, RateLimit};
use crate::listener::Listener;
use crate::logs::Logs;
use crate::mail::Mail;
use crate::provider::Provider;
use crate::scenario::{Expectation, Given, Scenario};
use crate::secret::{PasswordHash, Secret, TokenHash};
use crate::server::Server;
use crate::service_token::{PreviousToken, ServiceToken};
use crate::tls::Tls;
use crate::units::display_duration;
use crate::user::User;

pub(crate) use telling::{Purpose, unmarked};

/// Elements of a list that are printed; the rest is counted.
const LISTED_MAX: usize = 200;

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

/// The text so far, and the table that its next line belongs to.
struct Page<'a> {
    settings: &'a Settings,
    origins: bool,
    purpose: Purpose,
    text: String,
    table: Vec<String>,
}

impl Page<'_> {
    fn server(&mut self, server: &Server) {
        self.table(&["server"]);
        self.set("data_dir", text(server.data_dir.display()));
        self.set("listen", format!("[{}]", server.listen.iter().map(listener).collect::<Vec<_>>().join(", ")));
        self.set_some("login_host", server.login_host.as_ref().map(text));
        self.set("trusted_proxies", self.list(&server.trusted_proxies));
        self.set("shutdown_grace", text(display_duration(server.shutdown_grace)));
        self.set_some("hsts", server.hsts.map(|hsts| text(display_duration(hsts))));
        self.set("insecure_sign_in", server.insecure_sign_in);
        self.set("assertion_key_age", text(display_duration(server.assertion_key_age)));
        let limits = &server.limits;
        self.table(&["server", "limits"]);
        self.set("header_bytes", text(limits.header_bytes));
        self.set("header_timeout", text(display_duration(limits.header_timeout)));
        self.set("idle_timeout", text(display_duration(limits.idle_timeout)));
        self.set("body_bytes", text(limits.body_bytes));
        self.set("connections", limits.connections);
        self.set("connections_per_ip", limits.connections_per_ip);
        self.set("body_timeout", text(display_duration(limits.body_timeout)));
        self.set("body_rate", text(limits.body_rate));
        self.set("write_timeout", text(display_duration(limits.write_timeout)));
        self.set("tunnels", limits.tunnels);
    }

    fn tls(&mut self, tls: &Tls) {
        if let Some(acme) = &tls.acme {
            self.table(&["tls", "acme"]);
            self.set_some("email", acme.email.as_ref().map(text));
            self.set("directory", text(&acme.directory));
            self.set_some("ca", acme.ca.as_ref().map(|ca| self.certificates(ca)));
        }
        for own in tls.certificates.values() {
            self.table(&["tls", "certificates", own.name.as_str()]);
            self.set("hosts", self.list(&own.hosts));
            self.set("cert", self.file(&own.file, &own.certificate.chain()));
            self.set("key", self.purpose.secret(&own.certificate.public_key()));
        }
    }

    fn provider(&mut self, provider: &Provider) {
        self.table(&["providers", provider.name.as_str()]);
        self.set("label", text(&provider.label));
        self.set("issuer", text(&provider.issuer));
        self.set("client_id", text(&provider.client_id));
        self.set_some("client_secret", provider.client_secret.as_ref().map(|secret| self.secret(secret)));
        self.set("scopes", self.list(&provider.scopes));
        self.set_some("groups_claim", provider.groups_claim.as_ref().map(text));
        self.set_some("email_domains", provider.email_domains.as_ref().map(|domains| self.list(domains)));
        self.set("require_verified_email", provider.require_verified_email);
        self.set_some("recheck", provider.recheck.map(|every| text(display_duration(every))));
        self.set_some("ca", provider.ca.as_ref().map(|ca| self.certificates(ca)));
    }

    fn user(&mut self, user: &User) {
        self.table(&["users", user.email.as_str()]);
        self.set_some("name", user.name.as_ref().map(text));
        self.set_some("password_hash", user.password_hash.as_ref().map(|hash| self.hash(hash)));
        self.set_some("pin_hash", user.pin_hash.as_ref().map(|hash| self.hash(hash)));
        self.set("groups", self.list(&user.groups));
        self.set("state", text(user.state.as_str()));
        self.set_some("totp", user.totp.as_ref().map(|totp| self.purpose.secret(totp.expose())));
    }

    fn service_token(&mut self, token: &ServiceToken) {
        self.table(&["service_tokens", token.name.as_str()]);
        self.set("hash", self.token(&token.hash));
        self.set_some("expires", token.expires);
        let before = |PreviousToken { hash, until }: &PreviousToken| {
            format!("{{ hash = {}, until = {until} }}", self.token(hash))
        };
        let before = token.previous.as_ref().map(before);
        self.set_some("previous", before);
        self.set("disabled", token.disabled);
    }

    fn rate_limit(&mut self, limit: &RateLimit) {
        self.table(&["rate_limits", limit.name.as_str()]);
        self.set("per", text(limit.per.as_str()));
        self.set("rate", text(limit.rate));
        self.set("burst", limit.burst);
    }

    fn failed_answers(&mut self, limit: &FailedAnswers) {
        self.table(&["failed_answers"]);
        self.set("rate", text(limit.rate));
        self.set("burst", limit.burst);
        self.set("upstream", limit.upstream);
    }

    fn login_limits(&mut self, limits: &LoginLimits) {
        self.table(&["login_limits"]);
        self.set("per_ip", text(limits.per_ip));
        self.set("per_user", text(limits.per_user));
        self.set("per_circuit", text(limits.per_circuit));
        self.table(&["login_limits", "failures"]);
        self.set("count", limits.failures.count);
        self.set("within", text(display_duration(limits.failures.within)));
        self.set("lock", text(display_duration(limits.failures.lock)));
        self.table(&["login_limits", "shared_failures"]);
        self.set("count", limits.shared_failures.count);
        self.set("within", text(display_duration(limits.shared_failures.within)));
    }

    fn logs(&mut self, logs: &Logs) {
        self.table(&["logs"]);
        self.set("sync", text(display_duration(logs.sync)));
        self.set("on_full", text(logs.on_full.as_str()));
        self.set("stdout", logs.stdout);
        self.set("redact_query", self.list(&logs.redact_query));
        self.set(
            "scrub",
            text(logs.scrub.map_or_else(|| "off".to_owned(), |every| display_duration(every).to_string())),
        );
        for (name, kept) in [("access", logs.access), ("requests", logs.requests), ("audit", logs.audit)] {
            self.table(&["logs", name]);
            self.set("keep", text(display_duration(kept.keep)));
            self.set_some("max_bytes", kept.max_bytes.map(text));
        }
        self.table(&["logs", "disk"]);
        self.set_some("low", logs.disk.low.map(text));
        self.set_some("hard", logs.disk.hard.map(text));
        self.set_some("ballast", logs.disk.ballast.map(text));
        self.table(&["logs", "anchors"]);
        self.set("every", text(display_duration(logs.anchors.every)));
        self.set("entries", logs.anchors.entries);
        self.set("to", self.list(logs.anchors.to.iter().map(AnchorPlace::to_text)));
        if let Some(s3) = &logs.anchors.s3 {
            self.table(&["logs", "anchors", "s3"]);
            self.set("endpoint", text(&s3.endpoint));
            self.set("region", text(&s3.region));
            self.set("access_key", self.secret(&s3.access_key));
            self.set("secret_key", self.secret(&s3.secret_key));
            self.set("mode", text("compliance"));
            self.set("retain", text(display_duration(s3.retain)));
        }
    }

    fn admin(&mut self, admin: &Admin) {
        self.table(&["admin"]);
        self.set("listen", text(admin.listen));
        let tls = admin.tls.as_ref().map(|AdminTls { file, certificate }| {
            let (cert, key) = (self.file(file, &certificate.chain()), self.purpose.secret(&certificate.public_key()));
            format!("{{ cert = {cert}, key = {key} }}")
        });
        self.set_some("tls", tls);
        self.set("hosts", self.list(&admin.hosts));
        for (name, token) in &admin.tokens {
            self.table(&["admin", "tokens", name.as_str()]);
            self.set("role", text(token.role.as_str()));
            self.set("hash", self.token(&token.hash));
            self.read_logs(token.logs.as_deref());
        }
        self.operators(admin.operators.as_deref());
    }

    fn operators(&mut self, operators: Option<&Operators>) {
        let Some(Operators { provider, members, for_members, people }) = operators else { return };
        self.table(&["admin", "operators"]);
        self.set("provider", text(provider));
        self.set("members", self.list(members));
        self.set("role", text(for_members.role.as_str()));
        self.read_logs(for_members.logs.as_deref());
        for (email, operator) in people {
            self.table(&["admin", "operators", "people", email.as_str()]);
            self.set("role", text(operator.role.as_str()));
            self.read_logs(operator.logs.as_deref());
        }
    }

    fn read_logs(&mut self, logs: Option<&[LogName]>) {
        self.set_some("logs", logs.map(|logs| self.list(logs.iter().map(|log| log.as_str()))));
    }

    fn mail(&mut self, mail: &Mail) {
        self.table(&["mail"]);
        self.set("from", text(&mail.from));
        self.set_some("smtp", mail.server.as_ref().map(|server| self.purpose.secret(server.whole().as_bytes())));
        self.set_some("command", mail.command.as_ref().map(text));
        self.set_some("ca", mail.ca.as_ref().map(|ca| self.certificates(ca)));
    }

    fn hook(&mut self, hook: &Hook) {
        self.table(&["hooks", hook.name.as_str()]);
        self.set("url", text(&hook.url));
        self.set("secret", self.secret(&hook.secret));
        self.set("timeout", text(display_duration(hook.timeout)));
        self.set("on_failure", text(hook.on_failure.as_str()));
    }

    fn test(&mut self, at: usize, test: &Scenario) {
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

    fn alert(&mut self, alert: &Alert) {
        self.table(&["alerts", alert.name.as_str()]);
        self.set("url", text(&alert.url));
        self.set("secret", self.secret(&alert.secret));
        self.set("on", self.list(alert.on.iter().map(|on| on.as_str())));
    }

    fn secret(&self, secret: &Secret) -> String {
        self.purpose.secret(secret.expose().as_bytes())
    }

    fn hash(&self, hash: &PasswordHash) -> String {
        self.purpose.secret(hash.expose().as_bytes())
    }

    fn token(&self, hash: &TokenHash) -> String {
        self.purpose.secret(hash.expose())
    }

    /// A file whose content counts.
    fn file(&self, path: &Path, content: &[u8]) -> String {
        self.purpose.standing_for(&path.display().to_string(), content)
    }

    fn certificates(&self, certificates: &Certificates) -> String {
        self.file(&certificates.path, &certificates.all.concat())
    }

    /// A list of strings, cut where it is long; how many are left out stands as its last element.
    fn list<T: Display>(&self, items: impl IntoIterator<Item = T>) -> String {
        let mut items = items.into_iter();
        let mut shown: Vec<String> = items.by_ref().take(LISTED_MAX).map(text).collect();
        let rest: Vec<String> = items.map(text).collect();
        if !rest.is_empty() {
            let count = format!("and {} more", rest.len());
            shown.push(self.purpose.standing_for(&count, rest.join(",").as_bytes()));
        }
        format!("[{}]", shown.join(", "))
    }

    fn table(&mut self, path: &[&str]) {
        self.header("[", path, "]");
        self.table = path.iter().map(ToString::to_string).collect();
    }

    /// One table of a list of them; `at` counts from 0.
    fn element(&mut self, path: &[&str], at: usize) {
        self.header("[[", path, "]]");
        self.table = path.iter().map(ToString::to_string).chain([at.to_string()]).collect();
    }

    fn header(&mut self, open: &str, path: &[&str], close: &str) {
        let gap = if self.text.is_empty() { "" } else { "\n" };
        let keys: Vec<String> = path.iter().map(|key| crate::shape::quoted_key(key)).collect();
        self.text.push_str(&format!("{gap}{open}{}{close}\n", keys.join(".")));
    }

    fn set_some(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    fn set(&mut self, key: &str, value: impl Display) {
        self.set_or(key, value, &[]);
    }

    /// Where the key does not stand in its own place, `elsewhere` is where its value comes from.
    fn set_or(&mut self, key: &str, value: impl Display, elsewhere: &[&str]) {
        let path: Vec<String> = self.table.iter().cloned().chain([key.to_owned()]).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let own = self.settings.origins.at(&path).is_some();
        self.set_from(key, value, if own { &path } else { elsewhere });
    }

    fn set_from(&mut self, key: &str, value: impl Display, path: &[&str]) {
        let key = crate::shape::quoted_key(key);
        let origin = self.settings.origins.at(path).unwrap_or("default");
        let comment = if self.origins { format!("  # {origin}") } else { String::new() };
        self.text.push_str(&format!("{key} = {value}{comment}\n"));
    }
}

impl Display for AllowEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Email(email) => write!(f, "{email}"),
            Self::Domain(domain) => write!(f, "domain:{domain}"),
            Self::Group(group) => write!(f, "group:{group}"),
            Self::Token(token) => write!(f, "token:{token}"),
        }
    }
}

/// A table in braces, of those keys that have a value.
fn inline<const N: usize>(pairs: [Option<(&str, String)>; N]) -> String {
    let pairs: Vec<_> = pairs.into_iter().flatten().map(|(key, value)| format!("{key} = {value}")).collect();
    format!("{{ {} }}", pairs.join(", "))
}

/// A string with its quotes.
fn listener(listener: &Listener) -> String {
    let Listener { address, systemd, tls, redirect_to_https, proxy_protocol } = listener;
    let words = [
        address.map(|address| format!("address = {}", text(address))),
        systemd.as_ref().map(|name| format!("systemd = {}", text(name))),
        tls.then(|| "tls = true".to_owned()),
        redirect_to_https.then(|| "redirect_to_https = true".to_owned()),
        proxy_protocol.then(|| "proxy_protocol = true".to_owned()),
    ];
    format!("{{ {} }}", words.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

fn text(text: impl Display) -> String {
    toml::Value::String(text.to_string()).to_string()
}
