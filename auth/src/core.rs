//! What lives longer than a configuration, and the thread that writes it behind.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::assertion::Assertions;
use crate::attempts::History;
use crate::bans::Bans;
use crate::clock::Clock;
use crate::error::Error;
use crate::geo::{GeoDb, Version};
use crate::grants::Grants;
use crate::hand_over::HandOvers;
use crate::keyed::Keyed;
use crate::limit::Registry;
use crate::lockout::Failures;
use crate::pending::Pending;
use crate::pool::Pool;
use crate::session::{Sessions, Store};
use crate::sso::{BackChannel, Directories, Starts, UsedLogouts};
use crate::state::{State, Table};
use crate::steps::{self, Turns};
use crate::totp;
use crate::uses::Uses;

/// Failure counters and last uses reach the disk at most this late.
const WRITE_BEHIND: Duration = Duration::from_millis(500);

pub(crate) struct Core {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) state: Arc<State>,
    pub(crate) keyed: Arc<Keyed>,
    pub(crate) sessions: Sessions,
    pub(crate) history: Arc<History>,
    pub(crate) pool: Pool,
    pub(crate) limits: Registry,
    pub(crate) uses: Arc<Uses>,
    pub(crate) bans: Bans,
    pub(crate) grants: Grants,
    pub(crate) assertions: Assertions,
    pub(crate) back_channel: Arc<dyn BackChannel>,
    pub(crate) directories: Directories,
    pub(crate) starts: Starts,
    pub(crate) unfinished: Pending<steps::Held>,
    pub(crate) totp: totp::Used,
    pub(crate) hooks: Turns,
    pub(crate) hand_overs: HandOvers,
    pub(crate) logouts: UsedLogouts,
    geo: Mutex<Option<Arc<GeoDb>>>,
    gates: AtomicU64,
    closing: Arc<Closing>,
}

#[derive(Default)]
struct Closing {
    closed: Mutex<bool>,
    told: Condvar,
}

impl Core {
    pub(crate) fn open(
        data_dir: &Path,
        clock: Arc<dyn Clock>,
        back_channel: Arc<dyn BackChannel>,
    ) -> Result<Self, Error> {
        let state = State::open(data_dir)?;
        let keyed = Arc::new(Keyed::open(&state)?);
        let store = Arc::new(Store::open(state.clone(), clock.clone(), keyed.clone())?);
        let failures = Failures::open(state.clone(), clock.clone())?;
        let history = Arc::new(History::new(failures, keyed.clone()));
        store.shared_addresses(|circuit, address| history.welcome(circuit, address))?;
        // What nobody reads whole here: a damaged one refuses the start, rather than the first who needs it.
        for table in [Table::ById, Table::ByPerson, Table::Used, Table::SecondFactor] {
            state.scan(table, &[], &[], |_, _| true)?;
        }
        let core = Self {
            limits: Registry::new(clock.clone()),
            uses: Arc::new(Uses::open(state.clone())?),
            bans: Bans::open(state.clone(), clock.clone())?,
            grants: Grants::open(state.clone(), clock.clone())?,
            assertions: Assertions::open(state.clone(), clock.now())?,
            clock,
            keyed,
            sessions: Sessions { store },
            history,
            pool: Pool::start()?,
            back_channel,
            directories: Directories::default(),
            starts: Starts::default(),
            unfinished: steps::room(),
            totp: totp::Used::new(state.clone()),
            hooks: Turns::default(),
            hand_overs: HandOvers::default(),
            logouts: UsedLogouts::default(),
            geo: Mutex::default(),
            gates: AtomicU64::new(0),
            closing: Arc::default(),
            state,
        };
        core.write_behind()?;
        Ok(core)
    }

    fn write_behind(&self) -> Result<(), Error> {
        let (closing, store, history) = (self.closing.clone(), self.sessions.store.clone(), self.history.clone());
        let (uses, state) = (self.uses.clone(), self.state.clone());
        let run = move || {
            while !closing.wait() {
                let written = history.failures.flush().and_then(|()| store.flush(false)).and_then(|()| uses.flush());
                let written = written.and_then(|()| state.look());
                if let Err(error) = written {
                    tracing::error!(error = &error as &dyn std::error::Error, "state cannot be written");
                }
            }
        };
        let thread = std::thread::Builder::new().name("auth-state".to_owned());
        thread.spawn(run).map(drop).map_err(Error::Threads)
    }

    /// A number that no gate had before.
    pub(crate) fn next_gate(&self) -> u64 {
        self.gates.fetch_add(1, Ordering::Relaxed)
    }

    /// The database behind `path`, read again only where the file changed.
    pub(crate) fn geo(&self, path: &Path) -> Option<Arc<GeoDb>> {
        let version = match Version::of(path) {
            Ok(version) => version,
            Err(error) => {
                tracing::error!(?path, %error, "geo database cannot be read");
                return None;
            }
        };
        let mut known = self.geo.lock();
        if let Some(geo) = known.as_ref().filter(|geo| *geo.version() == version) {
            return Some(geo.clone());
        }
        match GeoDb::open(version) {
            Ok(geo) => {
                let geo = Arc::new(geo);
                *known = Some(geo.clone());
                Some(geo)
            }
            Err(error) => {
                tracing::error!(?path, error, "geo database cannot be read");
                None
            }
        }
    }

    /// Addresses that the geo database was asked about and that are remembered.
    pub(crate) fn located(&self) -> u64 {
        self.geo.lock().as_ref().map_or(0, |geo| geo.remembered())
    }

    pub(crate) fn sweep(&self) -> Result<(), Error> {
        for limiter in self.limits.living() {
            limiter.sweep();
        }
        self.history.failures.sweep();
        self.state.close_files_to_others();
        self.sessions.store.sweep()
    }

    /// Writes everything and closes the database; a second call does nothing.
    pub(crate) fn close(&self) -> Result<(), Error> {
        if self.closing.close() {
            return Ok(());
        }
        let written = self.history.failures.flush().and_then(|()| self.sessions.store.flush(true));
        let written = written.and_then(|()| self.uses.flush());
        let closed = self.state.close();
        written.and(closed)
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(error = &error as &dyn std::error::Error, "state cannot be closed");
        }
    }
}

impl Closing {
    /// True once closed; else after a while.
    fn wait(&self) -> bool {
        let mut closed = self.closed.lock();
        if !*closed {
            self.told.wait_for(&mut closed, WRITE_BEHIND);
        }
        *closed
    }

    /// Returns what it was before.
    fn close(&self) -> bool {
        let before = std::mem::replace(&mut *self.closed.lock(), true);
        self.told.notify_all();
        before
    }
}
