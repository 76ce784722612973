//! Operators: people who sign in at a provider to the web pages of the admin port. The same code flow and the same rules
//! about tokens as for circuits; no session comes of it here, for the port keeps its own.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use vestibule_config::{Settings, admin};

use super::finish::{Halt, Run};
use super::start::begin_at;
use super::{Begin, Begun, Callback, Provider, Started};
use crate::account::{People, state_refuses};
use crate::attempts::Attempts;
use crate::core::Core;
use crate::membership::names;
use crate::policy::{Policy, Providers};
use crate::verdict::{Kind, Reason, Refusal};

/// For whom a started sign-in is remembered. No circuit has such a name.
const PLACE: &str = "[admin]";

/// `[admin.operators]`, ready to ask the provider and to decide.
pub struct Operators {
    core: Arc<Core>,
    settings: Arc<admin::Operators>,
    provider: Arc<Provider>,
    people: Arc<People>,
    attempts: Arc<Attempts>,
    place: Arc<str>,
}

/// Somebody for whom the provider has vouched, as he was when he signed in.
#[derive(Debug, Clone)]
pub struct Operator {
    email: Arc<str>,
    /// As the provider said.
    groups: BTreeSet<String>,
    /// Of the provider's registration.
    fingerprint: Arc<str>,
}

impl Operator {
    /// Lower-cased and vouched for.
    pub fn email(&self) -> &Arc<str> {
        &self.email
    }
}

/// Why somebody does not become an operator, and who it is where the provider has said so.
pub struct Denied {
    /// As told, folded.
    pub email: Option<Arc<str>>,
    /// For the log.
    pub refusal: Refusal,
}

impl Operators {
    pub(crate) fn new(
        core: &Arc<Core>,
        settings: &Settings,
        people: &Arc<People>,
        providers: &Providers,
        attempts: &Arc<Attempts>,
    ) -> Option<Self> {
        let operators = settings.admin.operators.clone()?;
        let provider = providers.get(operators.provider.as_str())?.clone();
        Some(Self {
            core: core.clone(),
            settings: operators,
            provider,
            people: people.clone(),
            attempts: attempts.clone(),
            place: PLACE.into(),
        })
    }

    /// The provider's, for its button.
    pub fn label(&self) -> &Arc<str> {
        &self.provider.settings.label
    }

    /// Of the configuration.
    pub fn provider(&self) -> &str {
        self.provider.name()
    }

    /// The way to the provider, for a browser at this address.
    ///
    /// # Errors
    /// While the provider does not answer.
    pub async fn begin(&self, begin: Begin<'_>, client: IpAddr) -> Result<Begun, Refusal> {
        begin_at(&self.core, &self.place, &self.provider, begin, client).await
    }

    /// Whether one more callback may come from this address, counted with those of the circuits.
    ///
    /// # Errors
    /// 429.
    pub fn admit_callback(&self, client: IpAddr) -> Result<(), Refusal> {
        self.attempts.admit_callback(client)
    }

    /// The started sign-in that a callback answers; from now on it is used.
    pub fn take_started(&self, state: Option<&str>, browser: Option<&str>) -> Option<Started> {
        let started = self.core.starts.take(state?, browser?, PLACE, self.core.clock.elapsed())?;
        // A reload may have named another provider since.
        (**started.provider() == *self.provider.name()).then_some(started)
    }

    /// Everything from the code to somebody who is an operator now. At most some requests to the provider, each bounded by
    /// the back channel.
    ///
    /// # Errors
    /// When the provider does not answer, breaks a rule, or does not vouch for the address; and for whom no operator is.
    pub async fn finish(&self, started: Started, callback: Callback<'_>) -> Result<Operator, Denied> {
        let mut run = Run::new(&self.core, &self.provider);
        // Nothing is asked in the person's name later: the tokens are forgotten.
        let (person, _tokens) = run.person(&started, callback).await.map_err(|halt| match halt {
            Halt::Refused(refusal) => Denied { email: None, refusal },
            Halt::Person(email, refusal) => Denied { email: Some(crate::sign_in::fold(&email)), refusal },
        })?;
        let fingerprint = self.provider.fingerprint.as_str().into();
        let operator = Operator { email: person.email.shared(), groups: person.groups, fingerprint };
        match self.judge(&operator) {
            Ok(_) => Ok(operator),
            Err(refusal) => Err(Denied { email: Some(operator.email), refusal }),
        }
    }

    /// What somebody who has signed in may now; absent: nothing any more.
    pub fn standing(&self, operator: &Operator) -> Option<&admin::Operator> {
        self.judge(operator).ok()
    }

    fn judge(&self, operator: &Operator) -> Result<&admin::Operator, Refusal> {
        let refuse = |reason, rule: &str| Refusal { reason, kind: Kind::Forbidden, rule: rule.to_owned() };
        let Operator { email, groups, fingerprint } = operator;
        let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
        if **fingerprint != *self.provider.fingerprint {
            return Err(refuse(Reason::AccountMismatch, "admin.operators.provider"));
        }
        if !self.provider.speaks_for(domain) {
            return Err(self.provider.refuse(Reason::DomainNotAllowed, Kind::Forbidden, "email_domains"));
        }
        let user = self.people.get(&**email);
        if let Some(reason) = user.and_then(state_refuses) {
            return Err(refuse(reason, "users.state"));
        }
        if let Some(named) = self.settings.people.get(&**email) {
            return Ok(named);
        }
        let own = user.into_iter().flat_map(|user| &user.groups);
        let groups: BTreeSet<String> = groups.iter().chain(own).cloned().collect();
        let is_member = self.settings.members.iter().any(|member| names(member, email, &groups));
        is_member.then_some(&self.settings.for_members).ok_or_else(|| refuse(Reason::NotOnAllowlist, "admin.operators"))
    }
}

impl Policy {
    /// Absent where nobody signs in to the admin port at a provider.
    pub fn operators(&self) -> Option<&Operators> {
        self.operators.as_ref()
    }
}
