//! `[circuits.NAME]`: one protected way in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;

use crate::Settings;
use crate::access::{Access, AllowEntry, Known, Login, Policy, RawPolicy, RawShared, SignInWay};
use crate::address_rules::{self, RawReputation, RawRules};
use crate::circuit_path::{self, RawCircuitPath};
use crate::cors::{self, Cors};
use crate::header_key::{self, RawHeaderKey};
use crate::identity::RawIdentity;
use crate::limit::RateLimit;
use crate::logs::{CircuitLog, RawCircuitLog};
use crate::name::{CountryCode, Host, Name};
use crate::network::{IpSets, Member};
use crate::service_token::Tokens;
use crate::session::{RawSession, SessionLimits};
use crate::shape::{At, Field, Reading, Shape, shape};
use crate::steps::{Bearings, RawSteps, SecondFactor, Steps};
use crate::suggest;
use crate::text::Span;
use crate::tree::{Node, Value};
use crate::upstream::{RawHealth, RawUpstream, RawUpstreamList, RawUpstreams, Whereabouts};

pub use crate::address_rules::{AddressRules, AllowMatch, Observed, Reputation};
pub use crate::circuit_path::{CircuitPath, Rewrite};
pub use crate::identity::IdentityHeaders;
pub use crate::upstream::{HealthCheck, HostHeader, Upstream, UpstreamAddress, UpstreamTls, Upstreams};

/// One circuit, with `[defaults]` and `[sessions]` already applied.
#[derive(Debug, Clone)]
pub struct Circuit {
    /// The table's key.
    pub name: Name,
    /// Required for `members`.
    pub project: Option<Name>,
    /// At least one; no two circuits share one.
    pub hosts: Vec<Host>,
    /// Where permitted requests go; absent: only those of its paths go anywhere, the others are answered 404.
    pub upstreams: Option<Upstreams>,
    /// Who may enter.
    pub access: Access,
    /// Parts that differ, in the file's order.
    pub paths: Vec<CircuitPath>,
    /// Browsers' questions before requests of other sites' pages; absent: the answer is no.
    pub cors: Option<Cors>,
    /// What follows the credential of a person who signs in.
    pub steps: Steps,
    /// Who comes from one of these satisfies the policy without signing in.
    pub trusted_addresses: Vec<IpNet>,
    /// Address and country rules.
    pub rules: AddressRules,
    /// Request limits in the file's order.
    pub rate_limits: Vec<Arc<RateLimit>>,
    /// The stricter of the circuit's and the general ones.
    pub session: SessionLimits,
    /// Header names towards the upstream.
    pub identity: IdentityHeaders,
    /// What its entries say.
    pub log: CircuitLog,
    /// From this instant on the circuit does not exist.
    pub expires: Option<Timestamp>,
    /// Not enabled: answered as an unknown host, nothing recorded.
    pub enabled: bool,
    /// Line of the circuit's `access` key, for explanations: `vestibule.toml:17`.
    pub place: String,
}

shape! {
    /// What `[circuits.NAME]` may say.
    pub(crate) struct RawCircuit {
        project: At<Name>,
        hosts: Vec<At<Host>>,
        upstream: RawUpstream,
        upstreams: RawUpstreamList,
        health: RawHealth,
        access: Policy,
        allow: Vec<At<AllowEntry>>,
        login: Vec<At<Login>>,
        shared: RawShared,
        header_auth: Vec<RawHeaderKey>,
        trusted_addresses: Vec<At<Member>>,
        ip_allow: Vec<At<Member>>,
        ip_block: Vec<At<Member>>,
        country_allow: Vec<CountryCode>,
        country_block: Vec<CountryCode>,
        allow_match: AllowMatch,
        block_scanners: bool,
        reputation: RawReputation,
        observe: Vec<At<Observed>>,
        rate_limits: Vec<At<Name>>,
        session: RawSession,
        identity: RawIdentity,
        log: RawCircuitLog,
        expires: Timestamp,
        enabled: bool,
        paths: Vec<RawCircuitPath>,
        cors: Cors,
        second_factor: SecondFactor,
        purpose: bool,
        hook: At<Name>,
    }
}

