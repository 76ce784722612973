//! The logs, what leaves the machine, and the admin port that reads them.

use super::{Page, text};
use crate::admin::{Admin, AdminTls, LogName, Operators};
use crate::alert::Alert;
use crate::anchors::AnchorPlace;
use crate::logs::Logs;
use crate::units::display_duration;

impl Page<'_> {
    pub(super) fn logs(&mut self, logs: &Logs) {
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

    pub(super) fn alert(&mut self, alert: &Alert) {
        self.table(&["alerts", alert.name.as_str()]);
        self.set("url", text(&alert.url));
        self.set("secret", self.secret(&alert.secret));
        self.set("on", self.list(alert.on.iter().map(|on| on.as_str())));
    }

    pub(super) fn admin(&mut self, admin: &Admin) {
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
}
