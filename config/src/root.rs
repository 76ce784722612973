//! The whole file: its sections, and what they say of each other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::Settings;
use crate::access::SignInWay;
use crate::admin::RawAdmin;
use crate::alert::{self, RawAlert};
use crate::circuit::{self, Circuit, RawCircuit, Surroundings};
use crate::failed_answers::RawFailedAnswers;
use crate::fleet::RawFleet;
use crate::geo::RawGeo;
use crate::hook::{self, RawHook};
use crate::limit::{RateLimit, RawLoginLimits, RawRateLimit};
use crate::login;
use crate::logs::{Logs, RawLogs};
use crate::mail::RawMail;
use crate::name::{Email, Host, Name};
use crate::network::{IpSet, IpSets};
use crate::project::{Project, RawProject};
use crate::provider::{self, RawProvider};
use crate::scenario::{self, RawScenario};
use crate::server::{RawServer, Server};
use crate::service_token::{self, RawServiceToken, Tokens};
use crate::session::{RawSessions, SessionLimits};
use crate::shape::{At, Field, Named, Reading, Shape as _, Stage, shape};
use crate::text::Span;
use crate::tls::{RawTls, Served};
use crate::user::{RawUser, User};

shape! {
    /// What the files may say, `include` followed.
    pub(crate) struct RawFile {
        include: Vec<String>,
        server: RawServer,
        geo: RawGeo,
        providers: Named<Name, RawProvider>,
        sessions: RawSessions,
        users: Named<Email, RawUser>,
        service_tokens: Named<Name, RawServiceToken>,
        projects: Named<Name, RawProject>,
        ip_sets: Named<Name, IpSet>,
        rate_limits: Named<Name, RawRateLimit>,
        login_limits: RawLoginLimits,
        failed_answers: RawFailedAnswers,
        defaults: RawDefaults,
        circuits: Named<Name, RawCircuit>,
        logs: RawLogs,
        admin: RawAdmin,
        mail: RawMail,
        hooks: Named<Name, RawHook>,
        tests: Vec<At<RawScenario>>,
        alerts: Named<Name, RawAlert>,
        tls: RawTls,
    }
    later {
        fleet: RawFleet => "run one node",
    }
}

shape! {
    /// What `[defaults]` may say.
    pub(crate) struct RawDefaults {
        rate_limits: Vec<At<Name>>,
    }
}

/// Every key that a file may hold, in the order of the sections, with whether it works already. `*` stands for a name
/// of the user's, `[]` for an element of a list.
pub fn known_keys() -> Vec<(String, bool)> {
    let mut keys = Vec::new();
    RawFile::keys("", Stage::Available, &mut |path, stage| keys.push((path.to_owned(), stage == Stage::Available)));
    keys
}

/// What an editor may know of the file, as JSON Schema (2020-12).
pub fn schema() -> serde_json::Value {
    let mut schema = RawFile::schema();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
        schema.insert("title".to_owned(), "vestibule.toml".into());
    }
    schema
}

