//! Orders what is due, and asks the authority when it would like renewals, until the process ends.

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{Account, Error};
use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use vestibule_config::Host;
use vestibule_config::certificate::{AuthorityId, Certificate};

use super::authority::{self, Authority};
use super::schedule::{ASK_AFTER_FAILURE, ASK_LEAST, ASK_MOST, Window, later};
use super::{Acme, Held, order};
use crate::audit::{Act, Actor};
use crate::state::State;

/// Orders and questions on their way to the authority; what is due beyond them waits for its turn.
const AT_ONCE: usize = 4;
/// One of them, from its beginning to its end.
const TIMEOUT: Duration = Duration::from_secs(300);
/// What is due is looked at this often, however long nothing seems to be.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Runs beside the gateway.
pub(crate) async fn run(state: Arc<State>) {
    let mut jobs = JoinSet::new();
    let mut authority = None;
    loop {
        let wait = begin_what_is_due(&state, &mut authority, &mut jobs);
        tokio::select! {
            () = sleep(wait) => (),
            () = state.certificates.acme.changed.notified() => (),
            Some(ended) = jobs.join_next() => if let Err(error) = ended {
                tracing::error!(%error, "an order of a certificate broke off");
            },
        }
    }
}

/// Returns how long nothing else is due.
fn begin_what_is_due(state: &Arc<State>, authority: &mut Option<Arc<Authority>>, jobs: &mut JoinSet<()>) -> Duration {
    let live = state.live.load();
    let Some(authority) = current(state, live.settings.tls.acme.as_ref(), authority) else { return LOOK_EVERY };
    let now = state.clock.now();
    let mut next = later(now, LOOK_EVERY);
    if let Some(until) = authority.held_until() {
        return wait(now, next.min(until));
    }
    for work in state.certificates.acme.work(now) {
        if work.due > now {
            next = next.min(work.due);
        } else if jobs.len() < AT_ONCE {
            let turn = Turn::take(state.clone(), authority.clone(), work.host);
            jobs.spawn(turn.work(work.task));
        }
    }
    wait(now, next)
}

fn wait(now: Timestamp, until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(now)).unwrap_or_default()
}

/// The authority of the configuration in force; another one where it changed.
fn current(
    state: &State,
    settings: Option<&vestibule_config::tls::Acme>,
    known: &mut Option<Arc<Authority>>,
) -> Option<Arc<Authority>> {
    let wanted = settings.zip(state.certificates.acme.table.read().folder.clone());
    let Some((settings, folder)) = wanted else {
        *known = None;
        return None;
    };
    if !known.as_ref().is_some_and(|known| known.is_of(settings)) {
        *known = Some(Arc::new(Authority::new(settings.clone(), folder, state.clock.clone())));
    }
    known.clone()
}

/// Something to do for a host.
struct Work {
    host: Host,
    due: Timestamp,
    task: Task,
}

/// What.
#[derive(Debug, PartialEq, Eq)]
enum Task {
    /// The first certificate, or the next one.
    Order {
        /// What it replaces, where the authority wants to know.
        replaces: Option<AuthorityId>,
        first: bool,
    },
    /// Whether this one should be renewed early.
    Ask(AuthorityId),
}

impl Acme {
    /// For each host that nobody is busy with, what is due next.
    fn work(&self, now: Timestamp) -> Vec<Work> {
        let table = self.table.read();
        let idle = table.hosts.iter().filter(|(_, held)| !held.busy);
        let work = idle.map(|(host, held)| {
            let (due, task) = held.next(now);
            Work { host: host.clone(), due, task }
        });
        work.collect()
    }
}

