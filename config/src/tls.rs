//! `[tls]`: own certificates, and those that an authority makes (ACME).

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::certificate::{self, Certificate, Certificates};
use crate::name::{Email, Host, Name};
use crate::secret::Secret;
use crate::shape::{At, Field, Named, Reading, shape};
use crate::text::Span;
use crate::web_address;
use crate::word::{Word, Wrong, words};

/// `[tls]`.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Absent: no certificate is ordered.
    pub acme: Option<Acme>,
    /// Own certificates by their names in the file.
    pub certificates: BTreeMap<Name, Arc<OwnCertificate>>,
    by_host: BTreeMap<Arc<str>, Arc<OwnCertificate>>,
}

/// `[tls.acme]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acme {
    /// Told to the authority, for news of the account.
    pub email: Option<Email>,
    /// Where the authority begins; `https`, or `http` on loopback.
    pub directory: Arc<str>,
    /// They vouch for the directory, beside those of the system.
    pub ca: Option<Certificates>,
    /// Hosts of enabled circuits, and the login host, that have no own certificate and that an authority can be asked for.
    pub hosts: Vec<Host>,
}

/// `[tls.certificates.NAME]`.
#[derive(Debug, Clone)]
pub struct OwnCertificate {
    /// The table's key.
    pub name: Name,
    /// Handshakes that ask for one of them get it.
    pub hosts: Vec<HostPattern>,
    /// Where the chain was read.
    pub file: PathBuf,
    /// What was read.
    pub certificate: Certificate,
}

/// A host in lower case, or `*.` and a domain: one label in place of the star.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPattern(Arc<str>);

impl HostPattern {
    /// As the file spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Word for HostPattern {
    const EXAMPLE: &str = "\"*.corp.example.net\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let host = text.strip_prefix("*.").unwrap_or(text);
        Host::parse(host).map(|_| Self(text.into())).map_err(|wrong| {
            if host.contains('*') {
                Wrong::new(format!("{text:?} is no host of a certificate: its star is not the whole first label"))
                    .help(format!("write one such as {}", Self::EXAMPLE))
            } else {
                wrong
            }
        })
    }
}

impl Word for Directory {
    const EXAMPLE: &str = "\"https://acme-v02.api.letsencrypt.org/directory\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = |what| {
            Wrong::new(format!("this is not the directory of an authority: {what}"))
                .help(format!("write one such as {}", Self::EXAMPLE))
        };
        web_address::parse(text).map(|_| Self(text.into())).map_err(wrong)
    }
}

words!(HostPattern, Directory);

/// `directory` as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directory(Arc<str>);

shape! {
    /// What `[tls]` may say.
    pub(crate) struct RawTls {
        acme: RawAcme,
        certificates: Named<Name, RawCertificate>,
    }
}

shape! {
    /// What `[tls.acme]` may say.
    pub(crate) struct RawAcme {
        email: Email,
        directory: Directory,
        ca: Certificates,
    }
}

shape! {
    /// What `[tls.certificates.NAME]` may say.
    pub(crate) struct RawCertificate {
        hosts: Vec<At<HostPattern>>,
        cert: At<PathBuf>,
        key: At<Secret>,
    }
}

/// What certificates are for.
pub(crate) struct Served<'a> {
    /// Hosts of enabled circuits, and the login host.
    pub(crate) hosts: Vec<At<Host>>,
    /// Whether a listener speaks TLS.
    pub(crate) secure: bool,
    /// Whether a listener does not, so that an authority's question can be answered.
    pub(crate) plain: bool,
    /// Of the settings in force.
    pub(crate) in_force: Option<&'a Tls>,
}

/// Labels at the end of names that no public authority vouches for.
const PRIVATE_DOMAINS: [&str; 10] =
    ["arpa", "corp", "example", "home", "internal", "invalid", "lan", "local", "onion", "test"];

/// The one own certificate for a host; `by_host` as in [`Tls`].
fn own<'a>(by_host: &'a BTreeMap<Arc<str>, Arc<OwnCertificate>>, host: &str) -> Option<&'a Arc<OwnCertificate>> {
    by_host.get(host).or_else(|| by_host.get(certificate::wildcard_of(host)?.as_str()))
}

impl Tls {
    /// The own certificate for a host in lower case: one that names it, else one whose wildcard stands for it.
    pub fn own(&self, host: &str) -> Option<&Arc<OwnCertificate>> {
        own(&self.by_host, host)
    }
}

impl RawTls {
    /// `served` is what the rest of the file says.
    pub(crate) fn check(raw: Field<Self>, served: &Served<'_>, reading: &mut Reading<'_>) -> Tls {
        let Some(Self { table: _unused, acme, certificates }) = raw.optional() else {
            warn_of_hosts_without(served, &Tls::default(), reading);
            return Tls::default();
        };
        let mut tls = Tls::default();
        for (At { value: name, .. }, raw) in certificates.or_default().0 {
            let in_force = served.in_force.and_then(|tls| tls.certificates.get(&name));
            let Some(own) = raw.and_then(|raw| raw.check(name.clone(), in_force, &tls, reading)) else { continue };
            let own = Arc::new(own);
            tls.by_host.extend(own.hosts.iter().map(|host| (host.0.clone(), own.clone())));
            tls.certificates.insert(name, own);
        }
        let (key, broken) = (acme.key(), matches!(acme, Field::Broken));
        tls.acme = acme.optional().and_then(|acme| acme.check(key, served, &tls, reading));
        if !broken {
            warn_of_hosts_without(served, &tls, reading);
        }
        tls
    }
}

