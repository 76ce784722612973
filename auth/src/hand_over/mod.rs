//! One sign-in for all hosts: a circuit sends a browser to the login host, which sends it back with a code.
//!
//! What the circuit wants is kept here under an id, and never travels; the code is good once, for a minute, at the host
//! and circuit that asked, in the browser that they marked with a cookie before. The session that it opens is the
//! circuit's own, and ends with the sign-in at the login host. A restart forgets ids and codes: people open the page
//! once more.

mod code;
mod rounds;
mod wanted;

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

pub use code::Redeemed;
pub use wanted::{Want, Wanted};

use crate::gate::Gate;
use crate::pending::{Bounds, Pending};
use crate::session::Live;
use crate::sso::seal;
use code::Code;
use rounds::Rounds;
use wanted::Kept;

/// As long as a sign-in at a provider may take. At most two kilobytes and a half each.
const WANTED: Bounds = Bounds { ttl: crate::sso::TTL, per_browser: 32, per_address: 500, in_all: 20_000 };

/// Who gives codes away has signed in; tabs come back at the same time.
const CODES: Bounds = Bounds { ttl: Duration::from_secs(60), per_browser: 32, per_address: 1000, in_all: 20_000 };

/// What is on its way between hosts.
pub(crate) struct HandOvers {
    wanted: Pending<Kept>,
    codes: Pending<Code>,
    rounds: Rounds,
}

impl Default for HandOvers {
    fn default() -> Self {
        Self { wanted: Pending::new(WANTED), codes: Pending::new(CODES), rounds: Rounds::default() }
    }
}

impl HandOvers {
    /// Requests of circuits, codes, and browsers whose returns are counted.
    pub(crate) fn counts(&self) -> [u64; 3] {
        [self.wanted.count(), self.codes.count(), self.rounds.count()]
    }
}

impl Gate {
    /// The sign-in behind a session, with its cookie: the one at the login host, else the session itself. Absent where
    /// that cannot be known.
    pub(crate) fn sign_in_behind(&self, live: &Arc<Live>, cookie: &str) -> Option<(Arc<Live>, Zeroizing<String>)> {
        let Some(root) = &live.root else { return Some((live.clone(), Zeroizing::new(cookie.to_owned()))) };
        let root_cookie = seal::open::<String>(root.sealed.as_deref()?, cookie)?;
        let (_, root) = self.core.sessions.store.root_of(live).ok()??;
        Some((root, Zeroizing::new(root_cookie)))
    }
}
