//! What each reason means to a client: status, mark, and a sentence.

use http::StatusCode;
use vestibule_auth::Reason;

use crate::reply::Mark;

/// Where no gate says otherwise.
pub(super) fn status(reason: Reason) -> StatusCode {
    use Reason as R;
    match reason {
        R::IpRestricted | R::IpBanned | R::CountryRestricted | R::GeoUnavailable | R::CrossSite => {
            StatusCode::FORBIDDEN
        }
        R::BotBlocked | R::ReputationBan | R::ReputationUnavailable => StatusCode::FORBIDDEN,
        R::NotProjectMember | R::NotOnAllowlist | R::NotInGroup | R::UserBlocked | R::PendingApproval => {
            StatusCode::FORBIDDEN
        }
        R::GrantExpired | R::EmailNotVerified | R::DomainNotAllowed => StatusCode::FORBIDDEN,
        R::SecondFactorRequired | R::HookDenied | R::HookUnavailable => StatusCode::FORBIDDEN,
        R::SecondFactorFailed => StatusCode::UNAUTHORIZED,
        R::SsoError => StatusCode::UNAUTHORIZED,
        R::SsoStateInvalid => StatusCode::BAD_REQUEST,
        R::NoCredentials | R::MissingSession | R::SessionExpired | R::SessionRevoked | R::AccountMismatch => {
            StatusCode::UNAUTHORIZED
        }
        R::InvalidPassword | R::InvalidPin | R::UserNotFound | R::InvalidCredentials => StatusCode::UNAUTHORIZED,
        R::InvalidHeader | R::InvalidToken | R::TokenExpired | R::TokenDisabled => StatusCode::UNAUTHORIZED,
        R::UserLocked | R::RateLimitedIp | R::RateLimitedUser | R::RateLimitedCircuit | R::FailedAnswers => {
            StatusCode::TOO_MANY_REQUESTS
        }
        R::CircuitNotFound | R::CircuitExpired => StatusCode::NOT_FOUND,
        R::BackendRefused | R::BackendUnreachable | R::BackendTlsError => StatusCode::BAD_GATEWAY,
        R::BackendTimeout => StatusCode::GATEWAY_TIMEOUT,
        R::TooManyInFlight | R::LogUnavailable | R::ConnectionLimit | R::HashQueueFull | R::ProviderUnavailable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        // Nobody is there to read it.
        R::Abandoned | R::ClientClosed | R::MalformedRequest | R::TlsRequired => StatusCode::BAD_REQUEST,
        R::InvalidCode | R::CodeExpired | R::LoopDetected => StatusCode::BAD_REQUEST,
        R::Misdirected => StatusCode::MISDIRECTED_REQUEST,
        R::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        R::HeadTimeout => StatusCode::REQUEST_TIMEOUT,
        R::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
    }
}

/// Who answers.
pub(crate) fn mark(reason: Reason) -> Mark {
    use Reason as R;
    match reason {
        R::IpRestricted | R::IpBanned | R::CountryRestricted | R::GeoUnavailable => Mark::Rule,
        R::BotBlocked | R::ReputationBan | R::ReputationUnavailable => Mark::Rule,
        R::RateLimitedIp | R::RateLimitedUser | R::RateLimitedCircuit => Mark::Rule,
        R::ConnectionLimit | R::FailedAnswers => Mark::Rule,
        R::CircuitNotFound | R::CircuitExpired | R::Misdirected => Mark::NoRoute,
        R::NoCredentials | R::MissingSession | R::SessionExpired | R::SessionRevoked | R::AccountMismatch => Mark::Auth,
        R::InvalidPassword | R::InvalidPin | R::UserNotFound | R::InvalidCredentials | R::UserLocked => Mark::Auth,
        R::InvalidHeader | R::InvalidToken | R::TokenExpired | R::TokenDisabled => Mark::Auth,
        R::NotProjectMember | R::NotOnAllowlist | R::NotInGroup | R::UserBlocked | R::PendingApproval => Mark::Auth,
        R::SsoError | R::SsoStateInvalid | R::EmailNotVerified | R::DomainNotAllowed => Mark::Auth,
        R::SecondFactorRequired | R::HookDenied | R::HookUnavailable => Mark::Auth,
        R::SecondFactorFailed => Mark::Auth,
        R::ProviderUnavailable | R::Abandoned | R::GrantExpired => Mark::Auth,
        R::InvalidCode | R::CodeExpired | R::LoopDetected => Mark::Auth,
        R::TlsRequired | R::CrossSite | R::HashQueueFull => Mark::Auth,
        R::BackendRefused | R::BackendUnreachable | R::BackendTimeout | R::BackendTlsError => Mark::ProxyError,
        R::TooManyInFlight | R::ClientClosed | R::LogUnavailable => Mark::ProxyError,
        R::MalformedRequest | R::HeadTooLarge | R::HeadTimeout | R::BodyTooLarge => Mark::ProxyError,
    }
}

