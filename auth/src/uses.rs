//! When tokens were used last.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use rocksdb::WriteBatch;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::state::{State, Table};

/// Uses closer together than this are one, in milliseconds.
const NOTE_EVERY_MS: i64 = 1_000;

/// Last uses by `service:NAME` and `admin:NAME`. One a name of the configuration in force.
pub struct Uses {
    state: Arc<State>,
    rows: Mutex<HashMap<String, Arc<Use>>>,
    /// Names whose rows are still on disk; taken away by the next flush.
    gone: Mutex<Vec<String>>,
}

/// The last use of one token.
pub struct Use(Mutex<Last>);

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Last {
    /// Milliseconds since 1970; 0: never.
    at_ms: i64,
    address: IpAddr,
    #[serde(skip)]
    written: bool,
}

impl Uses {
    pub(crate) fn open(state: Arc<State>) -> Result<Self, Error> {
        let mut rows = HashMap::new();
        state.scan(Table::TokenUse, &[], &[], |name, value| {
            let name = std::str::from_utf8(name).map(str::to_owned);
            if let (Ok(name), Ok(last)) = (name, serde_json::from_slice::<Last>(value)) {
                rows.insert(name, Arc::new(Use(Mutex::new(Last { written: true, ..last }))));
            }
            true
        })?;
        Ok(Self { state, rows: Mutex::new(rows), gone: Mutex::default() })
    }

    /// The one of this name, never used if it is new.
    pub fn of(&self, name: &str) -> Arc<Use> {
        let never = || Last { at_ms: 0, address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), written: true };
        let mut rows = self.rows.lock();
        rows.entry(name.to_owned()).or_insert_with(|| Arc::new(Use(Mutex::new(never())))).clone()
    }

    /// Forgets the names that the configuration in force does not have.
    pub fn keep(&self, is_known: impl Fn(&str) -> bool) {
        let mut rows = self.rows.lock();
        self.gone.lock().extend(rows.extract_if(|name, _| !is_known(name)).map(|(name, _)| name));
    }

    pub(crate) fn flush(&self) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        // A name that came back meanwhile is written again below.
        self.gone.lock().drain(..).for_each(|name| batch.delete(Table::TokenUse.key(name.as_bytes())));
        for (name, one) in self.rows.lock().iter() {
            let mut last = one.0.lock();
            if !std::mem::replace(&mut last.written, true) {
                batch.put(Table::TokenUse.key(name.as_bytes()), serde_json::to_vec(&*last).unwrap_or_default());
            }
        }
        if batch.is_empty() { Ok(()) } else { self.state.write(batch) }
    }
}

impl Use {
    /// It is used now.
    pub fn note(&self, now: Timestamp, address: IpAddr) {
        let mut last = self.0.lock();
        let at_ms = now.as_millisecond();
        if at_ms.saturating_sub(last.at_ms) >= NOTE_EVERY_MS {
            *last = Last { at_ms, address, written: false };
        }
    }

    /// When and from where; absent: never.
    pub fn last(&self) -> Option<(Timestamp, IpAddr)> {
        let Last { at_ms, address, .. } = *self.0.lock();
        Timestamp::from_millisecond(at_ms).ok().filter(|_| at_ms > 0).map(|at| (at, address))
    }
}
