//! Pages of our own: what they show, and the headers that keep them ours.
//!
//! Every value in a template is escaped by askama; no template switches that off. A page shows what the client sent,
//! the circuit's name and the request id, and nothing of the configuration.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue};
use serde::Serialize;
use vestibule_auth::steps::Ask;

/// As `base.html` includes it: askama leaves out one newline at the end.
const STYLE: &str = include_str!("style.css").trim_ascii_end();

/// What every page shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// For support, and to find the entry.
    pub(crate) request_id: &'a str,
    /// Code of the closed list, as the client may know it.
    pub(crate) reason: Option<&'a str>,
    /// Empty where there is none.
    pub(crate) circuit: &'a str,
    /// The project's.
    pub(crate) label: Option<&'a str>,
}

/// Forms for every way in that the circuit offers.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub(crate) struct SignInPage<'a> {
    /// What every page shows.
    pub(crate) frame: Frame<'a>,
    /// In the order of the circuit's `login`.
    pub(crate) providers: &'a [ProviderLink],
    /// In the order of the circuit's `login`, then its shared secrets.
    pub(crate) forms: &'a [Form],
    /// Where to go afterwards.
    pub(crate) back: Back<'a>,
    /// The circuit's own page for its shared secret, where this is another host; empty: none.
    pub(crate) shared: &'a str,
    /// As typed before.
    pub(crate) email: &'a str,
    /// Of the session that this would replace.
    pub(crate) account: Option<&'a str>,
    /// Why the page is shown again.
    pub(crate) problem: Option<&'a str>,
}

/// Where somebody wants to be in the end, as a form carries it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Back<'a> {
    /// `return`, or `request` at the login host.
    pub(crate) name: &'static str,
    /// A path of this host that was checked, or an id.
    pub(crate) value: &'a str,
}

/// The way to a provider.
#[derive(Debug, Clone)]
pub(crate) struct ProviderLink {
    /// As the configuration names it for people.
    pub(crate) label: Arc<str>,
    /// Of this host.
    pub(crate) address: String,
}

/// One way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// Heading.
    pub(crate) title: &'static str,
    /// Asks for an e-mail: a person's own secret.
    pub(crate) personal: bool,
    /// What is typed.
    pub(crate) secret: Secret,
}

/// What is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secret {
    /// Field `password`.
    Password,
    /// Field `pin`.
    Pin,
    /// Nothing yet: a code is sent first.
    Sent,
}

/// What a person is asked for after a good credential, or after a code was sent.
#[derive(Template)]
#[template(path = "step.html")]
pub(crate) struct StepPage<'a> {
    /// What every page shows.
    pub(crate) frame: Frame<'a>,
    /// What is asked for.
    pub(crate) ask: Ask,
    /// Names the sign-in that waits.
    pub(crate) step: &'a str,
    /// Why the page is shown again.
    pub(crate) problem: Option<&'a str>,
}

/// A refusal, or a failure behind us.
#[derive(Template)]
#[template(path = "notice.html")]
pub(crate) struct Notice<'a> {
    /// What every page shows.
    pub(crate) frame: Frame<'a>,
    /// Heading.
    pub(crate) title: &'a str,
    /// One sentence or two.
    pub(crate) message: &'a str,
    /// `12 seconds`.
    pub(crate) wait: Option<&'a str>,
    /// Who was refused; offers another account.
    pub(crate) account: Option<&'a str>,
    /// A path of this host to try again; empty: none is offered.
    pub(crate) retry: &'a str,
    /// For the form of who wants another account.
    pub(crate) back: Back<'a>,
}

/// Asks before a session ends.
#[derive(Template)]
#[template(path = "logout.html")]
pub(crate) struct LogoutPage<'a> {
    /// What every page shows.
    pub(crate) frame: Frame<'a>,
    /// Absent for a shared secret.
    pub(crate) account: Option<&'a str>,
}

/// After a session ended, or without one.
#[derive(Template)]
#[template(path = "signed_out.html")]
pub(crate) struct SignedOutPage<'a> {
    /// What every page shows.
    pub(crate) frame: Frame<'a>,
}

/// The circuits that somebody may open.
#[derive(Template)]
#[template(path = "launcher.html")]
pub(crate) struct LauncherPage<'a> {
    /// What every page shows.
    pub(crate) frame: Frame<'a>,
    /// Absent for a shared secret.
    pub(crate) account: Option<&'a str>,
    /// By name.
    pub(crate) circuits: &'a [CircuitLink<'a>],
}

/// The way to a circuit.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CircuitLink<'a> {
    /// As the configuration names it.
    pub(crate) name: &'a str,
    /// Its project's.
    pub(crate) label: Option<&'a str>,
    /// At the client's scheme and port.
    pub(crate) url: String,
}

/// The page's bytes.
pub(crate) fn html(page: &impl Template) -> Bytes {
    page.render().expect("rendering into memory cannot fail").into()
}

/// Headers of every page.
pub(crate) fn page_headers() -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = plain_headers("text/html; charset=utf-8");
    headers.push((CONTENT_SECURITY_POLICY, PAGE_POLICY.clone()));
    headers
}

/// A page whose form is answered by a redirect to another site; each adds to what was let before.
pub(crate) fn let_forms_lead_to(headers: &mut [(HeaderName, HeaderValue)], origin: &str) {
    for (_, value) in headers.iter_mut().filter(|(name, _)| name == CONTENT_SECURITY_POLICY) {
        let widened =
            value.to_str().unwrap_or_default().replace("form-action 'self'", &format!("form-action 'self' {origin}"));
        *value = HeaderValue::from_str(&widened).unwrap_or_else(|_| value.clone());
    }
}

/// Headers of every answer that is not a page.
pub(crate) fn data_headers(content_type: &'static str) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = plain_headers(content_type);
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.push((CONTENT_SECURITY_POLICY, policy));
    headers
}

/// A wait in words, never shorter than it is.
pub(crate) fn wait_in_words(wait: Duration) -> String {
    let seconds = whole_seconds(wait);
    match seconds {
        1 => "1 second".into(),
        2..=90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// As `Retry-After` carries it: rounded up, at least 1.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    rounded_up(wait).max(1)
}

/// Seconds, the last one counted when it has begun.
pub(crate) fn rounded_up(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0))
}

/// Only our own style, by its hash; no script, no picture, no frame.
static PAGE_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = hash_source(STYLE);
    let policy =
        format!("default-src 'none'; style-src {style}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'");
    HeaderValue::from_str(&policy).expect("base64 is visible ASCII")
});

/// What a policy lets through that stands in the page itself: exactly this text.
pub(crate) fn hash_source(text: &str) -> String {
    format!("'sha256-{}'", BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

/// `Referrer-Policy` is `same-origin` and not `no-referrer`: with the latter browsers send `Origin: null` with our own
/// forms, and their origin could not be checked.
fn plain_headers(content_type: &'static str) -> Vec<(HeaderName, HeaderValue)> {
    vec![
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    ]
}

#[cfg(test)]
mod tests;
