//! Who is signed in to the pages, and the links that let somebody in once. In memory: after a restart people sign in
//! again. Cookies and links are kept as their hashes alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;
use subtle::ConstantTimeEq as _;

use crate::admin::door::Holder;
use crate::admin::problem::Problem;
use crate::cookie::new_browser as random;
use crate::login::form_pairs;

/// A sign-in ends after this time, whatever happens.
pub(super) const MAX_AGE: Duration = Duration::from_secs(12 * 3600);

/// And after this time without a request.
const IDLE: Duration = Duration::from_secs(3600);

/// A link that nobody followed is good for nothing then.
pub(super) const LINK_TTL: Duration = Duration::from_secs(5 * 60);

/// Sign-ins at the same time; for one more the one that was longest without a request ends.
const SIGNED_IN_MAX: usize = 64;

/// Links that wait; for one more the oldest is good for nothing.
const LINKS_MAX: usize = 16;

/// The field of every form.
pub(super) const CSRF: &str = "csrf";

type Hash = [u8; 32];

/// One sign-in.
#[derive(Debug)]
pub(crate) struct SignedIn {
    holder: Holder,
    /// Stands in every form of its pages.
    csrf: String,
    since: Duration,
    /// Seconds, of the clock of `since`.
    last: AtomicU64,
    ended: AtomicBool,
}

impl SignedIn {
    /// For whom it stands.
    pub(crate) fn holder(&self) -> &Holder {
        &self.holder
    }

    /// What its forms carry.
    pub(in crate::admin) fn csrf(&self) -> &str {
        &self.csrf
    }

    /// Whether nobody and no time has ended it; a page that follows a log keeps it no longer than [`MAX_AGE`].
    pub(crate) fn lasts(&self, now: Duration) -> bool {
        !self.ended.load(Ordering::Relaxed) && now.saturating_sub(self.since) < MAX_AGE
    }

    fn idles(&self, now: Duration) -> bool {
        now.saturating_sub(Duration::from_secs(self.last.load(Ordering::Relaxed))) >= IDLE
    }

