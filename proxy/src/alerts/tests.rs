//! Against a receiver on a socket of its own, with a clock that is moved by hand.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use vestibule_config::alert::Occasion;
use vestibule_logstore::Log;

use super::{QUIET, SUBJECTS, WAITING, park, raise, round, take_up, watch};
use crate::rig::{Rig, example, until};

/// Answers with the statuses that it is told, one after the other.
struct Receiver {
    listener: TcpListener,
    secret: tempfile::NamedTempFile,
}

impl Receiver {
    async fn start() -> Self {
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), "0123456789abcdef").unwrap();
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap(), secret }
    }

    fn rig(&self, on: &str, more: &str) -> Rig {
        let (at, secret) = (self.listener.local_addr().unwrap(), self.secret.path());
        let alert = format!("[alerts.ops]\nurl = \"http://{at}/a\"\nsecret = {{ file = {secret:?} }}\non = [{on}]\n");
        Rig::new(&(example() + &alert + more))
    }

    /// One round, and what arrived meanwhile: heads and bodies.
    async fn round(&self, rig: &Rig, statuses: &[u16]) -> Vec<(String, Value)> {
        let served = async {
            let mut arrived = Vec::new();
            for status in statuses {
                let (mut stream, _) = self.listener.accept().await.unwrap();
                let mut bytes = Vec::new();
                let body = loop {
                    stream.read_buf(&mut bytes).await.unwrap();
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    if let Ok(body) = serde_json::from_str(body) {
                        break (head.to_owned(), body);
                    }
                };
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
                arrived.push(body);
            }
            arrived
        };
        let ((), arrived) = tokio::join!(round(&rig.state), served);
        arrived
    }
}

fn listed(rig: &Rig) -> Vec<Value> {
    rig.state.alerts.list(Duration::ZERO, rig.state.clock.now())
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap()
}

#[tokio::test]
async fn an_alert_is_tried_at_0_1_5_and_15_minutes_under_one_id() {
    let receiver = Receiver::start().await;
    let rig = receiver.rig("\"disk\"", "");
    raise(&rig.state, Occasion::Disk, "it", json!({ "problem": "full" }));
    raise(&rig.state, Occasion::LockOut, "it", json!({}));
    let mut ids = Vec::new();
    for (minutes, status, state) in
        [(0, 500, "retrying"), (1, 302, "retrying"), (4, 503, "retrying"), (10, 500, "failed")]
    {
        rig.clock.advance(Duration::from_secs(minutes * 60).saturating_sub(Duration::from_secs(1)));
        if minutes > 0 {
            assert!(receiver.round(&rig, &[]).await.is_empty(), "not yet");
            rig.clock.advance(Duration::from_secs(1));
        }
        let arrived = receiver.round(&rig, &[status]).await;
        let (head, body) = &arrived[0];
        assert_eq!((&body["type"], &body["data"]["problem"]), (&json!("disk"), &json!("full")));
        assert_eq!(body["id"], header(head, "webhook-id"));
        assert!(header(head, "webhook-signature").starts_with("v1,"), "{head}");
        ids.push((body["id"].clone(), body["timestamp"].clone()));
        assert_eq!((&listed(&rig)[0]["state"], &listed(&rig)[0]["last_status"]), (&json!(state), &json!(status)));
    }
    ids.dedup();
    assert_eq!((ids.len(), rig.state.alerts.waiting()), (1, 0));
    let told = || rig.entries(Log::Audit, &[("action", "alert.deliver")]);
    until(|| told().len() == 1).await;
    assert_eq!((&told()[0]["status"], &told()[0]["resource"]), (&json!("failed"), &json!("ops")));
    assert_eq!(told()[0]["details"]["attempts"], 4);
}

#[tokio::test]
async fn equal_alerts_are_one_and_the_next_says_how_many_there_were() {
    let receiver = Receiver::start().await;
    let rig = receiver.rig("\"lock_out\", \"anchor_age\"", "");
    for account in ["maya", "noor", "ines"] {
        raise(&rig.state, Occasion::LockOut, "preview", json!({ "account": account }));
    }
    assert_eq!(receiver.round(&rig, &[200]).await[0].1["data"], json!({ "account": "maya" }));
    rig.clock.advance(QUIET);
    // Raised by one round, sent by the same.
    assert_eq!(receiver.round(&rig, &[204]).await[0].1["data"], json!({ "account": "ines", "count": 2 }));
    rig.clock.advance(QUIET);
    assert!(receiver.round(&rig, &[]).await.is_empty());
    assert_eq!(listed(&rig).iter().filter(|row| row["state"] == "delivered").count(), 2);
    let raised = || rig.entries(Log::Audit, &[("action", "alert.raise"), ("status", "alert")]);
    until(|| raised().len() == 2).await;
}

