//! `[logs]`.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::anchors::{Anchors, RawAnchors};
use crate::shape::{Field, Reading, shape};
use crate::units::{self, ByteSize};
use crate::word::{Word, Wrong, spellings, words};

/// `[logs]`.
#[derive(Debug, Clone)]
pub struct Logs {
    /// Group commit of request entries.
    pub sync: Duration,
    /// What happens to a request entry when the queue is full.
    pub on_full: OnFull,
    /// Every entry also as a line of JSON on standard output.
    pub stdout: bool,
    /// Names of query parameters whose values are never stored; lower-case.
    pub redact_query: BTreeSet<String>,
    /// `[logs.access]`
    pub access: Kept,
    /// `[logs.requests]`
    pub requests: Kept,
    /// `[logs.audit]`
    pub audit: Kept,
    /// Between two segments that are read again to see whether they still are what was written; none: they are not.
    pub scrub: Option<Duration>,
    /// `[logs.disk]`
    pub disk: Disk,
    /// `[logs.anchors]`
    pub anchors: Anchors,
}

/// How long one log is kept. Whole segments go, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Entries that are older go.
    pub keep: Duration,
    /// The oldest entries go while the log has more bytes on disk than this. Absent: no limit.
    pub max_bytes: Option<ByteSize>,
}

/// `[logs.disk]`: what of the disk is left free. What is absent goes by the size of the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Disk {
    /// Below this somebody is told.
    pub low: Option<FreeBytes>,
    /// Below this requests leave no entries any more.
    pub hard: Option<FreeBytes>,
    /// A file that gives way when the disk is full all the same.
    pub ballast: Option<FreeBytes>,
}

/// Bytes of a disk, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreeBytes(pub u64);

/// A circuit's `log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitLog {
    /// Which requests leave an entry. Attempts always do.
    pub requests: LoggedRequests,
    /// What its entries tell about people.
    pub personal_data: PersonalData,
}

/// `log.requests`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedRequests {
    /// Every one.
    All,
    /// Those that this program refused.
    Blocked,
}

spellings!(pub LoggedRequests { "all" => All, "blocked" => Blocked });

/// `log.personal_data`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonalData {
    /// Everything.
    Full,
    /// Pseudonyms in place of names; no address, no city.
    Hashed,
    /// Nothing.
    Nothing,
}

spellings!(pub PersonalData { "full" => Full, "hashed" => Hashed, "none" => Nothing });

/// `on_full`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFull {
    /// The entry is counted and marked in the log.
    Drop,
    /// The request waits for room.
    Block,
}

spellings!(pub OnFull { "drop" => Drop, "block" => Block });

shape! {
    /// What `[logs]` may say.
    pub(crate) struct RawLogs {
        sync: SyncEvery,
        on_full: OnFull,
        stdout: bool,
        redact_query: Vec<String>,
        access: RawKept,
        requests: RawKept,
        audit: RawKept,
        scrub: ScrubEvery,
        disk: RawDisk,
        anchors: RawAnchors,
    }
}

shape! {
    /// What `[logs.disk]` may say.
    pub(crate) struct RawDisk {
        low: FreeBytes,
        hard: FreeBytes,
        ballast: FreeBytes,
    }
}

shape! {
    /// What `[logs.access]` and its like may say.
    pub(crate) struct RawKept {
        keep: Duration,
        max_bytes: ByteSize,
    }
}

