//! `[providers.NAME]`: OpenID Connect. Nothing of it works yet; its shape is checked.

use crate::name::Host;
use crate::secret::SecretReference;
use crate::shape::shape;

shape! {
    /// What `[providers.NAME]` may say.
    pub(crate) unread struct RawProvider {
        email_domains: Vec<Host>,
        label: String,
        issuer: String,
        client_id: String,
        client_secret: SecretReference,
        scopes: Vec<String>,
        groups_claim: String,
        require_verified_email: bool,
    }
}
