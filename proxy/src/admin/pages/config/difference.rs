//! What a change would come to, for people: widened access before everything else.

use crate::admin::pages::parts::sent_bytes;
use crate::admin::pages::table::{Cell, Line, Table};
use crate::reload::{Change, Difference, Preview, Shift, some};

/// Of the keys that change, and of the sentences about access, in bytes as they are sent; more is counted only, whatever
/// their number.
const TOLD_BYTES: usize = 12 << 10;

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
        let (widened, narrowed, places_left_out) = moved(difference);
        let mut notes: Vec<_> =
            needs_restart.iter().map(|key| format!("{key} needs a restart: the old value stays in force.")).collect();
        let (changes, keys_left_out) = difference.changes();
        let (changes, no_room) = fitting(changes, |Change { key, before, after }| {
            [Some(key), before.as_ref(), after.as_ref()].into_iter().flatten().map(|text| sent_bytes(text)).sum()
        });
        let keys = Table {
            caption: "Keys that change",
            heads: vec!["Key", "Now", "Then"],
            rows: changes.into_iter().map(line).collect(),
            empty: "No value changes.",
        };
        for (count, what) in [(keys_left_out + no_room, "keys"), (places_left_out, "places with other access")] {
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

fn line(change: Change) -> Line {
    let value = |value: Option<String>, class| Cell { text: value.unwrap_or_default(), class, ..Cell::default() };
    Line::of(vec![Cell::text(change.key), value(change.before, "was"), value(change.after, "is")])
}

/// The first of them that have room in [`TOLD_BYTES`], one in any case, and how many have none.
fn fitting<T>(all: impl Iterator<Item = T>, bytes: impl Fn(&T) -> usize) -> (Vec<T>, usize) {
    let (mut all, mut told, mut left) = (all.peekable(), Vec::new(), TOLD_BYTES);
    let mut fits = |one: &T| {
        let has_room = left == TOLD_BYTES || bytes(one) <= left;
        left = left.saturating_sub(bytes(one));
        has_room
    };
    while let Some(one) = all.next_if(&mut fits) {
        told.push(one);
    }
    (told, all.count())
}

/// Who gains and who loses what, one sentence each, and of how many places nothing is said.
fn moved(difference: &Difference) -> (Vec<String>, Vec<String>, usize) {
    let (shifts, uncounted) = difference.shifts();
    let bytes = |(widened, narrowed): &(Vec<String>, Vec<String>)| {
        widened.iter().chain(narrowed).map(|sentence| sent_bytes(sentence)).sum()
    };
    let (told, no_room) = fitting(shifts.map(sentences), bytes);
    let (widened, narrowed): (Vec<_>, Vec<_>) = told.into_iter().unzip();
    (widened.concat(), narrowed.concat(), uncounted + no_room)
}

fn sentences(shift: &Shift) -> (Vec<String>, Vec<String>) {
    let (mut widened, mut narrowed) = (Vec::new(), Vec::new());
    let Shift { circuit, path, gains, loses, loosened, tightened } = shift;
    let place = path.iter().fold(circuit.clone(), |place, path| format!("{place} {path}"));
    let named = |names: &_| some(names).join(", ");
    let keys = |keys: &std::collections::BTreeSet<&str>| keys.iter().copied().collect::<Vec<_>>().join(", ");
    widened.extend((!gains.is_empty()).then(|| format!("{place} opens to: {}", named(gains))));
    widened.extend((!loosened.is_empty()).then(|| format!("{place} keeps out fewer by: {}", keys(loosened))));
    narrowed.extend((!loses.is_empty()).then(|| format!("{place} closes to: {}", named(loses))));
    narrowed.extend((!tightened.is_empty()).then(|| format!("{place} keeps out more by: {}", keys(tightened))));
    (widened, narrowed)
}
