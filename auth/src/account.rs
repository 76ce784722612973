//! Whether a session's owner may still pass: asked of the configuration and the grants of now, remembered until they
//! change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use vestibule_config::secret::PasswordHash;
use vestibule_config::steps::Steps;
use vestibule_config::user::{AccountState, User};
use vestibule_config::{Email, SignInWay};

use crate::caller::{Identity, Method};
use crate::gate::Gate;
use crate::grants::Grant;
use crate::keyed::{Purpose, hex};
use crate::session::{Judged, Live, Passed};
use crate::verdict::{Kind, Reason, Refusal};

/// `[users]`.
pub(crate) type People = BTreeMap<Email, User>;

/// The person's own hash for a way in.
pub(crate) fn own_hash(user: &User, way: SignInWay) -> Option<&PasswordHash> {
    match way {
        SignInWay::Password => user.password_hash.as_ref(),
        SignInWay::Pin => user.pin_hash.as_ref(),
    }
}

/// Why an account may not sign in, whatever it knows.
pub(crate) fn state_refuses(user: &User) -> Option<Reason> {
    match user.state {
        AccountState::Active => None,
        AccountState::Pending => Some(Reason::PendingApproval),
        AccountState::Blocked => Some(Reason::UserBlocked),
    }
}

fn way_of(method: Method) -> Option<SignInWay> {
    match method {
        Method::Password => Some(SignInWay::Password),
        Method::Pin => Some(SignInWay::Pin),
        Method::Sso | Method::Code | Method::Token | Method::Header | Method::Ip | Method::None => None,
    }
}

impl Gate {
    pub(crate) fn judge(&self, live: &Live) -> Arc<Judged> {
        let (gate, grants) = (self.serial, self.core.grants.version());
        let holds = |until: Timestamp| self.core.clock.now() < until;
        live.judged(
            |judged| judged.gate == gate && judged.grants == grants && judged.until.is_none_or(holds),
            || {
                let judged = self.judge_all(live, Some(self.core.clock.now()));
                let (outcome, until) = match judged {
                    Ok((identity, grant)) => (Ok(identity), grant.map(|grant| grant.until)),
                    Err(refusal) => (Err(refusal), None),
                };
                Judged { gate, grants, until, outcome }
            },
        )
    }

    /// Whether the sign-in of another circuit's session would be good here too: by its way in, its provider, its account
    /// and the policy of now. A shared secret is good in its own circuit only.
    pub(crate) fn would_admit(&self, live: &Live) -> bool {
        live.session.email.is_some() && self.judge_anew(live, Some(self.core.clock.now())).is_ok()
    }

    /// With what the circuit asks for after the credential.
    pub(crate) fn judge_all(
        &self,
        live: &Live,
        as_of: Option<Timestamp>,
    ) -> Result<(Arc<Identity>, Option<Grant>), Refusal> {
        let judged = self.judge_anew(live, as_of)?;
        self.passed_all(live).map(|()| judged)
    }

    /// With the grant without which it would be refused.
    pub(crate) fn judge_anew(
        &self,
        live: &Live,
        as_of: Option<Timestamp>,
    ) -> Result<(Arc<Identity>, Option<Grant>), Refusal> {
        let (groups, grant) = match live.session.email.as_deref() {
            None => (self.judge_shared(live)?, None),
            Some(email) if live.session.method == Method::Sso => self.judge_provided(live, email, as_of)?,
            Some(email) if live.session.method == Method::Code => self.judge_reached(email, as_of)?,
            Some(email) => self.judge_person(live, email, as_of)?,
        };
        let session = &live.session;
        let identity = Identity {
            email: session.email.clone(),
            user_id: session.user_id.clone(),
            groups,
            method: session.method,
            session: Some(session.id.clone()),
        };
        Ok((Arc::new(identity), grant))
    }

    /// Who knows the circuit's secret of now satisfies its policy.
    fn judge_shared(&self, live: &Live) -> Result<BTreeSet<String>, Refusal> {
        let secret = way_of(live.session.method).and_then(|way| self.shared_hash(way));
        if secret.is_some_and(|secret| self.fingerprint(secret) == live.fingerprint) {
            return Ok(BTreeSet::new());
        }
        Err(self.refuse(Reason::AccountMismatch, Kind::SignIn, "shared"))
    }

    fn judge_person(
        &self,
        live: &Live,
        email: &str,
        as_of: Option<Timestamp>,
    ) -> Result<(BTreeSet<String>, Option<Grant>), Refusal> {
        let mismatch = |key| self.refuse(Reason::AccountMismatch, Kind::SignIn, key);
        let way = way_of(live.session.method).filter(|way| self.names(*way)).ok_or_else(|| mismatch("login"))?;
        let gone = || Refusal { rule: "users".to_owned(), ..mismatch("login") };
        let user = self.people.get(email).ok_or_else(gone)?;
        if let Some(reason) = state_refuses(user) {
            return Err(Refusal { reason, kind: Kind::Forbidden, rule: "users.state".to_owned() });
        }
        let secret = own_hash(user, way).ok_or_else(gone)?;
        if self.fingerprint(secret) != live.fingerprint {
            return Err(gone());
        }
        let grant = self.admits(email, &user.groups, as_of)?;
        Ok((user.groups.clone(), grant))
    }

