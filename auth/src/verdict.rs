//! What a gate answers.

use std::sync::Arc;
use std::time::Duration;

use crate::caller::Caller;
use crate::cors::Allowed;
use crate::geo::Location;
use crate::machine::Machine;
use crate::session::Session;

/// The gate's whole answer for one request.
#[derive(Debug)]
pub struct Decision {
    /// May it pass.
    pub verdict: Verdict,
    /// For the entry, also when refused.
    pub location: Arc<Location>,
    /// The live session that the cookie names, also when the policy refuses it.
    pub session: Option<Arc<Session>>,
    /// The tightest request limit, for the `X-RateLimit-*` headers.
    pub budget: Option<Budget>,
    /// What was shown in place of a session.
    pub machine: Option<Machine>,
    /// What rules would have refused for, that only observe; in their order.
    pub observed: Vec<Reason>,
    /// Ask the session's provider first ([`crate::Gate::recheck`]), then decide again.
    pub recheck: bool,
}

/// May it pass.
#[derive(Debug)]
pub enum Verdict {
    /// Forwarding needs this proof.
    Pass(Permit),
    /// A browser's question whether it may send a request is answered with yes; nothing is forwarded.
    Preflight(Arc<Allowed>),
    /// The first denial, and the only one recorded.
    Refuse(Refusal),
}

/// Proof that a gate let the request pass; only a gate can make one.
#[derive(Debug)]
pub struct Permit {
    pub(crate) caller: Caller,
}

impl Permit {
    /// Who was let in.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
}

/// Why not, and what would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For the log.
    pub reason: Reason,
    /// For the answer.
    pub kind: Kind,
    /// What decided: `circuits.wiki.ip_block`.
    pub rule: String,
}

/// What kind of answer the client gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Signing in would help: 302 or 401.
    SignIn,
    /// What was shown with the request is not good: 401, and no other way in is looked for.
    Credential,
    /// It would not: 403.
    Forbidden,
    /// Waiting would: 429.
    Limited(Budget),
    /// Not now: 503.
    Unavailable(Duration),
    /// There is no such circuit (any more): 404.
    NotFound,
}

/// State of one limit for one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Name of the limit: `browse`, `login.per_ip`.
    pub limit: Arc<str>,
    /// What the bucket holds when full.
    pub quota: u32,
    /// What it holds now.
    pub remaining: u32,
    /// Until the next request would be let through; zero unless limited.
    pub retry_after: Duration,
    /// Until the bucket is full again.
    pub reset: Duration,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)+) => {
        /// Why something was refused or failed; the closed list of the logs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])* $name,)+ }

        impl Reason {
            /// Every reason, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The word of the logs and of problem bodies.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }
        }
    };
}

