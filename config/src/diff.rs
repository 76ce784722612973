//! What is different between two settings, key by key, without secrets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

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
    let (before, after) = (before.compared(), after.compared());
    let (before, after) = values_that_may_differ(&before, &after);
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

/// Most of a change is no change: of a thousand circuits those that read the same are not looked into, and of the others
/// only the lines that read otherwise.
fn values_that_may_differ(before: &str, after: &str) -> (Values, Values) {
    let (was, is) = (parts(before), parts(after));
    let parsed = values(&others(&was, &is)).zip(values(&others(&is, &was)));
    // A line that looks like the head of a table and is none makes parts that cannot be read.
    parsed.unwrap_or_else(|| (values(before).unwrap_or_default(), values(after).unwrap_or_default()))
}

/// The tables of a page, each with its head, by their first names: of `circuits.wiki.upstream` and others of that kind two.
type Parts<'a> = BTreeMap<&'a str, Vec<&'a str>>;

fn parts(page: &str) -> Parts<'_> {
    let mut parts = Parts::new();
    let mut rest = page;
    while !rest.is_empty() {
        let is_head = |at: &usize| rest.as_bytes().get(*at) == Some(&b'[');
        let end = rest.match_indices('\n').map(|(at, _)| at + 1).find(is_head).unwrap_or(rest.len());
        let (table, more) = rest.split_at(end);
        let name = table.strip_prefix('[').map_or("", |head| first_names(head.trim_start_matches('[')));
        parts.entry(name).or_default().push(table);
        rest = more;
    }
    parts
}

/// `circuits."a.b"` of `circuits."a.b".upstream]`
fn first_names(head: &str) -> &str {
    let (mut is_quoted, mut is_escaped, mut dots) = (false, false, 0);
    let end = head.find(|char| {
        match char {
            '"' if !is_escaped => is_quoted = !is_quoted,
            '.' if !is_quoted => dots += 1,
            _ => (),
        }
        is_escaped = char == '\\' && !is_escaped;
        dots == 2 || (char == ']' && !is_quoted)
    });
    head.get(..end.unwrap_or(head.len())).unwrap_or(head)
}

/// Of the parts of the first that read otherwise in the second the lines that are not in the same table there, each
/// below its head: each key stands on a line of its own.
fn others(these: &Parts<'_>, those: &Parts<'_>) -> String {
    let mut others = String::new();
    for (name, tables) in these {
        let counterparts = those.get(name).map(Vec::as_slice).unwrap_or_default();
        if tables == counterparts {
            continue;
        }
        for (table, counterpart) in pairs(tables, counterparts) {
            let lines = other_lines(table, counterpart);
            // The tables of a list are counted.
            let is_told = !lines.is_empty() || table.starts_with("[[");
            let head = Some(head(table)).filter(|head| is_told && lines.first() != Some(head));
            head.into_iter().chain(lines).for_each(|line| others.extend([line, "\n"]));
        }
    }
    others
}

/// Each table with that of the same head; of a list's tables with that of the same number. Empty: there is none.
fn pairs<'a>(tables: &[&'a str], counterparts: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let both = || tables.iter().copied().zip(counterparts.iter().copied());
    if tables.len() == counterparts.len() && both().all(|(table, counterpart)| head(table) == head(counterpart)) {
        return both().collect();
    }
    let mut left: BTreeMap<&str, VecDeque<&str>> = BTreeMap::new();
    counterparts.iter().for_each(|table| left.entry(head(table)).or_default().push_back(table));
    let counterpart = |table: &str| left.get_mut(head(table)).and_then(VecDeque::pop_front).unwrap_or_default();
    tables.iter().copied().zip(tables.iter().copied().map(counterpart)).collect()
}

/// Those that the counterpart does not have, or, where it has as many, not in their places: the others' places are
/// then told on both sides.
fn other_lines<'a>(table: &'a str, counterpart: &str) -> Vec<&'a str> {
    if table == counterpart {
        return Vec::new();
    }
    if table.lines().count() == counterpart.lines().count() {
        let both = table.lines().zip(counterpart.lines());
        return both.filter(|(line, other)| line != other).map(|(line, _)| line).collect();
    }
    let known: BTreeSet<&str> = counterpart.lines().collect();
    table.lines().filter(|line| !known.contains(line)).collect()
}

fn head(table: &str) -> &str {
    table.lines().next().unwrap_or_default()
}

/// Absent where it is no TOML.
fn values(page: &str) -> Option<Values> {
    let mut values = Values::new();
    flatten("", &toml::Value::Table(page.parse().ok()?), &mut values);
    Some(values)
}

/// Lists of tables by their number; every other list is one value.
fn flatten(path: &str, value: &toml::Value, values: &mut Values) {
    let below = |key: &str| match path {
        "" => quoted_key(key).into_owned(),
        _ => format!("{path}.{}", quoted_key(key)),
    };
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
    fn what_reads_the_same_is_not_looked_into_and_nothing_else_is_lost() {
        let page = "[server]\na = 1\n[circuits.wiki]\nb = 1\n[circuits.wiki.upstream]\nc = 1\n[[circuits.wiki.paths]]\n\
                    d = 1\n[[circuits.wiki.paths]]\nd = 2\n[circuits.\"a.b\"]\nb = 1\n[[tests]]\ne = 1\n[[tests]]\ne = 2\n";
        let names: Vec<_> = parts(page).into_keys().collect();
        assert_eq!(names, ["circuits.\"a.b\"", "circuits.wiki", "server", "tests"]);
        for (number, (from, to)) in
            [("a = 1", "a = 2"), ("c = 1", "c = 2"), ("d = 2", "d = 3"), ("e = 2", "e = 3")].into_iter().enumerate()
        {
            let other = page.replacen(from, to, 1);
            let (before, after) = values_that_may_differ(page, &other);
            let whole = [page, &other].map(|page| values(page).unwrap());
            let differ = |before: &Values, after: &Values| {
                let differs = |(key, value): &(&String, &String)| after.get(*key) != Some(value);
                before.iter().filter(differs).map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>()
            };
            assert_eq!(differ(&before, &after), differ(&whole[0], &whole[1]), "{number}");
            assert_eq!(differ(&after, &before), differ(&whole[1], &whole[0]), "{number}");
            assert_eq!((before.len(), after.len()), (1, 1), "{number}: the line alone");
        }
        let odd = "a = [\n[1, 2],\n[3]]\n";
        assert_eq!(values_that_may_differ(odd, "").0, values(odd).unwrap());
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
