//! Limits of attempts: asked in one place, before any credential is looked at.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use moka::sync::Cache;
use tokio::sync::Semaphore;
use vestibule_config::Rate;
use vestibule_config::limit::LoginLimits;

use crate::asking::Asking;
use crate::cache::Cache as Cached;
use crate::error::Error;
use crate::keyed::{Keyed, Purpose};
use crate::limit::{Check, Key, Limiter, Numbers, Registry, check_all};
use crate::lockout::{Attempt, FailureKey, Failures, Limits};
use crate::state::State;
use crate::verdict::{Budget, Kind, Reason, Refusal};

/// Longest wait of an attempt at a circuit that is tried too often.
const MAX_DELAY: Duration = Duration::from_secs(2);

/// Attempts that wait at the same time, over all circuits; one more is answered 429.
const MAX_DELAYED: usize = 256;

/// What comes again and again is one attempt in this time.
const RECORD_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// Callbacks of providers, by address: a minute, and at once.
const CALLBACKS: NonZeroU32 = NonZeroU32::new(10).unwrap();
const CALLBACKS_AT_ONCE: NonZeroU32 = NonZeroU32::new(15).unwrap();
/// Codes that are sent to one account in this time, whoever asks, so that nobody's mail is flooded.
const CODES: NonZeroU32 = NonZeroU32::new(5).unwrap();
const CODES_WITHIN: Duration = Duration::from_secs(900);

/// Pairs of circuit and address that signed in with a shared secret.
const MAX_WELCOME: u64 = 100_000;

/// Credentials, circuits and addresses that are remembered to have come. One that is forgotten is recorded and counted
/// once more.
const MAX_CAME: usize = 10_000;

/// What was shown, where, from where.
pub(crate) type Came = ([u8; 32], Arc<str>, IpAddr);

/// What of attempts outlives a configuration.
pub(crate) struct History {
    pub(crate) failures: Arc<Failures>,
    keyed: Arc<Keyed>,
    welcome: Cache<FailureKey, ()>,
    waiting: Semaphore,
    /// When it was recorded last.
    came: Cached<Came, Timestamp>,
}

/// `[login_limits]` of one configuration.
pub(crate) struct Attempts {
    history: Arc<History>,
    per_ip: Arc<Limiter>,
    per_user: Arc<Limiter>,
    per_circuit: Arc<Limiter>,
    callbacks: Arc<Limiter>,
    codes: Arc<Limiter>,
    failures: Limits,
    shared_failures: Limits,
}

/// Who tries what, where.
#[derive(Clone, Copy)]
pub(crate) struct Try<'a> {
    pub(crate) circuit: &'a Arc<str>,
    pub(crate) address: IpAddr,
    /// Folded; absent for a shared secret.
    pub(crate) account: Option<&'a str>,
}

/// An attempt that may be made; its end is to be told.
pub(crate) struct Admitted {
    attempt: Option<Attempt>,
    welcome: Option<FailureKey>,
}

impl History {
    pub(crate) fn new(failures: Arc<Failures>, keyed: Arc<Keyed>) -> Self {
        Self {
            failures,
            keyed,
            welcome: Cache::new(MAX_WELCOME),
            waiting: Semaphore::new(MAX_DELAYED),
            came: Cached::new(MAX_CAME),
        }
    }

    /// Whether this came in the hour before.
    pub(crate) fn came_lately(&self, came: &Came, now: Timestamp) -> bool {
        self.came.get(came).is_some_and(|last| now.duration_since(last) < RECORD_EVERY)
    }

    pub(crate) fn note_came(&self, came: Came, now: Timestamp) {
        self.came.insert(came, now);
    }

    /// This address is known to have the circuit's shared secret.
    pub(crate) fn welcome(&self, circuit: &str, address: IpAddr) {
        self.welcome.insert(self.pair(Purpose::Circuit, circuit, address), ());
    }

    /// Names are hashed: somebody types a password into the wrong field sooner or later.
    fn pair(&self, purpose: Purpose, name: &str, address: IpAddr) -> FailureKey {
        let group = match Key::address(address) {
            Key::V4(v4) => u64::from(v4).to_be_bytes(),
            Key::V6(v6) => v6.to_be_bytes(),
            Key::Text(_) => [0; 8],
        };
        // The family keeps ::/64 networks apart from IPv4 addresses of the same number.
        let family = [u8::from(address.to_canonical().is_ipv6())];
        let address = [&family[..], &group].concat();
        join(self.keyed.hash(purpose, name.as_bytes()), self.keyed.hash(Purpose::Address, &address))
    }

    pub(crate) fn unlock(&self, account: &str, state: &State) -> Result<usize, Error> {
        let unlocked = self.failures.forget(&self.of_account(account));
        self.failures.flush()?;
        state.sync()?;
        Ok(unlocked)
    }

