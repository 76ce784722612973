//! What is different between two settings, key by key, without secrets.

use std::collections::{BTreeMap, BTreeSet};

use crate::Settings;
use crate::shape::quoted_key;
use crate::show::unmarked;

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

/// A value of each key; those of secrets tell them apart.
type Values = BTreeMap<String, String>;

/// By key. Of secrets and of what files hold only that they changed.
pub fn changes(before: &Settings, after: &Settings) -> Vec<Change> {
    let (before, after) = (values(before), values(after));
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differs = |key: &&&String| before.get(**key) != after.get(**key);
    keys.iter().filter(differs).map(|key| change(key, before.get(*key), after.get(*key))).collect()
}

fn change(key: &str, before: Option<&String>, after: Option<&String>) -> Change {
    let [before, mut after] = [before, after].map(|text| text.map(|text| unmarked(text)));
    if let Some(after) = after.as_mut().filter(|after| before.as_ref() == Some(*after)) {
        after.push_str(CHANGED);
    }
    Change { key: key.to_owned(), before, after }
}

/// Behind a value that is shown as it was shown before.
const CHANGED: &str = " # changed";

fn values(settings: &Settings) -> Values {
    let mut values = Values::new();
    let page = settings.compared().parse().unwrap_or_default();
    flatten("", &toml::Value::Table(page), &mut values);
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
        | toml::Value::Datetime(_) => drop(values.insert(path.to_owned(), value.to_string())),
    }
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
        check(&token("a"), &token("b"), &[("service_tokens.ci.hash", hidden, Some("\"[hidden]\" # changed"))]);
        check(
            "access = \"public\"\n",
            &token("b"),
            &[("service_tokens.ci.disabled", None, Some("false")), ("service_tokens.ci.hash", None, hidden)],
        );
    }
}