/// What a circuit refers to; an absent value stands for what was reported already.
pub(crate) struct Surroundings<'a> {
    pub(crate) projects: &'a BTreeMap<Name, Option<crate::project::Project>>,
    pub(crate) service_tokens: &'a Tokens,
    pub(crate) providers: &'a crate::provider::Providers,
    pub(crate) hooks: &'a crate::hook::Hooks,
    /// Whether messages can be sent.
    pub(crate) has_mail: bool,
    /// Whether anybody has a `totp`.
    pub(crate) has_totp: bool,
    /// Whether anybody has a password, a PIN.
    pub(crate) own_secrets: [(SignInWay, bool); 2],
    pub(crate) ip_sets: &'a IpSets,
    pub(crate) rate_limits: &'a BTreeMap<Name, Option<Arc<RateLimit>>>,
    /// `[defaults] rate_limits`
    pub(crate) default_limits: &'a [At<Name>],
    pub(crate) sessions: SessionLimits,
    /// Where this program listens, and what does.
    pub(crate) own: BTreeMap<SocketAddr, &'static str>,
    pub(crate) has_geo: bool,
}

impl RawCircuit {
    #[expect(clippy::too_many_lines, reason = "a line for each key, twice")]
    pub(crate) fn check(
        self,
        name: &At<Name>,
        around: &Surroundings<'_>,
        reading: &mut Reading<'_>,
    ) -> Option<Circuit> {
        let Self {
            table,
            project,
            hosts,
            upstream,
            upstreams,
            health,
            access,
            allow,
            login,
            shared,
            header_auth,
            trusted_addresses,
            ip_allow,
            ip_block,
            country_allow,
            country_block,
            allow_match,
            block_scanners,
            reputation,
            observe,
            rate_limits,
            session,
            identity,
            log,
            expires,
            enabled,
            paths,
            cors,
            second_factor,
            purpose,
            hook,
        } = self;
        let place = access.span().and_then(|span| reading.texts.place(span));
        let hosts = check_hosts(hosts, table, reading);
        let policy = access.as_ref().copied();
        let members = policy == Some(Policy::Members);
        let allowance = !(shared.is_absent() && header_auth.is_absent() && trusted_addresses.is_absent());
        let any_path = |says: fn(&RawCircuitPath) -> bool| paths.as_ref().into_iter().flatten().any(says);
        let sole = (members && !allowance) || any_path(RawCircuitPath::admits_members_only);
        let needed = members || any_path(RawCircuitPath::admits_members);
        let project = check_project(project, sole, needed, table, around, reading);
        let idle = trusted_addresses.key().filter(|_| policy == Some(Policy::Public));
        if let Some(key) = idle {
            reading.findings.warning(key, "\"trusted_addresses\" has no effect with access = \"public\"");
        }
        let trusted_addresses = address_rules::check_networks(trusted_addresses, around, reading).unwrap_or_default();
        let shared_key = shared.key().or_else(|| paths.as_ref()?.iter().find_map(RawCircuitPath::shared_key));
        let asks_nobody = policy == Some(Policy::Public) && !any_path(RawCircuitPath::asks_who);
        let identity = identity.optional().map_or_else(IdentityHeaders::default, |identity| identity.check(reading));
        let upstreams = RawUpstreams { upstream, upstreams, health };
        require_upstream(&upstreams, &paths, table, reading);
        let nowhere = upstreams.is_absent();
        let upstreams = upstreams.check(&Whereabouts { own: &around.own, identity: &identity }, reading);
        let access = RawPolicy { access, allow, login, shared, header_auth };
        let access = check_policy(access, allowance, table, &identity, around, reading);
        let policies =
            policy.into_iter().chain(paths.as_ref().into_iter().flatten().filter_map(RawCircuitPath::policy));
        cors::warn_where_idle(&cors, policies, reading);
        let paths = circuit_path::check(paths, &identity, around, reading);
        let rate_limits = check_limits(rate_limits, around, reading);
        let rules = RawRules {
            ip_allow,
            ip_block,
            country_allow,
            country_block,
            allow_match,
            block_scanners,
            reputation,
            observe,
        };
        let rules = rules.check(!rate_limits.is_empty(), around, reading);
        check_expiry(&expires, &name.value, reading);
        let log = log.optional().map_or_else(CircuitLog::default, RawCircuitLog::check);
        let bearings = Bearings { asks_nobody, shared_key, has_totp: around.has_totp, hooks: around.hooks };
        let steps = RawSteps { second_factor, purpose, hook }.check(&bearings, &log, reading);
        Some(Circuit {
            name: name.value.clone(),
            project,
            hosts: hosts?.into_iter().map(|host| host.value).collect(),
            upstreams: if nowhere { None } else { Some(upstreams?) },
            access: access?,
            paths,
            cors: cors.optional(),
            steps,
            trusted_addresses,
            rules,
            rate_limits,
            session: session.optional().map_or(around.sessions, |session| session.check(around.sessions)),
            identity,
            log,
            expires: expires.optional(),
            enabled: enabled.or(true),
            place: place.map(|place| format!("{}:{}", place.file, place.line)).unwrap_or_default(),
        })
    }
}

