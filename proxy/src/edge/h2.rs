//! HTTP/2: bounds of a connection, and each stream checked as a head of HTTP/1 is.

mod frames;
mod watched;

use std::future::{pending, poll_fn};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ::h2::Reason as H2Reason;
use bytes::Bytes;
use pingora::apps::HttpServerApp;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Accept, H2Options, HttpSession, default_h2_options, handshake};
use pingora::protocols::{Digest, Stream};
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use vestibule_auth::Reason;
use vestibule_config::listener::Listener;
use vestibule_config::server::Limits;

use self::frames::Flood;
use self::watched::Watched;
use super::around::Around;
use super::head::{Fault, h2};
use super::refusal::Refused;
use super::{Edge, LAST_MOMENT, Tls, stopped};
use crate::gateway::Gateway;
use crate::tunnel::until_cut;

/// Streams at the same time; one more is reset.
const STREAMS_MAX: u32 = 100;
/// Of body that a client may send before we have taken it: of one stream, and of all.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Of an answer that waits for a client to read it, per stream.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// Streams that were reset by the client before we took them up; one more ends the connection.
const RESETS_WAITING_MAX: usize = 20;
/// Streams that we reset for a client's errors, in the life of a connection; one more ends it.
const RESETS_OWN_MAX: usize = 256;
/// Streams that were not taken up; one more ends the connection.
const REFUSED_MAX: usize = 32;
/// Requests of a connection at the same time. A client that resets its streams has room for others, while what it began
/// with them still ends.
const REQUESTS_MAX: usize = 2 * STREAMS_MAX as usize;

/// Why a connection was ended, in figures: [`frames`]' two; streams that were not taken up; what the library counts itself;
/// what is no HTTP/2.
pub(crate) const CAUSES: [&str; 5] = ["control_frames", "resets", "refused_streams", "flood", "protocol"];

impl Edge {
    /// Until one side closes.
    pub(super) async fn serve_h2(&self, stream: Stream, client: IpAddr, listener: &Listener, stopping: &ShutdownWatch) {
        let tls = Tls::of(stream.get_ssl_digest().as_deref());
        let digest = Arc::new(Digest {
            ssl_digest: stream.get_ssl_digest(),
            timing_digest: stream.get_timing_digest(),
            proxy_digest: stream.get_proxy_digest(),
            socket_digest: stream.get_socket_digest(),
        });
        let refuse = |reason| Refused::connection(reason, None).over(tls.as_deref()).record(&self.state, client);
        let limits = self.state.live.load().settings.server.limits.clone();
        let (watched, alarm) = Watched::new(&self.state.clock);
        let shaking = handshake(Box::new(Around::new(stream, watched)), Some(options(&limits)));
        let mut connection = match timeout(limits.header_timeout, shaking).await {
            Ok(Ok(connection)) => connection,
            // The client has spoken something else than it agreed on, or left.
            Ok(Err(_)) => return refuse(Reason::MalformedRequest),
            Err(_) => return refuse(Reason::HeadTimeout),
        };
        let mut streams = JoinSet::new();
        let (mut stop, mut is_stopping, mut refused) = (stopping.clone(), false, 0);
        // Why the client is told to be calm.
        let mut cause = None;
        while cause.is_none() {
            let patience = if is_stopping { LAST_MOMENT } else { limits.idle_timeout };
            let accepted = tokio::select! {
                biased;
                () = stopped(&mut stop), if !is_stopping => {
                    connection.graceful_shutdown();
                    is_stopping = true;
                    continue;
                }
                flood = alarm.raised() => {
                    cause = Some(match flood {
                        Flood::Control => "control_frames",
                        Flood::Resets => "resets",
                    });
                    continue;
                }
                accepted = HttpSession::from_h2_conn(&mut connection, digest.clone()) => accepted,
                Some(_) = streams.join_next() => continue,
                () = sleep(patience), if streams.is_empty() => break,
            };
            match accepted {
                Ok(Some(H2Accept::Session(session))) => {
                    let of = Of { proxy: self.proxy(listener), tls: &tls, client, limits: &limits, stopping };
                    refused += usize::from(!self.take_up(session, &of, &mut streams));
                }
                // Pingora has answered or reset it.
                Ok(Some(H2Accept::Rejected)) => {
                    refused += 1;
                    Refused::stream(Fault::Malformed, None).over(tls.as_deref()).record(&self.state, client);
                }
                Ok(None) => break,
                Err(error) => match by_client(&error) {
                    Some(by_client) => cause = Some(by_client),
                    None => break,
                },
            }
            if refused > REFUSED_MAX {
                cause = Some("refused_streams");
            }
        }
        if let Some(cause) = cause {
            self.state.metrics.http2_ended(cause);
            refuse(Reason::MalformedRequest);
            calm(&mut connection).await;
        }
        // Nothing can be said any more; what still runs notices, and makes its entry.
        drop(connection);
        while streams.join_next().await.is_some() {}
    }

