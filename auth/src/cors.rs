//! Preflights: a browser asks, before it sends a request of another site's page, whether it may. It shows nobody's
//! credentials then, so that the answer is about the page, and not about a person.
//!
//! Only such a question is looked at, and nothing that it could stand for gets in by it: no other method, no body, no
//! upgrade, nothing by which an upstream would take it for another method.

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, CONTENT_LENGTH, ORIGIN, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use vestibule_config::cors::{Cors, CorsAnswer};

use crate::caller::Caller;
use crate::gate::Gate;
use crate::request::RequestView;
use crate::verdict::{Kind, Permit, Reason, Verdict};

/// What upstreams take for the method in place of the one of the request line.
const OVERRIDES: [&str; 3] = ["x-http-method", "x-http-method-override", "x-method-override"];

/// A question that is answered with yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// Whose page asked.
    pub origin: HeaderValue,
    /// What it may send.
    pub methods: Vec<Method>,
    /// And with what.
    pub headers: Vec<HeaderName>,
}

impl Gate {
    /// What becomes of a preflight that no credential comes with.
    pub(crate) fn preflight(&self, request: &RequestView<'_>) -> Verdict {
        match &self.circuit.cors {
            Some(Cors::Pass) => Verdict::Pass(Permit { caller: Caller::Anyone }),
            Some(Cors::Answer(answer)) => match allowed(answer, request.headers) {
                Some(allowed) => Verdict::Preflight(Arc::new(allowed)),
                None => self.refuse_preflight(),
            },
            None => self.refuse_preflight(),
        }
    }

    fn refuse_preflight(&self) -> Verdict {
        Verdict::Refuse(self.refuse_by_circuit(Reason::CrossSite, Kind::Forbidden, "cors"))
    }
}

/// Whether it is a question of a browser and nothing else.
pub(crate) fn is_preflight(request: &RequestView<'_>) -> bool {
    let headers = request.headers;
    request.method == Method::OPTIONS
        && once(headers, &ORIGIN).is_some()
        && once(headers, &ACCESS_CONTROL_REQUEST_METHOD).is_some()
        && !headers.contains_key(TRANSFER_ENCODING)
        && !headers.contains_key(UPGRADE)
        && headers.get(CONTENT_LENGTH).is_none_or(|length| length == "0")
        && OVERRIDES.iter().all(|name| !headers.contains_key(*name))
}

fn once<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

fn allowed(answer: &CorsAnswer, headers: &HeaderMap) -> Option<Allowed> {
    let origin = once(headers, &ORIGIN)?;
    let method = once(headers, &ACCESS_CONTROL_REQUEST_METHOD)?;
    let asked = headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let mut asked = asked.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let may = answer.origins.iter().any(|known| origin == known)
        && answer.methods.iter().any(|known| method == known.as_str())
        && asked.all(|name| name.is_empty() || may_set(answer, name));
    may.then(|| Allowed { origin: origin.clone(), methods: answer.methods.clone(), headers: answer.headers.clone() })
}

fn may_set(answer: &CorsAnswer, name: &[u8]) -> bool {
    answer.headers.iter().any(|known| name.eq_ignore_ascii_case(known.as_str().as_bytes()))
}
