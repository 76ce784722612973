//! Proofs that an outsider can check with a file and a key: this entry is in the log whose head was signed.
//!
//! The file is a proof of a transparency log as C2SP describes it. The entry's canonical bytes stand in its `extra`
//! line, so that nothing else is needed.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rocksdb::DB;
use uuid::Uuid;

use crate::checkpoint;
use crate::entry::{Kind, Log};
use crate::erased::leaf_of;
use crate::error::QueryError;
use crate::leaves::Leaves;
use crate::note::{Checkpoint, NoteError, PublicKey};
use crate::row::Row;
use crate::shared::Shared;
use crate::succession::{self, Keys};
use crate::tree::{self, Edge, Hash, Inclusion, Nodes, Subtree, TILE, leaf};
use crate::view::View;

const HEAD: &str = "c2sp.org/tlog-proof@v1";

/// Subtrees that are read entry by entry: no larger ones are without a node of their own.
const READ_MAX: u64 = 1 << 15;

/// An entry that is proven to be in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The head that was signed.
    pub checkpoint: Checkpoint,
    /// Position of the entry.
    pub seq: u64,
    /// Its canonical bytes.
    pub entry: Vec<u8>,
}

/// Why a file proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    /// It is no proof.
    #[error("this is not the proof of an entry")]
    Malformed,
    /// Its head is not believed.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The entry is not under that head.
    #[error("the entry is not in the log that was signed")]
    OtherLog,
}

impl Proven {
    /// Every field of the entry but its id, which only its store knows; none for a log that this version does not have.
    pub fn to_json(&self) -> Option<String> {
        let log = self.checkpoint.origin.rsplit('/').next()?;
        let log = Log::ALL.into_iter().find(|known| known.name() == log)?;
        let row = Row::new(log, self.seq, Uuid::nil(), self.entry.clone().into());
        let mut json = String::new();
        row.write_json(log.fields().iter().filter(|field| field.kind != Kind::Id), &mut json);
        Some(json)
    }
}

/// The file that proves an entry; none if no head was signed since it was written.
pub(crate) fn prove(shared: &Shared, row: &Row) -> Result<Option<String>, QueryError> {
    let slot = shared.db.read();
    let db = slot.as_ref().ok_or(QueryError::Closed)?;
    let Some(signed) = checkpoint::last(db, row.log)?.filter(|signed| signed.size > row.seq) else {
        return Ok(None);
    };
    // The view and the leaves after it are of one moment.
    let (view, leaves) = {
        let contents = shared.contents(row.log).read();
        (View::over(&contents, db, row.log, &shared.cache, &shared.ids), contents.tree.clone())
    };
    let stored = Stored { view: &view, leaves: &leaves, subtrees: subtrees(db, row.log)? };
    let inclusion = Inclusion::make(row.seq, signed.size, &stored)?;
    let path: String = inclusion.path.iter().map(|hash| BASE64_STANDARD.encode(hash) + "\n").collect();
    let entry = BASE64_STANDARD.encode(row.bytes());
    let keys = succession::carried(shared.store, &succession::all(db)?);
    Ok(Some(format!("{HEAD}\nextra {entry}\nindex {}\n{path}\n{}{keys}", row.seq, signed.note)))
}

fn subtrees(db: &DB, log: Log) -> Result<Vec<Subtree>, rocksdb::Error> {
    let mut subtrees = Vec::new();
    tree::each(db, log, 0, |subtree| subtrees.push(subtree))?;
    Ok(subtrees)
}

/// What a file proves, to whoever has the key, or one before it.
///
/// # Errors
/// When it proves nothing.
pub fn check(file: &str, key: &PublicKey) -> Result<Proven, NotProven> {
    let (proof, note) = file.split_once("\n\n").ok_or(NotProven::Malformed)?;
    let mut lines = proof.lines();
    let head = lines.next().filter(|line| *line == HEAD);
    let extra = lines.next().and_then(|line| line.strip_prefix("extra "));
    let index = lines.next().and_then(|line| line.strip_prefix("index ")?.parse().ok());
    let (Some(_), Some(extra), Some(seq)) = (head, extra, index) else { return Err(NotProven::Malformed) };
    let entry = BASE64_STANDARD.decode(extra).map_err(|_| NotProven::Malformed)?;
    let hash = |line: &str| BASE64_STANDARD.decode(line).ok()?.try_into().ok();
    let path = lines.map(hash).collect::<Option<Vec<Hash>>>().ok_or(NotProven::Malformed)?;
    let name = note.lines().next().and_then(|origin| origin.rsplit_once('/')).map_or("", |(name, _)| name);
    let keys = Keys::follow(key, name, &succession::carried_by(note, name));
    let checkpoint = keys.open(note)?.ok_or(NoteError::OtherKey)?;
    let root = Inclusion { path }.root(seq, checkpoint.size, leaf(&entry));
    let is_there = root == Some(checkpoint.root);
    if is_there { Ok(Proven { checkpoint, seq, entry }) } else { Err(NotProven::OtherLog) }
}

/// Nodes of a log: stored ones, and those that are made of entries.
struct Stored<'v, 'a> {
    view: &'v View<'a>,
    leaves: &'v Leaves,
    /// Of what is sealed or gone, by position.
    subtrees: Vec<Subtree>,
}

impl Stored<'_, '_> {
    /// The stored subtree that a position is in.
    fn around(&self, position: u64) -> Option<&Subtree> {
        let at = self.subtrees.partition_point(|subtree| subtree.end() <= position);
        self.subtrees.get(at).filter(|subtree| subtree.first <= position && subtree.end() <= self.leaves.first())
    }

    /// Of a part of a stored subtree.
    fn inside(&self, subtree: &Subtree, first: u64, height: u32) -> Result<Hash, QueryError> {
        let entries = 1 << height;
        let from = ((first - subtree.first) / TILE) as usize;
        if entries >= TILE
            && let Some(tiles) = subtree.tiles.get(from..from + (entries / TILE) as usize)
        {
            return Ok(Edge::root_over(tiles));
        }
        if entries > READ_MAX {
            return Err(QueryError::Damaged { log: self.view.log.name(), seq: first });
        }
        let positions: Vec<u64> = (first..first + entries).collect();
        let rows = self.view.rows(&positions)?;
        if rows.len() != positions.len() {
            return Err(QueryError::Damaged { log: self.view.log.name(), seq: first });
        }
        Ok(Edge::root_over(&rows.iter().map(|row| leaf_of(row.bytes())).collect::<Vec<_>>()))
    }
}

impl Nodes for Stored<'_, '_> {
    type Error = QueryError;

    fn node(&self, first: u64, height: u32) -> Result<Hash, QueryError> {
        if let Some(leaves) = self.leaves.of(first, 1 << height) {
            return Ok(Edge::root_over(leaves));
        }
        match self.around(first) {
            Some(subtree) if subtree.first == first && subtree.height == height => Ok(subtree.root),
            Some(subtree) if subtree.height > height => self.inside(subtree, first, height),
            Some(_) | None => {
                let lower = height.checked_sub(1);
                let lower = lower.ok_or(QueryError::Damaged { log: self.view.log.name(), seq: first })?;
                Ok(tree::node(&self.node(first, lower)?, &self.node(first + (1 << lower), lower)?))
            }
        }
    }
}
