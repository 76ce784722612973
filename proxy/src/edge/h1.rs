//! HTTP/1: one head after the other, each read whole and checked before Pingora sees it.

use std::net::IpAddr;

use bytes::BytesMut;
use pingora::apps::{HttpPersistentSettings, HttpServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use vestibule_config::listener::Listener;

use super::head::{self, Body};
use super::read::{self, Patience, Read};
use super::refusal::Refused;
use super::{Edge, Tls};
use crate::tunnel::until_cut;

impl Edge {
    /// Until one side closes.
    pub(super) async fn serve_h1(
        &self,
        mut stream: Stream,
        client: IpAddr,
        listener: &Listener,
        stopping: &ShutdownWatch,
    ) {
        let proxy = self.proxy(listener);
        let tls = Tls::of(stream.get_ssl_digest().as_deref());
        let mut buffer = BytesMut::new();
        let mut patience = Patience::new(stopping);
        let mut settings: Option<HttpPersistentSettings> = None;
        loop {
            let limits = self.state.live.load().settings.server.limits.clone();
            let refused = match read::head(&mut stream, &mut buffer, &limits, &mut patience).await {
                Read::Gone => return,
                Read::Bad(reason) => Refused::read(reason, &buffer),
                Read::Head(end) => match head::check(buffer.get(..end).unwrap_or_default()) {
                    Err(fault) => Refused::checked(fault, &buffer),
                    Ok(body) => {
                        let mut session = ServerSession::new_http1(stream);
                        if let Some(settings) = settings.take() {
                            settings.apply_to_session(&mut session);
                        }
                        session.set_pipelined_prefix(take_request(&mut buffer, end, body));
                        let served = until_cut(proxy.process_new_http(session, stopping)).await;
                        let Some(reused) = served else { return };
                        (stream, settings) = reused.consume();
                        continue;
                    }
                },
            };
            return refused.over(tls.as_deref()).answer(&self.state, stream, client).await;
        }
    }
}

/// One head and what was read of its body; the rest is the next request's.
fn take_request(buffer: &mut BytesMut, end: usize, body: Body) -> BytesMut {
    let read = buffer.len() - end;
    let body = match body {
        Body::Length(length) => usize::try_from(length).map_or(read, |length| length.min(read)),
        Body::Chunked => read,
    };
    if body == read { std::mem::take(buffer) } else { buffer.split_to(end + body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_takes_its_own_body_and_leaves_the_next_request() {
        for (body, taken, left) in [
            (Body::Length(0), "HEAD", "bodyNEXT"),
            (Body::Length(4), "HEADbody", "NEXT"),
            (Body::Length(8), "HEADbodyNEXT", ""),
            (Body::Length(u64::MAX), "HEADbodyNEXT", ""),
            (Body::Chunked, "HEADbodyNEXT", ""),
        ] {
            let mut buffer = BytesMut::from("HEADbodyNEXT");
            assert_eq!(take_request(&mut buffer, 4, body), taken, "{body:?}");
            assert_eq!(buffer, left, "{body:?}");
        }
    }
}
