//! `GET /api/v1/logs/{log}/tail`: entries as they are appended, as server-sent events.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, HeaderName};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;
use vestibule_logstore::{Log, Query, QueryError};

use super::door::Call;
use super::logs::log_of;
use super::problem::Problem;
use super::stream::{self, Feed, Gone};
use crate::follow::{Follow, News};
use crate::state::State;

/// A tail is cheap while nothing happens; one more is refused.
pub(super) const TAILS_AT_ONCE: usize = 32;

/// A quiet tail says so often that it lives, and how far it has read.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Paging and order mean nothing here.
const NOT_HERE: [&str; 7] = ["limit", "cursor", "order", "sort", "count", "fold", "view"];

/// Where a client that was cut off goes on: the `id` of the last event it saw.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Streams what comes, from `Last-Event-ID` on if there is one.
pub(super) async fn tail(call: Call) -> Result<Response, Problem> {
    if let Some((name, _)) = call.parameters.iter().find(|(name, _)| NOT_HERE.contains(&name.as_str())) {
        return Err(Problem::bad_parameter(name, "a tail has entries as they arrive; leave it out"));
    }
    let log = log_of(&call);
    let query = Query::parse(log, &call.parameters, call.actor.started)?;
    let state = call.port.state.clone();
    if *state.stopping.borrow() {
        return Err(Problem::busy("the server is stopping"));
    }
    let place = call.port.tails.take(&state)?;
    let next = start(&call, log).await?;
    let (feed, body) = Feed::new();
    let tail = Tail { state: state.clone(), follow: Follow::from(log, next), query, put_at: Instant::now() };
    tokio::spawn(async move {
        let _place = place;
        let mut stopping = state.stopping.subscribe();
        let whole = tokio::select! {
            broken = tail.run(&feed) => broken.is_ok(),
            () = feed.gone() => false,
            _ = stopping.wait_for(|stopping| *stopping) => true,
            () = stream::shut(&call.pass, &state) => true,
        };
        if whole {
            // A reader that has gone meanwhile hears no end.
            let _ = feed.finish().await;
        }
    });
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // A proxy in front would hold the events back.
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// The first position that is wanted: after the last event seen, or what comes next.
async fn start(call: &Call, log: Log) -> Result<u64, Problem> {
    let store = &call.port.state.store;
    let end = store.end(log);
    let seen = call.headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?").trim());
    let Some(seen) = seen.filter(|seen| !seen.is_empty()) else { return Ok(end) };
    let next = match (seen.parse::<i64>(), Uuid::from_str(seen)) {
        // -1 stands before the first.
        (Ok(position), _) => position.checked_add(1).and_then(|next| u64::try_from(next).ok()),
        (Err(_), Ok(id)) => {
            let store = store.clone();
            let row = tokio::task::spawn_blocking(move || store.entry(log, &id));
            row.await.map_err(|error| Problem::internal(&error))??.map(|row| row.seq + 1)
        }
        (Err(_), Err(_)) => None,
    };
    match next {
        Some(next) if next <= end => Ok(next),
        Some(_) | None => {
            let message = format!("is not a position of this log, which has {end} entries; write the id of an event");
            Err(Problem::bad_parameter("Last-Event-ID", &message))
        }
    }
}

/// One tail, and how far it has come.
struct Tail {
    state: Arc<State>,
    query: Query,
    follow: Follow,
    /// When something was sent last.
    put_at: Instant,
}

/// Why a tail breaks off; its reader may come again.
#[derive(Debug)]
struct Broken;

impl From<Gone> for Broken {
    fn from(_: Gone) -> Self {
        Self
    }
}

impl Tail {
    /// Runs until something breaks.
    async fn run(mut self, feed: &Feed) -> Result<(), Broken> {
        let store = self.state.store.clone();
        let mut news = store.watch();
        // Said at once, so that a reader that is cut off before the first entry knows where to go on.
        self.put(feed, format!("retry: 1000\n{}", self.position())).await?;
        loop {
            news.borrow_and_update();
            while !self.follow.is_at_end(&store) {
                let events = self.events().await?;
                if !events.is_empty() {
                    self.put(feed, events).await?;
                }
            }
            match timeout_at(self.put_at + KEEP_ALIVE, news.changed()).await {
                Ok(Ok(())) => (),
                Ok(Err(_)) => return Ok(()),
                Err(_) => self.put(feed, format!(": still here\n{}", self.position())).await?,
            }
        }
    }

    async fn put(&mut self, feed: &Feed, text: String) -> Result<(), Gone> {
        self.put_at = Instant::now();
        feed.put(text).await
    }

    /// An event without data, of which a reader only remembers the `id`.
    fn position(&self) -> String {
        match self.follow.next().checked_sub(1) {
            Some(seen) => format!("id: {seen}\n\n"),
            None => "id: -1\n\n".to_owned(),
        }
    }

    /// What the next entries say; none may match.
    async fn events(&mut self) -> Result<String, Broken> {
        let (mut follow, store) = (self.follow, self.state.store.clone());
        let read = tokio::task::spawn_blocking(move || follow.read(&store).map(|news| (follow, news)));
        let (follow, news) = read.await.map_err(|_| Broken)?.map_err(|error| unreadable(&error))?;
        self.follow = follow;
        Ok(news.iter().map(|news| self.event(news)).collect())
    }

    fn event(&self, news: &News) -> String {
        match news {
            News::Entry(row) if !self.query.matches(row) => String::new(),
            News::Entry(row) => {
                let data = self.query.row_to_json(row);
                format!("id: {}\nevent: entry\ndata: {data}\n\n", row.seq)
            }
            News::Gap { from, to } => {
                let count = to - from + 1;
                self.state.metrics.tail_skipped(count);
                let gap = format!("{{\"from\":{from},\"to\":{to},\"count\":{count}}}");
                format!("id: {to}\nevent: gap\ndata: {gap}\n\n")
            }
        }
    }
}

fn unreadable(error: &QueryError) -> Broken {
    tracing::error!(error = error as &(dyn std::error::Error + 'static), "a tail broke off");
    Broken
}
