//! The RocksDB under the store: opened, checked, read at the start, and opened again after a failure.

use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use rocksdb::{
    BoundColumnFamily, Cache, ColumnFamilyDescriptor, DB, DBRecoveryMode, ErrorKind, Options, ReadOptions, WriteBatch,
};
use uuid::Uuid;

use crate::cache;
use crate::codec::time_of;
use crate::column::{Column, first_key, hot_key, hot_seq};
use crate::entry::Log;
use crate::erased::leaf_of;
use crate::error::{Error, QueryError};
use crate::hidden::{Hidden, OpenAttempts};
use crate::hot;
use crate::id::{Ids, KEY_LEN};
use crate::leaves::{self, Leaves};
use crate::piece;
use crate::query::bits::Bits;
use crate::request_ids::RESERVED;
use crate::shared::Contents;
use crate::timeline::Timeline;
use crate::tree::{self, Hash, Subtree};
use crate::view::View;

/// The keys and values that this version writes.
const FORMAT: u32 = 3;

/// Those before: no segments, and spans of times that are no longer kept; a record for each row. Either becomes the
/// present one when opened.
const FORMATS_BEFORE: [u32; 2] = [1, 2];

/// Blocks read from disk that are kept in memory, in bytes.
const CACHE_BYTES: usize = 64 << 20;

/// A write-ahead log above this makes RocksDB write its tables out, so that opening after a crash stays short.
const WAL_BYTES: u64 = 128 << 20;

/// An open database and what was read from it.
pub(crate) struct Opened {
    pub(crate) db: DB,
    /// Blocks of its files, see [`read_anew`].
    pub(crate) blocks: Cache,
    /// Names this store for ever.
    pub(crate) store: Uuid,
    pub(crate) ids: Arc<Ids>,
    /// By [`Log::index`].
    pub(crate) contents: [Contents; 3],
    /// Attempts that may still change.
    pub(crate) attempts: OpenAttempts,
    /// Counters of requests from here on were never given out.
    pub(crate) first_request: u64,
}

/// Opens or makes the database in a folder that only this user may enter.
pub(crate) fn open(dir: &Path) -> Result<Opened, Error> {
    make_folder(dir).map_err(|source| Error::Unwritable { dir: dir.into(), source })?;
    let blocks = Cache::new_lru_cache(CACHE_BYTES);
    let db =
        DB::open_cf_descriptors(&options(), dir, descriptors(dir, &blocks)).map_err(|error| refused(dir, error))?;
    let (store, id_key) = identity(&db)?;
    let ids = Ids::new(&id_key).map_err(|_| Error::Damaged { what: "the key of the ids is not a key" })?;
    let mut attempts = OpenAttempts::default();
    let [access, requests, audit] = Log::ALL.map(|log| contents(&db, log, &ids, &mut attempts));
    let first_request = stored_number(&db, b"requests")?.unwrap_or(0);
    reserve_requests(&db, first_request)?;
    let contents = [access?, requests?, audit?];
    db.flush_wal(true)?;
    Ok(Opened { db, blocks, store, ids: Arc::new(ids), contents, attempts, first_request })
}

/// Forgets the blocks that are in memory: what is read next is what the files hold.
pub(crate) fn read_anew(blocks: &mut Cache) {
    blocks.set_capacity(0);
    blocks.set_capacity(CACHE_BYTES);
}

/// A database to which nothing is written, and as much of it as verifying takes.
pub(crate) struct OpenedToRead {
    pub(crate) db: DB,
    pub(crate) store: Uuid,
    pub(crate) ids: Ids,
    pub(crate) cache: cache::Cache,
    /// By [`Log::index`]: segments and times. What contradicts itself is left as it is.
    pub(crate) contents: [Contents; 3],
}

