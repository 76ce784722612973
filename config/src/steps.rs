//! `second_factor`, `purpose`, `hook`: what a good credential does not yet open.

use std::sync::Arc;

use crate::hook::{Hook, Hooks};
use crate::logs::{CircuitLog, PersonalData};
use crate::name::Name;
use crate::shape::{At, Field, Reading};
use crate::suggest;
use crate::text::Span;
use crate::word::spellings;

/// What follows the credential, in this order, before a session begins.
#[derive(Debug, Clone, Default)]
pub struct Steps {
    /// Absent: none is asked for.
    pub second_factor: Option<SecondFactor>,
    /// Asks why, once a session.
    pub purpose: bool,
    /// Absent: nobody outside is asked.
    pub hook: Option<Arc<Hook>>,
}

/// `second_factor`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondFactor {
    /// A code by time, of the person's own `totp`.
    Totp,
}

spellings!(pub SecondFactor { "totp" => Totp });

/// The keys as written, taken together because they mean something together.
pub(crate) struct RawSteps {
    pub(crate) second_factor: Field<SecondFactor>,
    pub(crate) purpose: Field<bool>,
    pub(crate) hook: Field<At<Name>>,
}

/// What else of the file bears on them.
pub(crate) struct Bearings<'a> {
    /// The circuit and all its paths are for everybody.
    pub(crate) asks_nobody: bool,
    /// Of the circuit's `shared`, or the first one of its paths.
    pub(crate) shared_key: Option<Span>,
    /// Whether anybody has a `totp`.
    pub(crate) has_totp: bool,
    pub(crate) hooks: &'a Hooks,
}

impl RawSteps {
    pub(crate) fn check(self, around: &Bearings<'_>, log: &CircuitLog, reading: &mut Reading<'_>) -> Steps {
        let Self { second_factor, purpose, hook } = self;
        let keys = [("second_factor", second_factor.key()), ("purpose", purpose.key()), ("hook", hook.key())];
        if around.asks_nobody {
            for (name, key) in keys {
                let Some(key) = key else { continue };
                reading.findings.warning(key, format!("{name:?} has no effect with access = \"public\""));
            }
        } else {
            check_factor(&second_factor, around, reading);
        }
        if let Field::Given { value: true, key, .. } = purpose
            && log.personal_data != PersonalData::Full
        {
            let message = "what people write is not recorded with this \"personal_data\"";
            reading
                .findings
                .warning(key, message)
                .help("write log = { personal_data = \"full\" }, or leave purpose out");
        }
        let hook = hook.optional().and_then(|name| check_hook(&name, around.hooks, reading));
        Steps { second_factor: second_factor.optional(), purpose: purpose.or(false), hook }
    }
}

fn check_factor(factor: &Field<SecondFactor>, around: &Bearings<'_>, reading: &mut Reading<'_>) {
    let Some(key) = factor.key() else { return };
    if let Some(shared) = around.shared_key {
        let message = "a shared secret is nobody's, so that there is no second factor to ask for";
        reading
            .findings
            .error(shared, message)
            .help("leave out \"shared\" or \"second_factor\"")
            .also(key, "asked here");
    } else if !around.has_totp {
        let message = "nobody has a second factor: nobody is let in by signing in";
        reading.findings.warning(key, message).help("write totp = { file = \"…\" } in [users.\"EMAIL\"]");
    }
}

fn check_hook(name: &At<Name>, hooks: &Hooks, reading: &mut Reading<'_>) -> Option<Arc<Hook>> {
    let At { value: name, span } = name;
    if let Some(hook) = hooks.get(name) {
        return hook.clone();
    }
    let known: Vec<&str> = hooks.keys().map(Name::as_str).collect();
    let finding = reading.findings.error(*span, format!("there is no hook {:?}", name.as_str()));
    finding.help(suggest::one_of("[hooks] has", name.as_str(), &known));
    None
}
