//! What stands between a good credential and a session: a second factor, a purpose, a hook; and the code by e-mail, which
//! is itself a credential that is waited for.
//!
//! A sign-in that waits for its person is kept here, bound to the browser by a cookie, for ten minutes and for one
//! use. The steps that it took go into its session, and a session without those that its circuit asks for opens nothing.

mod code;
mod factor;
mod hook;

use std::sync::Arc;
use std::time::Duration;

use vestibule_config::hook::Hook;
use zeroize::Zeroizing;

use crate::gate::Gate;
use crate::keyed::{sha256, token};
use crate::limit::Key;
use crate::pending::{Bounds, Pending, Waiting};
use crate::request::RequestView;
use crate::sign_in::{SignIn, Verified};
use crate::verdict::{Kind, Reason, Refusal};

pub use code::{CodeAsked, Letter, Sent};
pub use hook::{About, Heard};

pub(crate) use hook::Turns;

/// Wrong codes of one waiting sign-in; the next one ends it.
const TRIES: u32 = 5;

/// Characters of a purpose.
pub const PURPOSE_CHARS: std::ops::RangeInclusive<usize> = 1..=500;

/// What a person is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// The code that was sent by e-mail.
    Code,
    /// A code of the person's own device.
    SecondFactor,
    /// Why they come.
    Purpose,
}

impl Ask {
    /// The word for programs, and the last part of the log's `rule`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::SecondFactor => "second_factor",
            Self::Purpose => "purpose",
        }
    }
}

/// What is next for a sign-in whose credential is good.
pub enum Next {
    /// Its record, then its session.
    Session,
    /// The person is asked.
    Ask(Ask),
    /// Somebody outside is asked: [`Gate::ask_hook`].
    Hook(Arc<Hook>),
    /// 403.
    Refused(Refusal),
}

/// A sign-in that waits for its person.
pub struct Unfinished {
    stage: Stage,
    /// Where the person wants to be in the end; checked by the caller.
    pub back: String,
    /// The attempt's id.
    pub attempt: String,
    wrong: u32,
    /// When it began to wait, by the clock that never goes back.
    since: Duration,
}

enum Stage {
    /// For a code by e-mail.
    Sent(Sent),
    /// For what follows the credential.
    Verified(Ask, Box<Verified>),
}

/// Why somebody comes, as typed: 1 to 500 characters, none of which controls; else absent.
pub fn purpose(typed: &str) -> Option<String> {
    let typed = typed.trim();
    let is_text = PURPOSE_CHARS.contains(&typed.chars().count()) && !typed.chars().any(char::is_control);
    is_text.then(|| typed.to_owned())
}

/// With its circuit.
pub(crate) type Held = (Arc<str>, Unfinished);

/// A few kilobytes each, where a provider's tokens are among it.
const BOUNDS: Bounds = Bounds { ttl: Duration::from_secs(600), per_browser: 8, per_address: 200, in_all: 20_000 };

/// Room for all sign-ins that wait.
pub(crate) fn room() -> Pending<Held> {
    Pending::new(BOUNDS)
}

/// How a browser goes on.
pub struct Ticket {
    /// Names the sign-in; opens nothing without the cookie.
    pub id: Zeroizing<String>,
    /// The browser's cookie.
    pub browser: Zeroizing<String>,
}

/// What became of what a person typed.
pub enum Checked {
    /// Go on.
    Good(Box<Verified>),
    /// It is not right. The sign-in may be tried again where it is given back.
    Wrong(SignIn, Refusal, Option<Unfinished>),
    /// It was not looked at: limits, or a state that cannot be written. Nothing is lost.
    Limited(SignIn, Refusal, Unfinished),
}

impl Unfinished {
    /// Of a sign-in that was sent a code.
    pub fn sent(sent: Sent, back: &str, attempt: &str) -> Self {
        Self::new(Stage::Sent(sent), back, attempt)
    }

    /// Of one whose credential is good.
    pub fn verified(ask: Ask, verified: Box<Verified>, back: &str, attempt: &str) -> Self {
        Self::new(Stage::Verified(ask, verified), back, attempt)
    }

    fn new(stage: Stage, back: &str, attempt: &str) -> Self {
        Self { stage, back: back.to_owned(), attempt: attempt.to_owned(), wrong: 0, since: Duration::ZERO }
    }

    /// What is asked for.
    pub fn ask(&self) -> Ask {
        match &self.stage {
            Stage::Sent(_) => Ask::Code,
            Stage::Verified(ask, _) => *ask,
        }
    }

    /// For entries.
    pub fn who(&self) -> &SignIn {
        match &self.stage {
            Stage::Sent(sent) => &sent.who,
            Stage::Verified(_, verified) => &verified.sign_in,
        }
    }

    /// The sign-in goes on with this purpose; absent where another step is asked for.
    pub fn for_purpose(self, purpose: String) -> Option<Box<Verified>> {
        match self.stage {
            Stage::Verified(Ask::Purpose, mut verified) => {
                verified.purpose = Some(purpose);
                verified.draft.passed.purpose = true;
                Some(verified)
            }
            Stage::Verified(Ask::Code | Ask::SecondFactor, _) | Stage::Sent(_) => None,
        }
    }

    /// One more wrong code; absent once there were too many.
    fn tried(mut self) -> Option<Self> {
        self.wrong += 1;
        (self.wrong < TRIES).then_some(self)
    }
}

