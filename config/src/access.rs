//! Who may enter a circuit, and what they may sign in with.

use std::fmt;

use crate::header_key::{self, HeaderKey, RawHeaderKey};
use crate::name::{Email, Name};
use crate::provider::Providers;
use crate::secret::PasswordHash;
use crate::service_token::{self, Tokens};
use crate::shape::{At, Field, Reading, shape};
use crate::suggest;
use crate::text::Span;
use crate::user::Group;
use crate::word::{Word, Wrong, spellings, words};

/// `access`, with the keys that belong to it.
#[derive(Debug, Clone)]
pub enum Access {
    /// Everybody.
    Public,
    /// Members of the circuit's project, which is named there.
    Members(Ways),
    /// Those listed; nobody where empty.
    Allowlist {
        /// `allow`.
        allow: Vec<AllowEntry>,
        /// `login` and `shared`.
        ways: Ways,
    },
}

impl Access {
    /// Absent on a public circuit.
    pub fn ways(&self) -> Option<&Ways> {
        match self {
            Self::Public => None,
            Self::Members(ways) | Self::Allowlist { allow: _, ways } => Some(ways),
        }
    }
}

/// What a person may sign in with.
#[derive(Debug, Clone, Default)]
pub struct Ways {
    /// `password` and `pin` of `login`, in the file's order.
    pub login: Vec<SignInWay>,
    /// `sso:NAME` of `login`, in the file's order.
    pub providers: Vec<Name>,
    /// `code` of `login`: a code that is sent by e-mail.
    pub code: bool,
    /// `shared`: the circuit's own secret; who knows it is let in, as nobody in particular.
    pub shared: Option<SharedSecret>,
    /// `header_auth`: who shows one of these keys is let in, as nobody in particular.
    pub header_auth: Vec<HeaderKey>,
}

/// What a person types to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInWay {
    /// A person's own password.
    Password,
    /// A person's own PIN.
    Pin,
}

/// `shared`; at least one of the two.
#[derive(Debug, Clone)]
pub struct SharedSecret {
    /// One password for all.
    pub password_hash: Option<PasswordHash>,
    /// One PIN for all.
    pub pin_hash: Option<PasswordHash>,
}

/// One entry of `members` or `allow`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowEntry {
    /// `maya@example.net`
    Email(Email),
    /// `domain:example.net`, lower-case; the part behind the `@`, exactly.
    Domain(String),
    /// `group:writers`
    Group(String),
    /// `token:ci`
    Token(Name),
}

/// As the list spells it.
impl fmt::Display for AllowEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Email(email) => write!(f, "{email}"),
            Self::Domain(domain) => write!(f, "domain:{domain}"),
            Self::Group(group) => write!(f, "group:{group}"),
            Self::Token(token) => write!(f, "token:{token}"),
        }
    }
}

impl Ways {
    /// As `login` spells them: providers, what a person types, then what is sent to them.
    pub fn names(&self) -> Vec<String> {
        let providers = self.providers.iter().map(|name| format!("sso:{name}"));
        let typed = self.login.iter().map(|way| way.as_str().to_owned());
        providers.chain(typed).chain(self.code.then(|| CODE.to_owned())).collect()
    }

    /// The provider that is the only way in.
    pub fn sole_provider(&self) -> Option<&Name> {
        let alone = self.login.is_empty() && !self.code && self.shared.is_none();
        match self.providers.as_slice() {
            [provider] if alone => Some(provider),
            _ => None,
        }
    }
}

spellings!(pub SignInWay { "password" => Password, "pin" => Pin });

/// `access` as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Public,
    Members,
    Allowlist,
}

/// One entry of `login` as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Login {
    Way(SignInWay),
    /// `sso:corp`
    Provider(Name),
    /// `code`
    Code,
}

/// Spelling of [`Login::Code`].
const CODE: &str = "code";

shape! {
    /// What `shared` may say.
    pub(crate) struct RawShared {
        password_hash: PasswordHash,
        pin_hash: PasswordHash,
    }
}

/// The keys of a policy, taken together because they only mean something together.
pub(crate) struct RawPolicy {
    pub(crate) access: Field<Policy>,
    pub(crate) allow: Field<Vec<At<AllowEntry>>>,
    pub(crate) login: Field<Vec<At<Login>>>,
    pub(crate) shared: Field<RawShared>,
    pub(crate) header_auth: Field<Vec<RawHeaderKey>>,
}

/// What a policy may name.
pub(crate) struct Known<'a> {
    pub(crate) providers: &'a Providers,
    pub(crate) tokens: &'a Tokens,
    /// Whether messages can be sent.
    pub(crate) has_mail: bool,
}

