//! The subtrees of what is sealed or gone, on disk.
//!
//! They follow each other without gaps from the first entry on, so that all of them make the edge of the tree. What is
//! not there is made again of the entries; of entries that were removed before trees were kept nothing is known, and
//! zeros stand for it.

use rocksdb::{DB, WriteBatch};

use super::{Edge, Hash, Subtree, places};
use crate::column::{Column, hot_key, hot_seq};
use crate::database::column;
use crate::entry::Log;
use crate::hot;

const HASH: usize = size_of::<Hash>();

/// Key of a subtree: log u8, first position u64, height u8.
fn key(log: Log, first: u64, height: u32) -> [u8; 10] {
    let [l, a, b, c, d, e, f, g, h] = hot_key(log, first);
    [l, a, b, c, d, e, f, g, h, height as u8]
}

/// Root and tiles.
pub(crate) fn put(db: &DB, log: Log, subtree: &Subtree, batch: &mut WriteBatch) {
    let mut value = Vec::with_capacity((1 + subtree.tiles.len()) * HASH);
    value.extend_from_slice(&subtree.root);
    value.extend_from_slice(subtree.tiles.as_flattened());
    batch.put_cf(&column(db, Column::Tree), key(log, subtree.first, subtree.height), value);
}

fn decode(log: Log, key: &[u8], value: &[u8]) -> Option<Subtree> {
    let (height, position) = key.split_last()?;
    let (root, tiles) = value.split_first_chunk()?;
    let tiles = tiles.as_chunks().0.to_vec();
    Some(Subtree { first: hot_seq(log, position)?, height: u32::from(*height), root: *root, tiles })
}

/// The subtrees of a log from a position on, in their order; those that contradict themselves are left out.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn each(db: &DB, log: Log, from: u64, mut see: impl FnMut(Subtree)) -> Result<(), rocksdb::Error> {
    let mut stored = db.raw_iterator_cf_opt(&column(db, Column::Tree), hot::bounds(log));
    stored.seek(hot_key(log, from));
    while let Some((key, value)) = stored.item() {
        decode(log, key, value).into_iter().for_each(&mut see);
        stored.next();
    }
    stored.status()
}

/// The subtrees of a log that begin at a position.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn of_place(db: &DB, log: Log, first: u64) -> Result<Vec<Subtree>, rocksdb::Error> {
    let mut stored = db.raw_iterator_cf_opt(&column(db, Column::Tree), hot::bounds(log));
    stored.seek(hot_key(log, first));
    let mut found = Vec::new();
    while let Some(subtree) = stored.item().and_then(|(key, value)| decode(log, key, value))
        && subtree.first == first
    {
        found.push(subtree);
        stored.next();
    }
    stored.status().map(|()| found)
}

/// The edge of the tree before a position, and what of it is not stored. `make` makes that: the subtrees from a position
/// up to another, as far as it can.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn load(
    db: &DB,
    log: Log,
    end: u64,
    mut make: impl FnMut(u64, u64) -> Vec<Subtree>,
) -> Result<(Edge, Vec<Subtree>), rocksdb::Error> {
    let mut stored = Vec::new();
    each(db, log, 0, |subtree| stored.push(subtree))?;
    let (mut edge, mut made) = (Edge::default(), Vec::new());
    for subtree in stored.into_iter().filter(|subtree| subtree.end() <= end).map(Some).chain([None]) {
        let next = subtree.as_ref().map_or(end, |subtree| subtree.first);
        for subtree in missing(edge.size(), next, &mut make) {
            edge.push_subtree(subtree.height, subtree.root);
            made.push(subtree);
        }
        // One that begins inside of another is none of ours.
        if let Some(subtree) = subtree.filter(|subtree| subtree.first == edge.size()) {
            edge.push_subtree(subtree.height, subtree.root);
        }
    }
    Ok((edge, made))
}

/// What is made, and zeros where nothing can be.
fn missing(from: u64, to: u64, make: &mut impl FnMut(u64, u64) -> Vec<Subtree>) -> Vec<Subtree> {
    let (mut at, mut all) = (from, Vec::new());
    let made = if from < to { make(from, to) } else { Vec::new() };
    for subtree in made {
        all.extend(places(at, subtree.first).map(|(first, height)| Subtree::unknown(first, height)));
        at = subtree.end();
        all.push(subtree);
    }
    all.extend(places(at, to).map(|(first, height)| Subtree::unknown(first, height)));
    all
}

/// Of entries that go only the roots stay.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn drop_before(db: &DB, log: Log, from: u64, to: u64, batch: &mut WriteBatch) -> Result<(), rocksdb::Error> {
    each(db, log, from, |subtree| {
        if subtree.end() <= to && !subtree.tiles.is_empty() {
            put(db, log, &Subtree { tiles: Vec::new(), ..subtree }, batch);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database;
    use crate::tree::leaf;

    fn leaves(from: u64, to: u64) -> Vec<Hash> {
        (from..to).map(|at| leaf(&at.to_be_bytes())).collect()
    }

    fn subtree(first: u64, height: u32) -> Subtree {
        Subtree::of(first, height, &leaves(first, first + (1 << height)))
    }

    fn write(db: &DB, subtrees: &[Subtree]) {
        let mut batch = WriteBatch::default();
        subtrees.iter().for_each(|subtree| put(db, Log::Audit, subtree, &mut batch));
        db.write(batch).unwrap();
    }

    fn whole(end: u64) -> Edge {
        let mut edge = Edge::default();
        leaves(0, end).into_iter().for_each(|leaf| edge.push(leaf));
        edge
    }

    #[test]
    fn what_is_missing_is_made_again_once() {
        let dir = tempfile::tempdir().unwrap();
        let db = database::open(dir.path()).unwrap().db;
        write(&db, &[subtree(0, 9), subtree(768, 8)]);
        let make = |from, to| places(from, to).map(|(first, height)| subtree(first, height)).collect();
        let (edge, made) = load(&db, Log::Audit, 1040, make).unwrap();
        assert_eq!(edge, whole(1040));
        write(&db, &made);
        let again = load(&db, Log::Audit, 1040, |_, _| panic!("nothing is missing any more"));
        assert_eq!(again, Ok((whole(1040), Vec::new())));
        assert_eq!(load(&db, Log::Access, 0, |_, _| Vec::new()), Ok(Default::default()));
    }

    #[test]
    fn zeros_stand_for_what_is_gone_and_only_roots_stay_of_what_goes() {
        let dir = tempfile::tempdir().unwrap();
        let db = database::open(dir.path()).unwrap().db;
        let (edge, made) = load(&db, Log::Audit, 1024, |_, _| vec![subtree(512, 9)]).unwrap();
        write(&db, &made);
        let mut expected = Edge::default();
        expected.push_subtree(9, [0; 32]);
        expected.push_subtree(9, subtree(512, 9).root);
        assert_eq!(edge, expected);
        let mut batch = WriteBatch::default();
        drop_before(&db, Log::Audit, 0, 1024, &mut batch).unwrap();
        db.write(batch).unwrap();
        let mut tiles = Vec::new();
        each(&db, Log::Audit, 0, |subtree| tiles.push(subtree.tiles.len())).unwrap();
        assert_eq!(tiles, [0, 0]);
        assert_eq!(load(&db, Log::Audit, 1024, |_, _| panic!("nothing is missing")), Ok((expected, Vec::new())));
    }
}
