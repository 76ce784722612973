//! What an error of Pingora means for the client and the log.

use std::io;

use pingora::{Error, ErrorSource, ErrorType as T};
use vestibule_auth::Reason;

/// The reason of a request that could not be completed.
#[expect(clippy::wildcard_enum_match_arm, reason = "a list of another crate")]
pub(crate) fn reason(error: &Error) -> Reason {
    match error.etype() {
        T::HTTPStatus(408) => return Reason::HeadTimeout,
        T::HTTPStatus(413) => return Reason::BodyTooLarge,
        T::HTTPStatus(503) => return Reason::TooManyInFlight,
        _ => (),
    }
    match error.esource() {
        // Its body can be read in two ways.
        ErrorSource::Downstream if is_of_kind(error, io::ErrorKind::InvalidData) => Reason::MalformedRequest,
        ErrorSource::Downstream => downstream(error.etype()),
        ErrorSource::Upstream if is_late(error) => Reason::BackendTimeout,
        ErrorSource::Upstream => upstream(error.etype()),
        // What Pingora refuses in the client's head before it has a side.
        ErrorSource::Internal | ErrorSource::Unset if *error.etype() == T::InvalidHTTPHeader => {
            Reason::MalformedRequest
        }
        ErrorSource::Internal | ErrorSource::Unset => Reason::BackendUnreachable,
    }
}

/// A tunnel's connection has a time of its own for the head.
fn is_late(error: &Error) -> bool {
    is_of_kind(error, io::ErrorKind::TimedOut)
}

fn is_of_kind(error: &Error, kind: io::ErrorKind) -> bool {
    let Some(cause) = &error.cause else { return false };
    match cause.downcast_ref::<Box<Error>>() {
        Some(cause) => is_of_kind(cause, kind),
        None => cause.downcast_ref::<io::Error>().is_some_and(|cause| cause.kind() == kind),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a list of another crate; the others are those of a client that is gone"
)]
fn downstream(kind: &T) -> Reason {
    match kind {
        T::InvalidHTTPHeader | T::H1Error => Reason::MalformedRequest,
        T::ReadTimedout => Reason::HeadTimeout,
        _ => Reason::ClientClosed,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a list of another crate; what is not told apart is unreachable")]
fn upstream(kind: &T) -> Reason {
    match kind {
        T::ConnectRefused => Reason::BackendRefused,
        T::ConnectTimedout | T::TLSHandshakeTimedout | T::ReadTimedout | T::WriteTimedout => Reason::BackendTimeout,
        T::TLSHandshakeFailure | T::TLSWantX509Lookup | T::InvalidCert | T::HandshakeError => Reason::BackendTlsError,
        _ => Reason::BackendUnreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_reason() {
        for (kind, source, expected) in [
            (T::ConnectRefused, ErrorSource::Upstream, Reason::BackendRefused),
            (T::ConnectNoRoute, ErrorSource::Upstream, Reason::BackendUnreachable),
            (T::ConnectTimedout, ErrorSource::Upstream, Reason::BackendTimeout),
            (T::ReadTimedout, ErrorSource::Upstream, Reason::BackendTimeout),
            (T::InvalidCert, ErrorSource::Upstream, Reason::BackendTlsError),
            (T::ConnectionClosed, ErrorSource::Upstream, Reason::BackendUnreachable),
            (T::ConnectionClosed, ErrorSource::Downstream, Reason::ClientClosed),
            (T::ReadTimedout, ErrorSource::Downstream, Reason::HeadTimeout),
            (T::WriteTimedout, ErrorSource::Downstream, Reason::ClientClosed),
            (T::HTTPStatus(408), ErrorSource::Internal, Reason::HeadTimeout),
            (T::HTTPStatus(503), ErrorSource::Internal, Reason::TooManyInFlight),
            (T::HTTPStatus(413), ErrorSource::Internal, Reason::BodyTooLarge),
            (T::InvalidHTTPHeader, ErrorSource::Unset, Reason::MalformedRequest),
            (T::InvalidHTTPHeader, ErrorSource::Upstream, Reason::BackendUnreachable),
            (T::InternalError, ErrorSource::Internal, Reason::BackendUnreachable),
        ] {
            let mut error = Error::new(kind.clone());
            error.esource = source.clone();
            assert_eq!(reason(&error), expected, "{kind:?} {source:?}");
        }
    }

    #[test]
    fn a_tunnel_s_own_time_is_found_below_what_pingora_says() {
        let of = |kind: io::ErrorKind| {
            let error = Error::because(T::ReadError, "reading", io::Error::from(kind)).more_context("proxying");
            reason(&error.into_up())
        };
        assert_eq!(of(io::ErrorKind::TimedOut), Reason::BackendTimeout);
        assert_eq!(of(io::ErrorKind::ConnectionReset), Reason::BackendUnreachable);
    }

    #[test]
    fn a_body_with_two_readings_is_told_from_a_client_that_is_gone() {
        let of = |kind: io::ErrorKind| {
            let error = Error::because(T::ReadError, "reading", io::Error::from(kind)).more_context("proxying");
            reason(&error.into_down())
        };
        assert_eq!(of(io::ErrorKind::InvalidData), Reason::MalformedRequest);
        assert_eq!(of(io::ErrorKind::ConnectionReset), Reason::ClientClosed);
    }
}
