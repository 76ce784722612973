//! What is different between two settings, key by key, without secrets.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};

use crate::Settings;
use crate::shape::quoted_key;

/// One key whose value is another.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// `circuits.wiki.access`
    pub key: String,
    /// As TOML; absent where the key was not there.
    pub before: Option<String>,
    /// As TOML; absent where the key is gone.
    pub after: Option<String>,
}

/// A value of each key, and for a secret what tells it from others.
type Values = BTreeMap<String, (String, Option<[u8; 32]>)>;

/// By key. Of secrets only that they changed: both values are hidden.
pub fn changes(before: &Settings, after: &Settings) -> Vec<Change> {
    let (before, after) = (values(before), values(after));
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differs = |key: &&&String| before.get(**key) != after.get(**key);
    let value = |values: &Values, key: &String| values.get(key).map(|(text, _)| text.clone());
    let change = |key: &String| Change { key: key.clone(), before: value(&before, key), after: value(&after, key) };
    keys.iter().filter(differs).map(|key| change(key)).collect()
}

fn values(settings: &Settings) -> Values {
    let mut values = Values::new();
    let page = settings.show(false).parse().unwrap_or_default();
    flatten("", &toml::Value::Table(page), &mut values);
    for (key, secret) in secrets(settings) {
        if let Some((_, told_by)) = values.get_mut(&key) {
            *told_by = digest(&SHA256, &secret).as_ref().try_into().ok();
        }
    }
    values
}

/// Lists of tables by their number; every other list is one value.
fn flatten(path: &str, value: &toml::Value, values: &mut Values) {
    let below = |key: &str| if path.is_empty() { quoted_key(key) } else { format!("{path}.{}", quoted_key(key)) };
    match value {
        toml::Value::Table(table) => table.iter().for_each(|(key, value)| flatten(&below(key), value, values)),
        toml::Value::Array(list) if list.iter().any(toml::Value::is_table) => {
            list.iter().enumerate().for_each(|(at, value)| flatten(&format!("{path}[{at}]"), value, values));
        }
        toml::Value::Array(_)
        | toml::Value::String(_)
        | toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_) => drop(values.insert(path.to_owned(), (value.to_string(), None))),
    }
}

/// Those that a change may be about, under the keys by which they are shown.
fn secrets(settings: &Settings) -> Vec<(String, Vec<u8>)> {
    let mut secrets = Vec::new();
    let mut add = |path: &[&str], secret: Option<&[u8]>| {
        let key = path.iter().map(|key| quoted_key(key)).collect::<Vec<_>>().join(".");
        secrets.extend(secret.map(|secret| (key, secret.to_vec())));
    };
    for (email, user) in &settings.users {
        let hash = |hash: &crate::secret::PasswordHash| hash.expose().as_bytes().to_vec();
        add(&["users", email.as_str(), "password_hash"], user.password_hash.as_ref().map(hash).as_deref());
        add(&["users", email.as_str(), "pin_hash"], user.pin_hash.as_ref().map(hash).as_deref());
        add(&["users", email.as_str(), "totp"], user.totp.as_ref().map(|totp| totp.expose()));
    }
    for (name, token) in &settings.service_tokens {
        add(&["service_tokens", name.as_str(), "hash"], Some(token.hash.expose()));
    }
    for (name, token) in &settings.admin.tokens {
        add(&["admin", "tokens", name.as_str(), "hash"], Some(token.hash.expose()));
    }
    for (name, provider) in &settings.providers {
        let secret = provider.client_secret.as_ref().map(|secret| secret.expose().as_bytes());
        add(&["providers", name.as_str(), "client_secret"], secret);
    }
    for (name, circuit) in &settings.circuits {
        let shared = circuit.access.ways().and_then(|ways| ways.shared.as_ref());
        let password = shared.and_then(|shared| shared.password_hash.as_ref());
        let pin = shared.and_then(|shared| shared.pin_hash.as_ref());
        let path = |key| ["circuits", name.as_str(), "shared", key];
        add(&path("password_hash"), password.map(|hash| hash.expose().as_bytes()));
        add(&path("pin_hash"), pin.map(|hash| hash.expose().as_bytes()));
    }
    secrets
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn settings(more: &str) -> Settings {
        let head = "[server]\ndata_dir = \"data\"\nlisten = [{ address = \"127.0.0.1:8080\" }]\n";
        crate::load_text(&format!("{head}{more}"), Timestamp::UNIX_EPOCH).unwrap_or_else(|report| panic!("{report}"))
    }

    const WIKI: &str = "[circuits.wiki]\nhosts = [\"wiki.test\"]\nupstream = \"http://127.0.0.1:9\"\n";

    fn check(before: &str, after: &str, expected: &[(&str, Option<&str>, Option<&str>)]) {
        let found = changes(&settings(&format!("{WIKI}{before}")), &settings(&format!("{WIKI}{after}")));
        let text = |change: &Change| (change.key.clone(), change.before.clone(), change.after.clone());
        let owned = |text: &Option<&str>| text.map(str::to_owned);
        let expected: Vec<_> =
            expected.iter().map(|(key, before, after)| ((*key).to_owned(), owned(before), owned(after))).collect();
        assert_eq!(found.iter().map(text).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn each_key_with_both_values_and_no_secret() {
        check("access = \"public\"\n", "access = \"public\" # a comment\n", &[]);
        check(
            "access = \"public\"\nip_block = [\"192.0.2.1\"]\n",
            "access = \"public\"\nip_block = []\n",
            &[("circuits.wiki.ip_block", Some("[\"192.0.2.1/32\"]"), Some("[]"))],
        );
        let token =
            |digit: &str| format!("access = \"public\"\n[service_tokens.ci]\nhash = \"sha256:{}\"\n", digit.repeat(64));
        let hidden = Some("\"[hidden]\"");
        check(&token("a"), &token("b"), &[("service_tokens.ci.hash", hidden, hidden)]);
        check(
            "access = \"public\"\n",
            &token("b"),
            &[("service_tokens.ci.disabled", None, Some("false")), ("service_tokens.ci.hash", None, hidden)],
        );
    }
}