impl RawFile {
    /// Absent where an error was reported. `origins`, `files`, `warnings`, `texts` and `revision` are the loader's to fill.
    #[expect(clippy::too_many_lines, reason = "a line or two for each section of the file")]
    pub(crate) fn check(self, root: Span, reading: &mut Reading<'_>) -> Option<Settings> {
        let Self {
            table: _unused,
            include: _followed,
            server,
            geo,
            providers,
            sessions,
            users,
            service_tokens,
            projects,
            ip_sets,
            rate_limits,
            login_limits,
            failed_answers,
            defaults,
            circuits,
            logs,
            admin,
            mail,
            hooks,
            tests,
            alerts,
            tls,
        } = self;
        let (login_host, source) = (login_host(&server), reading.source);
        let in_force = source.in_force();
        let server = check_server(server, root, reading);
        let has_geo = !geo.is_absent();
        let geo = geo.optional().and_then(|geo| geo.check(reading));
        let providers = provider::check_all(providers.or_default(), reading);
        let sessions = sessions.optional().map_or_else(SessionLimits::default, RawSessions::check);
        let users = users.or_default();
        let own_secrets = own_secrets(&users);
        let has_totp = any_has(&users, |user| !user.totp.is_absent());
        let hooks = hook::check_all(hooks.or_default(), reading);
        let has_mail = !mail.is_absent();
        let mail = mail.optional().and_then(|mail| mail.check(reading)).map(Arc::new);
        let users = check_users(users, reading);
        let service_tokens = service_token::check(service_tokens.or_default(), reading);
        let projects = check_projects(projects.or_default(), &service_tokens, reading);
        let ip_sets = check_sets(ip_sets.or_default(), in_force, reading);
        let rate_limits = check_rate_limits(rate_limits.or_default(), reading);
        let failed_answers = failed_answers.optional().and_then(|limit| limit.check(reading));
        let default_limits = defaults.optional().map(RawDefaults::check).unwrap_or_default();
        circuit::resolve_limits(&default_limits, &rate_limits, Some(reading));
        let listened: Vec<_> = server.iter().flat_map(|server| &server.listen).filter_map(|one| one.address).collect();
        let admin = RawAdmin::check(admin.optional(), &listened, &providers, root, reading);
        let around = Surroundings {
            projects: &projects,
            service_tokens: &service_tokens,
            providers: &providers,
            hooks: &hooks,
            has_mail,
            has_totp,
            own_secrets,
            ip_sets: &ip_sets,
            rate_limits: &rate_limits,
            default_limits: &default_limits,
            sessions,
            own: own_addresses(server.as_ref(), admin.listen),
            has_geo,
        };
        let tests = scenario::check_all(tests.or_default(), reading);
        warn_without_circuits(&circuits, root, reading);
        let tls = RawTls::check(tls, &served(&circuits, login_host.as_ref(), server.as_ref(), in_force), reading);
        let circuits = check_circuits(circuits.or_default(), login_host.as_ref(), &around, reading);
        Some(Settings {
            revision: "".into(),
            server: server?,
            geo,
            providers: providers.into_iter().filter_map(|(name, provider)| Some((name, provider?))).collect(),
            sessions,
            users,
            service_tokens: service_tokens.into_iter().filter_map(|(name, token)| Some((name, token?))).collect(),
            projects: projects.into_iter().filter_map(|(name, project)| Some((name, project?))).collect(),
            ip_sets: known(ip_sets),
            rate_limits: rate_limits.into_iter().filter_map(|(name, limit)| Some((name, limit?))).collect(),
            login_limits: login_limits.optional().map(|limits| limits.check(reading)).unwrap_or_default(),
            failed_answers,
            hooks: hooks.into_iter().filter_map(|(name, hook)| Some((name, hook?))).collect(),
            alerts: alert::check_all(alerts.or_default(), reading),
            mail,
            tests,
            login: login_host.map(|(host, _)| Arc::new(login::circuit(host, circuits.values(), sessions))),
            circuits,
            logs: logs.optional().map_or_else(Logs::default, |logs| logs.check(reading)),
            tls,
            admin,
            warnings: Vec::new(),
            files: Vec::new(),
            origins: crate::origin::Origins::default(),
            texts: crate::text::Texts::default(),
        })
    }
}

impl RawDefaults {
    fn check(self) -> Vec<At<Name>> {
        let Self { table: _unused, rate_limits } = self;
        rate_limits.or_default()
    }
}

fn check_server(server: Field<RawServer>, root: Span, reading: &mut Reading<'_>) -> Option<Server> {
    if server.is_absent() {
        reading.findings.error(root, "[server] is missing").help("write [server] with data_dir and listen");
    }
    server.optional()?.check(reading)
}

/// With its place, for circuits that name it too.
fn login_host(server: &Field<RawServer>) -> Option<(Host, Span)> {
    let host = server.as_ref()?.login_host.as_ref()?;
    Some((host.value.clone(), host.span))
}

fn check_users(users: Named<Email, RawUser>, reading: &mut Reading<'_>) -> BTreeMap<Email, User> {
    let mut checked = BTreeMap::new();
    let mut seen: BTreeMap<Email, Span> = BTreeMap::new();
    for (At { value: email, span }, user) in users.0 {
        if let Some(first) = seen.insert(email.clone(), span) {
            let message = format!("the user {:?} stands here twice; letter case makes no difference", email.as_str());
            reading.findings.error(span, message).help("keep one of the two").also(first, "first here");
        }
        if let Some(user) = user {
            checked.insert(email.clone(), user.check(&email));
        }
    }
    checked
}

/// Whether anybody has a secret of each kind; one that was reported as wrong counts.
fn own_secrets(users: &Named<Email, RawUser>) -> [(SignInWay, bool); 2] {
    [
        (SignInWay::Password, any_has(users, |user| !user.password_hash.is_absent())),
        (SignInWay::Pin, any_has(users, |user| !user.pin_hash.is_absent())),
    ]
}

fn any_has(users: &Named<Email, RawUser>, held: fn(&RawUser) -> bool) -> bool {
    users.0.iter().any(|(_, user)| user.as_ref().is_some_and(held))
}

fn check_projects(
    projects: Named<Name, RawProject>,
    tokens: &Tokens,
    reading: &mut Reading<'_>,
) -> BTreeMap<Name, Option<Project>> {
    let check = |(At { value: name, .. }, project): (At<Name>, Option<RawProject>)| {
        let project = project.map(|project| project.check(&name, tokens, reading));
        (name, project)
    };
    projects.0.into_iter().map(check).collect()
}

