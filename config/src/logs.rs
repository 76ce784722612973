//! `[logs]`.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::secret::SecretReference;
use crate::shape::shape;
use crate::units::{self, ByteSize};
use crate::word::{Word, Wrong, spellings, words};

/// `[logs]`. Retention keys are not available yet.
#[derive(Debug, Clone)]
pub struct Logs {
    /// Group commit of request entries.
    pub sync: Duration,
    /// What happens to a request entry when the queue is full.
    pub on_full: OnFull,
    /// Names of query parameters whose values are never stored; lower-case.
    pub redact_query: BTreeSet<String>,
}

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
        redact_query: Vec<String>,
    }
    later {
        stdout: bool = false => "read the logs with \"vestibule logs -f -o json\"",
        access: RawKept => KEPT,
        requests: RawKept => KEPT,
        audit: RawKept => KEPT,
        anchors: RawAnchors => "copy the data folder to keep what it holds",
    }
}

shape! {
    /// What `[logs.access]` and its like may say.
    pub(crate) unread struct RawKept {
        keep: Duration,
        max_bytes: ByteSize,
    }
}

shape! {
    /// What `[logs.anchors]` may say.
    pub(crate) unread struct RawAnchors {
        every: Duration,
        entries: NonZeroU32,
        to: Vec<String>,
        s3: RawBucket,
    }
}

shape! {
    /// What `[logs.anchors.s3]` may say.
    pub(crate) unread struct RawBucket {
        endpoint: String,
        region: String,
        access_key: SecretReference,
        secret_key: SecretReference,
        mode: ObjectLock,
        retain: Duration,
    }
}

/// `mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectLock {
    Compliance,
}

spellings!(read ObjectLock { "compliance" => Compliance });

/// Retention promises that older entries are gone, so that not even its default is taken while nothing removes them.
const KEPT: &str = "leave it out: everything is kept";

/// `sync`: from 1 ms to 10 s.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SyncEvery(Duration);

const SYNC: Duration = Duration::from_millis(50);
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

impl RawLogs {
    pub(crate) fn check(self) -> Logs {
        let Self { table: _unused, sync, on_full, redact_query } = self;
        let default = Logs::default();
        let redact_query = redact_query.optional().map(|names| names.iter().map(|name| name.to_lowercase()).collect());
        Logs {
            sync: sync.optional().map_or(default.sync, |sync| sync.0),
            on_full: on_full.or(default.on_full),
            redact_query: redact_query.unwrap_or(default.redact_query),
        }
    }
}

impl Default for Logs {
    fn default() -> Self {
        let redact_query = REDACTED.iter().map(ToString::to_string).collect();
        Self { sync: SYNC, on_full: OnFull::Drop, redact_query }
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

words!(SyncEvery);
