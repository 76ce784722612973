//! `vestibule replay`: what was asked in the last days, asked again of a file that is not in force.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use vestibule_auth::{Reason, SystemClock};
use vestibule_config::scenario::{Decision, Given};
use vestibule_config::{Access, AllowEntry, Settings};

use super::client::Client;
use super::failure::Failure;
use super::list::{Column, Listing, column};
use super::output::{Output, remark};
use super::{Global, files};
use crate::explain::{Answer, Apart, recorded};

/// Different requests that are asked again; more are only counted.
const KINDS_MAX: usize = 100_000;

/// Entries of one answer.
const PAGE: &str = "1000";

const FIELDS: &str = "host,path,method,source_ip,email,user_id,auth_method,action,reason";

/// The recorded requests of the running server, against the file of -c
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// From when on
    #[arg(long, value_name = "TIME", default_value = "7d")]
    since: String,
    #[command(flatten)]
    listing: Listing,
}

const COLUMNS: [Column; 7] = [
    column("CHANGE", &["change"], 6),
    column("WHO", &["who"], 28),
    column("CIRCUIT", &["circuit"], 16),
    column("REQUESTS", &["requests"], 8),
    column("REASON", &["reason"], 20),
    column("PLACE", &["place"], 24),
    column("EXAMPLE", &["example"], 0),
];

/// What requests have in common that are decided alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    host: String,
    path: String,
    method: String,
    ip: Option<IpAddr>,
    user: Option<String>,
    login: Option<String>,
    /// Absent where it was let in.
    refused: Option<String>,
}

/// What was read of the log.
#[derive(Default)]
struct Recorded {
    kinds: HashMap<Kind, u64>,
    requests: u64,
    /// Of people whom the log does not name, and beyond [`KINDS_MAX`].
    left_out: u64,
}

/// Lists who would lose access, and who gain it.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let settings = files::tested(files::load(&files::path(global)?))?.map_err(Failure::Invalid)?;
    let apart = Apart::new(settings, Arc::new(SystemClock::default()))?;
    let recorded = Recorded::read(&Client::new(global)?, &args.since)?;
    let Recorded { kinds, requests, left_out } = recorded;
    let mut rows: BTreeMap<(&str, String, String, &str), (u64, Value)> = BTreeMap::new();
    let mut unasked = left_out;
    for (kind, count) in &kinds {
        let Ok(answer) = apart.explain(&kind.given()) else {
            unasked += count;
            continue;
        };
        let Some(change) = change(kind, &answer, &apart.live.settings) else { continue };
        let (who, circuit) = (kind.who(), answer.circuit.as_deref().unwrap_or(&kind.host).to_owned());
        let reason = answer.reason.map_or("", Reason::code);
        let place = answer.layers.last().and_then(|layer| layer.place.clone());
        let example = json!({ "place": place, "example": format!("{} {}{}", kind.method, kind.host, kind.path) });
        rows.entry((change, who, circuit, reason)).or_insert((0, example)).0 += count;
    }
    let rows: Vec<_> = rows.into_iter().map(row).collect();
    let changes = rows.len();
    args.listing.show(&json!({ "data": rows }), &COLUMNS, output)?;
    output.finish()?;
    let kinds = kinds.len();
    remark(
        global,
        &format!("{requests} requests of {kinds} kinds, {changes} changes; {unasked} could not be asked again"),
    );
    Ok(())
}

fn row(((change, who, circuit, reason), (requests, told)): ((&str, String, String, &str), (u64, Value))) -> Value {
    json!({
        "change": change,
        "who": who,
        "circuit": circuit,
        "requests": requests,
        "reason": (!reason.is_empty()).then_some(reason),
        "place": told.get("place"),
        "example": told.get("example"),
    })
}

/// Absent where nothing would change, or where it was not the policy that decided.
fn change(kind: &Kind, answer: &Answer, settings: &Settings) -> Option<&'static str> {
    let lets_in = answer.decision == Decision::Allow;
    match &kind.refused {
        None if lets_in => None,
        None if depends_on_groups(kind, answer, settings) => Some("unsure"),
        None => Some("loses"),
        Some(reason) if lets_in && is_policy(reason) => Some("gains"),
        Some(_) => None,
    }
}

