//! One order: the authority asks the host, is answered, and signs.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Error, Identifier, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::pki_types::Der;
use vestibule_config::certificate::AuthorityId;
use zeroize::Zeroizing;

use super::authority::{details, kind};
use super::challenges::{Awaited, Challenges};

/// How the authority is asked whether it is done; it may name other times in `Retry-After`, within the last.
const PATIENCE: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(250)).backoff(1.5).timeout(Duration::from_secs(120));

/// Key and chain as PEM, in one text.
pub(super) async fn place(
    account: &Account,
    host: &str,
    replaces: Option<&AuthorityId>,
    challenges: &Challenges,
) -> Result<Zeroizing<String>, Error> {
    let mut order = begin(account, host, replaces).await?;
    let awaited = answer(&mut order, challenges).await?;
    if order.poll_ready(&PATIENCE).await? != OrderStatus::Ready {
        return Err(why_not(&mut order).await);
    }
    drop(awaited);
    let key = KeyPair::generate().map_err(|error| Error::Other(error.into()))?;
    let mut wanted = CertificateParams::new([host.to_owned()]).map_err(|error| Error::Other(error.into()))?;
    wanted.distinguished_name = DistinguishedName::new();
    let request = wanted.serialize_request(&key).map_err(|error| Error::Other(error.into()))?;
    order.finalize_csr(request.der()).await?;
    let chain = order.poll_certificate(&PATIENCE).await?;
    let key = Zeroizing::new(key.serialize_pem());
    Ok(Zeroizing::new(format!("{}{chain}", *key)))
}

/// Asks for the order, naming what it replaces where the authority takes that: one that refuses it for that, or does not
/// say it again in its answer as RFC 9773 wants, is asked once more without.
async fn begin(account: &Account, host: &str, replaces: Option<&AuthorityId>) -> Result<Order, Error> {
    let identifiers = [Identifier::Dns(host.to_owned())];
    if let Some(id) = replaces {
        match account.new_order(&NewOrder::new(&identifiers).replaces(identifier(id))).await {
            Err(error) if is_about_replaces(&error) => {
                tracing::warn!(host, %error, "ordering without naming the certificate that is replaced");
            }
            answer => return answer,
        }
    }
    account.new_order(&NewOrder::new(&identifiers)).await
}

/// Whether it failed for what the order says that it replaces, and not for anything else.
fn is_about_replaces(error: &Error) -> bool {
    if let Error::Api(problem) = error {
        return kind(problem) == "alreadyReplaced" || details(problem).any(|detail| detail.contains("replace"));
    }
    // The library's word for an answer that does not repeat it, beside which it calls much else `Other`.
    matches!(error, Error::Other(cause) if cause.to_string().starts_with("replaces field"))
}

/// How a certificate is called at its authority.
pub(super) fn identifier(id: &AuthorityId) -> CertificateIdentifier<'static> {
    CertificateIdentifier::new(Der::from_slice(&id.key), Der::from_slice(&id.serial))
}

/// Answers every question that is still open; the answers stand while the result lives.
async fn answer(order: &mut Order, challenges: &Challenges) -> Result<Vec<Awaited>, Error> {
    let mut awaited = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let challenge = authorization.challenge(ChallengeType::Http01);
        let mut challenge = challenge.ok_or_else(|| Error::Other("the authority does not ask by http-01".into()))?;
        awaited.push(challenges.expect(&challenge.token, challenge.key_authorization().as_str()));
        challenge.set_ready().await?;
    }
    Ok(awaited)
}

/// What the authority found instead of the answer.
async fn why_not(order: &mut Order) -> Error {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let Ok(mut authorization) = authorization else { continue };
        let Ok(state) = authorization.refresh().await else { continue };
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.clone()) {
            return Error::Api(problem);
        }
    }
    Error::Other("the authority gives up the order and does not say why".into())
}

#[cfg(test)]
mod tests;
