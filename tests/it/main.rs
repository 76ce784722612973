//! One binary for all integration tests, linked once. Each test starts the program as its users do.

#![expect(clippy::unwrap_used, reason = "an unexpected answer fails the test")]
#![expect(clippy::panic, reason = "an unexpected answer fails the test")]
#![expect(clippy::indexing_slicing, reason = "an answer of unexpected shape fails the test")]

// Certificates that an authority makes.
mod acme;
// Client address, country, and the rules about them.
mod address;
// The admin port.
mod admin;
// Who is told when something happens that should not.
mod alerts;
// Heads of the logs in buckets.
mod anchors_s3;
// What upstreams can verify.
mod assertion;
// The configuration's change from afar.
mod config_change;
// The data folder elsewhere and back.
mod backup;
// Networks that are kept out, accounts that are let in again.
mod bans;
// Own certificates.
mod certificates;
// People in a real browser.
mod chromium;
// The command line.
mod cli;
// The machine's clock set forward and back.
mod clocks;
// Codes by e-mail.
mod code;
// Browsers' questions before requests of other sites' pages.
mod cors;
// Files of the logs that are not what was written.
mod damage;
// `vestibule demo` does what it prints.
mod demo;
// What the documentation shows works.
mod docs;
// Caps and deadlines of connections, sockets of systemd.
mod edge;
// Bad input, full disks, starts that must be refused.
mod errors;
// Disks, files and descriptors that fail.
mod faults;
// Views of the logs in the shape of other products.
mod facades;
// What the documentation shows is run.
mod examples;
// All entries, into a file.
mod export;
// What the list of features promises.
mod features;
// The README's walk.
mod first_hour;
// The example geo database is what its description says.
mod geo;
// People who are let in for a while.
mod grants;
// What is shipped for Grafana and Prometheus.
mod grafana;
// The crates depend downwards only.
mod graph;
// Passwords are checked without harm to others.
mod hashing;
// gRPC, with its own library at both ends.
mod grpc;
// What HTTP/2 clients may not do.
mod h2_floods;
// What reaches the upstream and what comes back.
mod headers;
// Verification of the logs, and proofs for outsiders.
mod integrity;
// One sign-in for all hosts.
mod hosts;
// Nothing promised is lost by `kill -9`.
mod kill;
// The circuits that somebody may open.
mod launcher;
// Messages to servers that speak TLS.
mod mail;
// Attempts and requests are limited.
mod limits;
mod lines;
// The three logs and their questions.
mod logs;
// Service tokens, keys in a header, trusted addresses.
mod machines;
// Every way in against every policy.
mod methods;
// Parts of a circuit that differ.
mod openapi;
mod paths;
// The web pages of the admin port.
mod pages;
// The same in a real browser.
mod pages_chromium;
// Changes of the configuration on the pages.
mod pages_config;
// One entry on its page.
mod pages_entry;
// Operators who sign in to the pages at a provider.
mod operators;
// What entries tell about people.
mod personal;
// Who may enter.
mod policy;
// Changes while running.
mod reload;
// Recorded requests against another file.
mod replay;
// Which circuit answers.
mod routing;
// Scanners, reputation, and rules that only observe.
mod rules;
// How sessions live and end.
mod sessions;
// Why a request is let in or not, and what the file expects.
mod why;
// Completion, in the real shells.
mod shells;
// Stopping.
mod shutdown;
// Terminals, shells and pipes.
mod terminal;
// Signing in.
mod sign_in;
// Signing in at an identity provider.
mod sso;
// What an identity provider may not get away with.
mod sso_lies;
// Signing in at providers that others made.
mod sso_real;
// Sorted lists, histograms, facets, runs.
mod counts;
// Numbers, people, projects.
mod stats;
// Requests within requests.
mod smuggling;
// What stands between a good credential and a session.
mod steps;
// Bodies pass as they come.
mod streaming;
// Entries as they come.
mod tail;
// Upstreams over TLS and HTTP/2.
mod upstream_tls;
// What is behind a circuit.
mod upstreams;
// People of the file.
mod user;
// Requests that last.
mod tunnels;
// TLS, HTTP/2, PROXY headers, the way to https.
mod tls;
