//! What an error of Pingora means for the client and the log.

use pingora::{Error, ErrorSource, ErrorType as T};
use vestibule_auth::Reason;

/// The reason of a request that could not be completed.
pub(crate) fn reason(error: &Error) -> Reason {
    if *error.etype() == T::HTTPStatus(413) {
        return Reason::BodyTooLarge;
    }
    match error.esource() {
        ErrorSource::Downstream => downstream(error.etype()),
        ErrorSource::Upstream => upstream(error.etype()),
        // What Pingora refuses in the client's head before it has a side.
        ErrorSource::Internal | ErrorSource::Unset if *error.etype() == T::InvalidHTTPHeader => {
            Reason::MalformedRequest
        }
        ErrorSource::Internal | ErrorSource::Unset => Reason::BackendUnreachable,
    }
}

fn downstream(kind: &T) -> Reason {
    if matches!(kind, T::InvalidHTTPHeader | T::H1Error) { Reason::MalformedRequest } else { Reason::ClientClosed }
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
            (T::ReadTimedout, ErrorSource::Downstream, Reason::ClientClosed),
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
}
