//! One binary for all integration tests, linked once. Each test starts the program as its users do.

#![expect(clippy::unwrap_used, reason = "an unexpected answer fails the test")]
#![expect(clippy::indexing_slicing, reason = "an answer of unexpected shape fails the test")]

// The example geo database is what its description says.
mod geo;
// The crates depend downwards only.
mod graph;
