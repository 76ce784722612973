//! The vestibule program.

mod admin;
pub mod cli;
mod host;
mod metrics;
mod reload;
mod reply;
mod request_id;
mod routes;
mod server;
mod state;
mod upstream;
mod visit;
