//! Answers of any number of rows in the memory of one page: each page is read when the client has taken the one before.

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use vestibule_logstore::query::{Fold, LIMIT_MAX};
use vestibule_logstore::{Page, Row};

use super::question::{Question, read};
use crate::admin::door::Call;
use crate::admin::problem::Problem;
use crate::admin::stream::{Feed, Place, shut};

/// How often a page waits for its turn among the queries, each time as long as a query of its own would.
const TURNS: usize = 12;

/// Writes an entry, or the run that it stands for.
type WriteRow = Box<dyn Fn(&Row, Option<&Fold>) -> String + Send + Sync>;

/// How rows become text.
pub(super) struct Shape {
    /// `Content-Type`.
    pub(super) kind: &'static str,
    pub(super) head: String,
    /// A row, and the run that it stands for, where the question folds.
    pub(super) row: WriteRow,
    pub(super) between: &'static str,
    pub(super) tail: String,
}

impl Shape {
    fn rows(&self, page: &Page, out: &mut String) {
        for (at, row) in page.rows.iter().enumerate() {
            if at > 0 {
                out.push_str(self.between);
            }
            out.push_str(&(self.row)(row, page.folds.get(at)));
        }
    }
}

/// Rows of the first page; the rest is read on.
pub(super) const fn first_page(wanted: u64) -> usize {
    if wanted < LIMIT_MAX as u64 { wanted as usize } else { LIMIT_MAX }
}

/// The first page, then as many more rows as make `wanted`, if there are so many.
///
/// # Errors
/// 503 when more than one page is wanted and as many exports run as may.
pub(super) fn answer(
    call: Call,
    question: Question,
    first: &Page,
    wanted: u64,
    shape: Shape,
) -> Result<Response, Problem> {
    let kind = HeaderValue::from_static(shape.kind);
    let mut response = Response::new(body(call, question, first, wanted, shape)?);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

fn body(call: Call, question: Question, first: &Page, wanted: u64, shape: Shape) -> Result<Body, Problem> {
    let mut text = shape.head.clone();
    shape.rows(first, &mut text);
    let left = wanted.saturating_sub(first.rows.len() as u64);
    let Some(cursor) = first.next_cursor.clone().filter(|_| left > 0) else {
        return Ok(Body::from(text + &shape.tail));
    };
    let place = call.port.exports.take(&call.port.state)?;
    let (feed, body) = Feed::new();
    let rest = Rest { call, question, shape, begun: !first.rows.is_empty() };
    tokio::spawn(rest.run(feed, text, cursor, left, place));
    Ok(body)
}

/// What is still to be sent.
struct Rest {
    call: Call,
    question: Question,
    shape: Shape,
    /// Whether the first page had a row.
    begun: bool,
}

impl Rest {
    /// An answer that is not sent whole breaks off.
    async fn run(self, feed: Feed, text: String, cursor: String, left: u64, _place: Place) {
        let whole = tokio::select! {
            sent = self.send(&feed, text, cursor, left) => sent.is_some(),
            () = feed.gone() => false,
            () = shut(&self.call.pass, &self.call.port.state) => false,
        };
        if whole {
            // A client that is gone now has what it wanted.
            let _ = feed.finish().await;
        }
    }

    async fn send(&self, feed: &Feed, mut text: String, cursor: String, mut left: u64) -> Option<()> {
        let (mut next, mut begun) = (Some(cursor), self.begun);
        while let Some(cursor) = next.take() {
            feed.put(text).await.ok()?;
            let page = self.page(&cursor, left).await.ok()?;
            text = String::new();
            if begun && !page.rows.is_empty() {
                text.push_str(self.shape.between);
            }
            self.shape.rows(&page, &mut text);
            begun |= !page.rows.is_empty();
            left = left.saturating_sub(page.rows.len() as u64);
            next = page.next_cursor.filter(|_| left > 0);
        }
        feed.put(text + &self.shape.tail).await.ok()
    }

    /// What has begun waits longer for its turn among the queries than what has not.
    async fn page(&self, cursor: &str, left: u64) -> Result<Page, Problem> {
        let mut query = self.question.query(&self.call, Some(cursor))?;
        query.limit = first_page(left);
        for _ in 1..TURNS {
            match read(&self.call, query.clone()).await {
                Err(problem) if problem.status == StatusCode::SERVICE_UNAVAILABLE => (),
                page => return page,
            }
        }
        read(&self.call, query).await
    }
}
