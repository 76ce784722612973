//! What the authority asks a host by plain HTTP (http-01), and what it is to find there.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use parking_lot::RwLock;

use crate::reply::{Mark, Reply};

/// Where every authority asks.
const PREFIX: &str = "/.well-known/acme-challenge/";

/// Answers by token. There are as many as orders at a time, and each goes with its order.
#[derive(Clone, Default)]
pub(crate) struct Challenges(Arc<RwLock<HashMap<String, String>>>);

/// Takes the answer away when it is dropped.
pub(super) struct Awaited {
    token: String,
    challenges: Challenges,
}

impl Challenges {
    /// From now on the question is answered, until the result is dropped.
    pub(super) fn expect(&self, token: &str, answer: &str) -> Awaited {
        self.0.write().insert(token.to_owned(), answer.to_owned());
        Awaited { token: token.to_owned(), challenges: self.clone() }
    }

    /// The answer to a question that is awaited; everything else under that path is the circuit's.
    pub(crate) fn answer(&self, method: &Method, path: &str) -> Option<Reply> {
        let token = path.strip_prefix(PREFIX)?;
        let answer = self.0.read().get(token).filter(|_| method == Method::GET)?.clone();
        let headers = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, "no-store")];
        let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
        Some(Reply { status: StatusCode::OK, headers: headers.into(), body: Bytes::from(answer), mark: Mark::Auth })
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.challenges.0.write().remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_awaited_is_answered_and_nothing_else() {
        let challenges = Challenges::default();
        let asked = |path: &str| challenges.answer(&Method::GET, path).map(|reply| reply.body);
        let awaited = challenges.expect("token", "token.thumbprint");
        assert_eq!(asked("/.well-known/acme-challenge/token").as_deref(), Some(&b"token.thumbprint"[..]));
        assert!(challenges.answer(&Method::POST, "/.well-known/acme-challenge/token").is_none());
        for path in ["/.well-known/acme-challenge/other", "/.well-known/acme-challenge/", "/x/token", "/token"] {
            assert_eq!(asked(path), None, "{path}");
        }
        drop(awaited);
        assert_eq!(asked("/.well-known/acme-challenge/token"), None);
    }
}
