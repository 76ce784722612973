//! Decides who may enter. Requests come in as a [`RequestView`], answers leave as a [`Decision`].
//!
//! A refusal is an answer, not an error. In doubt the answer is a refusal. Nothing here knows sockets, status codes
//! or pages; time is passed in through [`Clock`], and what goes to identity providers and hooks goes through
//! [`sso::BackChannel`].

mod account;
mod asking;
pub mod assertion;
mod attempts;
pub mod bans;
mod cache;
pub mod caller;
pub mod clock;
mod core;
pub mod cors;
mod cross_site;
mod erase;
pub mod error;
pub mod explain;
mod failed_answers;
pub mod gate;
pub mod geo;
pub mod grants;
pub mod hand_over;
pub mod hash;
mod kept;
mod keyed;
mod launcher;
mod limit;
mod lockout;
pub mod machine;
pub mod membership;
mod pending;
mod policy;
mod pool;
pub mod request;
mod rules;
pub mod session;
pub mod sign_in;
pub mod sso;
mod standing;
mod state;
pub mod steps;
pub mod totp;
pub mod uses;
pub mod verdict;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use asking::{Layer, Said};
pub use assertion::Assertion;
pub use attempts::LOGIN_LIMITS;
pub use caller::{Caller, Identity, Method};
pub use clock::{Clock, Hand, SystemClock};
pub use erase::Forgotten;
pub use error::Error;
pub use explain::{Explained, Question, Visitor};
pub use failed_answers::FAILED_ANSWERS;
pub use gate::{Front, Gate};
pub use geo::Location;
pub use hand_over::{Redeemed, Want, Wanted};
pub use launcher::Open;
pub use machine::{Machine, Record};
pub use policy::Policy;
pub use request::RequestView;
pub use session::{Session, SessionFilter, SessionId, Sessions};
pub use sign_in::{Credential, Outcome, Secret, SignIn, Verified};
pub use standing::Standing;
pub use verdict::{Budget, Decision, Kind, Permit, Reason, Refusal, Verdict};

/// What lives longer than a configuration: sessions, limiters, lock-outs, the hash pool.
#[derive(Clone)]
pub struct Auth {
    core: Arc<core::Core>,
}

impl Auth {
    /// Opens the state database in `data_dir/state`, a folder that nobody else can read. `back_channel` is the way to
    /// OpenID Connect providers.
    ///
    /// # Errors
    /// When it cannot be opened; another process may hold it.
    pub fn open(
        data_dir: &Path,
        clock: Arc<dyn Clock>,
        back_channel: Arc<dyn sso::BackChannel>,
    ) -> Result<Self, Error> {
        Ok(Self { core: Arc::new(core::Core::open(data_dir, clock, back_channel)?) })
    }

    /// The gates of one configuration. Limiters whose numbers did not change keep their counts while the policy
    /// before is alive. A geo database that cannot be read is no error: country rules refuse with `geo_unavailable`.
    pub fn policy(&self, settings: &vestibule_config::Settings) -> Policy {
        Policy::new(&self.core, settings)
    }

    /// Sessions of all circuits.
    pub fn sessions(&self) -> &Sessions {
        &self.core.sessions
    }

    /// Networks that are kept out.
    pub fn bans(&self) -> &bans::Bans {
        &self.core.bans
    }

    /// Temporary access.
    pub fn grants(&self) -> &grants::Grants {
        &self.core.grants
    }

    /// Lets an account try again from everywhere, now. How many addresses it was locked from; on disk when this returns
    /// (one sync: call it where blocking is allowed).
    ///
    /// # Errors
    /// When the state database refuses.
    pub fn unlock(&self, account: &str) -> Result<usize, Error> {
        self.core.history.unlock(account, &self.core.state)
    }