/// What a provider said of groups is in no log.
fn depends_on_groups(kind: &Kind, answer: &Answer, settings: &Settings) -> bool {
    let by_list = matches!(answer.reason, Some(Reason::NotInGroup | Reason::NotProjectMember | Reason::NotOnAllowlist));
    let is_provided = kind.login.as_deref().is_some_and(|login| login.starts_with("sso"));
    let circuit = answer.circuit.as_deref().and_then(|name| settings.circuits.get(name));
    by_list
        && is_provided
        && circuit.is_some_and(|circuit| {
            let project = circuit.project.as_ref().and_then(|name| settings.projects.get(name));
            let members = project.map(|project| &project.members[..]).unwrap_or_default();
            circuit.policies().any(|access| match access {
                Access::Public => false,
                Access::Members(_) => names_groups(members),
                Access::Allowlist { allow, ways: _ } => names_groups(allow),
            })
        })
}

fn names_groups(list: &[AllowEntry]) -> bool {
    list.iter().any(|entry| match entry {
        AllowEntry::Group(_) => true,
        AllowEntry::Email(_) | AllowEntry::Domain(_) | AllowEntry::Token(_) => false,
    })
}

/// Limits, bans, locks and what became of a request later say nothing about a file.
fn is_policy(reason: &str) -> bool {
    [
        Reason::IpRestricted,
        Reason::CountryRestricted,
        Reason::GeoUnavailable,
        Reason::BotBlocked,
        Reason::ReputationBan,
        Reason::ReputationUnavailable,
        Reason::NoCredentials,
        Reason::MissingSession,
        Reason::SessionExpired,
        Reason::NotProjectMember,
        Reason::NotOnAllowlist,
        Reason::NotInGroup,
        Reason::UserBlocked,
        Reason::PendingApproval,
        Reason::AccountMismatch,
        Reason::DomainNotAllowed,
        Reason::TokenDisabled,
        Reason::TokenExpired,
        Reason::CircuitNotFound,
        Reason::CircuitExpired,
        Reason::CrossSite,
    ]
    .iter()
    .any(|known| known.code() == reason)
}

impl Recorded {
    fn read(client: &Client, since: &str) -> Result<Self, Failure> {
        let mut recorded = Self::default();
        let mut cursor = String::new();
        loop {
            let mut query = vec![("since", since), ("limit", PAGE), ("fields", FIELDS)];
            if !cursor.is_empty() {
                query.push(("cursor", &cursor));
            }
            let page = client.get("/api/v1/logs/requests", &query)?.json()?;
            let rows = page.get("data").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            rows.iter().for_each(|row| recorded.add(row));
            match page.get("next_cursor").and_then(Value::as_str) {
                Some(next) => next.clone_into(&mut cursor),
                None => return Ok(recorded),
            }
        }
    }

    fn add(&mut self, row: &Value) {
        self.requests += 1;
        match Kind::of(row) {
            Some(kind) if self.kinds.len() < KINDS_MAX || self.kinds.contains_key(&kind) => {
                *self.kinds.entry(kind).or_default() += 1;
            }
            Some(_) | None => self.left_out += 1,
        }
    }
}

impl Kind {
    /// Absent where the entry does not tell who it was, or for what.
    fn of(row: &Value) -> Option<Self> {
        let text = |member: &str| row.get(member).and_then(Value::as_str).map(str::to_owned);
        let (email, user_id, way) = (text("email"), text("user_id"), text("auth_method"));
        let (user, login) =
            recorded::visitor(&way.unwrap_or_default(), &user_id.unwrap_or_default(), email.as_deref())?;
        let is_refused = text("action")? == "blocked";
        Some(Self {
            host: text("host")?,
            path: text("path")?,
            method: text("method")?,
            ip: text("source_ip").and_then(|ip| ip.parse().ok()),
            user,
            login,
            refused: is_refused.then(|| text("reason").unwrap_or_default()),
        })
    }

    fn given(&self) -> Given {
        let Self { host, path, method, ip, user, login, refused: _ } = self;
        Given {
            url: format!("https://{host}{path}"),
            method: Some(method.clone()),
            user: user.clone(),
            groups: Vec::new(),
            login: login.clone(),
            ip: *ip,
            at: None,
        }
    }

    fn who(&self) -> String {
        match (&self.user, &self.login) {
            (Some(user), _) => user.clone(),
            (None, Some(login)) => format!("a shared {login}"),
            (None, None) => "anybody".to_owned(),
        }
    }
}
