//! The way back: a code for what a circuit wanted, and the session that it opens.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::CODES;
use super::wanted::{Kept, Wanted};
use crate::gate::Gate;
use crate::keyed::{sha256, token};
use crate::limit::Key;
use crate::pending::Waiting;
use crate::policy::Policy;
use crate::request::RequestView;
use crate::session::{Found, LOGIN, Live, Parent, Session};
use crate::sign_in::{Outcome, SignIn, Verified};
use crate::sso::seal;
use crate::verdict::{Kind, Reason, Refusal};

/// What a code stands for.
pub(super) struct Code {
    kept: Kept,
    /// Of the sign-in at the login host.
    cookie: Zeroizing<String>,
    /// The attempt that goes on; absent where nobody was asked.
    attempt: Option<String>,
}

/// What a code gave.
pub struct Redeemed {
    /// Where the person wants to be; a path of this host.
    pub back: Arc<str>,
    /// The attempt that goes on; absent where nobody was asked.
    pub attempt: Option<String>,
    /// The sign-in at the login host.
    pub sign_in: Arc<Session>,
    /// Of the circuit's policy. Absent where the browser has a session of this sign-in already, through another tab.
    pub outcome: Option<Outcome>,
}

impl Wanted {
    /// A code for the sign-in that this cookie of the login host names; what was wanted is used now. Absent where it was
    /// used meanwhile.
    pub fn hand_over(
        &self,
        cookie: &str,
        attempt: Option<&str>,
        request: &RequestView<'_>,
    ) -> Option<Zeroizing<String>> {
        let core = &self.gate().core;
        let now = core.clock.elapsed();
        let Waiting { browser, what: kept, .. } = core.hand_overs.wanted.take_if(self.id(), now, |_| true)?;
        let (code, cookie) = (Zeroizing::new(token()), Zeroizing::new(cookie.to_owned()));
        core.hand_overs.codes.put(Waiting {
            key: sha256(code.as_bytes()),
            browser,
            address: Key::address(request.client),
            at: now,
            what: Code { kept, cookie, attempt: attempt.map(str::to_owned) },
        });
        Some(code)
    }
}

impl Policy {
    /// What a code is good for, brought to a circuit. It is used now, whoever brings it: a code that somebody else brings
    /// is known to somebody else.
    ///
    /// # Errors
    /// When it is unknown, used, too old, or of another host, circuit or browser; or the sign-in behind it is over.
    pub fn redeem(
        &self,
        here: &Gate,
        code: &str,
        browser: Option<&str>,
        request: &RequestView<'_>,
    ) -> Result<Redeemed, Refusal> {
        let refuse = |reason| here.refuse(reason, Kind::SignIn, "login");
        let (now, browser) = (self.core.clock.elapsed(), browser.map(|browser| sha256(browser.as_bytes())));
        let taken = self.core.hand_overs.codes.take(code, |_| true).ok_or_else(|| refuse(Reason::InvalidCode))?;
        let Waiting { browser: marked, at, what: Code { kept, cookie, attempt }, .. } = taken;
        let is_here = *kept.circuit == *here.name && *kept.host == *request.host && browser == Some(marked);
        let gate = self.gate_at(&kept.circuit, &kept.home).filter(|_| is_here);
        let gate = gate.ok_or_else(|| refuse(Reason::InvalidCode))?;
        if now.saturating_sub(at) >= CODES.ttl {
            return Err(refuse(Reason::CodeExpired));
        }
        let root = match self.core.sessions.store.find(&cookie, LOGIN, &gate.general) {
            Found::Live(root) => root,
            Found::Missing | Found::Ended(_) | Found::Unreadable => return Err(refuse(Reason::InvalidCode)),
        };
        let outcome = gate.outcome_of(&root, &cookie, request);
        if matches!(outcome, Some(Outcome::Verified(_))) {
            self.core.hand_overs.rounds.given((marked, gate.name.clone()), now);
        }
        Ok(Redeemed { back: kept.back, attempt, sign_in: root.session.clone(), outcome })
    }
}

impl Gate {
    fn outcome_of(&self, root: &Arc<Live>, cookie: &str, request: &RequestView<'_>) -> Option<Outcome> {
        if self.is_in_by(root, request) {
            return None;
        }
        let mut who = SignIn::from(&*root.session);
        Some(match self.judge_anew(root, Some(self.core.clock.now())) {
            Ok((_, grant)) => {
                who.rule = grant.map(|grant| grant.rule().into());
                self.child(root, who, cookie, request)
            }
            Err(refusal) => Outcome::Forbidden(who, refusal),
        })
    }

    /// Whether the request shows a session that came from this sign-in and passes.
    fn is_in_by(&self, root: &Live, request: &RequestView<'_>) -> bool {
        let here = self.session(request).ok().flatten().filter(|live| self.judge(live).outcome.is_ok());
        let behind = here.and_then(|live| self.core.sessions.store.root_of(&live).ok().flatten());
        behind.is_some_and(|(_, behind)| behind.session.id == root.session.id)
    }

    fn child(&self, root: &Live, who: SignIn, cookie: &str, request: &RequestView<'_>) -> Outcome {
        let mut draft = self.draft(&who, root.fingerprint.clone(), request);
        let sealed = seal::seal(&cookie, &draft.cookie);
        draft.provided = root.provided_unsealed();
        draft.parent = Some((Parent { id: root.session.id.as_str().to_owned(), sealed }, root.session.expires));
        Outcome::Verified(Box::new(Verified::new(who, &self.core, draft)))
    }
}
