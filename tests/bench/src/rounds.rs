//! CPU time per request, in interleaved rounds.

use crate::contender::{self, Contender};
use crate::{Plan, cpu, wrk};

/// Figures of one contender, a value per round.
#[derive(Default)]
struct Figures {
    cost_us: Vec<f64>,
    to_nginx: Vec<f64>,
    to_minimal: Vec<f64>,
    rate: Vec<f64>,
    p99: String,
}

/// Runs the rounds and prints the table. Every program is started anew `plan.starts` times: two processes of one
/// program differ by more than two rounds of one process.
pub(crate) fn measure(plan: &Plan) {
    if plan.rounds == 0 {
        return;
    }
    let mut figures = Vec::new();
    let mut names = Vec::new();
    for _ in 0..plan.starts {
        names = start(plan, &mut figures);
    }
    println!(
        "CPU per request, {} starts of {} rounds of {} s, wrk -t1 -c64, 1 KiB; medians, and of the ratio to minimal \
         Pingora also the quartiles:",
        plan.starts, plan.rounds, plan.seconds
    );
    println!(
        "{:22} {:>9} {:>8} {:>11} {:>13} {:>9} {:>9}",
        "", "µs", "× nginx", "× minimal", "quartiles", "req/s", "p99"
    );
    for (name, figures) in names.iter().zip(&figures) {
        let Figures { cost_us, to_nginx, to_minimal, rate, p99 } = figures;
        let [cost, nginx, minimal, rate] = [cost_us, to_nginx, to_minimal, rate].map(|values| median(values));
        let quartiles = [1, 3].map(|quarter| format!("{:.2}", quantile(to_minimal, quarter, 4))).join("–");
        println!("{name:22} {cost:9.1} {nginx:8.2} {minimal:11.2} {quartiles:>13} {rate:9.0} {p99:>9}");
    }
}

/// All rounds of one start of every contender, whose names it returns.
fn start(plan: &Plan, figures: &mut Vec<Figures>) -> Vec<&'static str> {
    let folder = tempfile::tempdir().unwrap();
    let origin = contender::origin(folder.path());
    let nginx = contender::nginx_proxy(folder.path(), origin.address);
    let minimal = contender::minimal(origin.address);
    let caddy = contender::caddy(folder.path(), origin.address);
    let gateway = contender::vestibule(origin.address);

    let mut contenders = vec![nginx.contender("nginx, access_log"), minimal.contender("minimal Pingora")];
    contenders.extend(contender::circuits(&gateway));
    contenders.extend(caddy.as_ref().map(|caddy| caddy.contender("caddy, log")));
    figures.resize_with(contenders.len(), Figures::default);
    for contender in &contenders {
        // Connections to the upstream, caches, and what else the first requests pay for.
        wrk::run(contender.address, &contender.headers, 1);
    }
    for _ in 0..plan.rounds {
        round(&contenders, figures, plan.seconds);
    }
    contenders.iter().map(|contender| contender.name).collect()
}

/// One round of each; ratios are taken within the round, so that a busy machine weighs on both sides.
fn round(contenders: &[Contender], figures: &mut [Figures], seconds: u64) {
    let mut costs = Vec::new();
    for (contender, figures) in contenders.iter().zip(figures.iter_mut()) {
        let before = cpu::microseconds(contender.process);
        let run = wrk::run(contender.address, &contender.headers, seconds);
        let cost = (cpu::microseconds(contender.process) - before) / run.requests;
        costs.push(cost);
        figures.cost_us.push(cost);
        figures.rate.push(run.rate);
        figures.p99 = run.p99;
    }
    let [nginx, minimal, ..] = costs.as_slice() else { return };
    for (cost, figures) in costs.iter().zip(figures.iter_mut()) {
        figures.to_nginx.push(cost / nginx);
        figures.to_minimal.push(cost / minimal);
    }
}

/// The middle one, or what lies between the middle two.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 1, 2)
}

/// What `part` of `parts` lie below; between two values what lies between them. Not a number for no values.
fn quantile(values: &[f64], part: usize, parts: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let (below, rest) = (last * part / parts, last * part % parts);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    let above = if rest == 0 { at(below) } else { at(below + 1) };
    at(below) + (above - at(below)) * rest as f64 / parts as f64
}