impl Held {
    /// What is due next, and when.
    fn next(&self, now: Timestamp) -> (Timestamp, Task) {
        let due = self.due().unwrap_or(Timestamp::MIN);
        let id = self.certificate.as_ref().and_then(|certificate| certificate.id.clone());
        let ask = self.ask_again.unwrap_or(Timestamp::MIN);
        match id {
            Some(id) if due > now && ask < due => (ask, Task::Ask(id)),
            // An authority may refuse what names another certificate; after a failure none is named.
            id => {
                let replaces = id.filter(|_| self.advice.is_some() && self.failure.is_none());
                (due, Task::Order { replaces, first: self.certificate.is_none() })
            }
        }
    }
}

/// A host is busy while it lives.
struct Turn {
    state: Arc<State>,
    authority: Arc<Authority>,
    host: Host,
}

impl Turn {
    fn take(state: Arc<State>, authority: Arc<Authority>, host: Host) -> Self {
        let turn = Self { state, authority, host };
        turn.note(|held| held.busy = true);
        turn
    }

    fn note(&self, note: impl FnOnce(&mut Held)) {
        self.state.certificates.acme.note(&self.authority.folder, &self.host, note);
    }

    async fn work(self, task: Task) {
        match task {
            Task::Order { replaces, first } => self.order(replaces.as_ref(), first).await,
            Task::Ask(id) => self.ask(&id).await,
        }
    }

    async fn order(&self, replaces: Option<&AuthorityId>, first: bool) {
        tracing::info!(host = %self.host, first, "ordering a certificate");
        let began = self.state.clock.now();
        let made = timeout(TIMEOUT, self.certificate(replaces)).await;
        let made = made.unwrap_or_else(|_| Err("it takes too long".to_owned()));
        let action = if first { "certificate.issue" } else { "certificate.renew" };
        self.state.metrics.ordered(if made.is_ok() { "success" } else { "failed" });
        match made {
            Ok(certificate) => {
                let details = json!({
                    "issuer": &*certificate.issuer,
                    "serial": &*certificate.serial,
                    "not_after": certificate.not_after.to_string(),
                });
                tracing::info!(host = %self.host, serial = &*certificate.serial, not_after = %certificate.not_after, "certificate in force");
                self.note(|held| held.renewed(certificate));
                self.state.certificates.refresh(&self.state.live);
                self.record(began, action, "success", &details.to_string()).await;
            }
            Err(why) => {
                let mut again = None;
                self.note(|held| again = Some(held.failed(self.host.as_str(), why.clone(), self.state.clock.now())));
                let again = again.map(|again| format!("{again:.0}"));
                tracing::error!(host = %self.host, why, again, "no certificate");
                let details = json!({ "why": why, "again": again });
                self.record(began, action, "failed", &details.to_string()).await;
            }
        }
    }

