//! Who is supposed to stand before a gate, and the session that such a one would have.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;
use vestibule_config::{Email, SignInWay};

use crate::account::{own_hash, state_refuses};
use crate::caller::Method;
use crate::gate::Gate;
use crate::session::{Live, Passed, Provided, Row, State};
use crate::verdict::{Kind, Reason, Refusal};

/// Somebody who is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visitor {
    /// Shows nothing.
    Nobody,
    /// Has signed in.
    Person {
        /// Folded.
        email: String,
        /// What a provider would say; the file's own count too.
        groups: BTreeSet<String>,
        /// Absent: by whichever way lets in.
        way: Option<Way>,
    },
    /// Knows the circuit's own secret.
    Shared(SignInWay),
    /// Shows the service token of this name.
    Token(String),
    /// Shows one of the circuit's keys.
    Header,
}

/// A way of signing in, as `login` spells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// `password` or `pin`.
    Own(SignInWay),
    /// `sso`, or `sso:NAME`.
    Provider(Option<String>),
    /// `code`
    Code,
}

/// Nobody is described so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadVisitor {
    /// Neither an address nor a token.
    #[error("{0:?} is nobody; write an e-mail address, or token:NAME")]
    User(String),
    /// No way of signing in.
    #[error(
        "{0:?} is no way in; write password, pin, code, sso or sso:NAME; or token, header or none without a person"
    )]
    Login(String),
    /// A way of a person without one.
    #[error("with {0:?} somebody in particular signs in; name the user")]
    NoUser(String),
}

impl Visitor {
    /// From `user`, `groups` and `login` of an explanation.
    ///
    /// # Errors
    /// When nobody can be described so.
    pub fn of(user: Option<&str>, groups: BTreeSet<String>, login: Option<&str>) -> Result<Self, BadVisitor> {
        let wrong = |login: &str| BadVisitor::Login(login.to_owned());
        let Some(user) = user else {
            return match login {
                None | Some("none" | "ip") => Ok(Self::Nobody),
                Some("header") => Ok(Self::Header),
                Some(login) => match Way::of(login).ok_or_else(|| wrong(login))? {
                    Way::Own(way) => Ok(Self::Shared(way)),
                    Way::Provider(_) | Way::Code => Err(BadVisitor::NoUser(login.to_owned())),
                },
            };
        };
        if let Some(name) = user.strip_prefix("token:") {
            let fits = login.is_none_or(|login| login == "token");
            return if fits { Ok(Self::Token(name.to_owned())) } else { Err(wrong(login.unwrap_or_default())) };
        }
        let email = Email::folded(user).ok_or_else(|| BadVisitor::User(user.to_owned()))?.to_string();
        let way = login.map(|login| Way::of(login).ok_or_else(|| wrong(login))).transpose()?;
        Ok(Self::Person { email, groups, way })
    }
}

impl Way {
    fn of(login: &str) -> Option<Self> {
        match (login, login.strip_prefix("sso:")) {
            ("password", _) => Some(Self::Own(SignInWay::Password)),
            ("pin", _) => Some(Self::Own(SignInWay::Pin)),
            ("code", _) => Some(Self::Code),
            ("sso", _) => Some(Self::Provider(None)),
            (_, Some(name)) => Some(Self::Provider(Some(name.to_owned()))),
            (_, None) => None,
        }
    }

    /// Whether one of `login` is meant.
    fn is(&self, other: &Self) -> bool {
        self == other || matches!((self, other), (Self::Provider(None), Self::Provider(_)))
    }
}

/// What is to be made up.
struct Made<'a> {
    email: Option<&'a str>,
    user_id: String,
    method: Method,
    fingerprint: String,
    provided: Option<Provided>,
}

impl Gate {
    /// The session of somebody who has just signed in, or why that is not possible; absent for who does not.
    pub(super) fn assume(
        &self,
        visitor: &Visitor,
        client: IpAddr,
        now: Timestamp,
        as_of: Option<Timestamp>,
    ) -> Option<Result<Live, Refusal>> {
        match visitor {
            Visitor::Nobody | Visitor::Token(_) | Visitor::Header => None,
            Visitor::Shared(way) => Some(self.assume_shared(*way).map(|made| self.live(made, client, now))),
            Visitor::Person { email, groups, way } => {
                let live = |made: Made<'_>| self.live(made, client, now);
                Some(self.assume_person(email, groups, way.as_ref(), as_of, live))
            }
        }
    }

