//! The state database: sessions, failures and keys, in RocksDB under `data_dir/state`.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    BlockBasedOptions, BottommostLevelCompaction, Cache, CompactOptions, DB, Direction, ErrorKind, IteratorMode,
    Options, ReadOptions, WriteBatch,
};

use crate::error::Error;

/// First byte of a key. The bytes are on disk: they never change.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Table {
    /// Key: `key`. Value: 32 random bytes that key all hashes below.
    Meta = b'm' as isize,
    /// Key: SHA-256 of the cookie's value. Value: JSON of `session::row::Row`.
    Session = b's' as isize,
    /// Key: as `Session`. Value: milliseconds since 1970 of the last request, i64 big-endian.
    Used = b'u' as isize,
    /// Key: `SessionId`. Value: the key in `Session`.
    ById = b'i' as isize,
    /// Live sessions only. Key: user id, zero byte, microseconds since 1970 of the start (i64 big-endian), key in
    /// `Session`. Value: empty, or `c` where it came from a sign-in at the login host.
    ByPerson = b'p' as isize,
    /// Key: 32 bytes of `lockout`. Value: JSON of its entry.
    Failure = b'f' as isize,
    /// Key: the ban's id. Value: JSON of `bans::Ban`.
    Ban = b'x' as isize,
    /// Key: the grant's id. Value: JSON of `grants::Grant`.
    Grant = b'g' as isize,
    /// Key: name of a token with its kind. Value: JSON of `uses::Last`.
    TokenUse = b't' as isize,
    /// Key: e-mail. Value: the latest step of time whose code was taken, u64 big-endian.
    SecondFactor = b'o' as isize,
    /// Key: `keys`. Value: JSON of the keys that sign assertions, private halves included.
    Signing = b'k' as isize,
}

impl Table {
    pub(crate) fn key(self, rest: &[u8]) -> Vec<u8> {
        let mut key = Vec::with_capacity(1 + rest.len());
        key.push(self as u8);
        key.extend_from_slice(rest);
        key
    }
}

/// The database until it is closed.
pub(crate) struct State {
    dir: PathBuf,
    db: RwLock<Option<DB>>,
    /// The first of its files that was found not to be what was written. It stays so although what is in memory still
    /// reads well.
    damage: OnceLock<rocksdb::Error>,
}