    /// Serves one stream beside the others; false where it is no request, which it is told, or there are too many.
    fn take_up(&self, mut session: HttpSession, of: &Of<'_>, streams: &mut JoinSet<()>) -> bool {
        while streams.try_join_next().is_some() {}
        if streams.len() >= REQUESTS_MAX {
            session.shutdown_with_reason(H2Reason::REFUSED_STREAM);
            let refused = Refused::crowded(session.req_header()).over(of.tls.as_deref());
            refused.record(&self.state, of.client);
            return false;
        }
        let head_max = usize::try_from(of.limits.header_bytes.0).unwrap_or(usize::MAX);
        let Err(fault) = h2::check(session.req_header(), head_max) else {
            h2::normalise(session.req_header_mut());
            let (proxy, stopping) = (of.proxy.clone(), of.stopping.clone());
            streams.spawn(async move {
                until_cut(proxy.process_new_http(ServerSession::new_http2(session), &stopping)).await;
            });
            return true;
        };
        let (state, tls, client) = (self.state.clone(), of.tls.clone(), of.client);
        let head = session.req_header().clone();
        streams.spawn(async move {
            let refused = Refused::stream(fault, Some(&head)).over(tls.as_deref());
            refused.answer_stream(&state, session, client).await;
        });
        false
    }
}

/// What the streams of a connection have in common.
struct Of<'a> {
    proxy: &'a Arc<HttpProxy<Gateway>>,
    tls: &'a Option<Arc<Tls>>,
    client: IpAddr,
    limits: &'a Limits,
    stopping: &'a ShutdownWatch,
}

fn options(limits: &Limits) -> H2Options {
    let mut options = default_h2_options();
    // A head up to twice the bound is read, so that it gets an answer and an entry of ours; a longer one is answered 431
    // by the library.
    let list_max = u32::try_from(limits.header_bytes.0.saturating_mul(2)).unwrap_or(u32::MAX);
    options
        .max_header_list_size(list_max)
        .max_concurrent_streams(STREAMS_MAX)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        .max_pending_accept_reset_streams(RESETS_WAITING_MAX)
        .max_local_error_reset_streams(Some(RESETS_OWN_MAX))
        .reset_stream_duration(Duration::from_secs(1));
    options
}

/// Ends every stream, and tells the client why, where the library has not. The connection is kept for a moment: closed
/// while something waits to be read on it, it would take back what was said.
async fn calm(connection: &mut ::h2::server::Connection<Stream, Bytes>) {
    connection.abrupt_shutdown(H2Reason::ENHANCE_YOUR_CALM);
    let told = poll_fn(|cx| connection.poll_closed(cx));
    let _ = timeout(LAST_MOMENT, async { (told.await, pending::<()>().await) }).await;
}

/// Where the client broke the protocol or flooded us, and did not merely leave: which of [`CAUSES`].
fn by_client(error: &pingora::Error) -> Option<&'static str> {
    let cause =
        error.root_cause().downcast_ref::<::h2::Error>().filter(|cause| cause.is_go_away() && cause.is_library());
    let is_calm = cause?.reason() == Some(H2Reason::ENHANCE_YOUR_CALM);
    Some(if is_calm { "flood" } else { "protocol" })
}
