//! Logouts that a provider tells of by itself (OpenID Connect Back-Channel Logout).

use bytes::Bytes;
use http::{StatusCode, header};
use percent_encoding::{percent_decode, percent_decode_str};
use vestibule_auth::session::Listed;
use vestibule_auth::{Method, Reason};

use super::{Answer, not_found};
use crate::attempt::{self, Scene};
use crate::pages;
use crate::reply::{Mark, Reply};
use crate::visit::Visit;

/// `POST /.vestibule/backchannel-logout/PROVIDER`: the provider's token says whose sessions end, on every circuit. They
/// are over before the answer.
pub(super) async fn end(visit: &Visit<'_>, provider: &str, body: &[u8]) -> Answer {
    let Ok(provider) = percent_decode_str(provider).decode_utf8() else { return not_found(visit) };
    let Some(token) = token(visit, body) else { return refused(visit, StatusCode::BAD_REQUEST, "invalid_request") };
    match visit.live.policy.back_channel_logout(&provider, &token).await {
        None => not_found(visit),
        Some(Ok(ended)) => recorded(visit, &ended).await,
        Some(Err(refusal)) if refusal.reason == Reason::SsoError => {
            refused(visit, StatusCode::BAD_REQUEST, "invalid_request")
        }
        Some(Err(_)) => refused(visit, StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
    }
}

/// `logout_token` of a form; once.
fn token(visit: &Visit<'_>, body: &[u8]) -> Option<String> {
    let kind = visit.request.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let is_form = kind.split(';').next()?.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded");
    let mut tokens = body.split(|byte| *byte == b'&').filter_map(|pair| pair.strip_prefix(b"logout_token="));
    let token = tokens.next().filter(|_| is_form)?;
    let text = String::from_utf8(percent_decode(token).collect()).ok()?;
    tokens.next().is_none().then_some(text)
}

async fn recorded(visit: &Visit<'_>, ended: &[Listed]) -> Answer {
    for session in ended {
        if let Err(error) = attempt::ended_elsewhere(visit.state, &Scene::of(visit), session).await {
            tracing::error!(error = &error as &dyn std::error::Error, "logout not recorded");
            return refused(visit, StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
        }
    }
    answer(visit, StatusCode::OK, Bytes::new())
}

/// As OAuth writes errors.
fn refused(visit: &Visit<'_>, status: StatusCode, error: &'static str) -> Answer {
    let body = serde_json::json!({ "error": error }).to_string();
    Answer { reason: Some(Reason::SsoError), ..answer(visit, status, body.into()) }
}

fn answer(visit: &Visit<'_>, status: StatusCode, body: Bytes) -> Answer {
    let reply = Reply { status, headers: pages::data_headers("application/json"), body, mark: Mark::Auth };
    Answer { method: Method::Sso, ..Answer::to(visit, reply, None) }
}