    fn assume_shared(&self, way: SignInWay) -> Result<Made<'_>, Refusal> {
        let (method, reason) = match way {
            SignInWay::Password => (Method::Password, Reason::InvalidPassword),
            SignInWay::Pin => (Method::Pin, Reason::InvalidPin),
        };
        let secret = self.shared_hash(way).ok_or_else(|| self.refuse(reason, Kind::SignIn, "shared"))?;
        let (user_id, fingerprint) = (format!("shared:{}", self.name), self.fingerprint(secret));
        Ok(Made { email: None, user_id, method, fingerprint, provided: None })
    }

    /// By the first way that lets in; where none does, by the first that the person has.
    fn assume_person(
        &self,
        email: &str,
        groups: &BTreeSet<String>,
        wanted: Option<&Way>,
        as_of: Option<Timestamp>,
        live: impl Fn(Made<'_>) -> Live,
    ) -> Result<Live, Refusal> {
        let ways = match wanted {
            Some(wanted) => {
                let meant: Vec<_> = self.all_ways().filter(|way| wanted.is(way)).collect();
                // One that `login` does not name is refused for just that.
                if meant.is_empty() { vec![wanted.clone()] } else { meant }
            }
            None => self.all_ways().collect(),
        };
        let mut first = None;
        for way in ways {
            let made = self.made(email, groups, &way, as_of).map(&live);
            match made {
                Ok(live) if self.judge_all(&live, as_of).is_ok() => return Ok(live),
                Ok(live) if first.as_ref().is_none_or(Result::is_err) => first = Some(Ok(live)),
                Err(refusal) if first.is_none() => first = Some(Err(refusal)),
                Ok(_) | Err(_) => (),
            }
        }
        let without_account = || self.refuse(Reason::UserNotFound, Kind::Forbidden, "login");
        let live = first.unwrap_or_else(|| Err(without_account()))?;
        self.has_second_factor(email)?;
        Ok(live)
    }

    fn all_ways(&self) -> impl Iterator<Item = Way> {
        let ways = self.ways();
        let providers = ways.into_iter().flat_map(|ways| &ways.providers);
        let own = ways.into_iter().flat_map(|ways| &ways.login);
        providers
            .map(|name| Way::Provider(Some(name.to_string())))
            .chain(own.map(|way| Way::Own(*way)))
            .chain(self.sends_codes().then_some(Way::Code))
    }

    fn made<'a>(
        &self,
        email: &'a str,
        groups: &BTreeSet<String>,
        way: &Way,
        as_of: Option<Timestamp>,
    ) -> Result<Made<'a>, Refusal> {
        let nothing =
            |user_id, method| Made { email: Some(email), user_id, method, fingerprint: String::new(), provided: None };
        match way {
            Way::Own(way) => {
                let user = self.people.get(email);
                let Some(hash) = user.and_then(|user| own_hash(user, *way)) else {
                    return Err(self.stranger(email, groups, as_of));
                };
                let method = if *way == SignInWay::Password { Method::Password } else { Method::Pin };
                Ok(Made { fingerprint: self.fingerprint(hash), ..nothing(format!("local:{email}"), method) })
            }
            Way::Code => Ok(nothing(format!("local:{email}"), Method::Code)),
            Way::Provider(name) => {
                let name = name.clone().unwrap_or_default();
                let fingerprint = self.providers.get(&*name).map(|provider| provider.fingerprint.clone());
                let user_id = format!("{name}:{email}");
                let provided = Provided {
                    provider: name,
                    groups: groups.clone(),
                    sid: None,
                    sealed: None,
                    checked: Timestamp::UNIX_EPOCH,
                };
                let fingerprint = fingerprint.unwrap_or_default();
                Ok(Made { fingerprint, provided: Some(provided), ..nothing(user_id, Method::Sso) })
            }
        }
    }

    /// Somebody without a secret of this kind. Who is not listed either is told that: an account would not help.
    fn stranger(&self, email: &str, groups: &BTreeSet<String>, as_of: Option<Timestamp>) -> Refusal {
        let user = self.people.get(email);
        if let Some(reason) = user.and_then(state_refuses) {
            return Refusal { reason, kind: Kind::Forbidden, rule: "users.state".to_owned() };
        }
        let groups = self.all_groups(groups, user);
        let listed = self.admits(email, &groups, as_of);
        let unknown =
            || Refusal { rule: "users".to_owned(), ..self.refuse(Reason::UserNotFound, Kind::Forbidden, "login") };
        listed.err().unwrap_or_else(unknown)
    }

    fn has_second_factor(&self, email: &str) -> Result<(), Refusal> {
        if self.circuit.steps.second_factor.is_some() && self.factor_of(email).is_none() {
            return Err(self.refuse(Reason::SecondFactorRequired, Kind::Forbidden, "second_factor"));
        }
        Ok(())
    }

    /// With every step that the circuit asks for behind it.
    fn live(&self, made: Made<'_>, source_ip: IpAddr, now: Timestamp) -> Live {
        let Made { email, user_id, method, fingerprint, provided } = made;
        let steps = &self.circuit.steps;
        let row = Row {
            id: String::new(),
            circuit: self.name.to_string(),
            email: email.map(str::to_owned),
            user_id,
            method,
            created: now,
            expires: now,
            idle_seconds: 0,
            source_ip,
            user_agent: String::new(),
            state: State::Active,
            ended: None,
            fingerprint,
            provided,
            passed: Passed {
                second_factor: email.and_then(|email| self.factor_of(email)),
                purpose: true,
                hook: steps.hook.as_ref().map(|hook| hook.name.to_string()),
            },
            parent: None,
        };
        Live::new(&row, now, None)
    }

    /// What lets the owner of a session in that the policy passes.
    pub(super) fn admitting_key(&self, live: &Live) -> String {
        let key = match (&live.session.email, &self.list) {
            (None, _) => "shared",
            (Some(_), Some(list)) => list.key(),
            (Some(_), None) => "access",
        };
        format!("{}.{key}", self.scope.keys)
    }
}
