//! Starts gateways, upstreams and clients for the tests.
//!
//! Everything is real: the gateway is the program `vestibule run` as a child process with its own store, the upstream
//! and the client speak HTTP/1.1 over sockets of their own, so that a test sees every byte of both sides. Only
//! addresses are invented: the gateway trusts 127.0.0.1 as a fronting proxy, and a test names a client address in
//! `X-Forwarded-For`.

#![expect(clippy::unwrap_used, reason = "a harness that cannot set up its test has nothing to recover")]
#![expect(clippy::panic, reason = "a failed expectation of the harness fails its test")]
#![expect(clippy::indexing_slicing, reason = "answers of unexpected shape fail the test")]

pub mod browser;
pub mod certifier;
pub mod chromium;
pub mod client;
pub mod gateway;
pub mod geo;
pub mod grpc;
pub mod h2;
pub mod house;
pub mod http;
pub mod load;
pub mod mail_server;
pub mod nginx;
pub mod pebble;
pub mod port;
pub mod ports;
pub mod postbox;
pub mod provider;
pub mod real_provider;
pub mod s3;
pub mod secrets;
pub mod small_disk;
pub mod tls;
pub mod totp;
pub mod upstream;
pub mod wait;

pub use browser::{Browser, Window};
pub use certifier::Certifier;
pub use chromium::Chromium;
pub use client::{Connection, Request, Response};
pub use gateway::{Gateway, Setup, command};
pub use grpc::GrpcService;
pub use house::House;
pub use mail_server::MailServer;
pub use nginx::Nginx;
pub use pebble::Pebble;
pub use ports::Ports;
pub use postbox::Postbox;
pub use provider::Provider;
pub use real_provider::RealProvider;
pub use small_disk::SmallDisk;
pub use tls::Authority;
pub use upstream::{Received, Upstream};
pub use wait::until;
