//! What the audit log says was done to logs, and what was done to them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Finding, Kind, LogReport};
use crate::entry::Log;
use crate::erase::{STATED, runs, runs_in};
use crate::erased::is_erased;
use crate::retention::PRUNED;
use crate::row::{Stored, Value as Held};
use crate::succession::CHANGED;

/// What the audit log says.
#[derive(Default)]
pub(super) struct Statements {
    /// Removed by the rules are the entries before these, by [`Log::index`].
    pruned: [u64; 3],
    /// Erased are these, by [`Log::index`].
    erased: [BTreeSet<(u64, u64)>; 3],
    /// So often the key was changed.
    successions: u64,
}

/// What the entries of one log tell besides their hashes.
#[derive(Default)]
pub(super) struct Told {
    /// Positions whose content was erased.
    pub(super) erased: Vec<u64>,
    pub(super) statements: Statements,
}

impl Told {
    pub(super) fn see(&mut self, log: Log, seq: u64, bytes: &[u8]) {
        if is_erased(bytes) {
            self.erased.push(seq);
        } else if log == Log::Audit {
            self.statements.read(bytes);
        }
    }

    pub(super) fn add(&mut self, more: Self) {
        self.erased.extend(more.erased);
        for (known, more) in self.statements.pruned.iter_mut().zip(more.statements.pruned) {
            *known = more.max(*known);
        }
        self.statements.successions = self.statements.successions.max(more.statements.successions);
        for (known, more) in self.statements.erased.iter_mut().zip(more.statements.erased) {
            known.extend(more);
        }
    }
}

impl Statements {
    fn read(&mut self, entry: &[u8]) {
        let text = |name| match Log::Audit.field(name).and_then(|field| Stored::of(entry).value(field)) {
            Some(Held::Text(text) | Held::Json(text)) => Some(text),
            Some(Held::Id(_) | Held::Number(_) | Held::Time(_) | Held::Address(_)) | None => None,
        };
        let action = text("action").filter(|action| [PRUNED, STATED, CHANGED].contains(action));
        let details: Option<Value> = action.and_then(|_| serde_json::from_str(text("details")?).ok());
        let Some(details) = details else { return };
        if action == Some(CHANGED) {
            let number = details.get("succession").and_then(Value::as_u64);
            self.successions = self.successions.max(number.unwrap_or_default());
        }
        for (log, (pruned, erased)) in Log::ALL.into_iter().zip(self.pruned.iter_mut().zip(&mut self.erased)) {
            let kept = details.get("kept_from").and_then(|kept| kept.get(log.name())).and_then(Value::as_u64);
            let is_meant = details.get("log").and_then(Value::as_str) == Some(log.name());
            let last = details.get("last").and_then(Value::as_u64).filter(|_| is_meant && action == Some(PRUNED));
            *pruned = kept.max(last.map(|last| last.saturating_add(1))).unwrap_or_default().max(*pruned);
            let positions = details.get("positions").and_then(Value::as_str).filter(|_| is_meant);
            erased.extend(positions.into_iter().flat_map(runs_in));
        }
    }

    /// How often the key was changed; those of which the entry is gone come before others.
    pub(super) fn successions(&self) -> u64 {
        self.successions
    }

    /// Adds to a report what is gone from its log and is not said to be.
    pub(super) fn attest(&self, report: &mut LogReport, erased: &[u64]) {
        let (pruned, stated) = (self.pruned.get(report.log.index()), self.erased.get(report.log.index()));
        if let Some(pruned) = pruned.filter(|pruned| **pruned < report.first) {
            report.findings.push(Finding { first: *pruned, last: report.first - 1, kind: Kind::Missing });
        }
        let is_stated = |seq: &u64| {
            let before = stated.into_iter().flat_map(|stated| stated.range(..=(*seq, u64::MAX)).rev());
            // Statements of two erasures may overlap, those of one do not.
            before.take(OVERLAPS).any(|(first, last)| (first..=last).contains(&seq))
        };
        let unstated = runs(erased.iter().copied().filter(|seq| !is_stated(seq)));
        report.findings.extend(unstated.into_iter().map(|(first, last)| Finding { first, last, kind: Kind::Erased }));
        report.findings.sort_unstable();
        report.erased = erased.len() as u64;
    }
}

/// Runs before a position that are looked at.
const OVERLAPS: usize = 64;
