//! Where limits keep their counts: bounded, sharded, and never forgetting a key that is limited now.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use governor::nanos::Nanos;
use governor::state::StateStore;
use parking_lot::Mutex;

use crate::clock::Clock;

/// Keys held by one limit. At 100 bytes a key that is about 10 MiB.
pub(crate) const MAX_KEYS: usize = 100_000;

const SHARD_BITS: u32 = 4;
const SHARDS: usize = 1 << SHARD_BITS;

/// Slots looked at to find room for a new key in a full shard.
const LOOK: usize = 32;

/// Whose bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    V4(u32),
    /// The first 64 bits: one customer's network, so that its addresses are no free pool.
    V6(u64),
    Text(Arc<str>),
}

impl Key {
    pub(crate) fn address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.to_bits()),
            IpAddr::V6(v6) => Self::V6((v6.to_bits() >> 64) as u64),
        }
    }
}

/// A full shard drops an idle key, else one that is not limited, which is counted; where every key looked at is
/// limited, the new one shares one bucket with all others that found no room.
pub(crate) struct Store {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    /// Odd and secret: spreads addresses over the shards without a second hash of them.
    spread: u64,
    /// Time by which a bucket may be ahead before it is limited, in nanoseconds.
    tolerance: u64,
    overflow: Mutex<Option<u64>>,
    clock: Arc<dyn Clock>,
    /// When the limiter began, so that both count from one instant.
    started: OnceLock<Duration>,
    evictions: Arc<AtomicU64>,
}

#[derive(Default)]
struct Shard {
    slots_by_key: HashMap<Key, usize>,
    slots: Vec<Slot>,
    hand: usize,
}

struct Slot {
    key: Key,
    /// When the bucket is full again, in nanoseconds since the start: GCRA's theoretical arrival time.
    full_at: u64,
}

impl Store {
    pub(crate) fn new(tolerance: u64, clock: Arc<dyn Clock>, evictions: Arc<AtomicU64>) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        let (hasher, overflow, started) = (RandomState::new(), Mutex::default(), OnceLock::new());
        let spread = hasher.hash_one(0) | 1;
        Self { shards, hasher, spread, tolerance, overflow, clock, started, evictions }
    }

    /// To be called once the limiter has noted its own start: ours is then not earlier, so that no key looks idle
    /// before it is.
    pub(crate) fn start(&self) {
        self.started.get_or_init(|| self.clock.elapsed());
    }

    /// Takes back one admission that took `interval` nanoseconds.
    pub(crate) fn give_back(&self, key: &Key, interval: u64) {
        let mut shard = self.shard(key).lock();
        if let Some(slot) = shard.find(key) {
            slot.full_at = slot.full_at.saturating_sub(interval);
        }
    }

    /// Until the key's bucket is full again, in nanoseconds. A key that found no room has the bucket that such keys share.
    pub(crate) fn ahead(&self, key: &Key) -> u64 {
        let now = self.now();
        let mut shard = self.shard(key).lock();
        let known = shard.find(key).map(|slot| slot.full_at);
        let is_full = shard.slots.len() >= MAX_KEYS / SHARDS;
        drop(shard);
        let full_at = known.or_else(|| if is_full { *self.overflow.lock() } else { None });
        full_at.map_or(0, |full_at| full_at.saturating_sub(now))
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().slots.len()).sum()
    }

    /// Drops idle keys: they are as good as unknown.
    pub(crate) fn sweep(&self) {
        let now = self.now();
        for shard in &self.shards {
            shard.lock().drop_idle(now);
        }
    }

    fn now(&self) -> u64 {
        let started = self.started.get().copied().unwrap_or_default();
        nanos(self.clock.elapsed().saturating_sub(started))
    }

    fn shard(&self, key: &Key) -> &Mutex<Shard> {
        let number = match key {
            Key::V4(v4) => u64::from(*v4),
            Key::V6(v6) => *v6,
            Key::Text(_) => self.hasher.hash_one(key),
        };
        let at = number.wrapping_mul(self.spread) >> (u64::BITS - SHARD_BITS);
        self.shards.get(at as usize).expect("as many shards as these bits can name")
    }
}

impl StateStore for Store {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, key: &Key, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut shard = self.shard(key).lock();
        if let Some(slot) = shard.find(key) {
            let (answer, next) = measure(Some(slot.full_at.into()))?;
            slot.full_at = next.into();
            return Ok(answer);
        }
        let room = shard.room(self.now(), self.tolerance);
        if let Room::None = room {
            let mut overflow = self.overflow.lock();
            let (answer, next) = measure(overflow.map(Nanos::from))?;
            *overflow = Some(next.into());
            return Ok(answer);
        }
        let (answer, next) = measure(None)?;
        if let Room::Evicted(_) = room {
            self.evictions.fetch_add(1, Ordering::Relaxed);
        }
        shard.put(room, Slot { key: key.clone(), full_at: next.into() });
        Ok(answer)
    }
}

enum Room {
    New,
    Idle(usize),
    Evicted(usize),
    None,
}

impl Shard {
    fn find(&mut self, key: &Key) -> Option<&mut Slot> {
        let at = *self.slots_by_key.get(key)?;
        self.slots.get_mut(at)
    }

    fn room(&mut self, now: u64, tolerance: u64) -> Room {
        if self.slots.len() < MAX_KEYS / SHARDS {
            return Room::New;
        }
        let mut best: Option<(u64, usize)> = None;
        for _ in 0..LOOK {
            self.hand = (self.hand + 1) % self.slots.len();
            let Some(slot) = self.slots.get(self.hand) else { continue };
            if slot.full_at <= now {
                return Room::Idle(self.hand);
            }
            let limited = slot.full_at > now.saturating_add(tolerance);
            if !limited && best.is_none_or(|(full_at, _)| slot.full_at < full_at) {
                best = Some((slot.full_at, self.hand));
            }
        }
        best.map_or(Room::None, |(_, at)| Room::Evicted(at))
    }

    fn put(&mut self, room: Room, slot: Slot) {
        match room {
            Room::New => {
                self.slots_by_key.insert(slot.key.clone(), self.slots.len());
                self.slots.push(slot);
            }
            Room::Idle(at) | Room::Evicted(at) => {
                self.slots_by_key.insert(slot.key.clone(), at);
                if let Some(place) = self.slots.get_mut(at) {
                    let old = std::mem::replace(place, slot);
                    self.slots_by_key.remove(&old.key);
                }
            }
            Room::None => (),
        }
    }

    fn drop_idle(&mut self, now: u64) {
        let mut at = 0;
        while let Some(slot) = self.slots.get(at) {
            if slot.full_at > now {
                at += 1;
                continue;
            }
            self.slots_by_key.remove(&slot.key);
            self.slots.swap_remove(at);
            if let Some(moved) = self.slots.get(at) {
                self.slots_by_key.insert(moved.key.clone(), at);
            }
        }
    }
}

/// Whole nanoseconds; 584 years at most.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
