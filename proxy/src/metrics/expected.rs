//! Counters that are 0 before anything counts: a rate over a counter that is not there yet misses its first step.

use std::hash::Hash;
use std::sync::Arc;

use prometheus_client::metrics::family::Family;
use vestibule_auth::{FAILED_ANSWERS, LOGIN_LIMITS, Method, Reason};
use vestibule_config::{Circuit, Settings};
use vestibule_logstore::entry::words::RESULTS;

use super::certificates::ORDER_RESULTS;
use super::labels::{
    AttemptLabels, CauseLabels, CircuitLabels, DenialLabels, HookLabels, KindLabels, LimitLabels, ReasonLabels,
    ResultLabels, TaskLabels,
};
use super::{HOOK_RESULTS, Metrics};
use crate::admin::{REASONS, STREAMS};
use crate::edge::CAUSES;
use crate::housekeeping::TASKS;
use crate::{alerts, mail};

impl Metrics {
    /// Begins the counters of a configuration's circuits, but for those that were begun for the one before. Those of
    /// circuits that are gone stay.
    pub(crate) fn expect(&self, settings: &Settings, before: Option<&Settings>) {
        let are_counted = |circuit: &Circuit| before.is_some_and(|before| has_counters_of(before, circuit, settings));
        for circuit in settings.circuits.values().filter(|circuit| !are_counted(circuit)) {
            self.expect_circuit(circuit);
            if settings.failed_answers.is_some() {
                let circuit = circuit.name.shared();
                begin(&self.rate_limited, LimitLabels { circuit, limit: FAILED_ANSWERS.into() });
            }
        }
        for hook in settings.hooks.keys() {
            let labels = |result| HookLabels { hook: hook.shared(), result };
            HOOK_RESULTS.into_iter().for_each(|result| begin(&self.hook_calls, labels(result)));
        }
    }

    pub(super) fn expect_what_is_of_no_circuit(&self) {
        self.expect_denials(&Arc::default());
        REASONS.into_iter().for_each(|reason| begin(&self.admin_refused, ReasonLabels { reason }));
        alerts::RESULTS.into_iter().for_each(|result| begin(&self.alerts, ResultLabels { result }));
        mail::RESULTS.into_iter().for_each(|result| begin(&self.mails, ResultLabels { result }));
        TASKS.into_iter().for_each(|task| begin(&self.task_panics, TaskLabels { task }));
        STREAMS.into_iter().for_each(|kind| begin(&self.admin_streams, KindLabels { kind }));
        ORDER_RESULTS.into_iter().for_each(|result| begin(&self.certificate_orders, ResultLabels { result }));
        CAUSES.into_iter().for_each(|cause| begin(&self.http2_ended, CauseLabels { cause }));
    }

    fn expect_circuit(&self, circuit: &Circuit) {
        let name = circuit.name.shared();
        self.expect_denials(&name);
        begin(&self.disabled, CircuitLabels { circuit: name.clone() });
        for limit in &circuit.rate_limits {
            begin(&self.rate_limited, LimitLabels { circuit: name.clone(), limit: limit.name.shared() });
        }
        if circuit.is_protected() {
            self.expect_attempts(&name);
        }
    }

    fn expect_attempts(&self, circuit: &Arc<str>) {
        for limit in LOGIN_LIMITS {
            begin(&self.rate_limited, LimitLabels { circuit: circuit.clone(), limit: limit.into() });
        }
        for (method, result) in Method::ALL.into_iter().flat_map(|method| RESULTS.iter().map(move |it| (method, *it))) {
            begin(&self.attempts, AttemptLabels { circuit: circuit.clone(), method: method.code(), result });
        }
    }

    fn expect_denials(&self, circuit: &Arc<str>) {
        for reason in Reason::ALL {
            begin(&self.denials, DenialLabels { circuit: circuit.clone(), reason: reason.code() });
        }
    }
}

/// A metric that is made is on the page.
/// Whether the counters of a circuit are those of the circuit of this name before.
fn has_counters_of(before: &Settings, circuit: &Circuit, settings: &Settings) -> bool {
    let limits = |circuit: &Circuit| circuit.rate_limits.iter().map(|limit| limit.name.shared()).collect::<Vec<_>>();
    let was = before.circuits.get(&circuit.name);
    was.is_some_and(|was| was.is_protected() == circuit.is_protected() && limits(was) == limits(circuit))
        && before.failed_answers.is_some() == settings.failed_answers.is_some()
}

fn begin<S: Clone + Eq + Hash, M: Default>(family: &Family<S, M>, labels: S) {
    drop(family.get_or_create(&labels));
}
