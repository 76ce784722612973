//! The vestibule program.

mod admin;
mod attempt;
mod classify;
pub mod cli;
mod cookie;
mod exceeded;
mod host;
mod login;
mod metrics;
mod pages;
mod reload;
mod reply;
mod request_id;
mod respond;
mod return_path;
mod routes;
mod server;
mod state;
mod upstream;
mod visit;
