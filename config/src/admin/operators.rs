//! `[admin.operators]`: people who sign in to the web pages at a provider.

use std::collections::BTreeMap;

use super::{LogName, Role};
use crate::access::AllowEntry;
use crate::name::{Email, Name};
use crate::provider::Providers;
use crate::shape::{At, Named, Reading, shape};
use crate::suggest;
use crate::text::Span;

/// `[admin.operators]`.
#[derive(Debug, Clone)]
pub struct Operators {
    /// Where they sign in; it vouches for their addresses.
    pub provider: Name,
    /// Who else than `people` may sign in; people, domains and groups.
    pub members: Vec<AllowEntry>,
    /// What `members` may.
    pub for_members: Operator,
    /// By address; what stands here goes before what `members` says of the same person.
    pub people: BTreeMap<Email, Operator>,
}

/// What somebody may on the pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// What they may do.
    pub role: Role,
    /// `logs`: those that they read; absent: all.
    pub logs: Option<Vec<LogName>>,
}

shape! {
    /// What `[admin.operators]` may say.
    pub(crate) struct RawOperators {
        provider: At<Name>,
        members: Vec<At<AllowEntry>>,
        role: Role,
        logs: Vec<LogName>,
        people: Named<Email, RawOperator>,
    }
}

shape! {
    /// What `[admin.operators.people.EMAIL]` may say.
    pub(crate) struct RawOperator {
        role: Role,
        logs: Vec<LogName>,
    }
}

impl RawOperators {
    pub(super) fn check(self, providers: &Providers, reading: &mut Reading<'_>) -> Option<Operators> {
        let Self { table, provider, members, role, logs, people } = self;
        let provider = provider.required("provider", "\"corp\"", table, reading);
        let named_nobody = members.as_ref().is_none_or(Vec::is_empty) && people.is_absent();
        if named_nobody && !matches!(members, crate::shape::Field::Broken) {
            let finding =
                reading.findings.warning(table, "no operator: nobody may sign in to the pages at the provider");
            finding.help("write members = [\"group:sre\"], or [admin.operators.people.\"maya@example.net\"] with role");
        }
        let people = check_people(people.or_default(), reading);
        let members = members.or_default();
        members.iter().for_each(|member| check_member(member, reading));
        let provider = provider?;
        check_provider(&provider, providers, reading);
        Some(Operators {
            provider: provider.value,
            members: members.into_iter().map(|member| member.value).collect(),
            for_members: Operator { role: role.or(Role::Reader), logs: logs.optional() },
            people,
        })
    }
}

fn check_people(people: Named<Email, RawOperator>, reading: &mut Reading<'_>) -> BTreeMap<Email, Operator> {
    let mut checked = BTreeMap::new();
    let mut seen: BTreeMap<Email, Span> = BTreeMap::new();
    for (At { value: email, span }, operator) in people.0 {
        if let Some(first) = seen.insert(email.clone(), span) {
            let message =
                format!("the operator {:?} stands here twice; letter case makes no difference", email.as_str());
            reading.findings.error(span, message).help("keep one of the two").also(first, "first here");
        }
        let Some(RawOperator { table, role, logs }) = operator else { continue };
        if let Some(role) = role.required("role", "\"reader\"", table, reading) {
            checked.insert(email, Operator { role, logs: logs.optional() });
        }
    }
    checked
}

/// A machine opens no pages.
fn check_member(At { value, span }: &At<AllowEntry>, reading: &mut Reading<'_>) {
    if let AllowEntry::Token(name) = value {
        let message = format!("the service token {:?} cannot sign in at a provider", name.as_str());
        reading.findings.error(*span, message).help("write people, domains and groups; tokens go to [admin.tokens]");
    }
}

/// Who may choose an address at the provider would choose an operator's.
fn check_provider(At { value: name, span }: &At<Name>, providers: &Providers, reading: &mut Reading<'_>) {
    match providers.get(name) {
        None => {
            let known: Vec<&str> = providers.keys().map(Name::as_str).collect();
            let finding = reading.findings.error(*span, format!("there is no provider {:?}", name.as_str()));
            finding.help(suggest::one_of("[providers] has", name.as_str(), &known));
        }
        Some(Some(provider)) if !provider.require_verified_email => {
            let message =
                format!("the provider {:?} need not vouch for addresses, as those of operators must be", name.as_str());
            let finding = reading.findings.error(*span, message);
            finding.help("leave require_verified_email out there, or name another provider");
        }
        Some(_) => (),
    }
}
