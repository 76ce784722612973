//! Of an authority that takes accounts and says to the first order what a test wants.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use instant_acme::{BodyWrapper, BytesResponse, HttpClient, NewAccount};
use serde_json::{Value, json};

use super::*;

/// What the first order is answered with; none: nobody is there.
type First = Option<(u16, Value)>;

struct Canned {
    first: First,
    orders: Arc<AtomicUsize>,
}

/// As the library knows it from its answers.
const ORDER: &str = r#"{"status":"pending","authorizations":[],"finalize":"http://acme/finalize"}"#;

impl Canned {
    fn answer(&self, path: &str) -> Result<(u16, Value), Error> {
        Ok(match path {
            "/directory" => {
                let names = ["newNonce", "newAccount", "newOrder", "renewalInfo"];
                (200, names.into_iter().map(|name| (name.to_owned(), json!(format!("http://acme/{name}")))).collect())
            }
            "/newOrder" if self.orders.fetch_add(1, Ordering::Relaxed) == 0 => {
                self.first.clone().ok_or_else(|| Error::Other("the authority: connection refused".into()))?
            }
            "/newOrder" => (201, serde_json::from_str(ORDER)?),
            _ => (200, json!({})),
        })
    }
}

impl HttpClient for Canned {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let answer = self.answer(request.uri().path()).map(|(status, body)| {
            let head = Response::builder().status(status);
            let head = head.header("replay-nonce", "bm9uY2U").header("location", "http://acme/it");
            let (parts, ()) = head.body(()).unwrap().into_parts();
            BytesResponse { parts, body: Box::new(Bytes::from(body.to_string())) }
        });
        Box::pin(ready(answer))
    }
}

/// Whether there is an order in the end, and how many were asked for.
async fn ordered(first: First) -> (bool, usize) {
    let orders = Arc::<AtomicUsize>::default();
    let authority = Account::builder_with_http(Box::new(Canned { first, orders: orders.clone() }));
    let new = NewAccount { contact: &[], terms_of_service_agreed: true, only_return_existing: false };
    let (account, _) = authority.create(&new, "http://acme/directory".to_owned(), None).await.unwrap();
    let replaced = AuthorityId { key: vec![1], serial: vec![2] };
    let order = begin(&account, "wiki.example.net", Some(&replaced)).await;
    (order.is_ok(), orders.load(Ordering::Relaxed))
}

fn problem(kind: &str, detail: &str) -> First {
    Some((400, json!({ "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": detail })))
}

#[tokio::test]
async fn what_is_refused_for_naming_what_it_replaces_is_ordered_without() {
    let silent = Some((201, serde_json::from_str(ORDER).unwrap()));
    for first in [
        problem("alreadyReplaced", "there is another order for it"),
        problem("malformed", "Could not validate ARI 'replaces' field"),
        problem("unauthorized", "another account ordered the certificate being replaced"),
        silent,
    ] {
        assert_eq!(ordered(first.clone()).await, (true, 2), "{first:?}");
    }
}

#[tokio::test]
async fn what_fails_for_anything_else_is_not_asked_for_again() {
    for first in [
        None,
        problem("malformed", "the identifier is no name of a host"),
        problem("rateLimited", "too many certificates"),
        Some((201, json!({ "status": "pending" }))),
    ] {
        assert_eq!(ordered(first.clone()).await, (false, 1), "{first:?}");
    }
}