shape! {
    /// What a circuit's `log` may say.
    pub(crate) struct RawCircuitLog {
        requests: LoggedRequests,
        personal_data: PersonalData,
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);
const ACCESS: Kept = Kept { keep: DAY.saturating_mul(400), max_bytes: None };
const REQUESTS: Kept = Kept { keep: DAY.saturating_mul(30), max_bytes: Some(ByteSize(20 << 30)) };
const AUDIT: Kept = Kept { keep: DAY.saturating_mul(400), max_bytes: None };

/// `sync`: from 1 ms to 10 s.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SyncEvery(Duration);

/// `scrub`: from 1 s to a day, or `off`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScrubEvery(Option<Duration>);

const SYNC: Duration = Duration::from_millis(50);
const SCRUB: Duration = Duration::from_secs(60);
const SYNC_MAX: Duration = Duration::from_secs(10);

/// Query parameters that carry secrets by their names.
const REDACTED: &[&str] = &[
    "token",
    "access_token",
    "id_token",
    "code",
    "state",
    "key",
    "api_key",
    "password",
    "pin",
    "secret",
    "sig",
    "signature",
];

/// What identity providers send in an address; never kept, whatever the file lists.
const ALWAYS_REDACTED: &[&str] = &["code", "state", "id_token"];

impl RawLogs {
    pub(crate) fn check(self, reading: &mut Reading<'_>) -> Logs {
        let Self { table: _unused, sync, on_full, stdout, redact_query, access, requests, audit, scrub, disk, anchors } =
            self;
        let kept = |kept: Field<RawKept>, default: Kept| kept.optional().map_or(default, |kept| kept.check(default));
        let default = Logs::default();
        let redact_query = redact_query.optional().map(|names| {
            let always = ALWAYS_REDACTED.iter().map(ToString::to_string);
            names.iter().map(|name| name.to_lowercase()).chain(always).collect()
        });
        Logs {
            sync: sync.optional().map_or(default.sync, |sync| sync.0),
            on_full: on_full.or(default.on_full),
            stdout: stdout.or(default.stdout),
            redact_query: redact_query.unwrap_or(default.redact_query),
            access: kept(access, default.access),
            requests: kept(requests, default.requests),
            audit: kept(audit, default.audit),
            scrub: scrub.optional().map_or(default.scrub, |scrub| scrub.0),
            disk: disk.optional().map_or(default.disk, |disk| disk.check(reading)),
            anchors: anchors.optional().map_or(default.anchors, |anchors| anchors.check(reading)),
        }
    }
}

impl RawKept {
    fn check(self, default: Kept) -> Kept {
        let Self { table: _unused, keep, max_bytes } = self;
        Kept { keep: keep.or(default.keep), max_bytes: max_bytes.optional().or(default.max_bytes) }
    }
}

impl RawDisk {
    fn check(self, reading: &mut Reading<'_>) -> Disk {
        let Self { table: _unused, low, hard, ballast } = self;
        let key = hard.key();
        let disk = Disk { low: low.optional(), hard: hard.optional(), ballast: ballast.optional() };
        if let (Some(low), Some(hard), Some(key)) = (disk.low, disk.hard, key)
            && low.0 < hard.0
        {
            reading.findings.error(key, "\"hard\" is above \"low\"").help("write a \"low\" of at least \"hard\"");
        }
        disk
    }
}

impl RawCircuitLog {
    pub(crate) fn check(self) -> CircuitLog {
        let Self { table: _unused, requests, personal_data } = self;
        let default = CircuitLog::default();
        CircuitLog { requests: requests.or(default.requests), personal_data: personal_data.or(default.personal_data) }
    }
}

impl Default for CircuitLog {
    fn default() -> Self {
        Self { requests: LoggedRequests::All, personal_data: PersonalData::Full }
    }
}

impl Default for Logs {
    fn default() -> Self {
        let redact_query = REDACTED.iter().map(ToString::to_string).collect();
        Self {
            sync: SYNC,
            on_full: OnFull::Drop,
            stdout: false,
            redact_query,
            access: ACCESS,
            requests: REQUESTS,
            audit: AUDIT,
            scrub: Some(SCRUB),
            disk: Disk::default(),
            anchors: Anchors::default(),
        }
    }
}

impl Word for SyncEvery {
    const EXAMPLE: &str = "\"50ms\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let sync = units::duration_with_ms(text)?;
        if sync.is_zero() || sync > SYNC_MAX {
            return Err(Wrong::new(format!("{text:?} is out of range")).help("write a time from \"1ms\" to \"10s\""));
        }
        Ok(Self(sync))
    }
}

impl Word for ScrubEvery {
    const EXAMPLE: &str = "\"1m\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text == "off" {
            return Ok(Self(None));
        }
        let every = Duration::parse(text)?;
        if every > DAY {
            return Err(Wrong::new(format!("{text:?} is too long")).help("write at most \"1d\", or \"off\""));
        }
        Ok(Self(Some(every)))
    }
}

impl Word for FreeBytes {
    const EXAMPLE: &str = "\"1GiB\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text == "off" {
            return Ok(Self(0));
        }
        match ByteSize::parse(text) {
            Ok(ByteSize(bytes)) => Ok(Self(bytes)),
            Err(wrong) if text.starts_with('0') => Err(wrong.help("write \"off\", or a size such as \"1GiB\"")),
            Err(wrong) => Err(wrong),
        }
    }
}

impl fmt::Display for FreeBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { f.write_str("off") } else { ByteSize(self.0).fmt(f) }
    }
}

words!(SyncEvery, ScrubEvery, FreeBytes);