    pub(crate) fn locked<'a>(&self, accounts: impl Iterator<Item = &'a str>) -> Vec<(&'a str, Timestamp)> {
        let mut latest: HashMap<[u8; 16], Timestamp> = HashMap::new();
        for (key, until) in self.failures.locked() {
            let Some(account) = key.first_chunk::<16>() else { continue };
            let known = latest.entry(*account).or_insert(until);
            *known = until.max(*known);
        }
        accounts.filter_map(|account| Some((account, *latest.get(&self.of_account(account))?))).collect()
    }

    /// What the keys of an account begin with, whatever the address is.
    fn of_account(&self, account: &str) -> [u8; 16] {
        self.keyed.hash(Purpose::Account, account.to_lowercase().as_bytes())
    }

    fn of_circuit(&self, circuit: &str) -> FailureKey {
        join(self.keyed.hash(Purpose::Circuit, circuit.as_bytes()), [0; 16])
    }
}

const PER_IP: &str = "login.per_ip";
const PER_USER: &str = "login.per_user";
const PER_CIRCUIT: &str = "login.per_circuit";
const CALLBACK: &str = "login.callback";
const CODE: &str = "login.code";
const FAILURES: &str = "login.failures";
const SHARED_FAILURES: &str = "login.shared_failures";

/// Names of the limits of signing in, as budgets have them.
pub const LOGIN_LIMITS: [&str; 7] = [PER_IP, PER_USER, PER_CIRCUIT, CALLBACK, CODE, FAILURES, SHARED_FAILURES];

impl Attempts {
    pub(crate) fn new(limits: &LoginLimits, registry: &Registry, history: Arc<History>) -> Self {
        let LoginLimits { per_ip, per_user, per_circuit, failures, shared_failures } = limits;
        let limiter = |name: &str, rate: &Rate| {
            let (count, period) = (rate.count, rate.period);
            registry.limiter(Numbers { name: name.into(), per: None, count, period, burst: count })
        };
        let fixed = |name: &str, count, period, burst| {
            registry.limiter(Numbers { name: name.into(), per: None, count, period, burst })
        };
        let (count, within) = (failures.count.get(), failures.within);
        let shared_count = shared_failures.count.get();
        Self {
            history,
            per_ip: limiter(PER_IP, per_ip),
            per_user: limiter(PER_USER, per_user),
            per_circuit: limiter(PER_CIRCUIT, per_circuit),
            callbacks: fixed(CALLBACK, CALLBACKS, Duration::from_secs(60), CALLBACKS_AT_ONCE),
            codes: fixed(CODE, CODES, CODES_WITHIN, CODES),
            failures: Limits { count, within, lock: Some(failures.lock) },
            shared_failures: Limits { count: shared_count, within: shared_failures.within, lock: None },
        }
    }

    /// One more callback of a provider from this address.
    pub(crate) fn admit_callback(&self, address: IpAddr) -> Result<(), Refusal> {
        match self.callbacks.check(&Key::address(address)) {
            Check::Pass(_) => Ok(()),
            Check::Limited(budget) => Err(refuse(Reason::RateLimitedIp, budget)),
        }
    }

    /// One more code for an account, whether there is such an account or not.
    pub(crate) fn admit_code(&self, account: &str) -> Result<(), Refusal> {
        match self.codes.check(&self.account_key(account)) {
            Check::Pass(_) => Ok(()),
            Check::Limited(budget) => Err(refuse(Reason::RateLimitedUser, budget)),
        }
    }

    /// A lock is looked at first, so that it is told with its whole wait; refused attempts count nowhere.
    pub(crate) async fn admit(&self, attempt: Try<'_>) -> Result<Admitted, Refusal> {
        let admitted = self.begin(attempt)?;
        if let Err(refusal) = self.rates(attempt) {
            admitted.forgive();
            return Err(refusal);
        }
        match self.delay(attempt.circuit).await {
            Ok(()) => Ok(admitted),
            Err(refusal) => {
                admitted.forgive();
                Err(refusal)
            }
        }
    }

    /// Before something is looked at that a machine shows with each request. Only addresses are counted: there is no
    /// account whose secret could be guessed, and a key of 128 bits cannot be.
    pub(crate) fn admit_machine(&self, address: IpAddr, asking: &mut impl Asking) -> Result<(), Refusal> {
        let by_address = (&*self.per_ip, Key::address(address));
        let checked = asking.take([by_address].into_iter(), Duration::ZERO);
        checked.map(drop).map_err(|(_, budget)| refuse(Reason::RateLimitedIp, budget))
    }

