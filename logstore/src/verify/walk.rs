//! From the first entry of a log to the last: what there is, against what was signed.

use std::iter::Peekable;
use std::vec;

use super::piece::{self, Checked};
use super::source::Source;
use super::statement::Told;
use super::{Finding, Kind, LogReport, Progress};
use crate::checkpoint::Signed;
use crate::codec::time_of;
use crate::erased::leaf_of;
use crate::error::Error;
use crate::note::{Checkpoint, NoteError};
use crate::succession::Keys;
use crate::tree::{Edge, Hash, Subtree, places};

/// Verifies one log.
pub(super) fn log(source: &Source<'_>, keys: &Keys, progress: &Progress) -> Result<(LogReport, Told), Error> {
    let (checkpoints, findings) = signed(source, keys);
    let mut walk = Walk {
        edge: Edge::default(),
        checkpoints: checkpoints.into_iter().peekable(),
        findings,
        right: 0,
        signed: 0,
        told: Told::default(),
        unread: 0,
    };
    walk.stored_until(source, source.first);
    for checked in piece::all(source, progress)? {
        walk.sealed(source, checked);
    }
    let times = walk.unsealed(source, progress);
    Ok(walk.finish(source, times))
}

/// The checkpoints that the keys signed, and what is wrong with the others.
fn signed(source: &Source<'_>, keys: &Keys) -> (Vec<Checkpoint>, Vec<Finding>) {
    let (mut good, mut findings) = (Vec::new(), Vec::new());
    let ours = format!("{}/{}", keys.name(), source.log.name());
    let finding = |size: u64, kind| {
        let last = size.saturating_sub(1);
        Finding { first: last, last, kind }
    };
    for Signed { size, note, time: _ } in &source.checkpoints {
        match keys.open(note) {
            Ok(None) => (),
            Ok(Some(checkpoint)) if checkpoint.size == *size && checkpoint.origin == ours => good.push(checkpoint),
            Ok(_) | Err(NoteError::Malformed | NoteError::WrongSignature) => {
                findings.push(finding(*size, Kind::Checkpoint));
            }
            Err(NoteError::OtherKey | NoteError::Retired) => findings.push(finding(*size, Kind::WrongKey)),
        }
    }
    for note in &source.outside {
        match keys.open(note) {
            Ok(checkpoint) => good.extend(checkpoint.filter(|checkpoint| checkpoint.origin == ours)),
            Err(NoteError::Retired) => {
                let size = note.lines().nth(1).and_then(|size| size.parse().ok()).unwrap_or_default();
                findings.push(finding(size, Kind::WrongKey));
            }
            // The anchors lead to its key, and that to no one else's.
            Err(NoteError::OtherKey | NoteError::Malformed | NoteError::WrongSignature) => (),
        }
    }
    good.extend(keys.last_heads(source.log));
    good.sort_by_key(|checkpoint| checkpoint.size);
    good.dedup();
    (good, findings)
}

struct Walk {
    edge: Edge,
    /// Those that are not come to yet.
    checkpoints: Peekable<vec::IntoIter<Checkpoint>>,
    findings: Vec<Finding>,
    /// Checkpoints that were right, and the size of the last of them.
    right: u64,
    signed: u64,
    told: Told,
    unread: u64,
}

impl Walk {
    /// Takes what was stored of entries that are not there; zeros where nothing was.
    fn stored_until(&mut self, source: &Source<'_>, end: u64) {
        let from = source.subtrees.partition_point(|subtree| subtree.first < self.edge.size());
        for subtree in source.subtrees.get(from..).unwrap_or_default() {
            if subtree.end() > end {
                break;
            }
            self.unknown_until(subtree.first);
            self.subtree(subtree);
        }
        self.unknown_until(end);
    }

    fn unknown_until(&mut self, end: u64) {
        for (first, height) in places(self.edge.size(), end) {
            self.subtree(&Subtree::unknown(first, height));
        }
    }

    fn subtree(&mut self, subtree: &Subtree) {
        if self.edge.push_subtree(subtree.height, subtree.root) {
            self.compare();
        }
    }

    fn leaf(&mut self, leaf: Hash) {
        self.edge.push(leaf);
        self.compare();
    }

    /// Entries from the end of the tree up to this position are not there.
    fn missing_until(&mut self, source: &Source<'_>, end: u64) {
        if self.edge.size() < end {
            self.findings.push(Finding { first: self.edge.size(), last: end - 1, kind: Kind::Missing });
            self.stored_until(source, end);
        }
    }

    fn sealed(&mut self, source: &Source<'_>, checked: Checked) {
        let Checked { subtree, leaves, findings, told, is_unread } = checked;
        self.unread += if is_unread { subtree.entries() } else { 0 };
        self.told.add(told);
        self.missing_until(source, subtree.first);
        self.findings.extend(findings);
        if leaves.is_empty() {
            self.subtree(&subtree);
        } else {
            leaves.into_iter().for_each(|leaf| self.leaf(leaf));
        }
    }

    /// Gives the earliest and the latest time of the rows that are not sealed.
    fn unsealed(&mut self, source: &Source<'_>, progress: &Progress) -> Option<(i64, i64)> {
        let mut rows = source.view.hot_rows().rows();
        let mut times: Option<(i64, i64)> = None;
        rows.seek(source.end_of_pieces());
        while let Some((seq, bytes)) = rows.row() {
            self.missing_until(source, seq);
            self.leaf(leaf_of(bytes));
            self.told.see(source.log, seq, bytes);
            let time = time_of(bytes);
            let (from, to) = times.unwrap_or((time, time));
            times = Some((from.min(time), to.max(time)));
            progress.add(1);
            rows.advance();
        }
        if rows.status().is_err() {
            let at = self.edge.size();
            self.findings.push(Finding { first: at, last: at, kind: Kind::Unreadable });
        }
        times
    }

    /// With the checkpoints of this size. One that differs says that something before it was changed, unless that is
    /// known already.
    fn compare(&mut self) {
        while let Some(checkpoint) = self.checkpoints.next_if(|checkpoint| checkpoint.size <= self.edge.size()) {
            if checkpoint.size < self.edge.size() {
                continue;
            }
            if checkpoint.root == self.edge.root() {
                self.right += 1;
                self.signed = checkpoint.size;
                continue;
            }
            let (first, last) = (self.signed, checkpoint.size.saturating_sub(1));
            if !self.findings.iter().any(|known| known.explains(last)) {
                self.findings.push(Finding { first, last, kind: Kind::Changed });
            }
        }
    }

    fn finish(mut self, source: &Source<'_>, unsealed: Option<(i64, i64)>) -> (LogReport, Told) {
        // An empty log has a head too.
        self.compare();
        let end = self.edge.size();
        if let Some(last) = self.checkpoints.last() {
            self.findings.push(Finding { first: end, last: last.size - 1, kind: Kind::CutTail });
        }
        self.findings.sort_unstable();
        self.findings.dedup();
        let sealed = source.pieces().iter().filter(|piece| piece.fault().is_none()).map(|piece| piece.times);
        let times = sealed.chain(unsealed).reduce(|(from, to), (min, max)| (from.min(min), to.max(max)));
        let report = LogReport {
            log: source.log,
            first: source.first,
            end,
            times,
            root: self.edge.root(),
            checkpoints: self.right,
            signed: self.signed,
            erased: 0,
            unread: self.unread,
            findings: self.findings,
        };
        (report, self.told)
    }
}
