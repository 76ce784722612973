//! Limits outlive the configuration that names them.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use vestibule_config::Rate;
use vestibule_config::limit::LimitKey;

use super::Limiter;
use crate::clock::Clock;

/// A limit keeps its counts while its name and all its numbers stay.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Numbers {
    pub(crate) name: Arc<str>,
    /// Absent for limits of attempts.
    pub(crate) per: Option<LimitKey>,
    pub(crate) count: NonZeroU32,
    pub(crate) period: std::time::Duration,
    pub(crate) burst: NonZeroU32,
}

/// Every limit that some living configuration uses.
pub(crate) struct Registry {
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<Numbers, Weak<Limiter>>>,
    evictions: Arc<AtomicU64>,
}

impl Registry {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, known: Mutex::default(), evictions: Arc::default() }
    }

    /// The living one with these numbers, else a new one.
    pub(crate) fn limiter(&self, numbers: Numbers) -> Arc<Limiter> {
        let mut known = self.known.lock();
        if let Some(limiter) = known.get(&numbers).and_then(Weak::upgrade) {
            return limiter;
        }
        known.retain(|_, limiter| limiter.strong_count() > 0);
        let rate = Rate { count: numbers.count, period: numbers.period };
        let (name, clock, evictions) = (numbers.name.clone(), self.clock.clone(), self.evictions.clone());
        let limiter = Arc::new(Limiter::new(name, rate, numbers.burst, clock, evictions));
        known.insert(numbers, Arc::downgrade(&limiter));
        limiter
    }

    pub(crate) fn living(&self) -> Vec<Arc<Limiter>> {
        self.known.lock().values().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }
}
