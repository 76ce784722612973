//! An authority that asks to be left alone is left alone.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use parking_lot::Mutex;
use vestibule_auth::Clock;

use super::schedule::later;

/// However long it asks for.
const MOST: Duration = Duration::from_secs(24 * 3600);

/// Until when nothing is asked of an authority.
pub(super) struct Hold {
    until: Mutex<Option<Timestamp>>,
    clock: Arc<dyn Clock>,
}

impl Hold {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { until: Mutex::default(), clock }
    }

    /// Absent where it may be asked now.
    pub(super) fn until(&self) -> Option<Timestamp> {
        self.until.lock().filter(|until| *until > self.clock.now())
    }

    /// Heeds what an answer says: too many requests, or no time at all.
    pub(super) fn heed(&self, status: StatusCode, headers: &HeaderMap) {
        let refused = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&status);
        let Some(asked) = headers.get(header::RETRY_AFTER).filter(|_| refused) else { return };
        let now = self.clock.now();
        if let Some(time) = asked.to_str().ok().and_then(|text| time(text.trim(), now)) {
            *self.until.lock() = Some(time.min(later(now, MOST)));
        }
    }
}

/// Seconds from now, or a date of HTTP.
fn time(text: &str, now: Timestamp) -> Option<Timestamp> {
    match text.parse() {
        Ok(seconds) => Some(later(now, Duration::from_secs(seconds))),
        Err(_) => rfc2822::parse(text).ok().map(|date| date.timestamp()),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use vestibule_auth::Hand;

    use super::*;

    #[test]
    fn a_refusal_holds_for_as_long_as_it_says_up_to_a_day() {
        let clock = Arc::new(Hand::at("2026-11-23T12:00:00Z".parse().unwrap()));
        let until = |status: u16, after: &str| {
            let hold = Hold::new(clock.clone());
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_str(after).unwrap())]);
            hold.heed(StatusCode::from_u16(status).unwrap(), &headers);
            hold.until().map(|until| until.to_string())
        };
        for (status, after, expected) in [
            (429, "60", Some("2026-11-23T12:01:00Z")),
            (503, "Mon, 23 Nov 2026 13:00:00 GMT", Some("2026-11-23T13:00:00Z")),
            (429, "99999999999999", Some("2026-11-24T12:00:00Z")),
            (429, "Mon, 23 Nov 2026 11:00:00 GMT", None),
            (200, "60", None),
            (429, "soon", None),
        ] {
            assert_eq!(until(status, after).as_deref(), expected, "{status} {after}");
        }
    }
}
