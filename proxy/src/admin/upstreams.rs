//! The upstreams of a circuit or of a path of it, as they are now.

use serde_json::{Value, json};

use crate::upstream::{Backend, Target};

/// Null where there are none of its own.
pub(super) fn describe(target: Option<&Target>) -> Value {
    target.map_or(Value::Null, |target| target.backends().iter().map(|backend| one(backend)).collect())
}

/// The one that was written first; null where there are none of its own.
pub(super) fn first(target: Option<&Target>) -> Option<&str> {
    target?.backends().first().map(|backend| &**backend.url())
}

fn one(backend: &Backend) -> Value {
    let condition = backend.condition();
    let told = condition.told();
    json!({
        "url": &**backend.url(),
        "healthy": condition.is_healthy(),
        "since": told.since.map(|since| since.to_string()),
        "last_error": told.last_error.map(|(reason, time)| json!({ "reason": reason, "time": time.to_string() })),
        "in_flight": backend.in_flight(),
        "failures": condition.failures(),
        "retries": condition.left(),
        "addresses": backend.addresses().iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
