//! What a circuit wants of the login host, for one browser.

use std::sync::Arc;

use crate::gate::Gate;
use crate::keyed::{sha256, token};
use crate::limit::Key;
use crate::pending::Waiting;
use crate::policy::Policy;
use crate::request::RequestView;
use crate::session::Live;
use crate::verdict::{Kind, Reason, Refusal};

/// With what a circuit sends a browser to the login host.
pub struct Want<'a> {
    /// Scheme, host and port of the circuit as the client sees them.
    pub origin: String,
    /// Where the person wants to be in the end; checked by the caller.
    pub back: &'a str,
    /// The browser's cookie at the circuit's host, set before it leaves.
    pub browser: &'a str,
    /// The person wants to be somebody else.
    pub another: bool,
}

/// The same, as it is kept.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) circuit: Arc<str>,
    /// Where the paths of its policy begin.
    pub(super) home: Arc<str>,
    pub(super) host: Arc<str>,
    pub(super) origin: Arc<str>,
    pub(super) back: Arc<str>,
    another: bool,
}

/// A circuit's request, at the login host.
pub struct Wanted {
    id: String,
    kept: Kept,
    gate: Arc<Gate>,
}

impl Wanted {
    /// In the browser's address.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Scheme, host and port of the circuit as the client sees them.
    pub fn origin(&self) -> &str {
        &self.kept.origin
    }

    /// Where the person wants to be in the end: a path of the circuit's.
    pub fn back(&self) -> &str {
        &self.kept.back
    }

    /// The person wants to be somebody else.
    pub fn another(&self) -> bool {
        self.kept.another
    }

    /// The circuit's, whose ways in count.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }
}

impl Gate {
    /// Remembers what a browser is sent to the login host for, and gives the id for its address.
    ///
    /// # Errors
    /// `loop_detected`: it was given a session here several times in a minute, and never has one.
    pub fn want(&self, want: Want<'_>, request: &RequestView<'_>) -> Result<String, Refusal> {
        let (browser, now) = (sha256(want.browser.as_bytes()), self.core.clock.elapsed());
        let hand_overs = &self.core.hand_overs;
        if self.comes_without_session(request) && hand_overs.rounds.is_loop((browser, self.name.clone()), now) {
            return Err(self.refuse(Reason::LoopDetected, Kind::Forbidden, "login"));
        }
        let id = token();
        hand_overs.wanted.put(Waiting {
            key: sha256(id.as_bytes()),
            browser,
            address: Key::address(request.client),
            at: now,
            what: Kept {
                circuit: self.name.clone(),
                home: self.home().into(),
                host: request.host.into(),
                origin: want.origin.into(),
                back: want.back.into(),
                another: want.another,
            },
        });
        Ok(id)
    }

    /// Not where the browser shows one that is over: that one it has kept.
    fn comes_without_session(&self, request: &RequestView<'_>) -> bool {
        match self.session(request) {
            Ok(live) => live.is_none_or(|live| self.judge(&live).outcome.is_err()),
            Err(refusal) => matches!(refusal.reason, Reason::NoCredentials | Reason::MissingSession),
        }
    }

    /// Whether the sign-in that a request to the login host shows will do here without asking again: by its way in and
    /// its provider. That the policy refuses its owner is for the circuit to say. Not where every request asks again,
    /// for that would never end.
    pub fn takes(&self, login: &Self, request: &RequestView<'_>) -> bool {
        let live = login.session(request).ok().flatten();
        live.is_some_and(|live| !self.circuit.session.max_age.is_zero() && self.takes_sign_in(&live))
    }

    fn takes_sign_in(&self, live: &Live) -> bool {
        self.judge_anew(live, Some(self.core.clock.now())).err().is_none_or(|refusal| refusal.kind == Kind::Forbidden)
    }
}

impl Policy {
    /// What a circuit wants; it stays until it is handed over. Absent where it is over, was handed over before, never
    /// was, or the circuit is gone.
    pub fn wanted(&self, id: &str) -> Option<Wanted> {
        let now = self.core.clock.elapsed();
        let kept = self.core.hand_overs.wanted.look(id, now, |waiting| waiting.what.clone())?;
        let gate = self.gate_at(&kept.circuit, &kept.home)?.clone();
        Some(Wanted { id: id.to_owned(), kept, gate })
    }

    /// The gate by which a sign-in at a provider was started.
    pub fn gate_of_started(&self, state: &str) -> Option<&Arc<Gate>> {
        let circuit = self.core.starts.circuit(state, self.core.clock.elapsed())?;
        if circuit.is_empty() { self.login() } else { self.gate(&circuit) }
    }
}
