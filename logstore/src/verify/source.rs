//! What is verified: one log at one moment.

use std::sync::Arc;

use rocksdb::DB;

use crate::anchor::{self, Chain};
use crate::checkpoint::{self, Signed};
use crate::database::OpenedToRead;
use crate::entry::Log;
use crate::error::Error;
use crate::piece::Piece;
use crate::shared::Shared;
use crate::tree::{self, Subtree};
use crate::view::View;

use super::Extent;

/// One log at one moment.
pub(super) struct Source<'a> {
    pub(super) log: Log,
    /// The first position that is kept.
    pub(super) first: u64,
    pub(super) view: View<'a>,
    /// How much of it is read.
    pub(super) extent: Extent,
    /// As they were stored when entries were sealed or removed, by position.
    pub(super) subtrees: Vec<Subtree>,
    /// In the order of their sizes.
    pub(super) checkpoints: Vec<Signed>,
    /// Notes that were kept elsewhere.
    pub(super) outside: Vec<String>,
    /// Present if the store is open.
    shared: Option<&'a Shared>,
}

impl<'a> Source<'a> {
    /// Checkpoints are read before the entries, which only become more, and subtrees after them.
    pub(super) fn of_store(shared: &'a Shared, db: &'a DB, log: Log, extent: Extent) -> Result<Self, Error> {
        let checkpoints = checkpoint::all(db, log)?;
        let (first, view) = {
            let contents = shared.contents(log).read();
            (contents.first, View::over(&contents, db, log, &shared.cache, &shared.ids).anew())
        };
        Ok(Self {
            log,
            first,
            view,
            extent,
            subtrees: subtrees(db, log)?,
            checkpoints,
            outside: Vec::new(),
            shared: Some(shared),
        })
    }

    /// What it takes to look at one segment.
    pub(super) fn of_piece(
        shared: &'a Shared,
        db: &'a DB,
        log: Log,
        piece: &Piece,
        extent: Extent,
    ) -> Result<Self, Error> {
        let view = View::over(&shared.contents(log).read(), db, log, &shared.cache, &shared.ids).anew();
        let (subtrees, checkpoints) = (tree::of_place(db, log, piece.first)?, Vec::new());
        let outside = Vec::new();
        Ok(Self { log, first: piece.first, view, extent, subtrees, checkpoints, outside, shared: Some(shared) })
    }

    pub(super) fn of_folder(opened: &'a OpenedToRead, log: Log, extent: Extent) -> Result<Self, Error> {
        let OpenedToRead { db, ids, cache, contents, store: _ } = opened;
        let [access, requests, audit] = contents;
        let contents = match log {
            Log::Access => access,
            Log::Requests => requests,
            Log::Audit => audit,
        };
        let view = View::over(contents, db, log, cache, ids).anew();
        let (subtrees, checkpoints) = (subtrees(db, log)?, checkpoint::all(db, log)?);
        Ok(Self { log, first: contents.first, view, extent, subtrees, checkpoints, outside: Vec::new(), shared: None })
    }

    /// With heads that were kept elsewhere, but those of entries that a restoring declared lost.
    pub(super) fn and(mut self, anchors: Option<&Chain>) -> Self {
        self.outside = anchors.map_or_else(Vec::new, |chain| anchor::heads(chain, self.log).0);
        self
    }

    pub(super) fn pieces(&self) -> &[Arc<Piece>] {
        &self.view.pieces
    }

    /// Whether a head has such a size; any may, of those that were kept elsewhere.
    pub(super) fn has_head(&self, is_wanted: impl Fn(u64) -> bool) -> bool {
        let outside = self.outside.iter().filter_map(|note| note.lines().nth(1)?.parse().ok());
        self.checkpoints.iter().map(|signed| signed.size).chain(outside).any(is_wanted)
    }

    /// Whether the entries of a segment are taken as they were hashed before. Those of the audit log never are: they say
    /// what was done to the others.
    pub(super) fn is_left_out(&self, piece: &Piece) -> bool {
        let is_before = self.extent.since.is_some_and(|since| piece.times.1 < since.as_microsecond());
        is_before && self.log != Log::Audit && piece.fault().is_none()
    }

    /// Position of the first row that is not sealed, if there is one.
    pub(super) fn end_of_pieces(&self) -> u64 {
        self.pieces().last().map_or(self.first, |piece| piece.end())
    }

    /// Whether a store that is being closed, or has to be opened again, waits for its readers.
    pub(super) fn is_wanted_back(&self) -> bool {
        self.shared.is_some_and(|shared| shared.closing() || !shared.writable())
    }

    /// The subtree that was stored of a segment.
    pub(super) fn subtree(&self, piece: &Piece) -> Option<&Subtree> {
        let at = self.subtrees.partition_point(|subtree| subtree.first < piece.first);
        self.subtrees.get(at).filter(|subtree| subtree.first == piece.first && subtree.end() == piece.end())
    }

    /// As far as that is known without reading them.
    pub(super) fn entries(&self) -> u64 {
        let sealed: u64 = self.pieces().iter().map(|piece| piece.rows).sum();
        sealed + self.view.hot.iter().map(|unit| unit.rows - unit.strays).sum::<u64>()
    }
}

fn subtrees(db: &DB, log: Log) -> Result<Vec<Subtree>, rocksdb::Error> {
    let mut subtrees = Vec::new();
    tree::each(db, log, 0, |subtree| subtrees.push(subtree))?;
    Ok(subtrees)
}
