//! The one definition of every field of every log.
//!
//! A table lists a log's own fields: number, name, type, what it holds, and what it means. The struct that callers
//! fill, the encoder, and the list that filters, JSON and columns follow are made from it.
//!
//! Numbers are those of the stored bytes and are never reused: 1 to 19 belong to every log, 20 to 63 to each.

mod field;
pub(crate) mod own;
pub mod words;

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

pub use field::{Field, Kind};

use field::Stored;

/// The number of the field that every entry begins with.
pub(crate) const TIME: u32 = 1;

/// One of the three logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Log {
    /// Attempts to sign in or to be let in by a credential.
    Access,
    /// Every HTTP request.
    Requests,
    /// Changes and administration.
    Audit,
}

impl Log {
    /// In the order of the paths of the API.
    pub const ALL: [Self; 3] = [Self::Access, Self::Requests, Self::Audit];

    /// As in the API and the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Requests => "requests",
            Self::Audit => "audit",
        }
    }

    /// Every field in the order of the contract.
    pub fn fields(self) -> &'static [Field] {
        static FIELDS: LazyLock<[Vec<Field>; 3]> = LazyLock::new(|| {
            [AccessEntry::OWN, RequestEntry::OWN, AuditEntry::OWN]
                .map(|own| PLACE.iter().chain(Common::OWN).chain(own).chain(&[crate::erased::FIELD]).copied().collect())
        });
        let [access, requests, audit] = &*FIELDS;
        match self {
            Self::Access => access,
            Self::Requests => requests,
            Self::Audit => audit,
        }
    }

    /// The field of this name.
    pub fn field(self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.name == name)
    }

    /// Whether a field holds ids that [`crate::RequestIds`] makes, or none that come twice.
    pub(crate) const fn holds_ids(self, number: u32) -> bool {
        number == 2 || (matches!(self, Self::Access) && number == 20)
    }

    /// Fields that tend to repeat together, ascending: what is known of a client, how requests end, who asks for what.
    pub(crate) const fn runs(self) -> &'static [RangeInclusive<u32>] {
        match self {
            Self::Requests => &[3..=9, 24..=29, 30..=36],
            Self::Access | Self::Audit => &[],
        }
    }

    /// Position in tables of one item per log.
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Access => 0,
            Self::Requests => 1,
            Self::Audit => 2,
        }
    }
}

/// Fields that follow from the place of the entry and are not among its stored bytes.
const PLACE: &[Field] = &[
    Field { number: 0, name: "id", kind: Kind::Id, implicit: None, doc: "A UUID of version 8, unique over all logs." },
    Field {
        number: 0,
        name: "seq",
        kind: Kind::Position,
        implicit: None,
        doc: "Position in its log, from 0, no gaps.",
    },
];

/// An entry before it has a place in a log. Text is borrowed: it is encoded where it is made and then forgotten.
#[derive(Debug, Clone, Copy)]
pub enum Entry<'a> {
    /// To the access log.
    Access(&'a AccessEntry<'a>),
    /// To the request log.
    Request(&'a RequestEntry<'a>),
    /// To the audit log.
    Audit(&'a AuditEntry<'a>),
}

impl Entry<'_> {
    /// Where it goes.
    pub const fn log(&self) -> Log {
        match self {
            Self::Access(_) => Log::Access,
            Self::Request(_) => Log::Requests,
            Self::Audit(_) => Log::Audit,
        }
    }

    /// Microseconds since 1970.
    pub const fn time(&self) -> i64 {
        match self {
            Self::Access(entry) => entry.common.time,
            Self::Request(entry) => entry.common.time,
            Self::Audit(entry) => entry.common.time,
        }
    }

    /// The canonical bytes: protobuf's wire format, numbers ascending, varints minimal, absent fields and implicit
    /// values left out. Equal entries have equal bytes, and any protobuf reader can read them.
    pub fn encode(&self) -> Vec<u8> {
        // Most entries fit, so that one allocation is enough.
        let mut out = Vec::with_capacity(512);
        self.encode_into(&mut out);
        out
    }

    /// As [`Self::encode`], at the end of what is there.
    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        match self {
            Self::Access(entry) => entry.encode(out),
            Self::Request(entry) => entry.encode(out),
            Self::Audit(entry) => entry.encode(out),
        }
    }

    /// The first value that is not in the closed list of its field, with the field's name.
    pub fn stray_word(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Access(entry) => entry.stray_word(),
            Self::Request(entry) => entry.stray_word(),
            Self::Audit(entry) => entry.stray_word(),
        }
    }
}