impl Circuit {
    /// Its own policy, then those of its paths that have one.
    pub fn policies(&self) -> impl Iterator<Item = &Access> {
        std::iter::once(&self.access).chain(self.paths.iter().filter_map(|path| path.access.as_ref()))
    }

    /// Whether any of its policies asks who somebody is.
    pub fn is_protected(&self) -> bool {
        self.policies().any(|access| !matches!(access, Access::Public))
    }

    /// Which of `paths` a canonical path belongs to; absent: it is the circuit's own.
    pub fn path_of(&self, path: &str) -> Option<usize> {
        circuit_path::longest(&self.paths, |prefix| prefix.rest_of(path).is_some())
    }

    /// The same for an upstream that does not tell capitals from small letters.
    pub fn path_in_any_case(&self, path: &str) -> Option<usize> {
        circuit_path::longest(&self.paths, |prefix| prefix.begins_in_any_case(path))
    }
}

/// A circuit without one is its paths alone, each of which then says where it leads.
fn require_upstream(
    upstreams: &RawUpstreams,
    paths: &Field<Vec<RawCircuitPath>>,
    table: Span,
    reading: &mut Reading<'_>,
) {
    let all_lead_somewhere =
        |paths: &Vec<RawCircuitPath>| !paths.is_empty() && paths.iter().all(RawCircuitPath::leads_somewhere);
    if upstreams.is_absent() && !paths.as_ref().is_some_and(all_lead_somewhere) {
        let finding = reading.findings.error(table, "\"upstream\" is missing");
        finding.help("write upstream = \"http://127.0.0.1:8080\", or one in each of its paths");
    }
}

fn check_hosts(hosts: Field<Vec<At<Host>>>, table: Span, reading: &mut Reading<'_>) -> Option<Vec<At<Host>>> {
    let span = hosts.span().unwrap_or(table);
    let hosts = hosts.required("hosts", "[\"wiki.example.net\"]", table, reading);
    if hosts.as_ref().is_some_and(Vec::is_empty) {
        reading.findings.error(span, "no host leads here").help("write hosts = [\"wiki.example.net\"]");
    }
    hosts
}

/// The policy of a circuit or of a path of it; `allowance`: somebody is let in who is on no list.
pub(crate) fn check_policy(
    policy: RawPolicy,
    allowance: bool,
    table: Span,
    identity: &IdentityHeaders,
    around: &Surroundings<'_>,
    reading: &mut Reading<'_>,
) -> Option<Access> {
    warn_of_missing_secrets(&policy.login, &around.own_secrets, reading);
    let keys = policy.header_auth.key();
    let known = Known { providers: around.providers, tokens: around.service_tokens, has_mail: around.has_mail };
    let access = policy.check(allowance, table, &known, reading)?;
    if let (Some(span), Some(ways)) = (keys, access.ways()) {
        header_key::check_apart(&ways.header_auth, identity, span, reading);
    }
    Some(access)
}

