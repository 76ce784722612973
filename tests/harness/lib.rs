//! Starts gateways, upstreams and clients for the tests.
