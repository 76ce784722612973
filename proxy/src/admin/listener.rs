//! The thread and the sockets of the admin port.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::door::Peer;
use super::{Port, router, secure};
use crate::state::State;

/// Open connections; further ones wait in the kernel's queue.
const CONNECTIONS: usize = 256;

/// For a whole head, and between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// Running answers get this long when the port stops.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Of the threads that read the logs; 19 would be the most.
const READERS_NICE: i32 = 10;

/// How often refusals that were counted are looked at.
const FLUSH: Duration = Duration::from_secs(5);

/// The running port.
pub(crate) struct Admin {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// Serves the admin port on a thread of its own, until [`Admin::stop`]; call it before the listeners accept.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub(crate) fn start(state: Arc<State>, listener: TcpListener) -> io::Result<Admin> {
    listener.set_nonblocking(true)?;
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().max_blocking_threads(8).on_thread_start(yield_to_traffic);
    let runtime = runtime.build()?;
    let listener = {
        let _entered = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let (stop, stopped) = oneshot::channel();
    let port = Arc::new(Port::new(state));
    let thread = std::thread::Builder::new().name("admin".to_owned()).spawn(move || {
        runtime.block_on(serve(&port, listener, stopped));
        // A query may still read; nobody waits for its answer.
        runtime.shutdown_background();
    })?;
    Ok(Admin { stop, thread })
}

/// Queries and exports read much. On Linux a thread has a niceness of its own: requests go first.
fn yield_to_traffic() {
    if let Err(error) = rustix::process::nice(READERS_NICE) {
        tracing::warn!(%error, "queries run at the priority of the traffic");
    }
}

impl Admin {
    /// Ends the port; call it when the proxy has drained, before the store is closed, so that `/readyz` answers 503
    /// in between. Running answers get a second.
    pub(crate) fn stop(self) {
        // The thread may have ended already, then nobody hears.
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("the admin port ended with a panic");
        }
    }
}

/// One connection in the gauge and under the bound, until it is dropped.
struct Counted {
    state: Arc<State>,
    _permit: OwnedSemaphorePermit,
}

impl Counted {
    fn new(state: &Arc<State>, permit: OwnedSemaphorePermit) -> Self {
        state.metrics.admin_connection_opened();
        Self { state: state.clone(), _permit: permit }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.state.metrics.admin_connection_closed();
    }
}

async fn serve(port: &Arc<Port>, listener: tokio::net::TcpListener, mut stopped: oneshot::Receiver<()>) {
    let router = router(port.clone());
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut flush = tokio::time::interval(FLUSH);
    loop {
        let accepted = async {
            let permit = connections.clone().acquire_owned().await.expect("nobody closes this semaphore");
            (listener.accept().await, permit)
        };
        tokio::select! {
            _ = &mut stopped => break,
            _ = flush.tick() => port.refusals.flush(&port.state, false),
            (accepted, permit) = accepted => match accepted {
                Ok((stream, peer)) => {
                    let counted = Counted::new(&port.state, permit);
                    attend(&router, stream, Peer(peer.ip()), &graceful, counted);
                }
                // Out of descriptors, usually: trying again at once would only spin.
                Err(error) => {
                    tracing::warn!(%error, "the admin port cannot accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    // The rest are idle or stuck.
    let _ = tokio::time::timeout(STOP_GRACE, graceful.shutdown()).await;
    port.refusals.flush(&port.state, true);
}

/// With TLS where the settings have it.
fn attend(router: &Router, stream: TcpStream, peer: Peer, graceful: &GracefulShutdown, counted: Counted) {
    let inner = TowerToHyperService::new(router.clone());
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        inner.call(request.map(Body::new))
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let watcher = graceful.watcher();
    tokio::spawn(async move {
        if let Some(stream) = secure::agreed(&counted.state, stream, HEAD_TIMEOUT).await {
            // A client that breaks off is no event of ours.
            let _ = watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await;
        }
        drop(counted);
    });
}
