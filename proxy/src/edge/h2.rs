//! HTTP/2: bounds of a connection, and each stream checked as a head of HTTP/1 is.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

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
/// Streams that were no requests; one more ends the connection.
const REFUSED_MAX: usize = 32;

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
        let mut connection = match timeout(limits.header_timeout, handshake(stream, Some(options(&limits)))).await {
            Ok(Ok(connection)) => connection,
            // The client has spoken something else than it agreed on, or left.
            Ok(Err(_)) => return refuse(Reason::MalformedRequest),
            Err(_) => return refuse(Reason::HeadTimeout),
        };
        let mut streams = JoinSet::new();
        let (mut stop, mut is_stopping, mut refused) = (stopping.clone(), false, 0);
        while refused <= REFUSED_MAX {
            let patience = if is_stopping { LAST_MOMENT } else { limits.idle_timeout };
            let accepted = tokio::select! {
                biased;
                () = stopped(&mut stop), if !is_stopping => {
                    connection.graceful_shutdown();
                    is_stopping = true;
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
                Err(error) => {
                    if is_by_client(&error) {
                        refuse(Reason::MalformedRequest);
                    }
                    break;
                }
            }
        }
        // Nothing can be said any more; what still runs notices, and makes its entry.
        drop(connection);
        while streams.join_next().await.is_some() {}
    }

    /// Serves one stream beside the others; false where it is no request, which it is told.
    fn take_up(&self, mut session: HttpSession, of: &Of<'_>, streams: &mut JoinSet<()>) -> bool {
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

/// The client broke the protocol, and did not merely leave.
fn is_by_client(error: &pingora::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<::h2::Error>();
    cause.is_some_and(|cause| cause.is_go_away() && cause.is_library())
}
