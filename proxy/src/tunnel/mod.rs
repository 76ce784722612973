//! Requests that last: WebSockets, streams of events, long uploads and downloads.
//!
//! Each is known while it runs (`lasting`), asked about again by the gate that let it in (`watch`), and ended where it
//! stands (`cut`) once the answer is no. `connector` makes the connections for upgrades.

mod connector;
mod cut;
mod lasting;
mod watch;

pub(crate) use connector::TunnelConnector;
pub(crate) use cut::until_cut;
pub(crate) use lasting::{Lasting, Place, Remembered, lasts};
pub(crate) use watch::run;