/// Opens a database that another process may have open too.
pub(crate) fn open_to_read(dir: &Path) -> Result<OpenedToRead, Error> {
    let blocks = Cache::new_lru_cache(CACHE_BYTES);
    let mut options = Options::default();
    options.set_max_file_opening_threads(1);
    // As it is written. Where the manifest names logs and this is off, RocksDB wants to write, and crashes as it may not.
    options.set_track_and_verify_wals_in_manifest(true);
    let db = DB::open_cf_descriptors_read_only(&options, dir, descriptors(dir, &blocks), false)?;
    let format = db.get_cf(&column(&db, Column::Meta), "format")?.unwrap_or_default();
    if format != FORMAT.to_be_bytes() {
        return Err(Error::Format { found: format, known: FORMAT });
    }
    let (store, id_key) = named(&db)?;
    let ids = Ids::new(&id_key).map_err(|_| Error::Damaged { what: "the key of the ids is not a key" })?;
    let [access, requests, audit] = Log::ALL.map(|log| as_it_is(&db, log));
    Ok(OpenedToRead { contents: [access?, requests?, audit?], db, store, ids, cache: cache::Cache::default() })
}

fn as_it_is(db: &DB, log: Log) -> Result<Contents, Error> {
    let first = stored_number(db, &first_key(log))?.unwrap_or(0);
    let mut pieces = piece::load(db, log)?;
    pieces.retain(|piece| piece.end() > first);
    let mut rows = hot::rows(db, log);
    rows.seek(pieces.last().map_or(first, |piece| if piece.fault().is_some() { piece.first + 1 } else { piece.end() }));
    let hot_first = rows.row().map(|(seq, _)| seq);
    piece::end_before(&mut pieces, hot_first);
    let mut timeline = Timeline::new(hot_first.unwrap_or_default());
    while let Some((_, bytes)) = rows.row() {
        timeline.extend([time_of(bytes)]);
        rows.advance();
    }
    Ok(Contents { first, pieces: Arc::new(pieces), timeline, ..Contents::default() })
}

/// Counters of requests from here to [`RESERVED`] further may be given out.
pub(crate) fn reserve_requests(db: &DB, from: u64) -> Result<(), rocksdb::Error> {
    db.put_cf(&column(db, Column::Meta), b"requests", (from + RESERVED).to_be_bytes())
}

/// A column family that was made when the database was opened.
pub(crate) fn column(db: &DB, column: Column) -> Arc<BoundColumnFamily<'_>> {
    db.cf_handle(column.name()).expect("every column is made when the database is opened")
}

/// Writes out what is in memory and in the write-ahead log, and drops rows that were sealed after they were written out:
/// opening finds nothing to do again.
///
/// # Errors
/// When the disk refuses or a file is damaged. What was in the write-ahead log stays there.
pub(crate) fn write_out(db: &DB) -> Result<(), Error> {
    Column::ALL.into_iter().try_for_each(|of| db.flush_cf(&column(db, of)))?;
    merge(db, Column::Hot, None::<&[u8]>, None)
}

/// Writes a range of a column anew, without what was removed of it.
///
/// # Errors
/// When a file of it is damaged, or the disk is full; RocksDB itself says so to nobody.
pub(crate) fn merge<K: AsRef<[u8]>>(db: &DB, of: Column, from: Option<K>, to: Option<K>) -> Result<(), Error> {
    db.compact_range_cf(&column(db, of), from, to);
    if has_failed_beside(db) { Ok(probe(db, 0)?) } else { Ok(()) }
}

/// Makes the folder, closes it to others, and sees whether it takes a file.
fn make_folder(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    probe_folder(dir)
}

/// Whether the folder takes a file with a byte in it.
pub(crate) fn probe_folder(dir: &Path) -> io::Result<()> {
    let probe = dir.join("writable");
    let written = fs::write(&probe, b"1");
    let removed = fs::remove_file(&probe);
    written.and(removed)
}

fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    // A write-ahead log that was synced and is gone or shorter fails the opening instead of shortening the log.
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_max_total_wal_size(WAL_BYTES);
    options.set_max_background_jobs(2);
    // Sixteen threads for each column family, made and ended again, take longer than opening its few files.
    options.set_max_file_opening_threads(1);
    options.set_skip_stats_update_on_db_open(true);
    options.set_keep_log_file_num(4);
    options.set_max_log_file_size(4 << 20);
    options
}

/// Our columns and those of a later version, which RocksDB wants opened too.
fn descriptors(dir: &Path, cache: &Cache) -> Vec<ColumnFamilyDescriptor> {
    let known = Column::ALL.map(Column::name);
    let mut descriptors: Vec<_> = Column::ALL.iter().map(|column| column.descriptor(cache)).collect();
    // A folder without a database has no list.
    for name in DB::list_cf(&Options::default(), dir).unwrap_or_default() {
        if !known.contains(&name.as_str()) {
            descriptors.push(ColumnFamilyDescriptor::new(name, Options::default()));
        }
    }
    descriptors
}