    /// Refuses a form that is of no page of this sign-in.
    pub(crate) fn must_have_sent(&self, body: &[u8]) -> Result<(), Problem> {
        let fields = form_pairs(body).unwrap_or_default();
        let sent = fields.iter().find(|(name, _)| name == CSRF);
        let is_ours = sent.is_some_and(|(_, sent)| bool::from(sent.as_bytes().ct_eq(self.csrf.as_bytes())));
        if is_ours { Ok(()) } else { Err(Problem::cross_site()) }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct SignIns {
    signed_in: Mutex<HashMap<Hash, Arc<SignedIn>>>,
    links: Mutex<HashMap<Hash, Link>>,
}

#[derive(Debug)]
struct Link {
    holder: Holder,
    made: Duration,
}

impl SignIns {
    /// Lets somebody in; the answer is the cookie's value.
    pub(super) fn begin(&self, holder: Holder, now: Duration) -> String {
        let value = random();
        let signed_in = SignedIn {
            holder,
            csrf: random(),
            since: now,
            last: AtomicU64::new(now.as_secs()),
            ended: AtomicBool::new(false),
        };
        let mut all = self.signed_in.lock();
        all.retain(|_, one| one.lasts(now) && !one.idles(now));
        if all.len() >= SIGNED_IN_MAX {
            let quietest = all.iter().min_by_key(|(_, one)| one.last.load(Ordering::Relaxed)).map(|(hash, _)| *hash);
            if let Some(ended) = quietest.and_then(|hash| all.remove(&hash)) {
                ended.ended.store(true, Ordering::Relaxed);
            }
        }
        all.insert(hash(&value), Arc::new(signed_in));
        value
    }

    /// The sign-in of a cookie's value, which goes on with it.
    pub(crate) fn find(&self, value: &str, now: Duration) -> Option<Arc<SignedIn>> {
        let found = self.signed_in.lock().get(&hash(value)).cloned()?;
        if !found.lasts(now) || found.idles(now) {
            return None;
        }
        found.last.store(now.as_secs(), Ordering::Relaxed);
        Some(found)
    }

    /// Ends one; what it still reads breaks off.
    pub(super) fn end(&self, ended: &Arc<SignedIn>) {
        ended.ended.store(true, Ordering::Relaxed);
        self.signed_in.lock().retain(|_, one| !Arc::ptr_eq(one, ended));
    }

    /// How many people are signed in.
    pub(crate) fn count(&self, now: Duration) -> u64 {
        self.signed_in.lock().values().filter(|one| one.lasts(now) && !one.idles(now)).count() as u64
    }

    /// A code that lets somebody in once.
    pub(super) fn link(&self, holder: Holder, now: Duration) -> String {
        let code = random();
        let mut links = self.links.lock();
        links.retain(|_, link| !link.is_over(now));
        if links.len() >= LINKS_MAX
            && let Some(oldest) = links.iter().min_by_key(|(_, link)| link.made).map(|(hash, _)| *hash)
        {
            links.remove(&oldest);
        }
        links.insert(hash(&code), Link { holder, made: now });
        code
    }

    /// Uses it up.
    pub(super) fn follow(&self, code: &str, now: Duration) -> Option<Holder> {
        let link = self.links.lock().remove(&hash(code))?;
        (!link.is_over(now)).then_some(link.holder)
    }
}

impl Link {
    fn is_over(&self, now: Duration) -> bool {
        now.saturating_sub(self.made) >= LINK_TTL
    }
}

/// For tests: the cookie of who signs in with a token.
#[cfg(test)]
pub(in crate::admin) fn sign_in_of(port: &crate::admin::Port, token: &str) -> Option<String> {
    let live = port.state.live.load();
    let holder = crate::admin::door::holder(&live.settings.admin, token.as_bytes())?;
    Some(port.sign_ins.begin(holder, port.state.clock.elapsed()))
}

fn hash(value: &str) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, value.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder() -> Holder {
        Holder::Token { name: "ops".to_owned(), hash: [1; 32] }
    }

    fn at(minutes: u64) -> Duration {
        Duration::from_secs(minutes * 60)
    }

    #[test]
    fn a_link_opens_once_and_within_five_minutes() {
        let sign_ins = SignIns::default();
        let code = sign_ins.link(holder(), at(0));
        assert!(sign_ins.follow("another", at(1)).is_none());
        assert!(sign_ins.follow(&code, at(4)).is_some());
        assert!(sign_ins.follow(&code, at(4)).is_none(), "it is used up");
        let late = sign_ins.link(holder(), at(10));
        assert!(sign_ins.follow(&late, at(15)).is_none());
    }

    #[test]
    fn a_sign_in_ends_when_it_is_idle_when_it_is_old_and_when_somebody_ends_it() {
        let sign_ins = SignIns::default();
        let idle = sign_ins.begin(holder(), at(0));
        assert!(sign_ins.find(&idle, at(59)).is_some());
        assert!(sign_ins.find(&idle, at(118)).is_some(), "each request counts");
        assert!(sign_ins.find(&idle, at(178)).is_none());

        let old = sign_ins.begin(holder(), at(0));
        for half_hour in 1..24 {
            assert!(sign_ins.find(&old, at(half_hour * 30)).is_some(), "{half_hour}");
        }
        assert!(sign_ins.find(&old, at(720)).is_none());

        let ended = sign_ins.begin(holder(), at(0));
        let signed_in = sign_ins.find(&ended, at(1)).unwrap();
        sign_ins.end(&signed_in);
        assert!(!signed_in.lasts(at(1)) && sign_ins.find(&ended, at(1)).is_none());
    }

    #[test]
    fn any_number_of_sign_ins_and_links_stays_bounded_and_the_quietest_goes_first() {
        let sign_ins = SignIns::default();
        let first = sign_ins.begin(holder(), at(0));
        let second = sign_ins.begin(holder(), at(1));
        assert!(sign_ins.find(&first, at(2)).is_some());
        for _ in 2..=SIGNED_IN_MAX {
            sign_ins.begin(holder(), at(3));
        }
        assert_eq!(sign_ins.count(at(3)), SIGNED_IN_MAX as u64);
        assert!(sign_ins.find(&second, at(3)).is_none() && sign_ins.find(&first, at(3)).is_some());
        for _ in 0..100 {
            sign_ins.link(holder(), at(3));
        }
        assert_eq!(sign_ins.links.lock().len(), LINKS_MAX);
    }

    #[test]
    fn a_form_carries_what_its_page_was_given() {
        let sign_ins = SignIns::default();
        let value = sign_ins.begin(holder(), at(0));
        let signed_in = sign_ins.find(&value, at(0)).unwrap();
        let good = format!("id=1&csrf={}", signed_in.csrf());
        assert!(signed_in.must_have_sent(good.as_bytes()).is_ok());
        for body in ["", "csrf=", "csrf=x", "id=%ff", &good[..good.len() - 1]] {
            assert!(signed_in.must_have_sent(body.as_bytes()).is_err(), "{body}");
        }
    }
}