/// A sentence for people; it says no more than the reason's code does.
pub(crate) fn sentence(reason: Reason) -> &'static str {
    use Reason as R;
    match reason {
        R::IpRestricted | R::IpBanned | R::ReputationBan => "This service is not open to your network address.",
        R::BotBlocked => "This service is not open to your program.",
        R::CountryRestricted => "This service is not open to your country.",
        R::ReputationUnavailable => "Network addresses cannot be checked here at present.",
        R::GeoUnavailable => "The country rules of this service cannot be checked at present.",
        R::NoCredentials => "Sign in to use this service.",
        R::InvalidHeader => "This key is not known here.",
        R::InvalidToken => "This token is not known here.",
        R::TokenExpired => "This token's time is over.",
        R::TokenDisabled => "This token is disabled.",
        R::MissingSession => "The session is not known here. Sign in again.",
        R::SessionExpired => "The session is over. Sign in again.",
        R::SessionRevoked => "The session was ended. Sign in again.",
        R::AccountMismatch => "The session's way of signing in is not accepted any more. Sign in again.",
        R::InvalidPassword | R::InvalidPin | R::UserNotFound | R::InvalidCredentials => INVALID_CREDENTIALS,
        R::NotProjectMember => "This account is not a member of the project that owns this service.",
        R::NotOnAllowlist => "This account is not on the list of this service.",
        R::NotInGroup => "This account is in none of the groups that may use this service.",
        R::UserBlocked => "This account is blocked.",
        R::PendingApproval => "This account waits for approval.",
        R::GrantExpired => "The time for which this account was let in is over.",
        R::UserLocked => "Too many failed attempts.",
        R::RateLimitedIp | R::RateLimitedUser | R::RateLimitedCircuit => "Too many requests in a short time.",
        R::FailedAnswers => "Too many requests of your network address led nowhere.",
        R::TooManyInFlight => "The service is at its limit of requests.",
        R::CircuitNotFound | R::CircuitExpired => "There is no service at this address.",
        R::BackendRefused | R::BackendUnreachable => "The service cannot be reached.",
        R::BackendTimeout => "The service took too long to answer.",
        R::BackendTlsError => "The connection to the service is not secure.",
        R::ClientClosed => "The connection was closed before the answer.",
        R::LogUnavailable => "Access cannot be recorded at present, so nobody is let in.",
        R::MalformedRequest => "The request cannot be understood.",
        R::Misdirected => "This connection was made for another service. Open the page in a connection of its own.",
        R::HeadTooLarge => "The request's head is too long.",
        R::HeadTimeout => "The request's head came too slowly.",
        R::ConnectionLimit => "Too many connections.",
        R::BodyTooLarge => "The request's body is too long.",
        R::TlsRequired => "Signing in needs HTTPS. Open this page with https:// instead of http://.",
        R::CrossSite => "This was sent from a page of another site. Open the page here and try again.",
        R::SsoError => "The identity provider did not sign you in.",
        R::SsoStateInvalid => "This sign-in is over, was finished before, or was begun in another browser. Try again.",
        R::InvalidCode => INVALID_CODE,
        R::CodeExpired => CODE_EXPIRED,
        R::LoopDetected => LOOP_DETECTED,
        R::EmailNotVerified => "The identity provider does not vouch for your e-mail address.",
        R::DomainNotAllowed => "The identity provider may not speak for addresses of your domain here.",
        R::SecondFactorRequired => "This service asks for a second factor, and this account has none.",
        R::SecondFactorFailed => "This code is not accepted. Wait for the next one.",
        R::HookDenied => "This sign-in was not approved.",
        R::HookUnavailable => "Who approves sign-ins cannot be reached at present.",
        R::ProviderUnavailable => "The identity provider does not answer at present.",
        R::Abandoned => "The sign-in was not finished.",
        R::HashQueueFull => "Too many people are signing in at this moment.",
    }
}

const CODE_EXPIRED: &str = "This sign-in took too long, was finished before, or was begun in another browser. Open the page that you want once more.";
const INVALID_CODE: &str = "This sign-in is over, was finished before, or was begun in another browser. Open the page \
     that you want once more; if this comes back, let this site keep cookies and check the clock of this device.";

const LOOP_DETECTED: &str = "You have signed in, but this browser does not keep what this site gives it, so that it was \
     about to go in circles. Let this site keep cookies, remove those that it has, check the clock of this device, and \
     try again in a minute.";

/// The same for a wrong secret, an unknown account, and one that may not sign in.
const INVALID_CREDENTIALS: &str = "These credentials are not accepted.";
