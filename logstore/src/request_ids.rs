//! Names of requests: unique over every restart, telling nothing, and cheap to keep: each is a scrambled counter.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use crate::id::Ids;

/// Counters that a start keeps in reserve; what it does not use is never given out.
pub(crate) const RESERVED: u64 = 1 << 24;

/// Makes the ids of requests. Clones share one counter.
#[derive(Clone)]
pub struct RequestIds {
    ids: Arc<Ids>,
    next: Arc<AtomicU64>,
}

impl RequestIds {
    pub(crate) fn new(ids: Arc<Ids>, first: u64) -> Self {
        Self { ids, next: Arc::new(AtomicU64::new(first)) }
    }

    /// One more: a UUID of version 8.
    pub fn next(&self) -> Uuid {
        self.ids.request(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The counter of the next one.
    pub(crate) fn counter(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for RequestIds {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("RequestIds").finish_non_exhaustive()
    }
}