fn refused(dir: &Path, error: rocksdb::Error) -> Error {
    let text = error.to_string();
    if error.kind() == ErrorKind::IOError && text.contains("LOCK") && text.contains("lock") {
        return Error::InUse { dir: dir.into() };
    }
    if error.kind() != ErrorKind::IOError {
        return error.into();
    }
    if text.contains("No such file") {
        return Error::File(error);
    }
    Error::Unwritable { dir: dir.into(), source: io::Error::other(error) }
}

/// Checks the format, and makes name and key of a new store.
fn identity(db: &DB) -> Result<(Uuid, [u8; KEY_LEN]), Error> {
    let meta = column(db, Column::Meta);
    let Some(format) = db.get_cf(&meta, "format")? else {
        return first_identity(db);
    };
    if FORMATS_BEFORE.iter().any(|before| format == before.to_be_bytes()) {
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(&meta, b"span".as_slice(), b"spao".as_slice());
        Log::ALL.into_iter().try_for_each(|log| hot::regroup(db, log, &mut batch))?;
        batch.put_cf(&meta, "format", FORMAT.to_be_bytes());
        db.write(batch)?;
    } else if format != FORMAT.to_be_bytes() {
        return Err(Error::Format { found: format, known: FORMAT });
    }
    named(db)
}

/// The name and the key of a store.
fn named(db: &DB) -> Result<(Uuid, [u8; KEY_LEN]), Error> {
    let meta = column(db, Column::Meta);
    let store = db.get_cf(&meta, "store")?.and_then(|bytes| Uuid::from_slice(&bytes).ok());
    let id_key = db.get_cf(&meta, "id-key")?.and_then(|bytes| bytes.try_into().ok());
    store.zip(id_key).ok_or(Error::Damaged { what: "the store's name or key is missing" })
}

fn first_identity(db: &DB) -> Result<(Uuid, [u8; KEY_LEN]), Error> {
    let (mut name, mut id_key) = ([0; 16], [0; KEY_LEN]);
    getrandom::fill(&mut name).and_then(|()| getrandom::fill(&mut id_key)).map_err(|_| Error::Random)?;
    let store = uuid::Builder::from_random_bytes(name).into_uuid();
    let meta = column(db, Column::Meta);
    let mut batch = WriteBatch::default();
    batch.put_cf(&meta, "format", FORMAT.to_be_bytes());
    batch.put_cf(&meta, "store", store.as_bytes());
    batch.put_cf(&meta, "id-key", id_key);
    db.write(batch)?;
    db.flush_wal(true)?;
    Ok((store, id_key))
}

/// What a log holds: its segments, and of the rows after them the times.
fn contents(db: &DB, log: Log, ids: &Ids, attempts: &mut OpenAttempts) -> Result<Contents, Error> {
    let first = stored_number(db, &first_key(log))?.unwrap_or(0);
    let mut pieces = piece::load(db, log)?;
    pieces.retain(|piece| piece.positions().end > first);
    // Of a segment that cannot be read the length is not known.
    let from = pieces.last().map_or(first, |piece| if piece.fault().is_some() { piece.first } else { piece.end() });
    let mut hidden = hidden(db, log)?;
    if log == Log::Access {
        let (pieces, hidden) = (Arc::new(pieces.clone()), Arc::new(hidden.clone()));
        let sealed = Contents { first, pieces, timeline: Timeline::new(from), hidden, tree: Leaves::default() };
        let recalled = attempts.recall(&View::over(&sealed, db, log, &cache::Cache::default(), ids));
        let unreadable = Error::Damaged { what: "the states of attempts cannot be read" };
        recalled.map_err(|error| if let QueryError::Store(error) = error { error.into() } else { unreadable })?;
    }
    let Unsealed { first: hot_first, times, stood_for, leaves } = unsealed(db, log, from, attempts)?;
    piece::end_before(&mut pieces, hot_first);
    let sealed_end = pieces.last().map_or(first, |piece| piece.end());
    let hot_first = hot_first.unwrap_or(sealed_end);
    if hot_first != sealed_end && pieces.iter().all(|piece| piece.fault().is_none()) {
        return Err(Error::Damaged { what: "entries between the segments and the rows after them are missing" });
    }
    hidden.add(&stood_for);
    let mut timeline = Timeline::new(hot_first);
    timeline.extend(times);
    let mut contents =
        Contents { first, pieces: Arc::new(pieces), timeline, hidden: Arc::new(hidden), tree: Leaves::default() };
    let (edge, made) = tree::load(db, log, hot_first, |from, to| made_again(&contents, db, log, ids, from..to))?;
    let mut batch = WriteBatch::default();
    made.iter().for_each(|subtree| tree::put(db, log, subtree, &mut batch));
    db.write(batch)?;
    contents.tree = Leaves::after(edge);
    contents.tree.extend(leaves);
    Ok(contents)
}