impl Gate {
    /// What a sign-in must still do here.
    pub fn next_step(&self, verified: &Verified) -> Next {
        let (steps, passed) = (&self.circuit.steps, &verified.draft.passed);
        if steps.second_factor.is_some() && passed.second_factor.is_none() {
            let own = verified.sign_in.email.as_deref().and_then(|email| self.factor_of(email));
            let none = || self.refuse(Reason::SecondFactorRequired, Kind::Forbidden, "second_factor");
            return own.map_or_else(|| Next::Refused(none()), |_| Next::Ask(Ask::SecondFactor));
        }
        if steps.purpose && !passed.purpose {
            return Next::Ask(Ask::Purpose);
        }
        match &steps.hook {
            Some(hook) if passed.hook.is_none() => Next::Hook(hook.clone()),
            Some(_) | None => Next::Session,
        }
    }

    /// Keeps a sign-in until its person goes on. `browser` is the cookie, if there is one already.
    pub fn hold(&self, unfinished: Unfinished, browser: Option<&str>, request: &RequestView<'_>) -> Ticket {
        let id = Zeroizing::new(token());
        let browser = Zeroizing::new(browser.map_or_else(token, str::to_owned));
        let ticket = Ticket { id, browser };
        self.put_back(Unfinished { since: self.core.clock.elapsed(), ..unfinished }, &ticket, request);
        ticket
    }

    /// Keeps one that was taken for the rest of its time, under its own id.
    pub fn put_back(&self, unfinished: Unfinished, ticket: &Ticket, request: &RequestView<'_>) {
        self.core.unfinished.put(Waiting {
            key: sha256(ticket.id.as_bytes()),
            browser: sha256(ticket.browser.as_bytes()),
            address: Key::address(request.client),
            at: unfinished.since,
            what: (self.name.clone(), unfinished),
        });
    }

    /// What a waiting sign-in asks for; absent where there is none for this browser, or not any more.
    pub fn asks(&self, ticket: &Ticket) -> Option<Ask> {
        let look = |waiting: &Waiting<Held>| self.is_for(waiting, ticket).then(|| waiting.what.1.ask());
        self.core.unfinished.look(&ticket.id, self.core.clock.elapsed(), look).flatten()
    }

    /// The waiting sign-in that a browser goes on with; from now on it is used.
    ///
    /// # Errors
    /// When there is none for this browser, or not any more.
    pub fn take_unfinished(&self, ticket: &Ticket) -> Result<Unfinished, Refusal> {
        let is_for = |waiting: &Waiting<Held>| self.is_for(waiting, ticket);
        let taken = self.core.unfinished.take_if(&ticket.id, self.core.clock.elapsed(), is_for);
        taken.map(|waiting| waiting.what.1).ok_or_else(|| self.unknown_ticket())
    }

    /// The ticket is of no sign-in that waits here, for this browser.
    pub fn unknown_ticket(&self) -> Refusal {
        self.refuse(Reason::CodeExpired, Kind::SignIn, "login")
    }

    fn is_for(&self, waiting: &Waiting<Held>, ticket: &Ticket) -> bool {
        waiting.browser == sha256(ticket.browser.as_bytes()) && waiting.what.0 == self.name
    }

    /// Whether this is the code that is asked for: the one by e-mail, or one of the person's device.
    pub async fn check_code(&self, unfinished: Unfinished, typed: &str, request: &RequestView<'_>) -> Checked {
        let admitted = match self.admit_typed(unfinished.who(), request).await {
            Ok(admitted) => admitted,
            Err(refusal) => return Checked::Limited(unfinished.who().clone(), refusal, unfinished),
        };
        let good = match &unfinished.stage {
            Stage::Sent(sent) => self.is_sent(sent, typed),
            Stage::Verified(Ask::SecondFactor, verified) => self.is_of_device(verified, typed).await,
            Stage::Verified(Ask::Code | Ask::Purpose, _) => Err(self.unknown_ticket()),
        };
        match good {
            Ok(()) => {
                self.attempts.succeeded(admitted);
                Checked::Good(self.went_on(unfinished, request))
            }
            Err(refusal) if refusal.kind == Kind::SignIn => {
                let locked = self.attempts.failed(admitted, &self.core.state).await;
                Checked::Wrong(SignIn { locked, ..unfinished.who().clone() }, refusal, unfinished.tried())
            }
            Err(refusal) => {
                admitted.forgive();
                Checked::Limited(unfinished.who().clone(), refusal, unfinished)
            }
        }
    }

    /// The limits of attempts stand before every door.
    async fn admit_typed(&self, who: &SignIn, request: &RequestView<'_>) -> Result<crate::attempts::Admitted, Refusal> {
        let account = who.email.as_deref();
        self.attempts.admit(crate::attempts::Try { circuit: &self.name, address: request.client, account }).await
    }

    fn went_on(&self, unfinished: Unfinished, request: &RequestView<'_>) -> Box<Verified> {
        match unfinished.stage {
            Stage::Sent(sent) => self.reached(sent, request),
            Stage::Verified(_, mut verified) => {
                let own = verified.sign_in.email.as_deref().and_then(|email| self.factor_of(email));
                verified.draft.passed.second_factor = own;
                verified
            }
        }
    }
}
