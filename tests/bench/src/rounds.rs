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

/// Runs the rounds and prints the table.
pub(crate) fn measure(plan: &Plan) {
    if plan.rounds == 0 {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let origin = contender::origin(folder.path());
    let nginx = contender::nginx_proxy(folder.path(), origin.address);
    let minimal = contender::minimal(origin.address);
    let caddy = contender::caddy(folder.path(), origin.address);
    let gateway = contender::vestibule(origin.address);

    let mut contenders = vec![nginx.contender("nginx, access_log"), minimal.contender("minimal Pingora")];
    contenders.extend(contender::circuits(&gateway));
    contenders.extend(caddy.as_ref().map(|caddy| caddy.contender("caddy, log")));
    let mut figures: Vec<Figures> = contenders.iter().map(|_| Figures::default()).collect();
    for contender in &contenders {
        // Connections to the upstream, caches, and what else the first requests pay for.
        wrk::run(contender.address, &contender.headers, 1);
    }
    for _ in 0..plan.rounds {
        round(&contenders, &mut figures, plan.seconds);
    }

    println!("CPU per request, {} rounds of {} s, wrk -t1 -c64, 1 KiB:", plan.rounds, plan.seconds);
    println!("{:22} {:>9} {:>8} {:>11} {:>9} {:>9}", "", "µs", "× nginx", "× minimal", "req/s", "p99");
    for (contender, figures) in contenders.iter().zip(&figures) {
        let Figures { cost_us, to_nginx, to_minimal, rate, p99 } = figures;
        let [cost, nginx, minimal, rate] = [cost_us, to_nginx, to_minimal, rate].map(|values| median(values));
        println!("{:22} {cost:9.1} {nginx:8.2} {minimal:11.2} {rate:9.0} {p99:>9}", contender.name);
    }
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
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    if sorted.len() % 2 == 1 { at(middle) } else { f64::midpoint(at(middle - 1), at(middle)) }
}
