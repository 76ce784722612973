//! Who is let in, to what, and for how long.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use vestibule_config::admin::{LogName, Role};

use super::from_here::{host_is_ours, must_come_from_here};
use super::holder::{Holder, holder, role_name};
use crate::admin::Port;
use crate::admin::pages::sign_ins::SignedIn;
use crate::admin::problem::Problem;
use crate::audit::Actor;
use crate::cookie;
use crate::state::State;

/// Somebody who was let in.
pub(crate) struct Pass {
    holder: Holder,
    pub(in crate::admin) role: Role,
    least: Role,
    log: Option<LogName>,
    /// The sign-in through which it came, at the pages.
    pub(in crate::admin) signed_in: Option<Arc<SignedIn>>,
}

impl Pass {
    /// Whether its role is at least this.
    pub(crate) fn is(&self, role: Role) -> bool {
        self.role >= role
    }

    /// Refuses what only an auditor may.
    pub(crate) fn must_be(&self, role: Role) -> Result<(), Problem> {
        if self.is(role) {
            return Ok(());
        }
        Err(Problem::forbidden(format!("this needs the role {:?}", role_name(role))))
    }

    /// For whom it stands.
    pub(in crate::admin) fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Whether it would be let in again now: for answers that go on.
    pub(crate) fn still_opens(&self, state: &State) -> bool {
        if self.signed_in.as_ref().is_some_and(|signed_in| !signed_in.lasts(state.clock.elapsed())) {
            return false;
        }
        let granted = self.holder.granted(&state.live.load());
        granted.is_some_and(|granted| granted.role >= self.least && self.log.is_none_or(|log| granted.reads(log)))
    }
}

/// How a route is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// `Authorization`: programs.
    Bearer,
    /// The cookie of a sign-in: the pages. No other route looks at it.
    Cookie,
}

/// What a route wants of who comes.
pub(super) struct Wanted {
    pub(super) least: Role,
    pub(super) log: Option<LogName>,
    pub(super) by: By,
}

/// Checks in this order, so that a foreign page learns nothing about tokens; the answer is the pass and what it may
/// read.
pub(super) fn enter(
    port: &Port,
    request: &Parts,
    actor: &mut Actor,
    wanted: Wanted,
) -> Result<(Pass, Option<Vec<LogName>>), Problem> {
    let live = port.state.live.load();
    let admin = &live.settings.admin;
    if !host_is_ours(admin, &request.uri, &request.headers) {
        return Err(Problem::misdirected());
    }
    let Wanted { least, log, by } = wanted;
    let (holder, signed_in) = match by {
        By::Bearer => {
            let sent = bearer(&request.headers);
            let sent = sent.ok_or_else(|| Problem::unauthorized("send Authorization: Bearer TOKEN"))?;
            (holder(admin, sent).ok_or_else(|| wrong_token(port, actor.source_ip))?, None)
        }
        By::Cookie => {
            let signed_in = signed_in(port, &request.headers).ok_or_else(not_signed_in)?;
            (signed_in.holder().clone(), Some(signed_in))
        }
    };
    let granted = holder.granted(&live).ok_or_else(not_signed_in)?;
    (actor.name, actor.kind) = (holder.name().to_owned(), holder.kind());
    if signed_in.is_some() {
        must_come_from_here(request)?;
    }
    if let Some(address) = actor.source_ip {
        holder.note_use(&port.state.auth, actor.started, address);
    }
    let pass = Pass { holder, role: granted.role, least, log, signed_in };
    pass.must_be(least)?;
    match log {
        Some(log) if !granted.reads(log) => Err(Problem::forbidden(format!("{} does not read this log", actor.name))),
        Some(_) | None => Ok((pass, granted.logs)),
    }
}

fn not_signed_in() -> Problem {
    Problem::unauthorized("sign in first")
}

/// Whoever signed in is let in as long as the configuration has the token or the operator of the sign-in.
fn signed_in(port: &Port, headers: &HeaderMap) -> Option<Arc<SignedIn>> {
    port.sign_ins.find(cookie::find_admin(headers)?, port.state.clock.elapsed())
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?.as_bytes(), values.next()) else { return None };
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

pub(in crate::admin) fn wrong_token(port: &Port, address: Option<IpAddr>) -> Problem {
    let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    match port.throttle.wrong(address, port.state.clock.elapsed()) {
        Some(wait) => Problem::too_many("too many wrong tokens from this address", wait.as_secs().saturating_add(1)),
        None => Problem::unauthorized("this token is not known"),
    }
}
