//! Reads the gateway's file and hands back settings that are already checked.
//!
//! Text becomes a raw shape (what the file may say), and the raw shape becomes a checked one (what the rest of the
//! program may rely on). Every problem is reported at once, each with its place, what is wrong and what to write
//! instead. Nothing here opens sockets or databases.

pub mod access;
pub mod admin;
pub mod alert;
pub mod anchors;
pub mod certificate;
pub mod circuit;
pub mod cors;
pub mod diff;
pub mod edit;
pub mod geo;
pub mod header_key;
pub mod hook;
pub mod limit;
pub mod listener;
pub mod load;
pub mod logs;
pub mod mail;
pub mod name;
pub mod outline;
pub mod path;
pub mod problem;
pub mod project;
pub mod provider;
pub mod scenario;
pub mod secret;
pub mod server;
pub mod service_token;
pub mod session;
pub mod steps;
pub mod tls;
pub mod totp;
pub mod units;
pub mod user;

mod address_rules;
mod circuit_path;
mod country;
pub mod failed_answers;
mod findings;
mod fleet;
mod identity;
mod login;
mod mask;
mod network;
mod origin;
mod phc;
mod render;
mod revision;
mod root;
mod shape;
mod show;
mod source;
mod suggest;
mod text;
mod tree;
mod upstream;
mod web_address;
mod word;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;

pub use access::{Access, AllowEntry, SharedSecret, SignInWay};
pub use alert::Alert;
pub use circuit::{
    AddressRules, Circuit, CircuitPath, HostHeader, IdentityHeaders, Rewrite, Upstream, UpstreamAddress, UpstreamTls,
    Upstreams,
};
pub use hook::Hook;
pub use load::{FileSource, Source, admin_url, discover, load, load_text};
pub use name::{CountryCode, Email, Host, Name};
pub use origin::{Origin, Origins};
pub use problem::{Place, Problem, Related, Report, Severity};
pub use root::{known_keys, schema};
pub use text::Texts;
pub use units::{ByteRate, ByteSize, Rate};

/// Everything one set of files says, checked; nothing in it needs a second look.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Lower-case hex of the SHA-256 over the contents of all files read, lists and secrets too, first 16 characters;
    /// equal contents have equal revisions.
    pub revision: Arc<str>,
    /// Listeners, data folder, limits of the edge.
    pub server: server::Server,
    /// Absent: no geo database; country rules then refuse everybody.
    pub geo: Option<geo::Geo>,
    /// OpenID Connect providers by name.
    pub providers: BTreeMap<Name, Arc<provider::Provider>>,
    /// `[sessions]`; each circuit's own limits are in the circuit.
    pub sessions: session::SessionLimits,
    /// People with a password or a PIN of their own, or a state.
    pub users: BTreeMap<Email, user::User>,
    /// Machines by name.
    pub service_tokens: BTreeMap<Name, service_token::ServiceToken>,
    /// Projects by name.
    pub projects: BTreeMap<Name, project::Project>,
    /// `[ip_sets]`; each circuit's rules hold the networks already.
    pub ip_sets: BTreeMap<Name, Vec<IpNet>>,
    /// `[rate_limits]`; each circuit holds its own already.
    pub rate_limits: BTreeMap<Name, Arc<limit::RateLimit>>,
    /// Attempts, not requests.
    pub login_limits: limit::LoginLimits,
    /// Absent: failed answers are not counted.
    pub failed_answers: Option<failed_answers::FailedAnswers>,
    /// `[hooks]`; each circuit holds its own already.
    pub hooks: BTreeMap<Name, Arc<Hook>>,
    /// `[[tests]]`, in the file's order.
    pub tests: Vec<scenario::Scenario>,
    /// `[alerts]`
    pub alerts: BTreeMap<Name, Arc<Alert>>,
    /// Absent: no message is ever sent.
    pub mail: Option<Arc<mail::Mail>>,
    /// Circuits by name, disabled and expired ones too.
    pub circuits: BTreeMap<Name, Arc<Circuit>>,
    /// The login host as a circuit: its name is empty, nothing is behind it, and every way in of the others leads in.
    /// Absent without one.
    pub login: Option<Arc<Circuit>>,
    /// What is kept and how.
    pub logs: logs::Logs,
    /// Certificates of the listeners that speak TLS.
    pub tls: tls::Tls,
    /// The auditor's and operator's port.
    pub admin: admin::Admin,
    /// Findings that do not refuse the file: an empty allowlist, an expired circuit, a plain-HTTP sign-in.
    pub warnings: Vec<Problem>,
    /// Every file that was read, the main one first.
    pub files: Vec<PathBuf>,
    /// Which line set what.
    pub origins: Origins,
    /// For excerpts in messages; without the secrets.
    pub texts: Texts,
}
