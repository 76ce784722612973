//! The vestibule program.

mod admin;
mod admit;
mod answer;
mod attempt;
mod audit;
mod classify;
pub mod cli;
mod client_address;
mod context;
mod cookie;
mod demo;
mod drain;
mod edge;
mod exceeded;
mod failure;
mod forward;
mod gateway;
mod host;
mod housekeeping;
mod login;
mod metrics;
mod own_path;
mod pages;
mod record;
mod redact;
mod reload;
mod reply;
mod request_id;
mod respond;
mod return_path;
#[cfg(test)]
mod rig;
mod routes;
mod server;
mod state;
mod upstream;
mod visit;