#[tokio::test]
async fn what_finds_no_room_is_given_up_and_counted() {
    let receiver = Receiver::start().await;
    let rig = receiver.rig("\"disk\"", "");
    for number in 0..WAITING + 3 {
        raise(&rig.state, Occasion::Disk, &number.to_string(), json!({}));
    }
    assert_eq!(rig.state.alerts.waiting(), WAITING as u64);
    assert_eq!(listed(&rig).iter().filter(|row| row["state"] == "dropped").count(), 3);
}

#[tokio::test]
async fn a_flood_of_different_things_is_as_much_as_a_thousand() {
    let receiver = Receiver::start().await;
    let rig = receiver.rig("\"lock_out\", \"disk\"", "");
    for number in 0..5 * SUBJECTS {
        raise(&rig.state, Occasion::LockOut, &number.to_string(), json!({ "account": number }));
    }
    raise(&rig.state, Occasion::Disk, "full", json!({}));
    // A thousand, one for all others, and one of another kind.
    let raised =
        rig.state.alerts.waiting() as usize + listed(&rig).iter().filter(|row| row["state"] == "dropped").count();
    assert_eq!(raised, SUBJECTS + 2);
    // Of the others one more follows, and says how many there were.
    rig.clock.advance(QUIET);
    let gathered = rig.state.alerts.kept.lock().gathered(rig.state.clock.elapsed());
    let others = json!({ "account": 5 * SUBJECTS - 1, "count": 4 * SUBJECTS - 1 });
    assert_eq!(gathered, [(Occasion::LockOut, others)]);
}

#[tokio::test]
async fn what_waits_at_a_stop_or_a_crash_is_sent_by_the_next_process() {
    let receiver = Receiver::start().await;
    let rig = receiver.rig("\"lock_out\"", "");
    raise(&rig.state, Occasion::LockOut, "it", json!({ "account": "maya" }));
    let id = receiver.round(&rig, &[500]).await[0].1["id"].clone();
    // The file of before a crash, and that of a stop.
    for stop in [false, true] {
        if stop {
            park(&rig.state);
        } else {
            rig.state.alerts.kept.lock().waiting.clear();
        }
        assert_eq!(rig.state.alerts.waiting(), 0);
        take_up(&rig.state).unwrap();
        assert_eq!((rig.state.alerts.waiting(), &listed(&rig)[0]["attempts"]), (1, &json!(1)));
    }
    assert!(receiver.round(&rig, &[]).await.is_empty(), "not yet");
    rig.clock.advance(Duration::from_secs(60));
    assert_eq!(receiver.round(&rig, &[200]).await[0].1["id"], id);
    take_up(&rig.state).unwrap();
    assert_eq!(rig.state.alerts.waiting(), 0, "what was delivered is not sent again");
}

#[tokio::test]
async fn anchors_that_are_late_raise_an_alert() {
    let receiver = Receiver::start().await;
    let nowhere = "[logs.anchors]\nevery = \"10m\"\nto = [\"file:///nowhere/at/all\"]\n";
    let rig = receiver.rig("\"anchor_age\"", nowhere);
    let state: Arc<_> = rig.state.clone();
    tokio::task::spawn_blocking(move || crate::anchors::tend(&state)).await.unwrap().unwrap();
    watch::look(&rig.state);
    assert_eq!(rig.state.alerts.waiting(), 0);
    rig.clock.advance(Duration::from_secs(20 * 60 + 1));
    watch::look(&rig.state);
    watch::look(&rig.state);
    let arrived = receiver.round(&rig, &[200]).await;
    let data = &arrived[0].1["data"];
    assert_eq!(data["places"][0]["place"], "file:///nowhere/at/all");
    assert!(data["places"][0]["error"].as_str().unwrap().contains("No such file"), "{data}");
}
