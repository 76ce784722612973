//! What the measurements share: traffic that is made up, and figures of this process.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot be set up has nothing to recover")]

pub mod clock;
pub mod fill;
pub mod traffic;
