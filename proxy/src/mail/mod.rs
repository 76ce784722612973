//! Messages to people: the codes with which they sign in. Whoever asked for one does not wait for it to be sent.

mod command;
mod smtp;

use std::sync::Arc;
use std::time::Duration;

use lettre::Message;
use lettre::message::{Mailbox, header};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{self, Receiver, Sender};
use vestibule_auth::steps::Letter;
use vestibule_config::mail::Mail;

use crate::metrics::Metrics;
use crate::state::State;
use crate::visit::Visit;

/// Messages that wait to be sent; one more is given up and counted. The person asks for another one.
const WAITING: usize = 256;
/// Messages that are sent at the same time.
const AT_ONCE: usize = 4;
/// For one message, until somebody else has taken it.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What became of messages, as the metrics say it.
pub(crate) const RESULTS: [&str; 3] = ["sent", "failed", "dropped"];

/// Takes messages; [`run`] sends them.
pub(crate) struct Mailer {
    queue: Sender<Job>,
    waiting: Mutex<Receiver<Job>>,
}

/// One message, and what of the configuration and of the request it needs.
struct Job {
    mail: Arc<Mail>,
    letter: Letter,
    circuit: Arc<str>,
    host: String,
}

impl Default for Mailer {
    fn default() -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        Self { queue, waiting: Mutex::new(waiting) }
    }
}

impl Mailer {
    /// Queues a code. A full queue gives it up: nobody may learn from the answer that there was something to send.
    pub(crate) fn send(&self, visit: &Visit<'_>, letter: Letter) {
        let Some(mail) = &visit.live.settings.mail else { return };
        let (circuit, host) = (visit.gate.circuit().name.shared(), visit.request.host.to_owned());
        let job = Job { mail: mail.clone(), letter, circuit, host };
        if self.queue.try_send(job).is_err() {
            tracing::error!(circuit = visit.gate.circuit().name.as_str(), "too many messages wait; one is given up");
            visit.state.metrics.mail("dropped");
        }
    }

    /// Messages that wait to be sent.
    pub(crate) fn waiting(&self) -> u64 {
        WAITING.saturating_sub(self.queue.capacity()) as u64
    }
}

/// Sends until the process ends. What waits then is lost, and asked for once more.
pub(crate) async fn run(state: Arc<State>) {
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        senders.spawn(send_all(state.clone()));
    }
    senders.join_all().await;
}

async fn send_all(state: Arc<State>) {
    loop {
        let job = state.mailer.waiting.lock().await.recv().await;
        let Some(job) = job else { return };
        deliver(&state.metrics, job).await;
    }
}

async fn deliver(metrics: &Metrics, job: Job) {
    let circuit = job.circuit.clone();
    match sent(&job).await {
        Ok(()) => metrics.mail("sent"),
        Err(error) => {
            tracing::error!(circuit = &*circuit, error, "a code could not be sent");
            metrics.mail("failed");
        }
    }
}

/// The error is for the operator, and holds neither address nor code.
async fn sent(job: &Job) -> Result<(), String> {
    let message = written(job).ok_or("the address is none that can be written to")?;
    let way = async {
        match (&job.mail.server, &job.mail.command) {
            (Some(server), _) => smtp::send(server, job.mail.ca.as_ref(), message).await,
            (None, Some(command)) => command::send(command, message.formatted()).await,
            (None, None) => Err("there is no way to send it".to_owned()),
        }
    };
    tokio::time::timeout(TIMEOUT, way).await.unwrap_or_else(|_| Err("it takes too long".to_owned()))
}

/// Absent where an address is none by the rules of mail.
fn written(job: &Job) -> Option<Message> {
    let mailbox = |address: &str| Some(Mailbox::new(None, address.parse().ok()?));
    let Job { mail, letter, circuit, host } = job;
    let text = format!(
        "Your code for {circuit} ({host}):\n\n{}\n\nIt is good once, for ten minutes, in the browser that asked for it. \
         Nobody will ever ask you for it elsewhere.\nIf you did not ask for it, do nothing.\n",
        letter.code.as_str()
    );
    let message = Message::builder()
        .from(mailbox(mail.from.as_str())?)
        .to(mailbox(letter.to.as_str())?)
        .subject(format!("Code for {circuit}"))
        .header(AutoSubmitted)
        .header(header::ContentType::TEXT_PLAIN)
        .body(text);
    message.ok()
}

/// RFC 3834: no automatic answers.
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl header::Header for AutoSubmitted {
    fn name() -> header::HeaderName {
        header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> header::HeaderValue {
        header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use vestibule_config::Email;

    use super::*;

    fn job(to: &str) -> Job {
        let email = |text| Email::folded(text).unwrap();
        let mail = Mail { from: email("vestibule@example.net"), server: None, command: None, ca: None };
        let letter = Letter { to: email(to), code: "12345678".to_owned().into() };
        Job { mail: Arc::new(mail), letter, circuit: "Büro".into(), host: "wiki.test".to_owned() }
    }

    #[test]
    fn a_message_has_one_recipient_and_no_line_of_somebody_elses() {
        let text = String::from_utf8(written(&job("maya@example.net")).unwrap().formatted()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        for line in [
            "From: vestibule@example.net",
            "To: maya@example.net",
            "Auto-Submitted: auto-generated",
            "Content-Type: text/plain; charset=utf-8",
        ] {
            assert!(head.lines().any(|found| found == line), "{line} is missing in\n{head}");
        }
        assert!(head.contains("Date: ") && head.is_ascii(), "{head}");
        assert!(body.contains("12345678"), "{body}");
    }

    #[tokio::test]
    async fn what_cannot_be_sent_says_why_and_not_what() {
        let error = sent(&job("maya@example.net")).await.unwrap_err();
        assert_eq!(error, "there is no way to send it");
    }
}
