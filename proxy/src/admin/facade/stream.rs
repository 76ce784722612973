//! Answers of any number of rows in the memory of one page: each page is read when the client has taken the one before.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use hyper::body::Frame;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;
use vestibule_logstore::query::LIMIT_MAX;
use vestibule_logstore::{Page, Row};

use super::question::{Question, read};
use crate::admin::door::Call;
use crate::admin::problem::Problem;

/// A client that takes nothing for so long is gone.
const STALLED: Duration = Duration::from_secs(60);

/// How often a page waits for its turn among the queries, each time as long as a query of its own would.
const TURNS: usize = 12;

/// How rows become text.
pub(super) struct Shape {
    /// `Content-Type`.
    pub(super) kind: &'static str,
    pub(super) head: String,
    pub(super) row: Box<dyn Fn(&Row) -> String + Send + Sync>,
    pub(super) between: &'static str,
    pub(super) tail: String,
}

impl Shape {
    fn rows(&self, rows: &[Row], out: &mut String) {
        for (at, row) in rows.iter().enumerate() {
            if at > 0 {
                out.push_str(self.between);
            }
            out.push_str(&(self.row)(row));
        }
    }
}

/// Rows of the first page; the rest is read on.
pub(super) const fn first_page(wanted: u64) -> usize {
    if wanted < LIMIT_MAX as u64 { wanted as usize } else { LIMIT_MAX }
}

/// The first page, then as many more rows as make `wanted`, if there are so many.
pub(super) fn answer(call: Call, question: Question, first: Page, wanted: u64, shape: Shape) -> Response {
    let kind = HeaderValue::from_static(shape.kind);
    let mut response = Response::new(body(call, question, first, wanted, shape));
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn body(call: Call, question: Question, first: Page, wanted: u64, shape: Shape) -> Body {
    let mut text = shape.head.clone();
    shape.rows(&first.rows, &mut text);
    let left = wanted.saturating_sub(first.rows.len() as u64);
    let Some(cursor) = first.next_cursor.filter(|_| left > 0) else { return Body::from(text + &shape.tail) };
    let (send, receive) = channel(1);
    let rest = Rest { call, question, left, shape, begun: !first.rows.is_empty(), send };
    tokio::spawn(rest.send(text, cursor));
    Body::new(Chunks(receive))
}

/// What is still to be sent.
struct Rest {
    call: Call,
    question: Question,
    left: u64,
    shape: Shape,
    /// Whether a row was written.
    begun: bool,
    send: Sender<Chunk>,
}

impl Rest {
    /// None when it was broken off.
    async fn send(mut self, mut text: String, cursor: String) -> Option<()> {
        let mut next = Some(cursor);
        while let Some(cursor) = next.take() {
            self.put(Chunk::Text(text.into())).await?;
            let page = self.page(&cursor).await.ok()?;
            text = String::new();
            if self.begun && !page.rows.is_empty() {
                text.push_str(self.shape.between);
            }
            self.shape.rows(&page.rows, &mut text);
            self.begun |= !page.rows.is_empty();
            self.left = self.left.saturating_sub(page.rows.len() as u64);
            next = page.next_cursor.filter(|_| self.left > 0);
        }
        self.put(Chunk::Text((text + &self.shape.tail).into())).await?;
        self.put(Chunk::End).await
    }

    /// What has begun waits longer for its turn among the queries than what has not.
    async fn page(&self, cursor: &str) -> Result<Page, Problem> {
        let mut query = self.question.query(&self.call, Some(cursor))?;
        query.limit = first_page(self.left);
        for _ in 1..TURNS {
            match read(&self.call, query.clone()).await {
                Err(problem) if problem.status == StatusCode::SERVICE_UNAVAILABLE => (),
                page => return page,
            }
        }
        read(&self.call, query).await
    }

    async fn put(&self, chunk: Chunk) -> Option<()> {
        timeout(STALLED, self.send.send(chunk)).await.ok()?.ok()
    }
}

enum Chunk {
    Text(Bytes),
    /// Nothing is missing. Without it the answer is broken off, so that nobody takes it for whole.
    End,
}

struct Chunks(Receiver<Chunk>);

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|chunk| match chunk {
            Some(Chunk::Text(text)) => Some(Ok(Frame::data(text))),
            Some(Chunk::End) => None,
            None => Some(Err(io::Error::other("broken off"))),
        })
    }
}
