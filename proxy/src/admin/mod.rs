//! The auditor's and operator's port.

use std::net::TcpListener;
use std::sync::Arc;

use crate::state::State;

/// The running port.
pub(crate) struct Admin {}

/// Serves the admin port on a thread of its own, until [`Admin::stop`]; call it before the listeners accept.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub(crate) fn start(_state: Arc<State>, _listener: TcpListener) -> std::io::Result<Admin> {
    todo!()
}

impl Admin {
    /// Ends the port; call it when the proxy has drained, before the store is closed, so that `/readyz` answers 503
    /// in between. Running answers get a second.
    pub(crate) fn stop(self) {
        todo!()
    }
}
