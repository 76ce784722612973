//! The RocksDB under the store: opened, checked, read at the start, and opened again after a failure.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use rocksdb::{
    BoundColumnFamily, Cache, ColumnFamilyDescriptor, DB, DBRecoveryMode, ErrorKind, Options, ReadOptions, WriteBatch,
};
use uuid::Uuid;

use crate::codec::time_of;
use crate::column::{Column, hot_key, hot_seq, span_key};
use crate::entry::Log;
use crate::error::Error;
use crate::id::KEY_LEN;
use crate::timeline::{Span, Timeline};

/// The keys and values that this version reads and writes.
const FORMAT: u32 = 1;

/// Blocks read from disk that are kept in memory, in bytes.
const CACHE_BYTES: usize = 64 << 20;

/// A write-ahead log above this makes RocksDB write its tables out, so that opening after a crash stays short.
const WAL_BYTES: u64 = 128 << 20;

/// An open database and what was read from it.
pub(crate) struct Opened {
    pub(crate) db: DB,
    /// Names this store for ever.
    pub(crate) store: Uuid,
    pub(crate) id_key: [u8; KEY_LEN],
    /// By [`Log::index`].
    pub(crate) timelines: [Timeline; 3],
}

/// Opens or makes the database in a folder that only this user may enter.
pub(crate) fn open(dir: &Path) -> Result<Opened, Error> {
    make_folder(dir).map_err(|source| Error::Unwritable { dir: dir.into(), source })?;
    let cache = Cache::new_lru_cache(CACHE_BYTES);
    let db = DB::open_cf_descriptors(&options(), dir, descriptors(dir, &cache)).map_err(|error| refused(dir, error))?;
    let (store, id_key) = identity(&db)?;
    let timelines = [timeline(&db, Log::Access)?, timeline(&db, Log::Requests)?, timeline(&db, Log::Audit)?];
    Ok(Opened { db, store, id_key, timelines })
}

/// A column family that was made when the database was opened.
pub(crate) fn column(db: &DB, column: Column) -> Arc<BoundColumnFamily<'_>> {
    db.cf_handle(column.name()).expect("every column is made when the database is opened")
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
    if error.kind() == ErrorKind::IOError && !text.contains("No such file") {
        return Error::Unwritable { dir: dir.into(), source: io::Error::other(error) };
    }
    Error::Store(error)
}

/// Checks the format, and makes name and key of a new store.
fn identity(db: &DB) -> Result<(Uuid, [u8; KEY_LEN]), Error> {
    let meta = column(db, Column::Meta);
    let Some(format) = db.get_cf(&meta, "format")? else {
        return first_identity(db);
    };
    if format != FORMAT.to_be_bytes() {
        return Err(Error::Format { found: format, known: FORMAT });
    }
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

/// The times of a log: of whole chunks as stored, of the rows after them from the rows.
fn timeline(db: &DB, log: Log) -> Result<Timeline, Error> {
    let mut timeline = Timeline::new(spans(db, log)?);
    let first = timeline.rows();
    let hot = column(db, Column::Hot);
    let mut options = ReadOptions::default();
    options.set_iterate_upper_bound(hot_key(log, u64::MAX));
    let mut rows = db.raw_iterator_cf_opt(&hot, options);
    rows.seek(hot_key(log, first));
    let mut times = Vec::new();
    while let Some((key, bytes)) = rows.item() {
        if hot_seq(log, key) != Some(first + times.len() as u64) {
            return Err(Error::Damaged { what: "a sequence of entries has a gap" });
        }
        times.push(time_of(bytes));
        rows.next();
    }
    rows.status()?;
    let extension = timeline.extension(times);
    timeline.extend(extension);
    Ok(timeline)
}

fn spans(db: &DB, log: Log) -> Result<Vec<Span>, Error> {
    let meta = column(db, Column::Meta);
    let mut options = ReadOptions::default();
    options.set_iterate_upper_bound(span_key(log, u64::MAX));
    let mut stored = db.raw_iterator_cf_opt(&meta, options);
    stored.seek(span_key(log, 0));
    let mut spans = Vec::new();
    while let Some((key, bytes)) = stored.item() {
        let span = Span::decode(bytes).filter(|_| key == span_key(log, spans.len() as u64));
        spans.push(span.ok_or(Error::Damaged { what: "the times of a chunk of entries cannot be read" })?);
        stored.next();
    }
    stored.status()?;
    Ok(spans)
}