/// Makes the struct, its encoder and its list of fields from one table.
macro_rules! table {
    (
        $(#[doc = $about:literal])+
        $Name:ident $(+ $common:ident : $Common:ident)?;

        $( $(#[doc = $doc:literal])+ $number:literal : $field:ident, $type:ty, $kind:expr; )+
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, Copy)]
        pub struct $Name<'a> {
            $(
                /// What every entry has.
                pub $common: $Common<'a>,
            )?
            $( $(#[doc = $doc])+ pub $field: $type, )+
        }

        impl<'a> $Name<'a> {
            /// The fields of this table, ascending by number.
            pub(crate) const OWN: &'static [Field] = &[ $( Field {
                number: $number,
                name: stringify!($field),
                kind: $kind,
                implicit: Field::implicit_of($kind, <$type as Stored>::IMPLICIT),
                doc: concat!($($doc),+).trim_ascii(),
            } ),+ ];

            fn encode(&self, out: &mut Vec<u8>) {
                $( self.$common.encode(out); )?
                // The numbers and kinds are constants here, so that the encoder of an entry is one straight line.
                $( self.$field.put($number, const { $kind }, out); )+
            }

            fn stray_word(&self) -> Option<(&'static str, &str)> {
                $( if let Some(found) = self.$common.stray_word() {
                    return Some(found);
                } )?
                $( if let Kind::Word(list) = const { $kind }
                    && let Some(word) = self.$field.word()
                    && !list.contains(&word)
                {
                    return Some((stringify!($field), word));
                } )+
                None
            }
        }
    };
}

table! {
    /// What every entry has.
    Common;

    /// Microseconds since 1970, UTC: when the request's head was read, or the change began.
    1: time, i64, Kind::Time;
    /// Joins the three logs.
    2: request_id, Option<&'a str>, Kind::Text;
    /// The resolved client address.
    3: source_ip, Option<IpAddr>, Kind::Address;
    /// ISO 3166-1 alpha-2.
    4: country, Option<&'a str>, Kind::Text;
    /// ISO 3166-2 without the country.
    5: subdivision, Option<&'a str>, Kind::Text;
    /// English name.
    6: city, Option<&'a str>, Kind::Text;
    /// Autonomous system number.
    7: asn, Option<u64>, Kind::Number;
    /// As sent, cut at 2 KiB.
    8: user_agent, Option<&'a str>, Kind::Text;
    /// Configuration that decided.
    9: revision, Option<&'a str>, Kind::Text;
    /// More than one only where equal entries were merged before writing.
    10: event_count, Option<u64>, Kind::Count;
    /// Name of this node in a fleet.
    11: node, Option<&'a str>, Kind::Text;
}

table! {
    /// One attempt.
    AccessEntry + common: Common;

    /// Names the attempt over all its states.
    20: attempt_id, Option<&'a str>, Kind::Text;
    /// `login`, `logout`, `reauth`, `revoke`.
    21: action, &'a str, Kind::Word(words::ATTEMPT_ACTIONS);
    /// `initiated`, `pending`, `success`, `failure`.
    22: status, &'a str, Kind::Word(words::ATTEMPT_STATUS);
    /// `success`, `failed`, `rate_limited`; absent until decided.
    23: result, Option<&'a str>, Kind::Word(words::RESULTS);
    /// Of the closed list.
    24: reason, Option<&'a str>, Kind::Word(words::REASONS);
    /// `sso`, `password`, `pin`, `header`, `token`, `code`, `ip`, `none`.
    25: auth_method, &'a str, Kind::Word(words::METHODS);
    /// Identity provider.
    26: provider, Option<&'a str>, Kind::Text;
    /// As tried, also when it failed.
    27: email, Option<&'a str>, Kind::Text;
    /// `PROVIDER:sub`, `local:EMAIL`, `shared:CIRCUIT`.
    28: user_id, Option<&'a str>, Kind::Text;
    /// A keyed hash.
    29: session_id, Option<&'a str>, Kind::Text;
    /// Circuit's name.
    30: circuit, Option<&'a str>, Kind::Text;
    /// Circuit's project.
    31: project, Option<&'a str>, Kind::Text;
    /// Canonical host.
    32: host, Option<&'a str>, Kind::Text;
    /// `public`, `members`, `allowlist`.
    33: policy, Option<&'a str>, Kind::Word(words::POLICIES);
    /// What decided.
    34: rule, Option<&'a str>, Kind::Text;
    /// From the request's head to the decision.
    35: duration_ms, Option<u64>, Kind::Number;
    /// Why the person came, in their own words.
    36: purpose, Option<&'a str>, Kind::Text;
}

