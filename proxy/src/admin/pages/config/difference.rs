//! What a change would come to, for people: widened access before everything else.

use crate::admin::pages::table::{Cell, Line, Table};
use crate::reload::{Difference, Preview, Shift, some};

/// A change that could be put in force.
pub(super) struct DifferenceView {
    /// The revision that it would be.
    pub(super) revision: String,
    /// Whether that is another one than that in force.
    pub(super) is_another: bool,
    /// Who may enter who may not now, one sentence each; empty: nobody.
    pub(super) widened: Vec<String>,
    pub(super) narrowed: Vec<String>,
    pub(super) keys: Table,
    /// What is left out, and what waits for a restart.
    pub(super) notes: Vec<String>,
    /// Of the file as it would be; empty: none.
    pub(super) warnings: String,
}

impl DifferenceView {
    pub(super) fn of(preview: &Preview, in_force: &str) -> Self {
        let Preview { settings, needs_restart, difference } = preview;
        let (widened, narrowed) = moved(difference);
        let mut notes: Vec<_> =
            needs_restart.iter().map(|key| format!("{key} needs a restart: the old value stays in force.")).collect();
        let (changes, keys_left_out) = difference.changes();
        let rows = changes.map(|change| {
            let value =
                |value: Option<String>, class| Cell { text: value.unwrap_or_default(), class, ..Cell::default() };
            Line::of(vec![Cell::text(change.key), value(change.before, "was"), value(change.after, "is")])
        });
        let keys = Table {
            caption: "Keys that change",
            heads: vec!["Key", "Now", "Then"],
            rows: rows.collect(),
            empty: "No value changes.",
        };
        for (count, what) in [(keys_left_out, "keys"), (difference.shifts().1, "places with other access")] {
            notes.extend((count > 0).then(|| format!("{count} more {what} are not shown.")));
        }
        Self {
            revision: settings.revision.to_string(),
            is_another: *settings.revision != *in_force,
            widened,
            narrowed,
            keys,
            notes,
            warnings: if settings.warnings.is_empty() { String::new() } else { settings.report().brief() },
        }
    }
}

fn moved(difference: &Difference) -> (Vec<String>, Vec<String>) {
    let (mut widened, mut narrowed) = (Vec::new(), Vec::new());
    for shift in difference.shifts().0 {
        let Shift { circuit, path, gains, loses, loosened, tightened } = shift;
        let place = path.iter().fold(circuit.clone(), |place, path| format!("{place} {path}"));
        let named = |names: &_| some(names).join(", ");
        let keys = |keys: &std::collections::BTreeSet<&str>| keys.iter().copied().collect::<Vec<_>>().join(", ");
        widened.extend((!gains.is_empty()).then(|| format!("{place} opens to: {}", named(gains))));
        widened.extend((!loosened.is_empty()).then(|| format!("{place} keeps out fewer by: {}", keys(loosened))));
        narrowed.extend((!loses.is_empty()).then(|| format!("{place} closes to: {}", named(loses))));
        narrowed.extend((!tightened.is_empty()).then(|| format!("{place} keeps out more by: {}", keys(tightened))));
    }
    (widened, narrowed)
}
