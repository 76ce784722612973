//! Verifies sealed entries, many segments at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parking_lot::Mutex;

use super::source::Source;
use super::{Finding, Kind, Progress};
use crate::error::Error;
use crate::leaves::subtrees;
use crate::piece::Piece;
use crate::tree::{Hash, Subtree, TILE};

/// What the entries of a segment hash to.
pub(super) struct Checked {
    /// As it was stored, if it was, so that one change is found once.
    pub(super) subtree: Subtree,
    /// Present if a checkpoint ends within the segment and nothing is wrong with it.
    pub(super) leaves: Vec<Hash>,
    pub(super) findings: Vec<Finding>,
}

/// All segments of a log, in their order.
pub(super) fn all(source: &Source<'_>, progress: &Progress) -> Result<Vec<Checked>, Error> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..source.threads.max(1) {
            scope.spawn(|| {
                while let Some(piece) = source.pieces().get(next.fetch_add(1, Ordering::Relaxed)) {
                    if progress.is_stopped() || source.is_wanted_back() {
                        progress.stop();
                        break;
                    }
                    let checked = check(source, piece);
                    progress.add(piece.rows);
                    done.lock().push((piece.first, checked));
                }
            });
        }
    });
    if progress.is_stopped() {
        return Err(Error::Stopped);
    }
    let mut done = done.into_inner();
    done.sort_unstable_by_key(|(first, _)| *first);
    Ok(done.into_iter().map(|(_, checked)| checked).collect())
}

fn check(source: &Source<'_>, piece: &Arc<Piece>) -> Checked {
    let stored = source.subtree(piece);
    let read = source.view.segment(piece, |segment| segment.leaves(source.view.ids));
    let made = read.ok().flatten().and_then(|leaves| Some((subtrees(piece.first, &leaves).pop()?, leaves)));
    let is_whole = source.view.is_whole(piece).is_ok_and(|is_whole| is_whole);
    let Some((made, leaves)) = made.filter(|_| is_whole) else {
        let subtree = stored.cloned().unwrap_or_else(|| Subtree::unknown(piece.first, piece.rows.ilog2()));
        let unreadable = Finding { first: piece.first, last: piece.end() - 1, kind: Kind::Unreadable };
        return Checked { subtree, leaves: Vec::new(), findings: vec![unreadable] };
    };
    let Some(stored) = stored else { return Checked { subtree: made, leaves, findings: Vec::new() } };
    let findings = compare(stored, &made, &leaves);
    let inside = |size: u64| piece.first < size && size < piece.end();
    let wanted = findings.is_empty() && source.has_head(inside);
    Checked { subtree: stored.clone(), leaves: if wanted { leaves } else { Vec::new() }, findings }
}

/// Which tiles differ; all of them if those that were kept do not belong to the root.
fn compare(stored: &Subtree, made: &Subtree, leaves: &[Hash]) -> Vec<Finding> {
    if stored.root == made.root {
        let kept = stored.tiles.is_empty() || stored.tiles == made.tiles;
        let hashes = Finding { first: made.first, last: made.end() - 1, kind: Kind::Hashes };
        return (!kept).then_some(hashes).into_iter().collect();
    }
    let differ = stored.tiles.iter().zip(&made.tiles).zip((made.first..).step_by(TILE as usize));
    let changed: Vec<Finding> = differ
        .filter(|((stored, made), _)| stored != made)
        .map(|((stored, _), first)| {
            let from = (first - made.first) as usize;
            let tile = leaves.get(from..from + TILE as usize).unwrap_or_default();
            let kind = if is_exchanged(tile, stored) { Kind::Reordered } else { Kind::Changed };
            Finding { first, last: first + TILE - 1, kind }
        })
        .collect();
    if changed.is_empty() {
        let small = made.tiles.is_empty() && is_exchanged(leaves, &stored.root);
        let kind = if small { Kind::Reordered } else { Kind::Changed };
        return vec![Finding { first: made.first, last: made.end() - 1, kind }];
    }
    changed
}

/// Whether two neighbours among the leaves, exchanged, have this root.
fn is_exchanged(leaves: &[Hash], root: &Hash) -> bool {
    let mut leaves = leaves.to_vec();
    let height = leaves.len().checked_ilog2().unwrap_or_default();
    (1..leaves.len()).any(|at| {
        leaves.swap(at - 1, at);
        let is_root = Subtree::of(0, height, &leaves).root == *root;
        leaves.swap(at - 1, at);
        is_root
    })
}
