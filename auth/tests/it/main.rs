//! Policy without sockets: real configuration, real state database, a clock moved by hand.

#![expect(clippy::unwrap_used, reason = "an unexpected answer fails the test")]
#![expect(clippy::panic, reason = "an unexpected answer fails the test")]

mod assertion;
mod cors;
mod explain;
mod grants;
mod hand_over;
mod house;
mod launcher;
mod limits;
mod machines;
mod matrix;
mod paths;
mod reload;
mod sign_in;
