//! `[providers.NAME]`: OpenID Connect.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::certificate::Certificates;
use crate::name::{Host, Name};
use crate::secret::Secret;
use crate::shape::{At, Field, Named, Reading, shape};
use crate::web_address;
use crate::word::{Word, Wrong, words};

/// One OpenID Connect provider, whose people may sign in where a circuit's `login` names `sso:NAME`.
#[derive(Debug, Clone)]
pub struct Provider {
    /// The table's key.
    pub name: Name,
    /// On its button; the name where absent.
    pub label: Arc<str>,
    /// Byte for byte as its tokens must say it; `https`, or `http` on loopback.
    pub issuer: Arc<str>,
    /// As registered there.
    pub client_id: Arc<str>,
    /// Absent: a public client, which has its proof key (PKCE) alone.
    pub client_secret: Option<Secret>,
    /// Asked for; `openid` is among them.
    pub scopes: Vec<String>,
    /// The claim that lists groups. Absent: nobody has any from there.
    pub groups_claim: Option<String>,
    /// Domains of e-mail addresses that it may speak for. Absent: all; never with two or more providers.
    pub email_domains: Option<BTreeSet<Host>>,
    /// Refuses who has `email_verified` not set to true.
    pub require_verified_email: bool,
    /// How often a session is checked there, by its refresh token. Absent: never.
    pub recheck: Option<Duration>,
    /// Who vouches for it, in place of the system's authorities. Absent: those.
    pub ca: Option<Certificates>,
}

impl Provider {
    /// Whether it may speak for addresses of a domain.
    pub fn speaks_for(&self, domain: &str) -> bool {
        self.email_domains.as_ref().is_none_or(|domains| domains.contains(domain))
    }
}

/// Beginnings of ids of those who come in by other ways.
const TAKEN: [&str; 5] = ["local", "shared", "token", "header", "ip"];

/// `issuer` as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issuer(Arc<str>);

/// One word of `scopes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope(String);

shape! {
    /// What `[providers.NAME]` may say.
    pub(crate) struct RawProvider {
        email_domains: Vec<Host>,
        label: String,
        issuer: Issuer,
        client_id: String,
        client_secret: Secret,
        scopes: Vec<Scope>,
        groups_claim: String,
        require_verified_email: bool,
        recheck: Duration,
        ca: Certificates,
    }
}

/// Absent where an error was reported, so that nothing is said about circuits that name the provider.
pub(crate) type Providers = BTreeMap<Name, Option<Arc<Provider>>>;

/// Checks each, and that no two can speak for the same person by oversight.
pub(crate) fn check_all(providers: Named<Name, RawProvider>, reading: &mut Reading<'_>) -> Providers {
    let several = providers.0.len() > 1;
    let check = |(At { value: name, span }, provider): (At<Name>, Option<RawProvider>)| {
        if TAKEN.contains(&name.as_str()) {
            let message = format!("the name {:?} stands for another way in", name.as_str());
            reading
                .findings
                .error(span, message)
                .help("write another name: it begins the ids of the provider's people");
        }
        if several && provider.as_ref().is_some_and(|provider| provider.email_domains.is_absent()) {
            let message = format!("the provider {:?} does not say for whose addresses it speaks", name.as_str());
            let finding = reading.findings.error(span, message);
            finding.help("with two or more providers each needs email_domains = [\"example.net\"]");
        }
        let provider = provider.and_then(|provider| provider.check(&name, reading)).map(Arc::new);
        (name, provider)
    };
    providers.0.into_iter().map(check).collect()
}

impl RawProvider {
    fn check(self, name: &Name, reading: &mut Reading<'_>) -> Option<Provider> {
        let Self {
            table,
            email_domains,
            label,
            issuer,
            client_id,
            client_secret,
            scopes,
            groups_claim,
            require_verified_email,
            recheck,
            ca,
        } = self;
        let issuer = issuer.required("issuer", "\"https://sso.example.net\"", table, reading);
        let client_id = client_id.required("client_id", "\"vestibule\"", table, reading);
        if let (Some(key), Some(true)) = (ca.key(), issuer.as_ref().map(Issuer::is_plain)) {
            let finding = reading.findings.error(key, "\"ca\" is about TLS, and this issuer has none");
            finding.help("write an issuer that begins with https://, or leave it out");
        }
        let lists_nobody = email_domains.as_ref().is_some_and(Vec::is_empty);
        if let Some(span) = email_domains.span().filter(|_| lists_nobody) {
            let finding = reading.findings.warning(span, "no domain: nobody is let in by this provider");
            finding.help("write email_domains = [\"example.net\"]");
        }
        Some(Provider {
            name: name.clone(),
            label: label.optional().map_or_else(|| name.shared(), Arc::from),
            issuer: issuer?.0,
            client_id: client_id?.into(),
            client_secret: client_secret.optional(),
            scopes: check_scopes(scopes, reading),
            groups_claim: groups_claim.optional(),
            email_domains: email_domains.optional().map(|domains| domains.into_iter().collect()),
            require_verified_email: require_verified_email.or(true),
            recheck: recheck.optional(),
            ca: ca.optional(),
        })
    }
}

impl Issuer {
    /// Over `http`, as on loopback.
    fn is_plain(&self) -> bool {
        self.0.starts_with("http:")
    }
}

fn check_scopes(scopes: Field<Vec<Scope>>, reading: &mut Reading<'_>) -> Vec<String> {
    let Field::Given { value, span, .. } = scopes else { return ["openid", "email"].map(str::to_owned).into() };
    if !value.iter().any(|scope| scope.0 == "openid") {
        let finding = reading.findings.error(span, "without the scope \"openid\" nobody's identity is told");
        finding.help("write scopes = [\"openid\", \"email\"]");
    }
    value.into_iter().map(|scope| scope.0).collect()
}

impl Word for Issuer {
    const EXAMPLE: &str = "\"https://sso.example.net\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        // The text is not quoted: it may hold a password.
        let wrong = |what: &str| {
            Wrong::new(format!("this is not an issuer: {what}")).help(format!("write one such as {}", Self::EXAMPLE))
        };
        web_address::parse(text).map_err(wrong)?;
        if text.contains(['?', '#']) {
            return Err(wrong("it has a query"));
        }
        Ok(Self(text.into()))
    }
}

impl Word for Scope {
    const EXAMPLE: &str = "\"openid\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if text.is_empty() || !text.bytes().all(allowed) {
            return Err(Wrong::new(format!("{text:?} is not a scope")).help("write one word, such as \"email\""));
        }
        Ok(Self(text.to_owned()))
    }
}

words!(Issuer, Scope);
