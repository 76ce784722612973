//! The store as its users see it: opened and closed here, and what is done with it in a room for each kind of user.

mod ask;
mod figures;
mod heads;
mod tend;
mod write;

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;
use uuid::Uuid;

use crate::Options;
use crate::database::{self, Opened};
use crate::error::Error;
use crate::request_ids::RequestIds;
use crate::sealer;
use crate::shared::{Loaded, Shared};
use crate::stats::Counters;
use crate::writer::Writer;

/// The three logs. Clones share one store; the last one to go closes it.
#[derive(Clone)]
pub struct Store {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<Result<(), Error>>>>,
    sealer: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens or makes the store in `dir`, which only this process may use.
    ///
    /// # Errors
    /// When the folder cannot be written, another process holds it, or its format is not known.
    pub fn open(dir: &Path, options: Options) -> Result<Self, Error> {
        let Opened { db, blocks, store, ids, contents, attempts, first_request } = database::open(dir)?;
        let request_ids = RequestIds::new(Arc::clone(&ids), first_request);
        let [_, requests, _] = &contents;
        let counters = Counters::load(&db, &requests.timeline)?;
        let loaded = Loaded { db, blocks, contents, counters };
        let shared = Arc::new(Shared::new(dir.into(), options, store, ids, loaded, request_ids));
        let writer = Writer::new(Arc::clone(&shared), attempts)?;
        let thread = thread::Builder::new().name("log-writer".into()).spawn(|| writer.run()).map_err(Error::Thread)?;
        shared.set_writer(thread.thread().clone());
        let sealing = Arc::clone(&shared);
        let sealer = thread::Builder::new().name("log-sealer".into()).spawn(move || sealer::run(&sealing));
        let sealer = sealer.map_err(Error::Thread)?;
        shared.set_sealer(sealer.thread().clone());
        let (writer, sealer) = (Mutex::new(Some(thread)), Mutex::new(Some(sealer)));
        Ok(Self { handle: Arc::new(Handle { shared, writer, sealer }) })
    }

    /// Names this store for ever.
    pub fn uuid(&self) -> Uuid {
        self.handle.shared.store
    }

    /// Writes and syncs what is queued, stops the writer, closes the database. Later appends are counted as dropped.
    /// Blocks.
    ///
    /// # Errors
    /// When the last sync fails.
    pub fn close(&self) -> Result<(), Error> {
        self.handle.close()
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.handle.shared
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Store").field("dir", &self.handle.shared.dir).finish_non_exhaustive()
    }
}

impl Handle {
    fn close(&self) -> Result<(), Error> {
        let Some(writer) = self.writer.lock().take() else {
            return Ok(());
        };
        self.shared.close();
        let ended = writer.join().unwrap_or_else(|_| Err(Error::Unwritten { cause: "the writer panicked".into() }));
        self.shared.wake_sealer();
        if let Some(Err(_)) = self.sealer.lock().take().map(JoinHandle::join) {
            tracing::error!("the sealer panicked");
        }
        // Waits for the queries that still read.
        let db = self.shared.db.write().take();
        let saved = db.as_ref().map_or(Ok(()), |db| self.shared.counters.save(db));
        if let (Ok(()), Ok(()), Some(db)) = (&ended, &saved, &db) {
            let written = database::write_out(db);
            written.unwrap_or_else(|error| tracing::error!(%error, "the logs are not written out"));
        }
        ended.and(saved)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(error = &error as &dyn std::error::Error, "log store closed");
        }
    }
}