// Only what something produces today; the rest of the closed list comes with its feature.
reasons! {
    /// On the block list, or not on the allow list.
    IpRestricted = "ip_restricted",
    /// Kept out by an administrator.
    IpBanned = "ip_banned",
    /// Country blocked or not allowed.
    CountryRestricted = "country_restricted",
    /// Country rules without a database.
    GeoUnavailable = "geo_unavailable",
    /// A program that says that it looks for holes.
    BotBlocked = "bot_blocked",
    /// On a list of addresses with a bad name.
    ReputationBan = "reputation_ban",
    /// A list of such addresses is not there yet.
    ReputationUnavailable = "reputation_unavailable",
    /// Nothing was sent.
    NoCredentials = "no_credentials",
    /// Wrong password, of a known account or a circuit.
    InvalidPassword = "invalid_password",
    /// Wrong PIN.
    InvalidPin = "invalid_pin",
    /// No key of the circuit's has the value of this header.
    InvalidHeader = "invalid_header",
    /// No such service token.
    InvalidToken = "invalid_token",
    /// Its time, or the grace of the token before, is over.
    TokenExpired = "token_expired",
    /// `disabled`.
    TokenDisabled = "token_disabled",
    /// A code by e-mail, or a sign-in that waits, is over or used, or was begun in another browser; a code for the way back
    /// is too old.
    CodeExpired = "code_expired",
    /// The provider refused, or what it sent is not to be believed.
    SsoError = "sso_error",
    /// No sign-in was started with this state in this browser, or not lately, or it is used.
    SsoStateInvalid = "sso_state_invalid",
    /// Not the code that was sent by e-mail; a code for the way back that is unknown, used, or of another host, circuit or
    /// browser.
    InvalidCode = "invalid_code",
    /// The provider does not vouch for the address.
    EmailNotVerified = "email_not_verified",
    /// The provider may not speak for the address.
    DomainNotAllowed = "domain_not_allowed",
    /// A cookie that names no session.
    MissingSession = "missing_session",
    /// Absolute or idle time is over.
    SessionExpired = "session_expired",
    /// Ended by its owner or an administrator.
    SessionRevoked = "session_revoked",
    /// Not a member of the circuit's project.
    NotProjectMember = "not_project_member",
    /// Not listed.
    NotOnAllowlist = "not_on_allowlist",
    /// In none of the listed groups, and only groups are listed.
    NotInGroup = "not_in_group",
    /// State `blocked`.
    UserBlocked = "user_blocked",
    /// State `pending`.
    PendingApproval = "pending_approval",
    /// A grant let the person in, and its time is over.
    GrantExpired = "grant_expired",
    /// Too many failures of this account from this address.
    UserLocked = "user_locked",
    /// No such account, or not with this way in.
    UserNotFound = "user_not_found",
    /// The session's way in is not in the circuit's `login` any more.
    AccountMismatch = "account_mismatch",
    /// The hook says no.
    HookDenied = "hook_denied",
    /// The hook does not answer, or not in a way that is understood.
    HookUnavailable = "hook_unavailable",
    /// Per address.
    RateLimitedIp = "rate_limited_ip",
    /// Per person.
    RateLimitedUser = "rate_limited_user",
    /// Per circuit.
    RateLimitedCircuit = "rate_limited_circuit",
    /// Too many answers 401, 403 or 404 to the address.
    FailedAnswers = "failed_answers",
    /// Upstream's cap is reached.
    TooManyInFlight = "too_many_in_flight",
    /// Unknown host, or a disabled circuit.
    CircuitNotFound = "circuit_not_found",
    /// Its time is over.
    CircuitExpired = "circuit_expired",
    /// The upstream refused the connection.
    BackendRefused = "backend_refused",
    /// The upstream cannot be reached.
    BackendUnreachable = "backend_unreachable",
    /// The upstream took too long.
    BackendTimeout = "backend_timeout",
    /// The upstream's certificate or handshake is bad.
    BackendTlsError = "backend_tls_error",
    /// The client left.
    ClientClosed = "client_closed",
    /// The log cannot be written.
    LogUnavailable = "log_unavailable",
    /// All that a client learns after a failed sign-in.
    InvalidCredentials = "invalid_credentials",
    /// The person has no second factor.
    SecondFactorRequired = "second_factor_required",
    /// Not a code of the person's second factor, or one that was used.
    SecondFactorFailed = "second_factor_failed",
    /// The head is no HTTP.
    MalformedRequest = "malformed_request",
    /// The head is too long.
    HeadTooLarge = "head_too_large",
    /// The head came too slowly.
    HeadTimeout = "head_timeout",
    /// Too many connections.
    ConnectionLimit = "connection_limit",
    /// The body is too long.
    BodyTooLarge = "body_too_large",
    /// Sign-in needs TLS.
    TlsRequired = "tls_required",
    /// The host of the handshake is another circuit's than the host of the request.
    Misdirected = "misdirected",
    /// A form sent from another site, or a page of another site that may send nothing.
    CrossSite = "cross_site",
    /// The provider does not answer.
    ProviderUnavailable = "provider_unavailable",
    /// A browser that is given session after session and shows none.
    LoopDetected = "loop_detected",
    /// Nothing more came of a sign-in that was begun.
    Abandoned = "abandoned",
    /// Too many credentials wait to be checked.
    HashQueueFull = "hash_queue_full",
}
