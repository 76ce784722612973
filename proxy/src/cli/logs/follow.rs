//! `vestibule logs -f`: listens to what is appended, and goes on where it was when the connection is lost.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;
use tokio::time::sleep;

use super::Reader;
use super::print::Printer;
use crate::cli::Global;
use crate::cli::client::Body;
use crate::cli::failure::Failure;
use crate::cli::output::{remark, say};

/// After a lost connection.
const PAUSE: Duration = Duration::from_secs(1);

/// Prints what comes from position `next` on, until interrupted.
pub(super) fn follow(reader: &Reader, next: u64, global: &Global, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let seen = next.checked_sub(1).map_or_else(|| "-1".to_owned(), |seen| seen.to_string());
    let mut ear = Ear { reader, seen, connected: false, lost: false, global, printer };
    reader.client.wait(async {
        loop {
            match ear.listen().await {
                Ok(()) => (),
                Err(Failure::Unreachable(message)) if !ear.lost => {
                    say(global, &format!("{message} Trying again."));
                    ear.lost = true;
                }
                Err(Failure::Unreachable(_)) => (),
                Err(other) => return Err(other),
            }
            sleep(PAUSE).await;
        }
    })?
}

/// One that listens, and what it heard last.
struct Ear<'a, 'p> {
    reader: &'a Reader,
    /// Goes on after this position.
    seen: String,
    connected: bool,
    lost: bool,
    global: &'a Global,
    printer: &'a mut Printer<'p>,
}

impl Ear<'_, '_> {
    /// Until the connection ends.
    async fn listen(&mut self) -> Result<(), Failure> {
        let mut body = self.open().await?;
        if self.lost {
            remark(self.global, "connected again");
        }
        (self.connected, self.lost) = (true, false);
        let mut events = Events::default();
        while let Some(bytes) = body.next().await? {
            events.text.extend_from_slice(&bytes);
            for event in events.by_ref() {
                self.hear(event)?;
            }
            self.printer.output.finish()?;
        }
        Ok(())
    }

    async fn open(&self) -> Result<Body, Failure> {
        let Reader { client, log, filters } = self.reader;
        let query: Vec<_> = filters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let path = format!("/api/v1/logs/{}/tail", log.name());
        match client.open(Method::GET, &path, &query, Some(("Last-Event-ID", &self.seen))).await? {
            Ok(body) => Ok(body),
            // It starts or stops, or many listen.
            Err(answer) if self.connected && answer.status == StatusCode::SERVICE_UNAVAILABLE => {
                Err(Failure::Unreachable("the server is busy.".to_owned()))
            }
            Err(answer) => Err(match answer.json() {
                // What was typed has not changed: the log is another one.
                Err(Failure::Usage(message)) if self.connected => Failure::failed(message),
                Err(failure) => failure,
                Ok(_) => Failure::failed("the server does not follow"),
            }),
        }
    }

    fn hear(&mut self, event: Event) -> Result<(), Failure> {
        let Event { kind, id, data } = event;
        if let Some(id) = id {
            self.seen = id;
        }
        let Ok(data) = serde_json::from_str::<Value>(&data) else { return Ok(()) };
        match kind.as_str() {
            "entry" => self.printer.print(&[data]),
            "gap" => {
                let part = |name| data.get(name).and_then(Value::as_u64).unwrap_or_default();
                let (from, to, count) = (part("from"), part("to"), part("count"));
                say(
                    self.global,
                    &format!("{count} entries skipped: seq.min={from} seq.max={to} finds those that are kept"),
                );
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// One server-sent event.
#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    kind: String,
    id: Option<String>,
    data: String,
}

/// Text of which whole events are taken.
#[derive(Debug, Default)]
struct Events {
    text: Vec<u8>,
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let end = self.text.windows(2).position(|pair| pair == b"\n\n")? + 2;
        let text: Vec<u8> = self.text.drain(..end).collect();
        let mut event = Event::default();
        for line in String::from_utf8_lossy(&text).lines() {
            match line.split_once(": ") {
                Some(("event", kind)) => kind.clone_into(&mut event.kind),
                Some(("id", id)) => event.id = Some(id.to_owned()),
                Some(("data", data)) => data.clone_into(&mut event.data),
                Some(_) | None => (),
            }
        }
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_whole_before_they_are_heard() {
        let mut events = Events::default();
        let text = b"retry: 1000\nid: 4\n\nid: 5\nevent: entry\ndata: {\"a\":\": \"}\n\n: still here\nid: 9\n\nid: 10";
        let mut heard = Vec::new();
        for byte in text {
            events.text.push(*byte);
            heard.extend(events.by_ref());
        }
        let event = |kind: &str, id: &str, data: &str| Event {
            kind: kind.to_owned(),
            id: Some(id.to_owned()),
            data: data.to_owned(),
        };
        assert_eq!(heard, [event("", "4", ""), event("entry", "5", "{\"a\":\": \"}"), event("", "9", "")]);
    }
}
