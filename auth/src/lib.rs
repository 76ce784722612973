//! Decides who may enter. Requests come in as a [`RequestView`], answers leave as a [`Decision`].
//!
//! A refusal is an answer, not an error. In doubt the answer is a refusal. Nothing here knows sockets, status codes
//! or pages; time is passed in through [`Clock`].

pub mod caller;
pub mod clock;
pub mod error;
pub mod gate;
pub mod geo;
pub mod hash;
pub mod limit;
pub mod request;
pub mod session;
pub mod sign_in;
pub mod verdict;

use std::path::Path;
use std::sync::Arc;

pub use caller::{Caller, Identity, Method};
pub use clock::{Clock, Hand, SystemClock};
pub use error::Error;
pub use gate::Gate;
pub use geo::Location;
pub use request::RequestView;
pub use session::{Session, SessionFilter, SessionId, Sessions};
pub use sign_in::{Credential, Outcome, Secret, SignIn, Verified};
pub use verdict::{Budget, Decision, Kind, Permit, Reason, Refusal, Verdict};

/// What lives longer than a configuration: sessions, limiters, lock-outs, the hash pool.
#[derive(Clone)]
pub struct Auth {}

impl Auth {
    /// Opens the state database in `data_dir/state`.
    ///
    /// # Errors
    /// When it cannot be opened; another process may hold it.
    pub fn open(_data_dir: &Path, _clock: Arc<dyn Clock>) -> Result<Self, Error> {
        todo!()
    }

    /// The gates of one configuration. Limiters whose numbers did not change keep their counts.
    /// A geo database that cannot be read is no error: country rules refuse with `geo_unavailable`.
    pub fn policy(&self, _settings: &vestibule_config::Settings) -> Policy {
        todo!()
    }

    /// Sessions of all circuits.
    pub fn sessions(&self) -> &Sessions {
        todo!()
    }

    /// Numbers for the metrics page.
    pub fn figures(&self) -> Figures {
        todo!()
    }

    /// Housekeeping, a bounded piece a call; once a minute is right. Marks expired sessions, drops ended ones after
    /// 30 days and idle limiter keys.
    ///
    /// # Errors
    /// When the state database refuses.
    pub fn sweep(&self) -> Result<(), Error> {
        todo!()
    }

    /// Writes what is only in memory (last use of sessions, failure counters) and closes the database.
    ///
    /// # Errors
    /// When the last write fails.
    pub fn close(&self) -> Result<(), Error> {
        todo!()
    }
}

/// Numbers for the metrics page.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Live sessions.
    pub sessions: u64,
    /// Keys held by each limit, by the limit's name.
    pub limiter_keys: Vec<(String, u64)>,
    /// Keys dropped from a full limiter since start.
    pub limiter_evictions: u64,
    /// Credentials waiting for the hash pool now.
    pub hash_queue: u64,
    /// Credentials turned away because the queue was full, since start.
    pub hash_queue_full: u64,
}

/// The gates of one configuration; swapped whole at a reload.
pub struct Policy {}

impl Policy {
    /// The gate of a circuit.
    pub fn gate(&self, _circuit: &str) -> Option<&Arc<Gate>> {
        todo!()
    }

    /// Where an address is, for entries of requests that reach no gate.
    pub fn locate(&self, _address: std::net::IpAddr) -> Location {
        todo!()
    }

    /// False while a configured geo database cannot be read.
    pub fn geo_ready(&self) -> bool {
        todo!()
    }
}
