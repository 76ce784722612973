//! One signed call, as the Standard Webhooks describe it: receivers verify it with what exists for that.

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Request;
use http::header::{CONTENT_TYPE, USER_AGENT};
use jiff::Timestamp;
use vestibule_auth::sso::BackChannel;
use vestibule_config::Alert;

use super::delivery::{Attempt, Delivery};

const ID: &str = "webhook-id";
/// Seconds since 1970 at which this try was made.
const TIMESTAMP: &str = "webhook-timestamp";
/// `v1,` and the HMAC-SHA256 of id, timestamp and body with dots between, in base64.
const SIGNATURE: &str = "webhook-signature";

/// Before secrets that are written in base64.
const ENCODED: &str = "whsec_";

/// One try; any 2xx is good. Ends within ten seconds.
pub(super) async fn send(network: &dyn BackChannel, alert: &Alert, delivery: &Delivery, now: Timestamp) -> Attempt {
    let timestamp = now.as_second().to_string();
    let request = Request::post(&*alert.url)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, "vestibule")
        .header(ID, &delivery.id)
        .header(SIGNATURE, signature(alert.secret.expose(), &delivery.id, &timestamp, &delivery.body))
        .header(TIMESTAMP, timestamp)
        .body(delivery.body.clone().into_bytes());
    let Ok(request) = request else { return Attempt::failed(now, "its address is none") };
    match network.send(request).await {
        Ok(answer) if answer.status().is_success() => {
            Attempt { time: now, status: Some(answer.status().as_u16()), error: None }
        }
        Ok(answer) => {
            let status = answer.status().as_u16();
            Attempt { time: now, status: Some(status), error: Some(format!("it answers {status}")) }
        }
        Err(error) => Attempt::failed(now, &error.0),
    }
}

fn signature(secret: &str, id: &str, timestamp: &str, body: &str) -> String {
    let decoded = secret.strip_prefix(ENCODED).and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
    let key = hmac::Key::new(HMAC_SHA256, decoded.as_deref().unwrap_or(secret.as_bytes()));
    let signed = format!("{id}.{timestamp}.{body}");
    format!("v1,{}", BASE64_STANDARD.encode(hmac::sign(&key, signed.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks' description, and the same with the secret in clear, by
    /// `printf 'ID.TIME.BODY' | openssl dgst -sha256 -hmac SECRET -binary | base64`.
    #[test]
    fn signatures_are_those_of_others() {
        let body = "{\"test\": 2432232314}";
        let of = |secret| signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body);
        assert_eq!(of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(of("0123456789abcdef"), IN_CLEAR);
    }

    const IN_CLEAR: &str = "v1,r94XOxQw8v+vLaVrXIUkFWnEmqNekP5mdIZf2e/Me5o=";
}