table! {
    /// One HTTP request.
    RequestEntry + common: Common;

    /// As sent.
    20: method, Option<&'a str>, Kind::Text;
    /// Canonical host.
    21: host, Option<&'a str>, Kind::Text;
    /// Without query, cut at 2 KiB.
    22: path, Option<&'a str>, Kind::Text;
    /// Redacted, cut at 2 KiB.
    23: query, Option<&'a str>, Kind::Text;
    /// `HTTP/1.1`, `HTTP/2`.
    24: protocol, Option<&'a str>, Kind::Text;
    /// 0: client gone before one was sent.
    25: status_code, u64, Kind::Number;
    /// `allowed`, `blocked`.
    26: action, &'a str, Kind::Word(words::REQUEST_ACTIONS);
    /// `backend`, `auth`, `rule`, `no_route`, `proxy_error`.
    27: origin, &'a str, Kind::Word(words::ORIGINS);
    /// Of the closed list.
    28: reason, Option<&'a str>, Kind::Word(words::REASONS);
    /// JSON array of codes of observed rules.
    29: would_block, Option<&'a str>, Kind::Json;
    /// As in the access log.
    30: auth_method, &'a str, Kind::Word(words::METHODS);
    /// Only after a successful sign-in.
    31: email, Option<&'a str>, Kind::Text;
    /// As in the access log.
    32: user_id, Option<&'a str>, Kind::Text;
    /// As in the access log.
    33: session_id, Option<&'a str>, Kind::Text;
    /// Circuit's name.
    34: circuit, Option<&'a str>, Kind::Text;
    /// Circuit's project.
    35: project, Option<&'a str>, Kind::Text;
    /// As configured.
    36: upstream, Option<&'a str>, Kind::Text;
    /// Until the head of the upstream's answer.
    37: upstream_ms, Option<u64>, Kind::Number;
    /// From head to the last byte of the answer.
    38: duration_ms, u64, Kind::Number;
    /// Body bytes from the client.
    39: bytes_in, u64, Kind::Number;
    /// Body bytes to the client.
    40: bytes_out, u64, Kind::Number;
    /// Redacted.
    41: referer, Option<&'a str>, Kind::Text;
    /// Version and cipher.
    42: tls, Option<&'a str>, Kind::Text;
    /// JSON object.
    43: metadata, Option<&'a str>, Kind::Json;
}

table! {
    /// One change or act of administration.
    AuditEntry + common: Common;

    /// E-mail, token name, or `vestibule`.
    20: actor, Option<&'a str>, Kind::Text;
    /// `user`, `token`, `system`.
    21: actor_type, &'a str, Kind::Word(words::ACTOR_TYPES);
    /// `authentication`, `proxy`, `user`, `token`, `policy`, `security`, `admin`.
    22: action_type, &'a str, Kind::Word(words::ACTION_TYPES);
    /// `scope.verb`: `config.reload`.
    23: action, &'a str, Kind::Text;
    /// `circuit`, `project`, `user`, `session`, `api_token`, `config`, `secret`, `ban`, `grant`, `auth`, `admin`,
    /// `system`, `log`.
    24: resource_type, &'a str, Kind::Word(words::RESOURCE_TYPES);
    /// Which one.
    25: resource, Option<&'a str>, Kind::Text;
    /// `success`, `failed`, `denied`, `error`, `alert`.
    26: status, &'a str, Kind::Word(words::AUDIT_STATUS);
    /// Of the admin answer.
    27: http_status, Option<u64>, Kind::Number;
    /// How long it took.
    28: duration_ms, Option<u64>, Kind::Number;
    /// JSON without secrets.
    29: before, Option<&'a str>, Kind::Json;
    /// JSON without secrets.
    30: after, Option<&'a str>, Kind::Json;
    /// JSON without secrets.
    31: details, Option<&'a str>, Kind::Json;
}
