//! Takes connections until we stop, and those that have come by then.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::{ServiceReadyNotifier, ServiceWithDependents};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use vestibule_config::listener::Listener;

use super::{Edge, Socket, stopped};

/// Trying again at once would only spin, where there are no descriptors left.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// All listeners as one of Pingora's services, so that they share its threads.
pub(crate) struct Listening {
    edge: Arc<Edge>,
    sockets: Vec<Socket>,
    /// True from the first TERM on. Pingora's own would make it wait for a whole grace period.
    stopping: ShutdownWatch,
}

impl Listening {
    /// Before the server starts.
    pub(crate) fn new(edge: Edge, sockets: Vec<Socket>, stopping: ShutdownWatch) -> Self {
        Self { edge: Arc::new(edge), sockets, stopping }
    }
}

#[async_trait]
impl ServiceWithDependents for Listening {
    async fn start_service(
        &mut self,
        _fds: Option<ListenFds>,
        _shutdown: ShutdownWatch,
        _listeners_per_fd: usize,
        ready: ServiceReadyNotifier,
    ) {
        let mut accepting = JoinSet::new();
        for Socket { listener, of } in self.sockets.drain(..) {
            let (edge, stopping) = (self.edge.clone(), self.stopping.clone());
            let listener = TcpListener::from_std(listener).expect("a bound socket can be waited for");
            accepting.spawn(accept_all(edge, listener, Arc::new(of), stopping));
        }
        ready.notify_ready();
        accepting.join_all().await;
        self.edge.clean_up().await;
    }

    fn name(&self) -> &'static str {
        "gateway"
    }
}

async fn accept_all(edge: Arc<Edge>, listener: TcpListener, of: Arc<Listener>, stopping: ShutdownWatch) {
    let mut stop = stopping.clone();
    let attend = |accepted: io::Result<(TcpStream, SocketAddr)>| match accepted {
        Ok((stream, from)) => {
            let (edge, of, stopping) = (edge.clone(), of.clone(), stopping.clone());
            tokio::spawn(async move { edge.attend(stream, from, &of, &stopping).await });
            true
        }
        Err(error) => {
            tracing::warn!(listener = %of, %error, "cannot accept");
            false
        }
    };
    loop {
        tokio::select! {
            accepted = listener.accept() => if !attend(accepted) { tokio::time::sleep(AFTER_ERROR).await },
            () = stopped(&mut stop) => break,
        }
    }
    // The kernel has connected these clients already: closing the socket would cut them off.
    loop {
        tokio::select! {
            biased;
            accepted = listener.accept() => if !attend(accepted) { return },
            () = std::future::ready(()) => return,
        }
    }
}
