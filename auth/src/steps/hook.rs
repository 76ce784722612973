//! Somebody outside is asked whether a session may begin.

use std::net::IpAddr;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use http::header::{CONTENT_TYPE, USER_AGENT};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use vestibule_config::hook::{Hook, OnFailure};

use crate::gate::Gate;
use crate::keyed::hex;
use crate::request::RequestView;
use crate::sign_in::Verified;
use crate::verdict::{Kind, Reason, Refusal};

/// Seconds since 1970 at which it was signed.
const TIMESTAMP: &str = "x-vestibule-timestamp";
/// `v1=` and the HMAC-SHA256 of the timestamp, a dot and the body, in hex.
const SIGNATURE: &str = "x-vestibule-signature";
/// A longer answer is none.
const ANSWER_BYTES: usize = 16 * 1024;
/// A longer message is cut.
const MESSAGE_CHARS: usize = 500;

/// Questions at the same time, over all hooks, so that a slow one leaves room for providers; one more waits for its turn
/// within its own time.
const AT_ONCE: usize = 32;

/// Whose turn it is to ask.
pub(crate) struct Turns(Semaphore);

impl Default for Turns {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

impl Turns {
    /// Questions without an answer yet.
    pub(crate) fn running(&self) -> u64 {
        AT_ONCE.saturating_sub(self.0.available_permits()) as u64
    }
}

/// What the gate does not know of the request.
pub struct About<'a> {
    /// The attempt's id.
    pub attempt: &'a str,
    /// ISO code of where the client is.
    pub country: Option<&'a str>,
}

/// What a hook made of a sign-in.
pub enum Heard {
    /// It may go on; also where nobody answered and that is said to be no matter.
    Allowed,
    /// 403, with what the hook says to the person.
    Denied(Refusal, Option<String>),
    /// 403: nobody answered in a way that is understood.
    Unavailable(Refusal),
}

/// What is sent. Fields are only ever added.
#[derive(Serialize)]
struct Question<'a> {
    time: Timestamp,
    attempt_id: &'a str,
    circuit: &'a str,
    project: Option<&'a str>,
    host: &'a str,
    user: Option<&'a str>,
    user_id: Option<&'a str>,
    method: &'static str,
    provider: Option<&'a str>,
    purpose: Option<&'a str>,
    ip: IpAddr,
    country: Option<&'a str>,
    user_agent: &'a str,
}

/// What comes back; further fields are not looked at.
#[derive(Deserialize)]
struct Answer {
    decision: Decision,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Decision {
    Allow,
    Deny,
}

impl Gate {
    /// Asks. What it allows is noted in the sign-in.
    pub async fn ask_hook(
        &self,
        hook: &Hook,
        verified: &mut Verified,
        about: &About<'_>,
        request: &RequestView<'_>,
    ) -> Heard {
        let question = self.question(verified, about, request);
        let answer = match signed(hook, &question) {
            Some(request) => self.heard(hook, request).await,
            None => Err("it cannot be asked"),
        };
        let rule = |key: &str| format!("hooks.{}{key}", hook.name);
        match answer {
            Ok(Answer { decision: Decision::Allow, message: _ }) => (),
            Ok(Answer { decision: Decision::Deny, message }) => {
                let refusal = Refusal { reason: Reason::HookDenied, kind: Kind::Forbidden, rule: rule("") };
                return Heard::Denied(refusal, message.as_deref().map(readable).filter(|text| !text.is_empty()));
            }
            Err(why) => {
                tracing::warn!(hook = hook.name.as_str(), why, "hook not available");
                let rule = rule(".on_failure");
                match hook.on_failure {
                    OnFailure::Deny => {
                        let (reason, kind) = (Reason::HookUnavailable, Kind::Forbidden);
                        return Heard::Unavailable(Refusal { reason, kind, rule });
                    }
                    OnFailure::Allow => verified.exception = Some(rule),
                }
            }
        }
        verified.draft.passed.hook = Some(hook.name.as_str().to_owned());
        Heard::Allowed
    }

    fn question<'a>(&'a self, verified: &'a Verified, about: &About<'a>, request: &RequestView<'a>) -> Question<'a> {
        let who = &verified.sign_in;
        Question {
            time: self.core.clock.now(),
            attempt_id: about.attempt,
            circuit: &self.name,
            project: self.circuit.project.as_ref().map(vestibule_config::Name::as_str),
            host: request.host,
            user: who.email.as_deref(),
            user_id: who.user_id.as_deref(),
            method: who.method.code(),
            provider: who.provider.as_deref(),
            purpose: verified.purpose.as_deref(),
            ip: request.client,
            country: about.country,
            user_agent: &verified.draft.user_agent,
        }
    }

    /// Why it is no answer is told to the operator.
    async fn heard(&self, hook: &Hook, request: http::Request<Vec<u8>>) -> Result<Answer, &'static str> {
        let asked = async {
            let _turn = self.core.hooks.0.acquire().await.map_err(|_| "the program stops")?;
            self.core.back_channel.send(request).await.map_err(|_| "it does not answer")
        };
        let answer = tokio::time::timeout(hook.timeout, asked).await.map_err(|_| "it takes too long")??;
        if answer.status() != http::StatusCode::OK {
            return Err("its status is not 200");
        }
        if answer.body().len() > ANSWER_BYTES {
            return Err("its answer is too long");
        }
        serde_json::from_slice(answer.body()).map_err(|_| "its answer is not understood")
    }
}

/// Absent where the address or the body is none, which a checked configuration rules out.
fn signed(hook: &Hook, question: &Question<'_>) -> Option<http::Request<Vec<u8>>> {
    let body = serde_json::to_vec(question).ok()?;
    let timestamp = question.time.as_second().to_string();
    http::Request::post(&*hook.url)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, "vestibule")
        .header(SIGNATURE, format!("v1={}", signature(hook.secret.expose(), &timestamp, &body)))
        .header(TIMESTAMP, timestamp)
        .body(body)
        .ok()
}

fn signature(secret: &str, timestamp: &str, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(HMAC_SHA256, secret.as_bytes()));
    context.update(timestamp.as_bytes());
    context.update(b".");
    context.update(body);
    hex(context.sign().as_ref())
}

/// For people: one line, cut.
fn readable(message: &str) -> String {
    let plain = message.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(MESSAGE_CHARS).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_time_and_body() {
        // As `printf '1767225600.{}' | openssl dgst -sha256 -hmac 0123456789abcdef` prints it.
        assert_eq!(signature("0123456789abcdef", "1767225600", b"{}"), EXPECTED);
        assert_ne!(signature("0123456789abcdef", "1767225601", b"{}"), EXPECTED);
    }

    const EXPECTED: &str = "99902517b3069f78750aa0520b0493482454c2d30a579c7acc839f3363ca1b88";

    #[test]
    fn a_message_is_one_short_line() {
        assert_eq!(readable("Ask\r\nyour\tlead "), "Ask  your lead");
        assert_eq!(readable(&"é".repeat(900)).chars().count(), MESSAGE_CHARS);
        assert_eq!(readable("\u{1b}[2J"), "[2J");
    }
}
