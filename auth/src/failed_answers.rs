//! Addresses that are answered 401, 403 or 404 too often: they look for what is not there, or not for them.
//!
//! What counts is what was answered, so that a request is let through as long as the bucket held anything before it.

use std::net::IpAddr;
use std::sync::Arc;

use vestibule_config::failed_answers::FailedAnswers as Settings;

use crate::limit::{Check, Key, Limiter, Numbers, Registry};
use crate::verdict::{Kind, Reason, Refusal};

/// Name of the limit, as budgets have it.
pub const FAILED_ANSWERS: &str = "failed_answers";

/// `[failed_answers]` of one configuration.
pub(crate) struct FailedAnswers {
    limiter: Arc<Limiter>,
    upstream: bool,
}

impl FailedAnswers {
    pub(crate) fn new(settings: &Settings, registry: &Registry) -> Self {
        let Settings { rate, burst, upstream } = *settings;
        let name = FAILED_ANSWERS.into();
        let numbers = Numbers { name, per: None, count: rate.count, period: rate.period, burst };
        Self { limiter: registry.limiter(numbers), upstream }
    }

    /// Why nothing of this address is looked at; absent where it is.
    pub(crate) fn refusal(&self, address: IpAddr) -> Option<Refusal> {
        let Check::Limited(budget) = self.limiter.peek(&Key::address(address)) else { return None };
        Some(Refusal { reason: Reason::FailedAnswers, kind: Kind::Limited(budget), rule: FAILED_ANSWERS.to_owned() })
    }

    /// One more.
    pub(crate) fn note(&self, address: IpAddr, by_upstream: bool) {
        if self.upstream || !by_upstream {
            // One that is over the limit changes nothing.
            let _counted = self.limiter.check(&Key::address(address));
        }
    }
}