/// A file that is not there is waited for at the start. What is in force is not given up for it.
fn check_sets(sets: Named<Name, IpSet>, in_force: Option<&Settings>, reading: &mut Reading<'_>) -> IpSets {
    for (name, set) in &sets.0 {
        let Some(IpSet::Awaited(span)) = set else { continue };
        let message = format!("the file of \"@{}\" is not there", name.value);
        if in_force.is_some_and(|settings| settings.ip_sets.contains_key(&name.value)) {
            reading.findings.error(*span, message).help("write it again; what it held stays in force");
        } else {
            let finding = reading.findings.warning(*span, message);
            finding.help("write it; circuits that enforce it as a reputation refuse everybody until it is there");
        }
    }
    sets.0.into_iter().map(|(name, set)| (name.value, set)).collect()
}

/// The networks of those that are known.
fn known(sets: IpSets) -> BTreeMap<Name, Vec<IpNet>> {
    let known = sets.into_iter().filter_map(|(name, set)| match set? {
        IpSet::Known(networks) => Some((name, networks)),
        IpSet::Awaited(_) => None,
    });
    known.collect()
}

fn check_rate_limits(
    limits: Named<Name, RawRateLimit>,
    reading: &mut Reading<'_>,
) -> BTreeMap<Name, Option<Arc<RateLimit>>> {
    let check = |(At { value: name, .. }, limit): (At<Name>, Option<RawRateLimit>)| {
        let limit = limit.and_then(|limit| limit.check(&name, reading)).map(Arc::new);
        (name, limit)
    };
    limits.0.into_iter().map(check).collect()
}

/// Checks each circuit, and that no host leads to two of them, nor to one and to the sign-in of all.
fn check_circuits(
    circuits: Named<Name, RawCircuit>,
    login_host: Option<&(Host, Span)>,
    around: &Surroundings<'_>,
    reading: &mut Reading<'_>,
) -> BTreeMap<Name, Arc<Circuit>> {
    let mut hosts: BTreeMap<Host, Span> = BTreeMap::new();
    let mut checked = BTreeMap::new();
    for (name, circuit) in circuits.0 {
        let Some(circuit) = circuit else { continue };
        for host in circuit.hosts.as_ref().into_iter().flatten() {
            if let Some((_, login)) = login_host.filter(|(login, _)| *login == host.value) {
                let message = format!("the host {:?} is the login host, and leads to a circuit", host.value.as_str());
                let finding = reading.findings.error(host.span, message).help("give the login host a name of its own");
                finding.also(*login, "the login host");
            }
            if let Some(first) = hosts.get(&host.value) {
                let message = format!("the host {:?} leads to two circuits", host.value.as_str());
                reading.findings.error(host.span, message).help("keep it in one of them").also(*first, "first here");
            } else {
                hosts.insert(host.value.clone(), host.span);
            }
        }
        if let Some(circuit) = circuit.check(&name, around, reading) {
            checked.insert(name.value, Arc::new(circuit));
        }
    }
    checked
}

/// What certificates are for.
fn served<'a>(
    circuits: &Field<Named<Name, RawCircuit>>,
    login_host: Option<&(Host, Span)>,
    server: Option<&Server>,
    in_force: Option<&'a Settings>,
) -> Served<'a> {
    let circuits = circuits.as_ref().into_iter().flat_map(|circuits| &circuits.0).filter_map(|(_, raw)| raw.as_ref());
    let enabled = circuits.filter(|circuit| circuit.enabled.as_ref() != Some(&false));
    let hosts = enabled.filter_map(|circuit| circuit.hosts.as_ref()).flatten().cloned();
    let login = login_host.map(|(host, span)| At { value: host.clone(), span: *span });
    let listeners = server.map_or(&[][..], |server| &server.listen);
    Served {
        hosts: login.into_iter().chain(hosts).collect(),
        secure: listeners.iter().any(|listener| listener.tls),
        plain: listeners.iter().any(|listener| !listener.tls),
        in_force: in_force.map(|settings| &settings.tls),
    }
}

fn warn_without_circuits(circuits: &Field<Named<Name, RawCircuit>>, root: Span, reading: &mut Reading<'_>) {
    if circuits.is_absent() {
        let finding = reading.findings.warning(root, "no circuit: every request is answered 404");
        finding.help("write [circuits.NAME] with hosts, upstream and access");
    }
}

fn own_addresses(server: Option<&Server>, admin: SocketAddr) -> BTreeMap<SocketAddr, &'static str> {
    let listeners = server.into_iter().flat_map(|server| &server.listen);
    let mut own: BTreeMap<_, _> = listeners.filter_map(|listener| Some((listener.address?, "listener"))).collect();
    own.insert(admin, "admin port");
    own
}
