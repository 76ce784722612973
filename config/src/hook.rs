//! `[hooks.NAME]`: somebody outside is asked before a session begins.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::name::Name;
use crate::secret::{self, Secret};
use crate::shape::{At, Field, Named, Reading, shape};
use crate::web_address::WebAddress;
use crate::word::{Word as _, spellings};

/// One hook, which circuits name.
#[derive(Debug, Clone)]
pub struct Hook {
    /// The table's key.
    pub name: Name,
    /// Where it is asked: `https`, or `http` on loopback.
    pub url: Arc<str>,
    /// Signs what is sent; at least 16 bytes.
    pub secret: Secret,
    /// For its whole answer: 3 to 5 seconds.
    pub timeout: Duration,
    /// What an answer that does not come means.
    pub on_failure: OnFailure,
}

/// `on_failure`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Nobody is let in.
    Deny,
    /// The sign-in goes on, and its entry says so.
    Allow,
}

spellings!(pub OnFailure { "deny" => Deny, "allow" => Allow });

shape! {
    /// What `[hooks.NAME]` may say.
    pub(crate) struct RawHook {
        url: WebAddress,
        secret: At<Secret>,
        timeout: At<Duration>,
        on_failure: OnFailure,
    }
}

/// Absent where an error was reported, so that nothing is said about circuits that name the hook.
pub(crate) type Hooks = BTreeMap<Name, Option<Arc<Hook>>>;

const TIMEOUT: Duration = Duration::from_secs(4);
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_secs(3)..=Duration::from_secs(5);

/// Checks each.
pub(crate) fn check_all(hooks: Named<Name, RawHook>, reading: &mut Reading<'_>) -> Hooks {
    let check = |(At { value: name, .. }, hook): (At<Name>, Option<RawHook>)| {
        let hook = hook.and_then(|hook| hook.check(&name, reading)).map(Arc::new);
        (name, hook)
    };
    hooks.0.into_iter().map(check).collect()
}

impl RawHook {
    fn check(self, name: &Name, reading: &mut Reading<'_>) -> Option<Hook> {
        let Self { table, url, secret, timeout, on_failure } = self;
        let url = url.required("url", WebAddress::EXAMPLE, table, reading);
        let secret = secret.required("secret", "{ file = \"…\" }", table, reading);
        if let Some(secret) = &secret {
            secret::must_sign(secret, reading);
        }
        let timeout = check_timeout(timeout, reading);
        Some(Hook {
            name: name.clone(),
            url: url?.0,
            secret: secret?.value,
            timeout,
            on_failure: on_failure.or(OnFailure::Deny),
        })
    }
}

fn check_timeout(timeout: Field<At<Duration>>, reading: &mut Reading<'_>) -> Duration {
    let Some(At { value, span }) = timeout.optional() else { return TIMEOUT };
    if !TIMEOUTS.contains(&value) {
        let finding = reading.findings.error(span, "\"timeout\" is out of range");
        finding.help("write a time from \"3s\" to \"5s\": a person waits for it");
    }
    value
}