/// `needed`: a policy is `members`; `sole`: one admits nobody without members.
fn check_project(
    project: Field<At<Name>>,
    sole: bool,
    needed: bool,
    table: Span,
    around: &Surroundings<'_>,
    reading: &mut Reading<'_>,
) -> Option<Name> {
    if needed && project.is_absent() {
        let finding = reading.findings.error(table, "access = \"members\" needs a project whose members they are");
        finding.help("write project = \"NAME\" and [projects.NAME] with members");
    }
    let At { value: name, span } = project.optional()?;
    match around.projects.get(&name) {
        None => {
            let known: Vec<&str> = around.projects.keys().map(Name::as_str).collect();
            let finding = reading.findings.error(span, format!("there is no project {:?}", name.as_str()));
            finding.help(suggest::one_of("[projects] has", name.as_str(), &known));
        }
        Some(Some(project)) if sole && project.members.is_empty() => {
            let message = format!("the project {:?} has no members: nobody is admitted", name.as_str());
            reading.findings.warning(span, message).help(format!("write members in [projects.{name}]"));
        }
        Some(_) => (),
    }
    Some(name)
}

/// A circuit's own list replaces the default one, also where it is empty.
fn check_limits(
    limits: Field<Vec<At<Name>>>,
    around: &Surroundings<'_>,
    reading: &mut Reading<'_>,
) -> Vec<Arc<RateLimit>> {
    match limits.optional() {
        Some(names) => resolve_limits(&names, around.rate_limits, Some(reading)),
        None => resolve_limits(around.default_limits, around.rate_limits, None),
    }
}

/// The limits behind the names. Without a `reading` nothing is reported, because it was before.
pub(crate) fn resolve_limits(
    names: &[At<Name>],
    limits: &BTreeMap<Name, Option<Arc<RateLimit>>>,
    mut reading: Option<&mut Reading<'_>>,
) -> Vec<Arc<RateLimit>> {
    let mut resolved = Vec::new();
    for At { value: name, span } in names {
        match (limits.get(name), reading.as_deref_mut()) {
            (Some(limit), _) => resolved.extend(limit.clone()),
            (None, None) => (),
            (None, Some(reading)) => {
                let known: Vec<&str> = limits.keys().map(Name::as_str).collect();
                let finding = reading.findings.error(*span, format!("there is no rate limit {:?}", name.as_str()));
                finding.help(suggest::one_of("[rate_limits] has", name.as_str(), &known));
            }
        }
    }
    resolved
}

fn warn_of_missing_secrets(
    login: &Field<Vec<At<Login>>>,
    own_secrets: &[(SignInWay, bool)],
    reading: &mut Reading<'_>,
) {
    for At { value, span } in login.as_ref().into_iter().flatten() {
        for (way, _) in own_secrets.iter().filter(|(way, held)| !held && *value == Login::Way(*way)) {
            let message = format!("nobody has a {} of their own", way.as_str());
            reading.findings.warning(*span, message).help(format!("write {}_hash in [users.\"EMAIL\"]", way.as_str()));
        }
    }
}

/// An instant that passed while it stood here is a note. One that had passed when it was written is a mistake, which
/// only those can tell who know what was in force before.
fn check_expiry(expires: &Field<Timestamp>, name: &Name, reading: &mut Reading<'_>) {
    let Field::Given { value, span, .. } = expires else { return };
    if *value > reading.source.now() {
        return;
    }
    let before = |settings: &Settings| settings.circuits.get(name).and_then(|circuit| circuit.expires);
    if reading.source.in_force().is_some_and(|settings| before(settings) != Some(*value)) {
        let finding = reading.findings.error(*span, "this instant has passed already");
        finding.help("write a later one, or enabled = false to close the circuit now");
    } else {
        let message = "this instant has passed: the circuit does not exist any more";
        reading.findings.warning(*span, message).help("write a later one, or remove the circuit");
    }
}

/// A time with its offset from UTC.
impl Shape for Timestamp {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        let Value::Datetime(datetime) = &node.value else {
            reading.wrong_kind(&node, "a time").help("write one such as 2027-01-31T18:00:00Z, without quotes");
            return None;
        };
        let timestamp = datetime.offset.and_then(|_| datetime.to_string().parse().ok());
        if timestamp.is_none() {
            let finding = reading.findings.error(node.span, "this time does not say in which time zone it is");
            finding.help("write one such as 2027-01-31T18:00:00Z");
        }
        timestamp
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({ "type": "string", "format": "date-time" })
    }
}
