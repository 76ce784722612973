//! What is counted of a request entry, read from its bytes once.

use crate::codec::{Fields, Raw};
use crate::entry::{Common, Field, RequestEntry};

const TIME: u32 = number(Common::OWN, "time");
const SOURCE_IP: u32 = number(Common::OWN, "source_ip");
const COUNTRY: u32 = number(Common::OWN, "country");
const EVENT_COUNT: u32 = number(Common::OWN, "event_count");
const METHOD: u32 = number(RequestEntry::OWN, "method");
const STATUS_CODE: u32 = number(RequestEntry::OWN, "status_code");
const ACTION: u32 = number(RequestEntry::OWN, "action");
const REASON: u32 = number(RequestEntry::OWN, "reason");
const EMAIL: u32 = number(RequestEntry::OWN, "email");
const USER_ID: u32 = number(RequestEntry::OWN, "user_id");
const CIRCUIT: u32 = number(RequestEntry::OWN, "circuit");
const BYTES_IN: u32 = number(RequestEntry::OWN, "bytes_in");
const BYTES_OUT: u32 = number(RequestEntry::OWN, "bytes_out");

/// The number of a field; a name that is not in the table does not compile.
#[expect(clippy::panic, reason = "seen by the compiler alone")]
const fn number(mut fields: &[Field], name: &str) -> u32 {
    while let [field, rest @ ..] = fields {
        if same(field.name.as_bytes(), name.as_bytes()) {
            return field.number;
        }
        fields = rest;
    }
    panic!("no field of this name")
}

const fn same(mut one: &[u8], mut other: &[u8]) -> bool {
    while let ([a, rest @ ..], [b, others @ ..]) = (one, other) {
        if *a != *b {
            return false;
        }
        (one, other) = (rest, others);
    }
    one.is_empty() && other.is_empty()
}

/// By what requests are counted, besides their circuit. The order is that of the stored counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dimension {
    Country,
    Status,
    User,
    Reason,
    Ip,
    Method,
}

impl Dimension {
    pub(super) const ALL: [Self; 6] = [Self::Country, Self::Status, Self::User, Self::Reason, Self::Ip, Self::Method];

    pub(super) const fn index(self) -> usize {
        match self {
            Self::Country => 0,
            Self::Status => 1,
            Self::User => 2,
            Self::Reason => 3,
            Self::Ip => 4,
            Self::Method => 5,
        }
    }

    /// Whether clients decide how many values there are; the others are closed lists or nearly so.
    pub(super) const fn is_open(self) -> bool {
        match self {
            Self::User | Self::Ip => true,
            Self::Country | Self::Status | Self::Reason | Self::Method => false,
        }
    }
}

/// How many requests, and how much they carried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Let through.
    pub allowed: u64,
    /// Refused by the proxy.
    pub blocked: u64,
    /// Body bytes from clients.
    pub bytes_in: u64,
    /// Body bytes to clients.
    pub bytes_out: u64,
}

impl Totals {
    /// All requests.
    pub const fn count(&self) -> u64 {
        self.allowed.saturating_add(self.blocked)
    }

    pub(super) fn add(&mut self, more: &Self) {
        self.allowed = self.allowed.saturating_add(more.allowed);
        self.blocked = self.blocked.saturating_add(more.blocked);
        self.bytes_in = self.bytes_in.saturating_add(more.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(more.bytes_out);
    }
}

/// One request. A key is as it is stored, and empty where there is none.
#[derive(Debug, Default)]
pub(super) struct Counted<'a> {
    /// Microseconds since 1970.
    pub(super) time: i64,
    pub(super) circuit: &'a [u8],
    pub(super) totals: Totals,
    /// Of a request whose own entry is still to come.
    pub(super) is_announcement: bool,
    country: &'a [u8],
    status: [u8; 2],
    email: &'a [u8],
    user_id: &'a [u8],
    reason: &'a [u8],
    ip: &'a [u8],
    method: &'a [u8],
}

impl<'a> Counted<'a> {
    /// What comes after unreadable bytes counts as absent.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        let mut counted = Self::default();
        let mut is_allowed = false;
        let mut fields = Fields::of(bytes);
        while let Some(Ok((field, raw))) = fields.next() {
            match (field, raw) {
                (TIME, Raw::Number(time)) => counted.time = time.cast_signed(),
                (SOURCE_IP, Raw::Bytes(ip)) => counted.ip = ip,
                (COUNTRY, Raw::Bytes(country)) => counted.country = country,
                (EVENT_COUNT, Raw::Number(count)) => counted.is_announcement = count == 0,
                (METHOD, Raw::Bytes(method)) => counted.method = method,
                (STATUS_CODE, Raw::Number(status)) => {
                    counted.status = u16::try_from(status).unwrap_or(u16::MAX).to_be_bytes();
                }
                (ACTION, Raw::Bytes(action)) => is_allowed = action == b"allowed",
                (REASON, Raw::Bytes(reason)) => counted.reason = reason,
                (EMAIL, Raw::Bytes(email)) => counted.email = email,
                (USER_ID, Raw::Bytes(user_id)) => counted.user_id = user_id,
                (CIRCUIT, Raw::Bytes(circuit)) => counted.circuit = circuit,
                (BYTES_IN, Raw::Number(bytes)) => counted.totals.bytes_in = bytes,
                (BYTES_OUT, Raw::Number(bytes)) => counted.totals.bytes_out = bytes,
                // Nothing that is counted comes after.
                (BYTES_OUT.., _) => break,
                (_, Raw::Number(_) | Raw::Bytes(_)) => (),
            }
        }
        counted.totals.allowed = u64::from(is_allowed);
        counted.totals.blocked = u64::from(!is_allowed);
        counted
    }

    pub(super) fn key(&self, of: Dimension) -> &[u8] {
        match of {
            Dimension::Country => self.country,
            Dimension::Status => &self.status,
            // Whoever has no address of their own, such as those who know a shared secret, counts by their id.
            Dimension::User if self.email.is_empty() => self.user_id,
            Dimension::User => self.email,
            Dimension::Reason => self.reason,
            Dimension::Ip => self.ip,
            Dimension::Method => self.method,
        }
    }
}