    /// Who can read mail to the address is its owner, as long as `login` names codes.
    fn judge_reached(
        &self,
        email: &str,
        as_of: Option<Timestamp>,
    ) -> Result<(BTreeSet<String>, Option<Grant>), Refusal> {
        if !self.sends_codes() {
            return Err(self.refuse(Reason::AccountMismatch, Kind::SignIn, "login"));
        }
        let user = self.people.get(email);
        if let Some(reason) = user.and_then(state_refuses) {
            return Err(Refusal { reason, kind: Kind::Forbidden, rule: "users.state".to_owned() });
        }
        let groups = self.all_groups(&BTreeSet::new(), user);
        let grant = self.admits(email, &groups, as_of)?;
        Ok((groups, grant))
    }

    /// What the circuit asks for after the credential must have been given when the session began.
    fn passed_all(&self, live: &Live) -> Result<(), Refusal> {
        let missing = |key| Err(self.refuse(Reason::AccountMismatch, Kind::SignIn, key));
        let Steps { second_factor, purpose, hook } = &self.circuit.steps;
        let Passed { second_factor: factor, purpose: said, hook: asked } = &live.passed;
        let own = live.session.email.as_deref().and_then(|email| self.factor_of(email));
        if second_factor.is_some() && (own.is_none() || *factor != own) {
            return missing("second_factor");
        }
        if *purpose && !said {
            return missing("purpose");
        }
        match hook {
            Some(hook) if asked.as_deref() != Some(hook.name.as_str()) => missing("hook"),
            Some(_) | None => Ok(()),
        }
    }

    /// Changes when the person's second factor does; absent where there is none.
    pub(crate) fn factor_of(&self, email: &str) -> Option<String> {
        let secret = self.people.get(email)?.totp.as_ref()?;
        Some(hex(&self.core.keyed.hash(Purpose::Fingerprint, secret.expose())))
    }

    /// The provider must still be named and be the same, and may still have to speak for the address.
    fn judge_provided(
        &self,
        live: &Live,
        email: &str,
        as_of: Option<Timestamp>,
    ) -> Result<(BTreeSet<String>, Option<Grant>), Refusal> {
        let mismatch = || self.refuse(Reason::AccountMismatch, Kind::SignIn, "login");
        let provider = live.provider().and_then(|name| self.provider(name)).ok_or_else(mismatch)?;
        if provider.fingerprint != live.fingerprint {
            return Err(mismatch());
        }
        let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
        if !provider.speaks_for(domain) {
            let rule = format!("providers.{}.email_domains", provider.name());
            return Err(Refusal { reason: Reason::DomainNotAllowed, kind: Kind::Forbidden, rule });
        }
        let user = self.people.get(email);
        if let Some(reason) = user.and_then(state_refuses) {
            return Err(Refusal { reason, kind: Kind::Forbidden, rule: "users.state".to_owned() });
        }
        let groups = self.all_groups(&live.groups(), user);
        let grant = self.admits(email, &groups, as_of)?;
        Ok((groups, grant))
    }

    /// Those of a provider, and those of the file.
    pub(crate) fn all_groups(&self, provided: &BTreeSet<String>, user: Option<&User>) -> BTreeSet<String> {
        provided.iter().chain(user.into_iter().flat_map(|user| &user.groups)).cloned().collect()
    }

    /// By `members` or `allow`; else by a grant that counts then, which is returned. Absent: none counts.
    pub(crate) fn admits(
        &self,
        email: &str,
        groups: &BTreeSet<String>,
        as_of: Option<Timestamp>,
    ) -> Result<Option<Grant>, Refusal> {
        let Some(list) = &self.list else { return Ok(None) };
        let Err(reason) = list.admits(email, groups) else { return Ok(None) };
        // A grant is of the circuit; a path that has a policy of its own has it for a reason.
        let as_of = as_of.filter(|_| self.scope.prefix.is_none());
        let grant = as_of.and_then(|as_of| self.core.grants.of(email, &self.name, as_of).map(|grant| (grant, as_of)));
        match grant {
            None => Err(self.refuse(reason, Kind::Forbidden, list.key())),
            Some((grant, as_of)) if grant.is_in_force(as_of) => Ok(Some(grant)),
            Some((over, _)) => Err(Refusal { reason: Reason::GrantExpired, kind: Kind::Forbidden, rule: over.rule() }),
        }
    }

    pub(crate) fn shared_hash(&self, way: SignInWay) -> Option<&PasswordHash> {
        let shared = self.ways()?.shared.as_ref()?;
        match way {
            SignInWay::Password => shared.password_hash.as_ref(),
            SignInWay::Pin => shared.pin_hash.as_ref(),
        }
    }

    /// Changes when the secret does, and tells nothing of it.
    pub(crate) fn fingerprint(&self, secret: &PasswordHash) -> String {
        hex(&self.core.keyed.hash(Purpose::Fingerprint, secret.expose().as_bytes()))
    }
}
