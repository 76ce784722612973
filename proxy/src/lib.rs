//! The vestibule program.
//!
//! The life of a request: `edge` counts its connection, agrees on TLS with what `certificates` has, reads its head within
//! a time and a size, and refuses what is no head (`syntax`). `gateway` has a short method for each of Pingora's phases
//! and opens the `context`, which writes an entry however the request ends. `client_address` says who it is, `routes` and
//! `host` which circuit it means, `own_path` whether it is for us. `admit` asks the circuit's gate. What is not let
//! through is answered by `respond`, our own pages by `login`, and `answer` writes both; what is let through goes by
//! `forward` to one of the circuit's `upstream`s, its body as fast as `pace` says, and what lasts is asked about again by
//! `tunnel`. At its end `record` fills the entry, `redact` takes the secrets out and `personal` what the circuit does not
//! tell about people. `server` puts all of it together, `drain` ends it.

mod admin;
mod admit;
mod alerts;
mod anchors;
mod answer;
mod attempt;
mod audit;
mod back_channel;
mod backup;
mod believed;
mod certificates;
mod classify;
pub mod cli;
mod client_address;
mod context;
mod cookie;
mod demo;
mod digest;
mod drain;
mod edge;
mod exceeded;
mod explain;
mod failure;
mod follow;
mod forward;
#[cfg(test)]
mod fuzz;
mod gateway;
mod host;
mod housekeeping;
mod hsts;
mod lines;
mod login;
mod mail;
mod metrics;
mod overlay;
mod own_path;
mod pace;
mod pages;
mod personal;
mod record;
mod redact;
mod reload;
mod replace;
mod reply;
mod request_id;
mod respond;
mod return_path;
#[cfg(test)]
mod rig;
mod routes;
mod scrub;
mod server;
mod signing;
mod state;
mod syntax;
mod tunnel;
mod upstream;
mod visit;