impl RawPolicy {
    /// `table` is where a missing key is reported; `allowance`: somebody is let in who is on no list.
    pub(crate) fn check(
        self,
        allowance: bool,
        table: Span,
        known: &Known<'_>,
        reading: &mut Reading<'_>,
    ) -> Option<Access> {
        let Self { access, allow, login, shared, header_auth } = self;
        if access.is_absent() {
            let finding = reading.findings.error(table, "\"access\" is missing: who may enter is never guessed");
            finding.help("write access = \"public\", \"members\" or \"allowlist\"");
        }
        let policy = access.optional();
        let idle: &[(&str, Option<Span>)] = match policy {
            Some(Policy::Public) => &[
                ("allow", allow.key()),
                ("login", login.key()),
                ("shared", shared.key()),
                ("header_auth", header_auth.key()),
            ],
            Some(Policy::Members) => &[("allow", allow.key())],
            Some(Policy::Allowlist) | None => &[],
        };
        for (name, key) in idle {
            if let (Some(key), Some(policy)) = (*key, policy) {
                let message = format!("{name:?} has no effect with access = {:?}", policy.as_str());
                reading.findings.warning(key, message);
            }
        }
        let ways = RawWays { login, shared, header_auth };
        match policy? {
            Policy::Public => Some(Access::Public),
            Policy::Members => Some(Access::Members(ways.check(allowance, table, known, reading))),
            Policy::Allowlist => {
                let span = allow.span().unwrap_or(table);
                let nobody = allow.is_absent() || allow.as_ref().is_some_and(Vec::is_empty);
                if nobody && !allowance {
                    let finding = reading.findings.warning(span, "the allowlist is empty: nobody is admitted");
                    finding.help("write allow = [\"maya@example.net\"], or a \"domain:\" or \"group:\"");
                }
                let allow = allow.or_default();
                service_token::check_named(&allow, known.tokens, reading);
                let allow = allow.into_iter().map(|entry| entry.value).collect();
                Some(Access::Allowlist { allow, ways: ways.check(allowance, table, known, reading) })
            }
        }
    }
}

impl RawShared {
    fn check(self, reading: &mut Reading<'_>) -> Option<SharedSecret> {
        let Self { table, password_hash, pin_hash } = self;
        if password_hash.is_absent() && pin_hash.is_absent() {
            let finding = reading.findings.error(table, "\"shared\" holds no secret");
            finding.help("write shared = { pin_hash = \"…\" } or { password_hash = \"…\" }");
            return None;
        }
        Some(SharedSecret { password_hash: password_hash.optional(), pin_hash: pin_hash.optional() })
    }
}

/// The ways in, as written.
struct RawWays {
    login: Field<Vec<At<Login>>>,
    shared: Field<RawShared>,
    header_auth: Field<Vec<RawHeaderKey>>,
}

impl RawWays {
    fn check(self, allowance: bool, table: Span, known: &Known<'_>, reading: &mut Reading<'_>) -> Ways {
        let Self { login, shared, header_auth } = self;
        let nothing = login.is_absent() || login.as_ref().is_some_and(Vec::is_empty);
        if nothing && !allowance {
            let finding = reading.findings.error(login.span().unwrap_or(table), "\"login\" names no way to sign in");
            finding.help("write login = [\"sso:NAME\", \"password\", \"pin\", \"code\"], or some of them");
        }
        let mut ways = check_login(login, known, reading);
        ways.shared = shared.optional().and_then(|shared| shared.check(reading));
        ways.header_auth = header_key::check(header_auth, reading);
        ways
    }
}

fn check_login(login: Field<Vec<At<Login>>>, known: &Known<'_>, reading: &mut Reading<'_>) -> Ways {
    let mut ways = Ways::default();
    for At { value, span } in login.or_default() {
        let twice = match &value {
            Login::Way(way) => ways.login.contains(way),
            Login::Provider(name) => ways.providers.contains(name),
            Login::Code => ways.code,
        };
        if twice {
            reading.findings.error(span, format!("{value} stands here twice")).help("remove one");
            continue;
        }
        match value {
            Login::Way(way) => ways.login.push(way),
            Login::Provider(name) => {
                check_provider(&name, span, known.providers, reading);
                ways.providers.push(name);
            }
            Login::Code => {
                ways.code = true;
                if !known.has_mail {
                    let finding = reading.findings.error(span, "without [mail] no code can be sent");
                    finding.help("write [mail] with from and smtp or command");
                }
            }
        }
    }
    ways
}

fn check_provider(name: &Name, span: Span, providers: &Providers, reading: &mut Reading<'_>) {
    if !providers.contains_key(name) {
        let known: Vec<&str> = providers.keys().map(Name::as_str).collect();
        let finding = reading.findings.error(span, format!("there is no provider {:?}", name.as_str()));
        finding.help(suggest::one_of("[providers] has", name.as_str(), &known));
    }
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Way(way) => write!(f, "{:?}", way.as_str()),
            Self::Provider(name) => write!(f, "\"sso:{name}\""),
            Self::Code => write!(f, "{CODE:?}"),
        }
    }
}

spellings!(pub(crate) Policy { "public" => Public, "members" => Members, "allowlist" => Allowlist });

impl Word for Login {
    fn parse(text: &str) -> Result<Self, Wrong> {
        match text.strip_prefix("sso:") {
            Some(name) => Name::parse(name).map(Self::Provider),
            None if text == CODE => Ok(Self::Code),
            None => SignInWay::parse(text).map(Self::Way).map_err(|_| Wrong::unknown(text, &["password", "pin", CODE])),
        }
    }
}

words!(Login);

impl Word for AllowEntry {
    fn parse(text: &str) -> Result<Self, Wrong> {
        match text.split_once(':') {
            Some(("domain", domain)) => parse_domain(domain),
            Some(("group", group)) => Group::parse(group).map(|group| Self::Group(group.0)),
            Some(("token", token)) => Name::parse(token).map(Self::Token),
            Some((kind, _)) => Err(Wrong::new(format!("{text:?} names nobody")).help(suggest::one_of(
                "before the colon stands one of",
                kind,
                &["domain", "group", "token"],
            ))),
            None => Email::parse(text).map(Self::Email),
        }
    }
}

words!(AllowEntry);

fn parse_domain(text: &str) -> Result<AllowEntry, Wrong> {
    let domain = text.to_ascii_lowercase();
    match crate::name::Host::parse(&domain) {
        Ok(_) => Ok(AllowEntry::Domain(domain)),
        Err(_) => Err(Wrong::new(format!("{text:?} is not the domain of an e-mail address"))
            .help("write the part behind the \"@\", such as \"domain:example.net\"")),
    }
}
