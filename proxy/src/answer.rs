//! Writes answers of our own to a client, and reads the bodies that are meant for us.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, Version, header};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::proxy::Session;
use tokio::time::timeout;
use vestibule_auth::Reason;

use crate::context::Request;
use crate::hsts;
use crate::reply::Reply;

/// Longest body of a request to our own pages.
const OWN_BODY_MAX_BYTES: usize = 16 * 1024;
/// And how long it may take.
const OWN_BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What is still read of a request that was answered before its body ended, so that the answer is not lost to a
/// reset; then the connection is closed.
const LINGER_MAX_BYTES: usize = 1024 * 1024;
/// Shorter than the second within which an answer's entry can be read: the entry is made after it.
const LINGER_TIMEOUT: Duration = Duration::from_millis(600);

/// Why a body for our own pages was not read to its end.
pub(crate) enum Unread {
    /// Over [`OWN_BODY_MAX_BYTES`].
    TooLong,
    /// Over [`OWN_BODY_TIMEOUT`].
    TooSlow,
    /// The client left, or its framing is broken.
    Gone,
}

/// The whole body of a request to our own pages.
///
/// # Errors
/// When it is too long, too slow, or does not end.
pub(crate) async fn read_own_body(session: &mut Session) -> Result<Bytes, Unread> {
    match timeout(OWN_BODY_TIMEOUT, read_bounded(session)).await {
        Ok(read) => read,
        Err(_) => Err(Unread::TooSlow),
    }
}

/// Writes one whole answer and notes what was sent.
///
/// # Errors
/// When the client is gone.
pub(crate) async fn write(session: &mut Session, request: &mut Request, reply: Reply) -> Result<()> {
    request.ending.status = reply.status.as_u16();
    request.ending.mark = Some(reply.mark);
    let head = Box::new(head(&reply, request)?);
    if reply.body.is_empty() && request.head.version == Version::HTTP_2 {
        // A gRPC client takes a head for the end of its call only where it ends the stream itself.
        session.write_response_tasks(vec![HttpTask::Header(head, true)]).await?;
    } else {
        session.write_response_header(head, false).await?;
        session.write_response_body(Some(reply.body), true).await?;
    }
    // Who is too slow to send a body is not waited for again.
    let is_slow = request.ending.reason == Some(Reason::HeadTimeout);
    if !is_slow && !session.is_body_done() && !expects_continue(&session.req_header().headers) {
        linger(session).await;
    }
    Ok(())
}

fn head(reply: &Reply, request: &Request) -> Result<ResponseHeader> {
    let mut head = ResponseHeader::build(reply.status, Some(reply.headers.len() + 5))?;
    for (name, value) in &reply.headers {
        head.append_header(name.clone(), value.clone())?;
    }
    // Without a length the answer would end only with the connection.
    if reply.status != StatusCode::NO_CONTENT {
        head.insert_header(header::CONTENT_LENGTH, reply.body.len())?;
    }
    if let Some((name, value)) = hsts::of(request) {
        head.insert_header(name, value)?;
    }
    head.insert_header("x-vestibule", reply.mark.code())?;
    head.insert_header("x-request-id", request.request_id.clone())?;
    Ok(head)
}

async fn read_bounded(session: &mut Session) -> Result<Bytes, Unread> {
    if expects_continue(&session.req_header().headers) {
        session.write_continue_response().await.map_err(|_| Unread::Gone)?;
    }
    let mut body = BytesMut::new();
    while let Some(part) = session.read_request_body().await.map_err(|_| Unread::Gone)? {
        if body.len() + part.len() > OWN_BODY_MAX_BYTES {
            return Err(Unread::TooLong);
        }
        body.extend_from_slice(&part);
    }
    Ok(body.freeze())
}

async fn linger(session: &mut Session) {
    let read = async {
        let mut read = 0;
        while let Ok(Some(part)) = session.read_request_body().await {
            read += part.len();
            if read > LINGER_MAX_BYTES {
                return;
            }
        }
    };
    // Whether it ended or not, the connection is closed after it.
    let _ = timeout(LINGER_TIMEOUT, read).await;
}

fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}
