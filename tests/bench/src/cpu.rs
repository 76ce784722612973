//! Time of processes, from `/proc`.

use std::collections::BTreeSet;
use std::fs;

/// Ticks of `/proc/PID/stat` in a second: `USER_HZ`, 100 on every Linux that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time of a process and all its descendants so far, in microseconds.
pub(crate) fn microseconds(root: u32) -> f64 {
    let ticks: f64 = tree(root).into_iter().filter_map(|id| stat(id).map(|(_, ticks)| ticks)).sum();
    ticks / TICKS_PER_SECOND * 1e6
}

/// Resident memory of a process and all its descendants, in KiB.
pub(crate) fn resident_kib(root: u32) -> u64 {
    tree(root).into_iter().filter_map(resident).sum()
}

fn tree(root: u32) -> BTreeSet<u32> {
    let numbered = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    let all: Vec<(u32, u32)> = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(numbered)
        .filter_map(|id| stat(id).map(|(parent, _)| (id, parent)))
        .collect();
    let mut found = BTreeSet::from([root]);
    loop {
        let before = found.len();
        found.extend(all.iter().filter(|(_, parent)| found.contains(parent)).map(|(id, _)| *id).collect::<Vec<_>>());
        if found.len() == before {
            return found;
        }
    }
}

/// Parent, and user plus system ticks.
fn stat(id: u32) -> Option<(u32, f64)> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in parentheses may hold spaces.
    let fields: Vec<_> = text.rsplit_once(") ")?.1.split(' ').collect();
    let number = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((fields.get(1)?.parse().ok()?, number(11)? + number(12)?))
}

fn resident(id: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().trim_end_matches(" kB").parse().ok()
}