impl State {
    pub(crate) fn open(data_dir: &Path) -> Result<Arc<Self>, Error> {
        let dir = data_dir.join("state");
        make_private(&dir).map_err(|source| Error::Folder { dir: dir.clone(), source })?;
        let db = DB::open(&options(), &dir).map_err(|error| refused(&dir, error))?;
        let state = Self { dir, db: RwLock::new(Some(db)), damage: OnceLock::new() };
        state.close_files_to_others();
        Ok(Arc::new(state))
    }

    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.with(|db| db.get(table.key(key)))
    }

    /// In the log of the database, but not yet surely on disk: see [`State::sync`].
    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), Error> {
        self.with(|db| db.write(batch))
    }

    /// All that was written before is on disk when this returns. Callers at the same time share one sync.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.with(|db| db.flush_wal(true))
    }

    /// Rows of a table from `start` on whose key begins with `prefix`, in the order of their keys, until `take` says
    /// false.
    pub(crate) fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        start: &[u8],
        mut take: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Error> {
        let mut options = ReadOptions::default();
        // A whole table would drive out of memory what requests ask for.
        options.fill_cache(!prefix.is_empty());
        let (prefix, start) = (table.key(prefix), table.key(start));
        self.with(|db| {
            for row in db.iterator_opt(IteratorMode::From(&start, Direction::Forward), options) {
                let (key, value) = row?;
                if !key.starts_with(&prefix) || !take(key.get(1..).unwrap_or_default(), &value) {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Whatever the umask is, nobody else reads our files; the folder alone would do.
    pub(crate) fn close_files_to_others(&self) {
        let Ok(files) = std::fs::read_dir(&self.dir) else { return };
        for file in files.flatten() {
            // A file that is gone meanwhile needs no protection.
            let _ = std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o600));
        }
    }

    /// What was deleted is in no file when this returns. Takes as long as writing all of it.
    pub(crate) fn write_anew(&self) -> Result<(), Error> {
        self.with(|db| {
            db.flush_wal(true)?;
            db.flush()?;
            // What marks a row as deleted has its key, and goes only when everything is written anew.
            let mut whole = CompactOptions::default();
            whole.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
            db.compact_range_opt(None::<&[u8]>, None::<&[u8]>, &whole);
            // It does not say how that went.
            ask_how_it_goes(db)
        })?;
        self.close_files_to_others();
        Ok(())
    }

    /// A copy of what is stored now, in a folder that is not there yet.
    pub(crate) fn copy_to(&self, dir: &Path) -> Result<(), Error> {
        self.with(|db| {
            db.flush_wal(true)?;
            Checkpoint::new(db)?.create_checkpoint(dir)
        })
    }

    pub(crate) fn close(&self) -> Result<(), Error> {
        let Some(db) = self.db.write().take() else { return Ok(()) };
        let synced = db.flush_wal(true);
        db.cancel_all_background_work(true);
        drop(db);
        self.close_files_to_others();
        synced.map_err(Error::State)
    }

    /// Whether RocksDB goes on with what it does beside us.
    pub(crate) fn look(&self) -> Result<(), Error> {
        self.with(ask_how_it_goes)
    }

    /// An error once a file is damaged, until the program ends: whom what is stored would let in, or keep out, is in
    /// doubt.
    pub(crate) fn whole(&self) -> Result<(), Error> {
        self.damage.get().map_or(Ok(()), |error| Err(Error::File(error.clone())))
    }

    fn with<T>(&self, work: impl FnOnce(&DB) -> Result<T, rocksdb::Error>) -> Result<T, Error> {
        let guard = self.db.read();
        let db = guard.as_ref().ok_or(Error::Closed)?;
        let done = work(db);
        if let Err(error) = &done
            && error.kind() == ErrorKind::Corruption
            && self.damage.set(error.clone()).is_ok()
        {
            let error = Error::File(error.clone());
            tracing::error!(%error, "protected circuits are closed until the program is started on whole files");
        }
        Ok(done?)
    }
}

/// What RocksDB failed at beside us, such as merging tables, it tells whoever writes next.
fn ask_how_it_goes(db: &DB) -> Result<(), rocksdb::Error> {
    let failures = db.property_int_value("rocksdb.background-errors")?;
    if failures.is_some_and(|failures| failures > 0) { db.put(Table::Meta.key(b"probe"), []) } else { Ok(()) }
}

fn refused(dir: &Path, source: rocksdb::Error) -> Error {
    if source.kind() == ErrorKind::Corruption || source.to_string().contains("No such file") {
        return Error::File(source);
    }
    Error::Open { dir: dir.into(), source }
}

fn make_private(dir: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))
}

/// Small: some hundred bytes a session, a million sessions at most.
fn options() -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&Cache::new_lru_cache(16 << 20));
    blocks.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&blocks);
    options.set_write_buffer_size(8 << 20);
    options.set_max_write_buffer_number(2);
    options.set_max_background_jobs(2);
    options.set_max_total_wal_size(32 << 20);
    options.set_keep_log_file_num(2);
    options
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn what_cannot_be_written_anew_is_told_and_nothing_is_believed_after_it() {
        let folder = tempfile::tempdir().unwrap();
        for row in [1, 2] {
            let state = State::open(folder.path()).unwrap();
            let mut batch = WriteBatch::default();
            batch.put(Table::Session.key(&[row; 32]), [row; 4000]);
            state.write(batch).unwrap();
            state.close().unwrap();
        }
        let state = State::open(folder.path()).unwrap();
        let files = std::fs::read_dir(folder.path().join("state")).unwrap().flatten().map(|file| file.path());
        for table in files.filter(|file| file.extension().is_some_and(|kind| kind == "sst")) {
            let turned: Vec<u8> = std::fs::read(&table).unwrap().into_iter().map(|byte| byte ^ 1).collect();
            std::fs::File::options().write(true).open(table).unwrap().write_all_at(&turned, 0).unwrap();
        }
        assert!(state.whole().is_ok());
        assert!(matches!(state.write_anew(), Err(Error::File(_))));
        assert!(matches!(state.whole(), Err(Error::File(_))));
    }
}
