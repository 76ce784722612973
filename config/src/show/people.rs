//! Who signs in and how: providers, people, tokens of machines, what is sent and asked on the way.

use super::{Page, text};
use crate::hook::Hook;
use crate::mail::Mail;
use crate::provider::Provider;
use crate::service_token::{PreviousToken, ServiceToken};
use crate::units::display_duration;
use crate::user::User;

impl Page<'_> {
    pub(super) fn provider(&mut self, provider: &Provider) {
        self.table(&["providers", provider.name.as_str()]);
        self.set("label", text(&provider.label));
        self.set("issuer", text(&provider.issuer));
        self.set("client_id", text(&provider.client_id));
        self.set_some("client_secret", provider.client_secret.as_ref().map(|secret| self.secret(secret)));
        self.set("scopes", self.list(&provider.scopes));
        self.set_some("groups_claim", provider.groups_claim.as_ref().map(text));
        self.set_some("email_domains", provider.email_domains.as_ref().map(|domains| self.list(domains)));
        self.set("require_verified_email", provider.require_verified_email);
        self.set_some("recheck", provider.recheck.map(|every| text(display_duration(every))));
        self.set_some("ca", provider.ca.as_ref().map(|ca| self.certificates(ca)));
    }

    pub(super) fn user(&mut self, user: &User) {
        self.table(&["users", user.email.as_str()]);
        self.set_some("name", user.name.as_ref().map(text));
        self.set_some("password_hash", user.password_hash.as_ref().map(|hash| self.hash(hash)));
        self.set_some("pin_hash", user.pin_hash.as_ref().map(|hash| self.hash(hash)));
        self.set("groups", self.list(&user.groups));
        self.set("state", text(user.state.as_str()));
        self.set_some("totp", user.totp.as_ref().map(|totp| self.purpose.secret(totp.expose())));
    }

    pub(super) fn service_token(&mut self, token: &ServiceToken) {
        self.table(&["service_tokens", token.name.as_str()]);
        self.set("hash", self.token(&token.hash));
        self.set_some("expires", token.expires);
        let before = |PreviousToken { hash, until }: &PreviousToken| {
            format!("{{ hash = {}, until = {until} }}", self.token(hash))
        };
        let before = token.previous.as_ref().map(before);
        self.set_some("previous", before);
        self.set("disabled", token.disabled);
    }

    pub(super) fn mail(&mut self, mail: &Mail) {
        self.table(&["mail"]);
        self.set("from", text(&mail.from));
        self.set_some("smtp", mail.server.as_ref().map(|server| self.purpose.secret(server.whole().as_bytes())));
        self.set_some("command", mail.command.as_ref().map(text));
        self.set_some("ca", mail.ca.as_ref().map(|ca| self.certificates(ca)));
    }

    pub(super) fn hook(&mut self, hook: &Hook) {
        self.table(&["hooks", hook.name.as_str()]);
        self.set("url", text(&hook.url));
        self.set("secret", self.secret(&hook.secret));
        self.set("timeout", text(display_duration(hook.timeout)));
        self.set("on_failure", text(hook.on_failure.as_str()));
    }
}
