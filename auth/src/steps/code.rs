//! Codes by e-mail. Nobody learns whether a code was sent: what is answered, and when, is the same for everybody.

use std::collections::BTreeSet;
use std::sync::Arc;

use subtle::ConstantTimeEq;
use vestibule_config::Email;
use zeroize::Zeroizing;

use crate::account::state_refuses;
use crate::caller::Method;
use crate::gate::Gate;
use crate::grants::Grant;
use crate::keyed::random;
use crate::request::RequestView;
use crate::sign_in::{SignIn, Verified, fold};
use crate::verdict::{Kind, Reason, Refusal};

/// Codes have eight digits.
const CODES: u64 = 100_000_000;

/// A code that waits to be typed; whether it was sent is not told by it.
pub struct Sent {
    /// For entries.
    pub who: SignIn,
    email: Option<Email>,
    code: Zeroizing<String>,
}

/// A message to be sent.
pub struct Letter {
    /// Lower-cased.
    pub to: Email,
    /// Eight digits, good once for ten minutes.
    pub code: Zeroizing<String>,
}

/// What became of asking for a code.
pub enum CodeAsked {
    /// It waits to be typed. The letter is there for those alone whom the policy would let in.
    Waits(Sent, Option<Letter>),
    /// What refuses everybody from here: 403.
    Forbidden(SignIn, Refusal),
    /// Too often: 429.
    Limited(SignIn, Refusal),
}

impl Gate {
    /// A code for an account; absent where `login` names no codes.
    pub async fn ask_for_code(&self, email: &str, request: &RequestView<'_>) -> Option<CodeAsked> {
        if !self.sends_codes() {
            return None;
        }
        let account = fold(email);
        let who = SignIn {
            email: Some(account.clone()),
            user_id: None,
            method: Method::Code,
            provider: None,
            rule: None,
            locked: false,
        };
        if let Some(refusal) = self.closed().or_else(|| self.address_rules_refuse(request)) {
            return Some(CodeAsked::Forbidden(who, refusal));
        }
        if let Err(refusal) = self.admit_request(&who, &account, request).await {
            return Some(CodeAsked::Limited(who, refusal));
        }
        let (email, code) = (Email::folded(&account), new_code());
        let letter = match (&email, self.unreachable(email.as_ref())) {
            (Some(email), None) => Some(Letter { to: email.clone(), code: code.clone() }),
            (Some(_) | None, _) => None,
        };
        Some(CodeAsked::Waits(Sent { who, email, code }, letter))
    }

    async fn admit_request(&self, who: &SignIn, account: &Arc<str>, request: &RequestView<'_>) -> Result<(), Refusal> {
        self.admit_typed(who, request).await?.forgive();
        self.attempts.admit_code(account)
    }

    /// Why nobody of this address is let in; asked when the code is wanted, and when it comes.
    fn unreachable(&self, email: Option<&Email>) -> Option<Refusal> {
        let Some(email) = email else {
            return Some(self.refuse(Reason::UserNotFound, Kind::SignIn, "login"));
        };
        let user = self.people.get(email.as_str());
        if let Some(reason) = user.and_then(state_refuses) {
            return Some(Refusal { reason, kind: Kind::SignIn, rule: "users.state".to_owned() });
        }
        let refusal =
            self.admits(email.as_str(), &self.all_groups(&BTreeSet::new(), user), Some(self.core.clock.now())).err()?;
        Some(Refusal { kind: Kind::SignIn, ..refusal })
    }

    /// Spaces make no difference.
    pub(super) fn is_sent(&self, sent: &Sent, typed: &str) -> Result<(), Refusal> {
        let typed: Zeroizing<String> = Zeroizing::new(typed.chars().filter(|c| !c.is_whitespace()).collect());
        let is_it = bool::from(sent.code.as_bytes().ct_eq(typed.as_bytes()));
        if let Some(refusal) = self.unreachable(sent.email.as_ref()) {
            return Err(refusal);
        }
        if is_it && self.sends_codes() {
            return Ok(());
        }
        Err(self.refuse(Reason::InvalidCode, Kind::SignIn, "login"))
    }

    /// What lets the person in where the policy would not.
    fn grant_of(&self, email: &Email) -> Option<Grant> {
        let groups = self.all_groups(&BTreeSet::new(), self.people.get(email.as_str()));
        self.admits(email.as_str(), &groups, Some(self.core.clock.now())).ok().flatten()
    }

    /// Who reads mail to the address is its owner.
    pub(super) fn reached(&self, sent: Sent, request: &RequestView<'_>) -> Box<Verified> {
        let mut who = sent.who;
        who.user_id = who.email.as_ref().map(|email| format!("local:{email}").into());
        who.rule = sent.email.and_then(|email| self.grant_of(&email)).map(|grant| grant.rule().into());
        let draft = self.draft(&who, String::new(), request);
        Box::new(Verified::new(who, &self.core, draft))
    }
}

/// The bias of the remainder is below one in 10¹¹.
fn new_code() -> Zeroizing<String> {
    let random = Zeroizing::new(random());
    let eight = random.first_chunk::<8>().copied().unwrap_or_default();
    Zeroizing::new(format!("{:08}", u64::from_be_bytes(eight) % CODES))
}
