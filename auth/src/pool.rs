//! Checks secrets against Argon2id hashes on threads of its own, so that no amount of guessing starves requests.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::{Argon2, PasswordHash, PasswordVerifier};
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::keyed::random;

/// Secrets that wait; one more is turned away before anything is hashed.
const MAX_WAITING: usize = 64;

/// A longer secret is a failure; only this much of it is ever hashed.
pub(crate) const MAX_SECRET_BYTES: usize = 1_024;

/// One core is left to requests, where there are two.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    dummy: Box<str>,
}

struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
    full: AtomicU64,
    made: AtomicU64,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

struct Job {
    secret: Zeroizing<String>,
    hash: Box<str>,
    answer: oneshot::Sender<bool>,
}

/// The queue is full.
#[derive(Debug)]
pub(crate) struct Busy;

impl Pool {
    pub(crate) fn start() -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_threads(cores.saturating_sub(1).max(1))
    }

    fn with_threads(threads: usize) -> Result<Self, Error> {
        let queue = Mutex::new(Queue::default());
        let shared = Arc::new(Shared { queue, more: Condvar::new(), full: AtomicU64::new(0), made: AtomicU64::new(0) });
        for number in 0..threads {
            let shared = shared.clone();
            let thread = std::thread::Builder::new().name(format!("hash-{number}"));
            thread.spawn(move || shared.work()).map_err(Error::Threads)?;
        }
        Ok(Self { shared, dummy: dummy() })
    }

    /// Whether the secret is the one that was hashed. Without a hash the answer is no, at the same cost.
    pub(crate) async fn verify(&self, secret: Zeroizing<String>, hash: Option<&str>) -> Result<bool, Busy> {
        let whole = secret.len() <= MAX_SECRET_BYTES;
        let (hash, real) = match hash {
            Some(hash) if whole => (hash, true),
            Some(_) | None => (&*self.dummy, false),
        };
        let secret = if whole { secret } else { Zeroizing::new(cut(&secret).to_owned()) };
        let (answer, answered) = oneshot::channel();
        self.shared.add(Job { secret, hash: hash.into(), answer })?;
        // No answer means that a thread died of it: in doubt the secret is wrong.
        Ok(answered.await.unwrap_or(false) && real)
    }

    pub(crate) fn waiting(&self) -> usize {
        self.shared.queue.lock().jobs.len()
    }

    pub(crate) fn turned_away(&self) -> u64 {
        self.shared.full.load(Ordering::Relaxed)
    }

    /// Hashes made since start.
    pub(crate) fn made(&self) -> u64 {
        self.shared.made.load(Ordering::Relaxed)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.more.notify_all();
    }
}

impl Shared {
    fn add(&self, job: Job) -> Result<(), Busy> {
        let mut queue = self.queue.lock();
        if queue.jobs.len() >= MAX_WAITING {
            self.full.fetch_add(1, Ordering::Relaxed);
            return Err(Busy);
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.more.notify_one();
        Ok(())
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            // Nobody waits where the client left.
            if !job.answer.is_closed() {
                let good = is_hash_of(&job.hash, &job.secret);
                self.made.fetch_add(1, Ordering::Relaxed);
                let _ = job.answer.send(good);
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            self.more.wait(&mut queue);
        }
    }
}

fn is_hash_of(hash: &str, secret: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(secret.as_bytes(), &hash).is_ok())
}

/// The hash of nothing that anybody could type: random bytes in the place of a result.
fn dummy() -> Box<str> {
    use base64::Engine;
    let text = |bytes: &[u8]| base64::prelude::BASE64_STANDARD_NO_PAD.encode(bytes);
    let salt = random();
    format!("$argon2id$v=19$m=19456,t=2,p=1${}${}", text(salt.split_at(16).0), text(&random())).into()
}

fn cut(secret: &str) -> &str {
    let mut end = MAX_SECRET_BYTES.min(secret.len());
    while !secret.is_char_boundary(end) {
        end -= 1;
    }
    secret.split_at(end).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::hash_secret;

    fn secret(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[tokio::test]
    async fn only_the_secret_itself_is_good() {
        let pool = Pool::with_threads(1).unwrap();
        let hash = hash_secret(&secret("correct horse")).unwrap();
        for (typed, hash, expected) in [
            ("correct horse", Some(hash.as_str()), true),
            ("correct horse ", Some(hash.as_str()), false),
            ("", Some(hash.as_str()), false),
            ("correct horse", None, false),
            ("correct horse", Some("no hash"), false),
        ] {
            assert_eq!(pool.verify(secret(typed), hash).await.unwrap(), expected, "{typed:?} {hash:?}");
        }
    }

    #[tokio::test]
    async fn a_secret_of_exactly_a_kibibyte_is_the_longest() {
        let pool = Pool::with_threads(1).unwrap();
        let longest = "é".repeat(512);
        let hash = hash_secret(&secret(&longest)).unwrap();
        assert!(pool.verify(secret(&longest), Some(&hash)).await.unwrap());
        assert!(!pool.verify(secret(&format!("{longest}x")), Some(&hash)).await.unwrap());
    }

    #[tokio::test]
    async fn a_full_queue_turns_away_before_hashing() {
        // No thread takes anything out.
        let pool = Pool::with_threads(0).unwrap();
        let mut waiting = Vec::new();
        for _ in 0..MAX_WAITING {
            let (answer, answered) = oneshot::channel();
            pool.shared.add(Job { secret: secret("x"), hash: "".into(), answer }).unwrap();
            waiting.push(answered);
        }
        assert!(pool.verify(secret("x"), None).await.is_err());
        assert_eq!((pool.waiting(), pool.turned_away()), (MAX_WAITING, 1));
    }
}
