//! What an error of Pingora means for the client and the log.

use std::io;

use pingora::{Error, ErrorSource, ErrorType as T};
use vestibule_auth::Reason;

use crate::edge::Malformed;

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
        ErrorSource::Downstream if has_two_readings(error) => Reason::MalformedRequest,
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
    at_the_bottom(error).is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut)
}

/// A body that is cut into chunks of which two readers could make different things. Bytes that TLS cannot read are
/// nothing that the client asked: its connection is broken.
fn has_two_readings(error: &Error) -> bool {
    at_the_bottom(error).and_then(io::Error::get_ref).is_some_and(|cause| cause.is::<Malformed>())
}

/// The connection's own error, below what Pingora says.
fn at_the_bottom(error: &Error) -> Option<&io::Error> {
    let cause = error.cause.as_ref()?;
    match cause.downcast_ref::<Box<Error>>() {
        Some(cause) => at_the_bottom(cause),
        None => cause.downcast_ref(),
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
    fn a_body_with_two_readings_is_told_from_a_connection_that_is_broken() {
        let of = |cause: io::Error| {
            let error = Error::because(T::ReadError, "reading", cause).more_context("proxying");
            reason(&error.into_down())
        };
        let invalid = io::ErrorKind::InvalidData;
        assert_eq!(of(io::Error::new(invalid, Malformed)), Reason::MalformedRequest);
        assert_eq!(of(io::Error::new(invalid, rustls::Error::DecryptError)), Reason::ClientClosed);
        assert_eq!(of(io::ErrorKind::ConnectionReset.into()), Reason::ClientClosed);
    }
}
