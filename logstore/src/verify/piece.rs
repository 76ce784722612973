//! Verifies sealed entries, many segments at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parking_lot::Mutex;

use super::source::Source;
use super::statement::Told;
use super::{Finding, Kind, Progress};
use crate::erased::leaf_of;
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
    pub(super) told: Told,
    /// It was not looked at.
    pub(super) is_unread: bool,
}

impl Checked {
    const fn of(subtree: Subtree, leaves: Vec<Hash>, findings: Vec<Finding>, told: Told) -> Self {
        Self { subtree, leaves, findings, told, is_unread: false }
    }
}

/// All segments of a log, in their order.
pub(super) fn all(source: &Source<'_>, progress: &Progress) -> Result<Vec<Checked>, Error> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..source.extent.threads.max(1) {
            scope.spawn(|| {
                while let Some(piece) = source.pieces().get(next.fetch_add(1, Ordering::Relaxed)) {
                    if progress.is_stopped() || source.is_wanted_back() {
                        progress.stop();
                        break;
                    }
                    let checked = check(source, piece);
                    progress.add(if checked.is_unread { 0 } else { piece.rows });
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

/// What the entries of one segment hash to, against what was stored of it.
pub(super) fn check(source: &Source<'_>, piece: &Arc<Piece>) -> Checked {
    let stored = source.subtree(piece);
    if let Some(stored) = stored.filter(|_| source.is_left_out(piece)) {
        return Checked { is_unread: true, ..Checked::of(stored.clone(), Vec::new(), Vec::new(), Told::default()) };
    }
    let (mut told, mut is_found) = (Told::default(), true);
    let read = source.view.segment(piece, |segment| {
        let mut leaves = Vec::with_capacity(piece.rows as usize);
        segment.each_row(source.view.ids, |row, bytes| {
            leaves.push(leaf_of(bytes));
            told.see(source.log, piece.first + row as u64, bytes);
        })?;
        is_found = segment.agrees(source.log, source.view.ids)?;
        Ok(leaves)
    });
    let made = read.ok().flatten().and_then(|leaves| Some((subtrees(piece.first, &leaves).pop()?, leaves)));
    let is_whole = source.view.is_whole(piece).is_ok_and(|is_whole| is_whole);
    let Some((made, leaves)) = made.filter(|_| is_whole) else {
        let subtree = stored.cloned().unwrap_or_else(|| Subtree::unknown(piece.first, piece.rows.ilog2()));
        let unreadable = Finding { first: piece.first, last: piece.end() - 1, kind: Kind::Unreadable };
        return Checked::of(subtree, Vec::new(), vec![unreadable], Told::default());
    };
    let filters = Finding { first: piece.first, last: piece.end() - 1, kind: Kind::Filters };
    let mut findings = if is_found { Vec::new() } else { vec![filters] };
    let Some(stored) = stored else { return Checked::of(made, leaves, findings, told) };
    findings.extend(compare(stored, &made, &leaves));
    let inside = |size: u64| piece.first < size && size < piece.end();
    let wanted = stored.root == made.root && source.has_head(inside);
    Checked::of(stored.clone(), if wanted { leaves } else { Vec::new() }, findings, told)
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
