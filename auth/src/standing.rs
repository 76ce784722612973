//! Requests that last: a tunnel or a long answer was let in once, and is asked about again while it goes on.
//!
//! The layers are those of [`Gate::decide`], without the limits, which count beginnings, and without entries in the
//! access log: nobody tries anything.

use crate::gate::Gate;
use crate::request::RequestView;
use crate::session::Found;
use crate::verdict::{Kind, Reason, Refusal};

/// Whether what was let in may go on.
#[derive(Debug)]
pub enum Standing {
    /// It may.
    Holds,
    /// It may, but the session's provider is to be asked ([`Gate::recheck`]).
    Recheck,
    /// It may not, from now on.
    Over(Refusal),
}

impl Gate {
    /// The decision of now about a request that was let in before. `is_used`: its client has sent something since the
    /// last time, which counts as a use of its session; a tunnel on which nothing moves keeps no session alive.
    pub fn still(&self, request: &RequestView<'_>, is_used: bool) -> Standing {
        match self.still_admits(request, is_used) {
            Ok(true) => Standing::Recheck,
            Ok(false) => Standing::Holds,
            Err(refusal) => Standing::Over(refusal),
        }
    }

    /// Whether the provider is to be asked.
    fn still_admits(&self, request: &RequestView<'_>, is_used: bool) -> Result<bool, Refusal> {
        if let Some(refusal) = self.closed().or_else(|| self.address_rules_refuse(request)) {
            return Err(refusal);
        }
        if self.list.is_none() {
            return Ok(false);
        }
        if let Some(shown) = self.still_shown(request) {
            return shown.map(|()| false);
        }
        let found = match request.cookie {
            Some(cookie) => self.found(self.again(cookie, is_used)),
            None => Err(self.refuse(Reason::NoCredentials, Kind::SignIn, "access")),
        };
        match found {
            Ok(Some(live)) => {
                self.judge(&live).outcome.clone()?;
                Ok(self.is_recheck_due(&live))
            }
            Ok(None) => Ok(false),
            Err(refusal) if refusal.kind == Kind::SignIn && self.trusts(request) => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }

    fn again(&self, cookie: &str, is_used: bool) -> Found {
        let (store, limits) = (&self.core.sessions.store, &self.circuit.session);
        if is_used { store.find(cookie, &self.name, limits) } else { store.peek(cookie, &self.name, limits) }
    }
}
