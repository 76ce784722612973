//! HTTP/1: one head after the other, each read whole and checked before Pingora sees it.

use std::net::IpAddr;

use bytes::BytesMut;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use vestibule_config::listener::Listener;

use super::around::Around;
use super::chunks::Malformed;
use super::head::{self, Body, Fault};
use super::message::{Left, Message};
use super::read::{self, Patience, Read};
use super::refusal::Refused;
use super::{Edge, Tls};
use crate::tunnel::until_cut;

impl Edge {
    /// Until one side closes.
    pub(super) async fn serve_h1(&self, stream: Stream, client: IpAddr, listener: &Listener, stopping: &ShutdownWatch) {
        let proxy = self.proxy(listener);
        let tls = Tls::of(stream.get_ssl_digest().as_deref());
        let mut line = Box::new(Around::new(stream, Message::none()));
        let mut buffer = BytesMut::new();
        let mut patience = Patience::new(stopping);
        let mut settings: Option<HttpPersistentSettings> = None;
        loop {
            let limits = self.state.live.load().settings.server.limits.clone();
            let refused = match read::head(&mut line, &mut buffer, &limits, &mut patience).await {
                Read::Gone => return,
                Read::Bad(reason) => Refused::read(reason, &buffer),
                Read::Head(end) => match take_request(&mut buffer, end) {
                    Err(fault) => Refused::checked(fault, &buffer),
                    Ok((request, left)) => {
                        line.between.begins(left);
                        let mut session = ServerSession::new_http1(line);
                        if let Some(settings) = settings.take() {
                            settings.apply_to_session(&mut session);
                        }
                        session.set_pipelined_prefix(request);
                        let served = until_cut(proxy.process_new_http(session, stopping)).await;
                        let Some((stream, settings_after)) = served.map(ReusedHttpStream::consume) else { return };
                        let Ok(same) = stream.into_any().downcast() else { return };
                        (line, settings) = (same, settings_after);
                        buffer.unsplit(line.between.ends());
                        continue;
                    }
                },
            };
            return refused.over(tls.as_deref()).answer(&self.state, line, client).await;
        }
    }
}

/// One head and what was read of its body, and what is not read yet; the rest is the next request's.
fn take_request(buffer: &mut BytesMut, end: usize) -> Result<(BytesMut, Left), Fault> {
    let (head, rest) = buffer.split_at_checked(end).ok_or(Fault::Malformed)?;
    let body = head::check(head)?;
    let mut left = Left::of(body);
    let read = match body {
        // Nothing but an answer to this request can make it something else.
        Body::Upgrade => 0,
        Body::Length(_) | Body::Chunked => left.take(rest).map_err(|Malformed| Fault::Malformed)?,
    };
    let request = if read == rest.len() { std::mem::take(buffer) } else { buffer.split_to(end + read) };
    Ok((request, left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_takes_its_own_body_and_leaves_the_next_request() {
        let chunked = "5\r\nhello\r\n0\r\n\r\n";
        for (field, body, left) in [
            ("X: y", "", "bodyNEXT"),
            ("Content-Length: 4", "body", "NEXT"),
            ("Content-Length: 8", "bodyNEXT", ""),
            ("Content-Length: 18446744073709551615", "bodyNEXT", ""),
            ("Transfer-Encoding: chunked", chunked, "NEXT"),
            ("Transfer-Encoding: chunked", "5\r\nhel", ""),
            ("Upgrade: websocket", "", "NEXT"),
        ] {
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n");
            let mut buffer = BytesMut::from(format!("{head}{body}{left}").as_bytes());
            let (request, _) = take_request(&mut buffer, head.len()).unwrap();
            assert_eq!((&*request, &*buffer), (format!("{head}{body}").as_bytes(), left.as_bytes()), "{field}");
        }
    }
}
