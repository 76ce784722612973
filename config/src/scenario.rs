//! `[[tests]]`: what the policy must answer.

use std::net::IpAddr;

use http::uri::{Scheme, Uri};
use jiff::Timestamp;

use crate::Settings;
use crate::access::AllowEntry;
use crate::name::Name;
use crate::problem::{Place, Problem, Report, Severity};
use crate::shape::{At, Reading, shape};
use crate::text::Span;
use crate::user::Group;
use crate::word::{Word, Wrong, spellings, words};

/// One of `[[tests]]`.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it says of the policy.
    pub name: String,
    /// Who asks for what.
    pub given: Given,
    /// And is told what.
    pub expect: Expectation,
    /// Of its header.
    place: Option<Place>,
}

/// `given`
#[derive(Debug, Clone)]
pub struct Given {
    /// `http` or `https`, with a host.
    pub url: String,
    /// Absent: GET.
    pub method: Option<String>,
    /// An address, or `token:NAME`; absent: nobody.
    pub user: Option<String>,
    /// What a provider would say.
    pub groups: Vec<String>,
    /// As `login` of a circuit spells it; absent: by whichever way lets in.
    pub login: Option<String>,
    /// Absent: one that is on no list.
    pub ip: Option<IpAddr>,
    /// Absent: now.
    pub at: Option<Timestamp>,
}

/// `expect`: at least one of them. What is absent may be anything.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// In one word.
    pub decision: Option<Decision>,
    /// Of the closed list of the logs.
    pub reason: Option<String>,
    /// Who answers.
    pub circuit: Option<Name>,
}

/// What a policy says, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Let in.
    Allow,
    /// Asked to sign in.
    Login,
    /// Refused.
    Deny,
    /// Told to wait.
    Limited,
    /// Told that nothing is there.
    NotFound,
}

shape! {
    /// What an element of `tests` may say.
    pub(crate) struct RawScenario {
        name: String,
        given: RawGiven,
        expect: RawExpectation,
    }
}

shape! {
    /// What `given` may say.
    pub(crate) struct RawGiven {
        url: At<String>,
        method: String,
        user: At<AllowEntry>,
        groups: Vec<Group>,
        login: String,
        ip: IpAddr,
        at: Timestamp,
    }
}

shape! {
    /// What `expect` may say.
    pub(crate) struct RawExpectation {
        decision: Decision,
        reason: String,
        circuit: Name,
    }
}

spellings!(pub Decision {
    "allow" => Allow,
    "login" => Login,
    "deny" => Deny,
    "limited" => Limited,
    "not_found" => NotFound,
});

impl Word for IpAddr {
    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = |_| Wrong::new(format!("{text:?} is not an address")).help("write one such as \"192.0.2.7\"");
        text.parse::<Self>().map(|address| address.to_canonical()).map_err(wrong)
    }
}

words!(IpAddr);

impl Scenario {
    /// What is wrong with a policy that answers something else.
    pub fn failed(&self, message: String, help: Option<String>) -> Problem {
        let place = self.place.clone();
        Problem { severity: Severity::Error, place, message, help, related: Vec::new() }
    }
}

impl Settings {
    /// These problems, found in checked settings, beside the warnings.
    pub fn refused(&self, problems: Vec<Problem>) -> Report {
        let problems = problems.into_iter().chain(self.warnings.iter().cloned()).collect();
        Report { problems, ..self.report() }
    }
}

/// Those that can be asked.
pub(crate) fn check_all(scenarios: Vec<At<RawScenario>>, reading: &mut Reading<'_>) -> Vec<Scenario> {
    scenarios.into_iter().filter_map(|At { value, span }| value.check(span, reading)).collect()
}

impl RawScenario {
    fn check(self, span: Span, reading: &mut Reading<'_>) -> Option<Scenario> {
        let Self { table, name, given, expect } = self;
        let name = name.required("name", "\"strangers stay out\"", table, reading);
        let given = given.required("given", "{ url = \"https://wiki.example.net/\" }", table, reading);
        let expect = expect.required("expect", "{ decision = \"login\" }", table, reading);
        let given = given.and_then(|given| given.check(reading));
        let expect = expect.and_then(|expect| expect.check(reading));
        Some(Scenario { name: name?, given: given?, expect: expect?, place: reading.texts.place(span) })
    }
}

impl RawGiven {
    fn check(self, reading: &mut Reading<'_>) -> Option<Given> {
        let Self { table, url, method, user, groups, login, ip, at } = self;
        let url = url.required("url", "\"https://wiki.example.net/\"", table, reading)?;
        if !is_page(&url.value) {
            let finding = reading.findings.error(url.span, "this is no address of a page");
            finding.help("write one such as \"https://wiki.example.net/\"");
            return None;
        }
        let user = match user.optional() {
            Some(At { value: user @ (AllowEntry::Email(_) | AllowEntry::Token(_)), .. }) => Some(user.to_string()),
            Some(At { value: AllowEntry::Domain(_) | AllowEntry::Group(_), span }) => {
                let finding = reading.findings.error(span, "this is nobody in particular");
                finding.help("write an e-mail address or token:NAME; groups have a key of their own");
                return None;
            }
            None => None,
        };
        Some(Given {
            url: url.value,
            method: method.optional(),
            user,
            groups: groups.or_default().into_iter().map(|group| group.0).collect(),
            login: login.optional(),
            ip: ip.optional(),
            at: at.optional(),
        })
    }
}

/// Whether it leads to a page of some host.
fn is_page(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let is_web = uri.scheme().is_some_and(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
    is_web && uri.authority().is_some_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'))
}

impl RawExpectation {
    fn check(self, reading: &mut Reading<'_>) -> Option<Expectation> {
        let Self { table, decision, reason, circuit } = self;
        if decision.is_absent() && reason.is_absent() && circuit.is_absent() {
            reading.findings.error(table, "nothing is expected").help("write decision, reason or circuit");
            return None;
        }
        Some(Expectation { decision: decision.optional(), reason: reason.optional(), circuit: circuit.optional() })
    }
}