/// The subtrees of sealed entries that have none: those of a store from before there were trees.
fn made_again(contents: &Contents, db: &DB, log: Log, ids: &Ids, missing: Range<u64>) -> Vec<Subtree> {
    let cache = cache::Cache::default();
    let view = View::over(contents, db, log, &cache, ids);
    let pieces = contents.pieces.iter().filter(|piece| missing.contains(&piece.first) && piece.end() <= missing.end);
    let subtrees = pieces.filter_map(|piece| {
        let leaves = view.segment(piece, |segment| segment.leaves(ids)).ok()??;
        Some(leaves::subtrees(piece.first, &leaves))
    });
    subtrees.flatten().collect()
}

/// The rows that are not sealed.
struct Unsealed {
    /// Position of the first; none if there are none.
    first: Option<u64>,
    times: Vec<i64>,
    leaves: Vec<Hash>,
    /// The rows that later ones stand for.
    stood_for: Vec<u64>,
}

fn unsealed(db: &DB, log: Log, from: u64, attempts: &mut OpenAttempts) -> Result<Unsealed, Error> {
    let mut rows = hot::rows(db, log);
    rows.seek(from);
    let first = rows.row().map(|(seq, _)| seq);
    let (mut times, mut leaves, mut stood_for) = (Vec::new(), Vec::new(), Vec::new());
    while let Some((seq, bytes)) = rows.row() {
        if first.map(|first| first + times.len() as u64) != Some(seq) {
            return Err(Error::Damaged { what: "a sequence of entries has a gap" });
        }
        if log == Log::Access {
            stood_for.extend(attempts.see(seq, bytes));
        }
        times.push(time_of(bytes));
        leaves.push(leaf_of(bytes));
        rows.advance();
    }
    rows.status()?;
    Ok(Unsealed { first, times, leaves, stood_for })
}

fn hidden(db: &DB, log: Log) -> Result<Hidden, Error> {
    let mut hidden = Hidden::default();
    let mut options = ReadOptions::default();
    options.set_iterate_upper_bound(hot_key(log, u64::MAX));
    let mut pages = db.raw_iterator_cf_opt(&column(db, Column::Over), options);
    pages.seek(hot_key(log, 0));
    while let Some((key, bits)) = pages.item() {
        let page = hot_seq(log, key).zip(Bits::decode(bits));
        let (page, bits) = page.ok_or(Error::Damaged { what: "the states of attempts cannot be read" })?;
        hidden.load(page, bits);
        pages.next();
    }
    pages.status()?;
    Ok(hidden)
}

/// Fails if nothing can be written. `value` has no meaning.
pub(crate) fn probe(db: &DB, value: u32) -> Result<(), rocksdb::Error> {
    db.put_cf(&column(db, Column::Meta), "probe", value.to_be_bytes())?;
    db.flush_wal(true)
}

/// Whether RocksDB failed at something that it does beside us, such as merging tables. After some of these failures it
/// refuses every write.
pub(crate) fn has_failed_beside(db: &DB) -> bool {
    db.property_int_value("rocksdb.background-errors").is_ok_and(|errors| errors.is_some_and(|errors| errors > 0))
}

/// A number under this name.
pub(crate) fn stored_number(db: &DB, name: &[u8]) -> Result<Option<u64>, Error> {
    let Some(bytes) = db.get_cf(&column(db, Column::Meta), name)? else {
        return Ok(None);
    };
    let number = bytes.try_into().map(u64::from_be_bytes);
    number.map(Some).map_err(|_| Error::Damaged { what: "a number of the store is not one" })
}
