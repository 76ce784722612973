//! What a change of the configuration comes to: keys with both values, and who gains or loses access.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use vestibule_config::Settings;
use vestibule_config::diff::{Change, changes};

use super::shift::{Shift, shifts};

/// Keys that are told, and circuits; of more only how many.
const SHOWN: usize = 100;
/// Of those who gain or lose access to one circuit; together in so many bytes, and one in any case.
const NAMED: usize = 50;
const NAMED_BYTES: usize = 2 << 10;
/// Of one value, in bytes.
const VALUE_BYTES: usize = 1024;

/// What is different between two configurations.
#[derive(Debug, Clone, Default)]
pub(crate) struct Difference {
    changes: Vec<Change>,
    shifts: Vec<Shift>,
}

impl Difference {
    pub(crate) fn between(before: &Settings, after: &Settings, now: Timestamp) -> Self {
        let mut shifts = shifts(before, after, now);
        // What is left out where there are many widens nothing, as long as that can be.
        shifts.sort_by_key(|shift| !shift.widens());
        Self { changes: changes(before, after), shifts }
    }

    /// Keys that are told, each with its values cut; and how many are not.
    pub(crate) fn changes(&self) -> (impl Iterator<Item = Change>, usize) {
        let told = self.changes.iter().take(SHOWN).map(|change| {
            let Change { key, before, after } = change;
            Change { key: key.clone(), before: before.as_deref().map(cut), after: after.as_deref().map(cut) }
        });
        (told, self.changes.len().saturating_sub(SHOWN))
    }

    /// Who gains or loses what where, as far as it is told; and how many places are not.
    pub(crate) fn shifts(&self) -> (impl Iterator<Item = &Shift>, usize) {
        (self.shifts.iter().take(SHOWN), self.shifts.len().saturating_sub(SHOWN))
    }

    /// Whether somebody may enter who may not now.
    pub(crate) fn widens(&self) -> bool {
        self.shifts.iter().any(Shift::widens)
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let (changes, changes_left_out) = self.changes();
        let (shifts, access_left_out) = self.shifts();
        let shifts = shifts.map(|shift| {
            let Shift { circuit, path, gains, loses, loosened, tightened } = shift;
            json!({
                "circuit": circuit,
                "path": path,
                "gains": some(gains),
                "loses": some(loses),
                "loosened": loosened,
                "tightened": tightened,
            })
        });
        [
            ("changes", json!(changes.collect::<Vec<_>>())),
            ("changes_left_out", json!(changes_left_out)),
            ("access", json!(shifts.collect::<Vec<_>>())),
            ("access_left_out", json!(access_left_out)),
            ("widens", json!(self.widens())),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
    }

    /// The keys that change, with the values that they had.
    pub(super) fn before(&self) -> Value {
        self.values(|change| change.before.as_deref())
    }

    /// The keys that change, with the values that they get.
    pub(super) fn after(&self) -> Value {
        self.values(|change| change.after.as_deref())
    }

    fn values(&self, value: impl Fn(&Change) -> Option<&str>) -> Value {
        let shown = self.changes.iter().take(SHOWN);
        shown.map(|change| (change.key.clone(), json!(value(change).map(cut)))).collect::<Map<_, _>>().into()
    }
}

/// At most [`NAMED`] in [`NAMED_BYTES`], and how many more.
pub(crate) fn some(names: &BTreeSet<String>) -> Vec<String> {
    let mut left = NAMED_BYTES;
    let fits = |(at, name): &(usize, &String)| {
        let room = left.checked_sub(name.len());
        left = room.unwrap_or(0);
        *at == 0 || room.is_some()
    };
    let mut named: Vec<_> =
        names.iter().take(NAMED).enumerate().take_while(fits).map(|(_, name)| name.clone()).collect();
    let rest = names.len().saturating_sub(named.len());
    named.extend((rest > 0).then(|| format!("and {rest} more")));
    named
}

fn cut(text: &str) -> String {
    if text.len() <= VALUE_BYTES {
        return text.to_owned();
    }
    let end = (0..=VALUE_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", text.split_at(end).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_by_their_number_and_by_their_length() {
        let names = |count: usize, more: &str| (0..count).map(|n| format!("{n:03}{more}")).collect::<BTreeSet<_>>();
        assert_eq!(some(&names(NAMED, "")).len(), NAMED);
        assert_eq!(some(&names(NAMED + 7, "")).last().map(String::as_str), Some("and 7 more"));
        let long = some(&names(40, &"x".repeat(125)));
        assert_eq!((long.len(), long.last().map(String::as_str)), (17, Some("and 24 more")), "16 of 128 bytes");
        assert_eq!(some(&names(1, &"x".repeat(NAMED_BYTES))).len(), 1, "one in any case");
    }
}
