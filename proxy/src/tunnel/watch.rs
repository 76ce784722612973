//! Asks again about what lasts: a logout, a ban, another configuration and the end of a session or a circuit reach it as
//! they reach the next request.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use vestibule_auth::sso::Rechecked;
use vestibule_auth::{Reason, Standing};

use super::lasting::Running;
use crate::attempt::{self, Scene};
use crate::routes::{Found, Route};
use crate::state::{Live, State};

/// Well within the second in which what may not go on ends.
const LOOK_EVERY: Duration = Duration::from_millis(400);

/// Decisions before others have their turn.
const AT_ONCE: usize = 64;

/// Looks, until the process ends.
pub(crate) async fn run(state: Arc<State>) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        look(&state).await;
    }
}

async fn look(state: &Arc<State>) {
    for some in state.lasting.all().chunks(AT_ONCE) {
        let live = state.live.load_full();
        for running in some {
            look_at(state, &live, running);
        }
        tokio::task::yield_now().await;
    }
}

fn look_at(state: &Arc<State>, live: &Arc<Live>, running: &Arc<Running>) {
    if running.is_overdue(state.clock.elapsed()) {
        return end(state, running, Reason::HeadTimeout);
    }
    let route = match route(state, live, running) {
        Ok(route) => route,
        Err(reason) => return end(state, running, reason),
    };
    match route.gate.still(&running.remembered.view(), running.is_used()) {
        Standing::Holds => (),
        Standing::Recheck => recheck(state, live, running, route),
        Standing::Over(refusal) => end(state, running, refusal.reason),
    }
}

/// Who answers for it now.
fn route(state: &State, live: &Live, running: &Running) -> Result<Arc<Route>, Reason> {
    let (host, path) = (&running.remembered.host, &running.remembered.path);
    let site = match live.routes.find(host, &*state.clock) {
        Found::Open(_, site) => site,
        Found::Expired(..) => return Err(Reason::CircuitExpired),
        Found::Disabled(_) | Found::Unknown => return Err(Reason::CircuitNotFound),
    };
    site.serving(path).map(|(_, route)| route.clone()).ok_or(Reason::MalformedRequest)
}

fn end(state: &State, running: &Running, reason: Reason) {
    let request_id = running.remembered.request_id.to_str().unwrap_or_default();
    tracing::debug!(request_id, reason = reason.code(), "a request that lasts is ended");
    state.metrics.ended(reason);
    running.end(reason);
}

/// Beside the looking: a provider takes its time. One question at a time for each.
fn recheck(state: &Arc<State>, live: &Arc<Live>, running: &Arc<Running>, route: Arc<Route>) {
    if running.is_asking.swap(true, Ordering::AcqRel) {
        return;
    }
    let (state, live, running) = (state.clone(), live.clone(), running.clone());
    tokio::spawn(async move {
        match route.gate.recheck(&running.remembered.view()).await {
            Rechecked::Known => (),
            Rechecked::Unanswered(refusal) => end(&state, &running, refusal.reason),
            // The session is over: the next look finds that.
            Rechecked::Gone => record_gone(&state, &live, &running, &route).await,
        }
        running.is_asking.store(false, Ordering::Release);
    });
}

async fn record_gone(state: &State, live: &Live, running: &Running, route: &Route) {
    let remembered = &running.remembered;
    let (Some(session), Some(location)) = (&remembered.session, &remembered.location) else { return };
    let scene = Scene {
        time_us: state.clock.now().as_microsecond(),
        request_id: remembered.request_id.to_str().unwrap_or_default(),
        source_ip: remembered.client,
        location,
        user_agent: attempt::user_agent(&remembered.headers),
        revision: &live.settings.revision,
        circuit: &route.circuit,
        access: route.gate.access(),
        host: &remembered.host,
        attempt: None,
        purpose: None,
    };
    if let Err(error) = attempt::not_known_any_more(state, &scene, session).await {
        tracing::error!(error = &error as &dyn std::error::Error, "the end of a session is not recorded");
    }
}