impl RawAcme {
    fn check(self, key: Option<Span>, served: &Served<'_>, own: &Tls, reading: &mut Reading<'_>) -> Option<Acme> {
        let Self { table, email, directory, ca } = self;
        let directory = directory.required("directory", Directory::EXAMPLE, table, reading);
        if !served.plain {
            let finding = reading.findings.error(key, "no listener can answer the questions of the authority");
            finding.help("add { address = \"[::]:80\", redirect_to_https = true } to listen in [server]");
        }
        if !served.secure {
            let finding = reading.findings.warning(key, "certificates are ordered, and no listener speaks TLS");
            finding.help("add { address = \"[::]:443\", tls = true } to listen in [server]");
        }
        let private = !ca.is_absent();
        let without = served.hosts.iter().filter(|host| own.own(host.value.as_str()).is_none());
        let hosts = without.filter(|host| can_be_ordered(host, private, reading)).map(|host| host.value.clone());
        let mut hosts: Vec<_> = hosts.collect();
        hosts.sort();
        hosts.dedup();
        Some(Acme { email: email.optional(), directory: directory?.0, ca: ca.optional(), hosts })
    }
}

impl RawCertificate {
    fn check(
        self,
        name: Name,
        in_force: Option<&Arc<OwnCertificate>>,
        others: &Tls,
        reading: &mut Reading<'_>,
    ) -> Option<OwnCertificate> {
        let Self { table, hosts, cert, key } = self;
        let hosts = hosts.required("hosts", "[\"*.corp.example.net\"]", table, reading);
        let cert = cert.required("cert", "\"/etc/vestibule/tls/corp.pem\"", table, reading);
        let key = key.required("key", "{ file = \"/etc/vestibule/tls/corp.key\" }", table, reading);
        let (hosts, cert, key) = (hosts?, cert?, key?);
        if hosts.is_empty() {
            let finding = reading.findings.error(table, "this certificate is for no host");
            finding.help("write hosts = [\"*.corp.example.net\"]");
        }
        for host in &hosts {
            if let Some(other) = others.by_host.get(&host.value.0) {
                let message = format!("the host {:?} has another certificate, {:?}", host.value.0, other.name.as_str());
                reading.findings.error(host.span, message).help("keep it in one of them");
            }
        }
        let certificate = certificate::read_files(&cert, &key, reading)?;
        check_names(&hosts, &certificate, reading);
        let is_in_force = in_force.is_some_and(|in_force| in_force.certificate.is_same(&certificate));
        check_times(&certificate, cert.span, is_in_force, reading);
        let hosts = hosts.into_iter().map(|host| host.value).collect();
        Some(OwnCertificate { name, hosts, file: cert.value, certificate })
    }
}

/// An authority asks a host by its public name.
fn can_be_ordered(host: &At<Host>, private: bool, reading: &mut Reading<'_>) -> bool {
    let At { value, span } = host;
    let name = value.as_str();
    let last = name.rsplit('.').next().unwrap_or_default();
    let why = if name.parse::<IpAddr>().is_ok() {
        "it is an address"
    } else if web_address::is_loopback(name) {
        "it is this machine's own name"
    } else if name.contains('_') {
        "it has an underscore"
    } else if !private && (!name.contains('.') || PRIVATE_DOMAINS.contains(&last)) {
        "it is no public name"
    } else {
        return true;
    };
    let finding = reading.findings.warning(*span, format!("no certificate is ordered for {name:?}: {why}"));
    finding.help("give it an own one in [tls.certificates.NAME], or write its public name");
    false
}

fn check_names(hosts: &[At<HostPattern>], certificate: &Certificate, reading: &mut Reading<'_>) {
    for At { value, span } in hosts.iter().filter(|host| !certificate.covers(&host.value.0)) {
        let finding = reading.findings.error(*span, format!("the certificate is not made for {:?}", value.0));
        finding.help(match certificate.names.as_slice() {
            [] => "it names no host at all; have one made with subjectAltName".to_owned(),
            names => format!("it is made for {}", names.join(", ")),
        });
    }
}

/// A certificate that is in force already must not keep other changes out.
fn check_times(certificate: &Certificate, span: Span, is_in_force: bool, reading: &mut Reading<'_>) {
    let now = reading.source.now();
    let message = if certificate.not_after <= now {
        format!("this certificate is over since {}", certificate.not_after)
    } else if now < certificate.not_before {
        format!("this certificate is not good before {}", certificate.not_before)
    } else {
        return;
    };
    let findings = &mut reading.findings;
    let finding = if is_in_force { findings.warning(span, message) } else { findings.error(span, message) };
    finding.help("put one there that is good now");
}

fn warn_of_hosts_without(served: &Served<'_>, tls: &Tls, reading: &mut Reading<'_>) {
    if !served.secure || tls.acme.is_some() {
        return;
    }
    for At { value, span } in served.hosts.iter().filter(|host| tls.own(host.value.as_str()).is_none()) {
        let message = format!("no certificate is there for {:?}: its TLS handshakes fail", value.as_str());
        let finding = reading.findings.warning(*span, message);
        finding.help("name it in [tls.certificates.NAME], or write [tls.acme]");
    }
}
