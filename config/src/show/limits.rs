//! How often is too often.

use super::{Page, text};
use crate::failed_answers::FailedAnswers;
use crate::limit::{LoginLimits, RateLimit};
use crate::units::display_duration;

impl Page<'_> {
    pub(super) fn rate_limit(&mut self, limit: &RateLimit) {
        self.table(&["rate_limits", limit.name.as_str()]);
        self.set("per", text(limit.per.as_str()));
        self.set("rate", text(limit.rate));
        self.set("burst", limit.burst);
    }

    pub(super) fn failed_answers(&mut self, limit: &FailedAnswers) {
        self.table(&["failed_answers"]);
        self.set("rate", text(limit.rate));
        self.set("burst", limit.burst);
        self.set("upstream", limit.upstream);
    }

    pub(super) fn login_limits(&mut self, limits: &LoginLimits) {
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
}