    /// Why an account may not be tried from an address at this moment.
    pub(crate) fn locked(&self, account: &str, address: IpAddr, now: Timestamp) -> Option<Refusal> {
        let key = self.history.pair(Purpose::Account, account, address);
        let until = self.history.failures.locked().into_iter().find(|(locked, _)| *locked == key)?.1;
        let wait = Duration::try_from(until.duration_since(now)).ok().filter(|wait| !wait.is_zero())?;
        Some(refuse(Reason::UserLocked, budget(FAILURES, &self.failures, wait)))
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    fn begin(&self, attempt: Try<'_>) -> Result<Admitted, Refusal> {
        let (history, address) = (&self.history, attempt.address);
        let Some(account) = attempt.account else {
            let pair = history.pair(Purpose::Circuit, attempt.circuit, address);
            let key = history.of_circuit(attempt.circuit);
            return match history.failures.begin(key, self.shared_failures) {
                Ok(running) => Ok(Admitted { attempt: Some(running), welcome: Some(pair) }),
                Err(_) if history.welcome.contains_key(&pair) => Ok(Admitted { attempt: None, welcome: Some(pair) }),
                Err(wait) => {
                    let limits = &self.shared_failures;
                    Err(refuse(Reason::RateLimitedCircuit, budget(SHARED_FAILURES, limits, wait)))
                }
            };
        };
        let key = history.pair(Purpose::Account, account, address);
        match history.failures.begin(key, self.failures) {
            Ok(running) => Ok(Admitted { attempt: Some(running), welcome: None }),
            Err(wait) => Err(refuse(Reason::UserLocked, budget(FAILURES, &self.failures, wait))),
        }
    }

    fn rates(&self, attempt: Try<'_>) -> Result<(), Refusal> {
        let by_address = Some((&*self.per_ip, Key::address(attempt.address)));
        let by_account = attempt.account.map(|account| (&*self.per_user, self.account_key(account)));
        match check_all(by_address.into_iter().chain(by_account), Duration::ZERO) {
            Ok(_) => Ok(()),
            Err((0, budget)) => Err(refuse(Reason::RateLimitedIp, budget)),
            Err((_, budget)) => Err(refuse(Reason::RateLimitedUser, budget)),
        }
    }

    /// Names are hashed: somebody types a password into the wrong field sooner or later.
    fn account_key(&self, account: &str) -> Key {
        let hash = self.history.keyed.hash(Purpose::Account, account.as_bytes());
        Key::Text(crate::keyed::hex(&hash).into())
    }

    /// Many attempts at one circuit are slowed down, not refused: a stranger must not lock its people out.
    async fn delay(&self, circuit: &Arc<str>) -> Result<(), Refusal> {
        let Check::Limited(budget) = self.per_circuit.check(&Key::Text(circuit.clone())) else { return Ok(()) };
        let Ok(_place) = self.history.waiting.try_acquire() else {
            return Err(refuse(Reason::RateLimitedCircuit, budget));
        };
        tokio::time::sleep(budget.retry_after.min(MAX_DELAY)).await;
        Ok(())
    }

    /// The credential was good.
    pub(crate) fn succeeded(&self, admitted: Admitted) {
        if let Some(pair) = admitted.welcome {
            self.history.welcome.insert(pair, ());
        }
        admitted.forgive();
    }

    /// It was not. When this returns the count outlives the process, and a lock the power too: killing the process
    /// gives nobody another try. Whether it locked the account for the address.
    pub(crate) async fn failed(&self, admitted: Admitted, state: &Arc<State>) -> bool {
        let Some(locked) = admitted.attempt.map(Attempt::fail) else { return false };
        let (failures, state) = (self.history.failures.clone(), state.clone());
        let write = move || failures.flush().and_then(|()| if locked { state.sync() } else { Ok(()) });
        if let Ok(Err(error)) = tokio::task::spawn_blocking(write).await {
            tracing::error!(error = &error as &dyn std::error::Error, "failed attempt cannot be stored");
        }
        locked
    }
}

impl Admitted {
    /// The credential was not looked at.
    pub(crate) fn forgive(self) {
        if let Some(attempt) = self.attempt {
            attempt.forgive();
        }
    }
}

fn join(one: [u8; 16], other: [u8; 16]) -> FailureKey {
    let mut key = [0; 32];
    key.iter_mut().zip(one.into_iter().chain(other)).for_each(|(to, from)| *to = from);
    key
}

fn budget(limit: &str, limits: &Limits, wait: Duration) -> Budget {
    Budget { limit: limit.into(), quota: limits.count, remaining: 0, retry_after: wait, reset: wait }
}

fn refuse(reason: Reason, budget: Budget) -> Refusal {
    let rule = budget.limit.replacen("login.", "login_limits.", 1);
    Refusal { reason, kind: Kind::Limited(budget), rule }
}
