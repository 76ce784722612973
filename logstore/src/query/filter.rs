//! What an entry must be like.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use uuid::Uuid;

use super::text::Needle;
use crate::entry::{Field, Kind, Log};
use crate::row::{Stored, Value};

/// One condition: any of the tests holds, or none of them does.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub(crate) subject: Subject,
    pub(crate) negated: bool,
    pub(crate) tests: Vec<Test>,
}

/// Several conditions: any of them holds, or none of them does.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) negated: bool,
    pub(crate) filters: Vec<Filter>,
}

impl Group {
    pub(crate) fn holds(&self, entry: &Candidate<'_>) -> bool {
        self.filters.iter().any(|filter| filter.holds(entry)) != self.negated
    }
}

/// An entry that is no part of a segment, under the eyes of a question.
pub(crate) struct Candidate<'a> {
    pub(crate) seq: u64,
    pub(crate) bytes: &'a [u8],
    /// Makes its id, which few questions look at.
    pub(crate) id: &'a dyn Fn() -> Uuid,
}

impl<'a> Candidate<'a> {
    fn value(&self, field: &Field) -> Option<Value<'a>> {
        match field.kind {
            Kind::Id => Some(Value::Id((self.id)())),
            Kind::Position => Some(Value::Number(self.seq)),
            Kind::Time | Kind::Text | Kind::Word(_) | Kind::Number | Kind::Count | Kind::Address | Kind::Json => {
                Stored::of(self.bytes).value(field)
            }
        }
    }
}

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject {
    Field(Field),
    /// Host and path of a request, one after the other.
    Url,
    /// How a request went, made of its `action` and `status_code`.
    Request,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Test {
    Absent,
    Equals(String),
    /// The JSON value is this text, or a list with it.
    Holds(String),
    Contains(Needle),
    Prefix(String),
    Number(RangeInclusive<u64>),
    Id(Uuid),
    Network(IpNet),
    Time(i64),
    Request(Outcome),
}

/// How a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Status 200 to 399.
    Success,
    /// Any other.
    Failed,
    /// Let through, status 100 to 499.
    Allowed,
    /// Stopped here.
    Denied,
    /// Status 500 to 599.
    Error,
}

impl Filter {
    pub(crate) fn holds(&self, entry: &Candidate<'_>) -> bool {
        let any = match self.subject {
            Subject::Field(field) => {
                let value = entry.value(&field);
                self.tests.iter().any(|test| test.holds(value))
            }
            Subject::Url => {
                let (host, path) = super::url_fields();
                let url = super::url(entry.value(host), entry.value(path));
                self.tests.iter().any(|test| test.holds(Some(Value::Text(&url))))
            }
            Subject::Request => self.tests.iter().any(|test| test.holds_of_request(Stored::of(entry.bytes))),
        };
        any != self.negated
    }
}

impl Test {
    pub(crate) fn range(&self) -> Option<&RangeInclusive<u64>> {
        if let Self::Number(range) = self { Some(range) } else { None }
    }

    pub(crate) fn time(&self) -> Option<i64> {
        if let Self::Time(time) = self { Some(*time) } else { None }
    }

    pub(crate) fn outcome(&self) -> Option<Outcome> {
        if let Self::Request(outcome) = self { Some(*outcome) } else { None }
    }

    pub(crate) fn holds(&self, value: Option<Value<'_>>) -> bool {
        let Some(value) = value else {
            return matches!(self, Self::Absent);
        };
        match self {
            Self::Absent | Self::Request(_) => false,
            Self::Equals(wanted) => text(value) == Some(wanted),
            Self::Holds(wanted) => text(value).is_some_and(|json| json_holds(json, wanted)),
            Self::Contains(needle) => has_text(value, |text| needle.is_in(text)),
            Self::Prefix(wanted) => has_text(value, |text| text.starts_with(wanted.as_str())),
            Self::Id(wanted) => value == Value::Id(*wanted),
            Self::Number(range) => matches!(value, Value::Number(number) if range.contains(&number)),
            Self::Network(network) => matches!(value, Value::Address(address) if network.contains(&address)),
            Self::Time(wanted) => value == Value::Time(*wanted),
        }
    }

    fn holds_of_request(&self, stored: Stored<'_>) -> bool {
        let Self::Request(outcome) = self else {
            return false;
        };
        let field = |name| Log::Requests.field(name).and_then(|field| stored.value(field));
        let Some(Value::Number(status)) = field("status_code") else {
            return false;
        };
        let blocked = field("action") == Some(Value::Text("blocked"));
        match outcome {
            Outcome::Success => (200..400).contains(&status),
            Outcome::Failed => !(200..400).contains(&status),
            Outcome::Allowed => !blocked && (100..500).contains(&status),
            Outcome::Denied => blocked,
            Outcome::Error => (500..600).contains(&status),
        }
    }
}

/// Whether the text stands in any text field.
pub(crate) fn found_anywhere(needle: &Needle, log: Log, entry: &Candidate<'_>) -> bool {
    let in_texts = needle.may_be_in(entry.bytes);
    let (in_addresses, in_ids) = (needle.may_be_in_an_address(), needle.may_be_in_an_id());
    if !in_texts && !in_addresses && !in_ids {
        return false;
    }
    log.fields().iter().any(|field| {
        let may = match field.kind {
            Kind::Text | Kind::Word(_) | Kind::Json => in_texts,
            Kind::Address => in_addresses,
            Kind::Id => in_ids,
            Kind::Position | Kind::Time | Kind::Number | Kind::Count => false,
        };
        may && entry.value(field).is_some_and(|value| has_text(value, |text| needle.is_in(text)))
    })
}

/// An address or a network, an IPv4 one in IPv6 form being the same as the IPv4 one.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(IpNet::from(address.to_canonical()));
    }
    text.parse::<IpNet>().ok().map(|network| network.trunc())
}

/// Whether it holds of the value as the API shows it; of numbers and times it does not.
fn has_text(value: Value<'_>, holds: impl FnOnce(&str) -> bool) -> bool {
    match value {
        Value::Text(text) | Value::Json(text) => holds(text),
        Value::Address(address) => holds(&address.to_string()),
        Value::Id(id) => holds(id.hyphenated().encode_lower(&mut Uuid::encode_buffer())),
        Value::Number(_) | Value::Time(_) => false,
    }
}

fn text(value: Value<'_>) -> Option<&str> {
    match value {
        Value::Text(text) | Value::Json(text) => Some(text),
        Value::Id(_) | Value::Number(_) | Value::Time(_) | Value::Address(_) => None,
    }
}

fn json_holds(json: &str, wanted: &str) -> bool {
    json == wanted
        || match serde_json::from_str(json) {
            Ok(serde_json::Value::String(text)) => text == wanted,
            Ok(serde_json::Value::Array(list)) => list.iter().any(|item| item.as_str() == Some(wanted)),
            Ok(_) | Err(_) => false,
        }
}