    /// The accounts among these that are locked somewhere, and until when at the latest.
    pub fn locked<'a>(&self, accounts: impl Iterator<Item = &'a str>) -> Vec<(&'a str, jiff::Timestamp)> {
        self.core.history.locked(accounts)
    }

    /// Last uses of tokens.
    pub fn uses(&self) -> &uses::Uses {
        &self.core.uses
    }

    /// Public keys of the assertions as a JSON Web Key Set: the one that signs, the one before, and the next once it is
    /// made.
    pub fn assertion_keys(&self) -> Arc<str> {
        self.core.assertions.key_set()
    }

    /// Housekeeping; once a minute is right. A key signs for `age`; its successor is published a day before it signs.
    /// What changed, if anything did.
    ///
    /// # Errors
    /// When the state database refuses; then the keys stay as they are.
    pub fn rotate_assertion_keys(&self, age: Duration) -> Result<Option<assertion::Rotated>, Error> {
        self.core.assertions.rotate(self.core.clock.now(), age)
    }

    /// What stands in entries in place of what names a person: the same for the same text as long as the state
    /// database is, and of no use to those who do not have it. `h:` and 16 hex digits.
    pub fn pseudonym(&self, text: &str) -> String {
        let [a, b, c, d, e, f, g, h, ..] = self.core.keyed.hash(keyed::Purpose::Person, text.as_bytes());
        format!("h:{}", keyed::hex(&[a, b, c, d, e, f, g, h]))
    }

    /// Numbers for the metrics page.
    pub fn figures(&self) -> Figures {
        let core = &self.core;
        let limiters = core.limits.living();
        let [wanted_sign_ins, hand_over_codes, counted_returns] = core.hand_overs.counts();
        let keys = |limiter: &Arc<limit::Limiter>| (limiter.name.to_string(), limiter.keys() as u64);
        Figures {
            damaged: core.state.whole().is_err(),
            sessions: core.sessions.store.live_count(),
            cached_sessions: core.sessions.store.cached_count(),
            cached_locations: core.located(),
            cached_assertions: core.assertions.cached(),
            signed_assertions: core.assertions.signed(),
            limiter_keys: limiters.iter().map(keys).collect(),
            limiter_evictions: core.limits.evictions(),
            started_sign_ins: core.starts.count(),
            grants: core.grants.count(),
            pending_sign_ins: core.unfinished.count(),
            running_hooks: core.hooks.running(),
            wanted_sign_ins,
            hand_over_codes,
            counted_returns,
            hash_queue: core.pool.waiting() as u64,
            hash_queue_full: core.pool.turned_away(),
            hashes: core.pool.made(),
        }
    }

    /// Housekeeping, a bounded piece a call; once a minute is right. Marks expired sessions, drops ended ones after
    /// 30 days and idle limiter keys.
    ///
    /// # Errors
    /// When the state database refuses.
    pub fn sweep(&self) -> Result<(), Error> {
        self.core.sweep()
    }

    /// Which file of the state database is not what was written, and what to do, for the operator. From then on no
    /// session opens anything, until the program is started on whole files.
    pub fn damage(&self) -> Option<String> {
        self.core.state.whole().err().map(|error| error.to_string())
    }

    /// A copy of the state database as it is now, in a folder that is not there yet; the latest uses of sessions, which
    /// are in memory, are not in it. Blocks.
    ///
    /// # Errors
    /// When the disk refuses, or the database is closed.
    pub fn copy_state_to(&self, dir: &Path) -> Result<(), Error> {
        self.core.state.copy_to(dir)
    }

    /// Writes what is only in memory (last use of sessions, failure counters) and closes the database, also for the
    /// clones: from then on no session opens anything. A second call does nothing.
    ///
    /// # Errors
    /// When the last write fails.
    pub fn close(&self) -> Result<(), Error> {
        self.core.close()
    }
}

/// Numbers for the metrics page.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// See [`Auth::damage`].
    pub damaged: bool,
    /// Live sessions; those whose time is over count until a request or a sweep finds them.
    pub sessions: u64,
    /// Sessions in memory; the others cost a read of the database.
    pub cached_sessions: u64,
    /// Addresses whose place is in memory.
    pub cached_locations: u64,
    /// Signed assertions in memory.
    pub cached_assertions: u64,
    /// Assertions signed since start.
    pub signed_assertions: u64,
    /// Keys held by each limit, by the limit's name.
    pub limiter_keys: Vec<(String, u64)>,
    /// Keys dropped from a full limiter since start.
    pub limiter_evictions: u64,
    /// Sign-ins at providers that were started and not finished, those that are over too.
    pub started_sign_ins: u64,
    /// Grants in force.
    pub grants: u64,
    /// Sign-ins that wait for a code or a purpose, those that are over too.
    pub pending_sign_ins: u64,
    /// Questions to hooks without an answer yet.
    pub running_hooks: u64,
    /// Browsers that were sent to the login host and did not come back, those whose time is over too.
    pub wanted_sign_ins: u64,
    /// Codes for the way back that were not used, those whose time is over too.
    pub hand_over_codes: u64,
    /// Browsers that were given a session by a code and whose returns are counted.
    pub counted_returns: u64,
    /// Credentials waiting for the hash pool now.
    pub hash_queue: u64,
    /// Credentials turned away because the queue was full, since start.
    pub hash_queue_full: u64,
    /// Secrets compared with a hash since start, the one in place of what nobody has too.
    pub hashes: u64,
}