    /// Ordered and kept.
    async fn certificate(&self, replaces: Option<&AuthorityId>) -> Result<Certificate, String> {
        let challenges = &self.state.certificates.acme.challenges;
        let placed = async { order::place(&self.account().await?, self.host.as_str(), replaces, challenges).await };
        let text = match placed.await {
            Ok(text) => text,
            Err(error) => {
                self.authority.failed(&error).await;
                return Err(authority::told(&error));
            }
        };
        let certificate = Certificate::read(&text, &text).map_err(|why| format!("what the authority made: {why}"))?;
        if !certificate.covers(self.host.as_str()) || certificate.not_after <= self.state.clock.now() {
            return Err("the authority made another certificate than was ordered".to_owned());
        }
        let (folder, host) = (self.authority.folder.clone(), self.host.clone());
        let kept = tokio::task::spawn_blocking(move || folder.keep_certificate(&host, &text)).await;
        if let Err(error) = kept.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            // It serves until the process ends, and another one is ordered then.
            tracing::error!(host = %self.host, %error, "the certificate cannot be kept on disk");
        }
        Ok(certificate)
    }

    async fn account(&self) -> Result<Account, Error> {
        self.authority.account().await
    }

    async fn ask(&self, id: &AuthorityId) {
        let asked = async { self.account().await?.renewal_info(&order::identifier(id)).await };
        let asked = timeout(TIMEOUT, asked).await;
        let now = self.state.clock.now();
        let (advice, pause) = match asked {
            Ok(Ok((info, pause))) => {
                let time = |time: i64| Timestamp::from_second(time).ok();
                let window = &info.suggested_window;
                let window = time(window.start.unix_timestamp()).zip(time(window.end.unix_timestamp()));
                (window.map(|(start, end)| Window { start, end }), pause.clamp(ASK_LEAST, ASK_MOST))
            }
            // It gives no advice.
            Ok(Err(Error::Unsupported(_))) => (None, ASK_MOST),
            Ok(Err(error)) => {
                tracing::warn!(host = %self.host, why = authority::told(&error), "no advice about renewal");
                self.authority.failed(&error).await;
                (None, ASK_AFTER_FAILURE)
            }
            Err(_) => (None, ASK_AFTER_FAILURE),
        };
        self.note(|held| held.advised(advice, later(now, pause)));
    }

    async fn record(&self, began: Timestamp, action: &str, status: &str, details: &str) {
        let act = Act {
            actor: &Actor::system(began),
            action_type: "security",
            action,
            resource_type: "secret",
            resource: Some(self.host.as_str()),
            status,
            http_status: None,
            before: None,
            after: None,
            details: Some(details),
            count: 1,
        };
        if let Err(error) = act.commit(&self.state).await {
            tracing::error!(error = &error as &dyn std::error::Error, "what became of an order is not recorded");
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.note(|held| held.busy = false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Good for ninety days from `now` on.
    fn certificate(now: Timestamp) -> Certificate {
        let made = rcgen::generate_simple_self_signed(["wiki.example.net".to_owned()]).unwrap();
        let mut read = Certificate::read(&made.cert.pem(), &made.signing_key.serialize_pem()).unwrap();
        (read.not_before, read.not_after) = (now, later(now, 90 * DAY));
        read.id = Some(AuthorityId { key: vec![1], serial: vec![2] });
        read
    }

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn a_host_without_a_certificate_has_one_ordered_and_after_a_failure_waits() {
        let now = "2026-11-23T12:00:00Z".parse().unwrap();
        let mut held = Held::default();
        assert_eq!(held.next(now), (Timestamp::MIN, Task::Order { replaces: None, first: true }));
        let again = held.failed("wiki.example.net", "refused".to_owned(), now);
        assert!(again > now);
        assert_eq!(held.next(now), (again, Task::Order { replaces: None, first: true }));
        held.renewed(certificate(now));
        assert!(held.failure.is_none());
    }

    #[test]
    fn a_certificate_is_renewed_when_the_authority_advises_or_by_its_life() {
        let now = "2026-11-23T12:00:00Z".parse().unwrap();
        let mut held = Held::found(Some(certificate(now)));
        let id = AuthorityId { key: vec![1], serial: vec![2] };
        assert_eq!(held.next(now), (Timestamp::MIN, Task::Ask(id.clone())), "advice is asked for first");
        held.advised(None, later(now, DAY));
        assert_eq!(held.next(now), (later(now, DAY), Task::Ask(id.clone())));
        let by_life = held.due().unwrap();
        assert!(by_life >= later(now, 60 * DAY) && by_life <= later(now, 64 * DAY));
        let order = |replaces| Task::Order { replaces, first: false };
        assert_eq!(held.next(by_life), (by_life, order(None)), "without advice nothing is named");

        held.advised(Some(Window { start: later(now, DAY), end: later(now, 2 * DAY) }), later(now, 3 * DAY));
        let advised = held.due().unwrap();
        assert!(advised >= later(now, DAY) && advised <= later(now, 2 * DAY));
        assert_eq!(held.next(now), (advised, order(Some(id))), "what is replaced is named");
        let again = held.failed("wiki.example.net", "refused".to_owned(), advised);
        assert_eq!(held.next(advised), (again, order(None)), "after a failure it is not");
    }
}
