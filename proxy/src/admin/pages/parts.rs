//! Long texts and lists in parts, so that no page is large whatever the configuration holds.

use super::address::Address;
use super::parameters;
use crate::admin::door::Call;
use crate::admin::problem::Problem;

/// Of a text on one page, in bytes as they are sent.
pub(super) const PART_BYTES: usize = 36 << 10;

/// Of a list on one page, in rows.
pub(super) const PART_ROWS: usize = 100;

/// What of something long is asked for; it stands in the address.
pub(super) struct Asked {
    /// Text to look for; empty: none.
    pub(super) find: String,
    /// From 0; absent: the first, or the first in which something is found.
    part: Option<usize>,
    address: Address,
}

/// The ways from one part to others.
pub(super) struct Parts {
    /// From 1.
    pub(super) this: usize,
    pub(super) count: usize,
    /// Empty: there is none.
    pub(super) previous: String,
    pub(super) next: String,
    /// What is looked for.
    pub(super) find: String,
    /// Nothing of it was found.
    pub(super) is_missing: bool,
}

impl Asked {
    /// Of a page that takes `part` and these parameters.
    pub(super) fn of(call: &Call, others: &[&str]) -> Result<Self, Problem> {
        let parameters: Vec<_> = parameters(call).into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let is_known = |name: &str| name == "part" || others.contains(&name);
        if let Some((name, _)) = parameters.iter().find(|(name, _)| !is_known(name)) {
            return Err(Problem::bad_parameter(name, "this page does not take it"));
        }
        let address = Address::of(&call.path, parameters);
        let number = |text: &str| text.parse().ok().and_then(|number: usize| number.checked_sub(1));
        let part = address.get("part").map(|text| number(text).ok_or_else(|| bad_part(text))).transpose()?;
        let find = address.get("find").unwrap_or_default().trim().to_owned();
        Ok(Self { find, part, address })
    }

    /// The beginning of a page, which was not asked for by itself.
    pub(super) fn whole(path: &str) -> Self {
        Self { find: String::new(), part: None, address: Address::new(path, &[]) }
    }

    /// The parameters of the page's own.
    pub(super) fn others(&self) -> Vec<(String, String)> {
        self.address.without(&["find", "part"]).parameters
    }

    /// One of them.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.address.get(name)
    }

    /// One of these texts: the part that is asked for, or else the first that says what is looked for, in any case of its
    /// letters.
    pub(super) fn choose<'a>(&self, texts: &[&'a str]) -> (usize, &'a str, Parts) {
        let wanted = self.find.to_lowercase();
        let says = |text: &&str| text.to_lowercase().contains(&wanted);
        let found = if wanted.is_empty() { Some(0) } else { texts.iter().position(says) };
        let at = self.part.or(found).unwrap_or(0).min(texts.len().saturating_sub(1));
        (at, texts.get(at).copied().unwrap_or_default(), self.parts(at, texts.len(), found.is_none()))
    }

    /// Of these rows [`PART_ROWS`].
    pub(super) fn rows<T>(&self, rows: Vec<T>) -> (Vec<T>, Parts) {
        let count = rows.len().div_ceil(PART_ROWS).max(1);
        let at = self.part.unwrap_or(0).min(count - 1);
        let is_missing = rows.is_empty() && !self.find.is_empty();
        let shown = rows.into_iter().skip(at * PART_ROWS).take(PART_ROWS).collect();
        (shown, self.parts(at, count, is_missing))
    }

    fn parts(&self, at: usize, count: usize, is_missing: bool) -> Parts {
        let to = |number: usize| self.address.with("part", &number.to_string()).to_string();
        Parts {
            this: at + 1,
            count,
            previous: if at > 0 { to(at) } else { String::new() },
            next: if at + 1 < count { to(at + 2) } else { String::new() },
            find: self.find.clone(),
            is_missing,
        }
    }
}

fn bad_part(text: &str) -> Problem {
    Problem::bad_parameter("part", &format!("{text:?} is no part; write a number from 1 on"))
}

/// How long a text is on a page, where some characters are spelled out.
pub(super) fn sent_bytes(text: &str) -> usize {
    text.bytes().map(sent).sum()
}

/// As the templates do it: `"` is sent as `&#34;`.
fn sent(byte: u8) -> usize {
    if matches!(byte, b'"' | b'\'' | b'&' | b'<' | b'>') { "&#34;".len() } else { 1 }
}

/// A text of TOML in parts of at most [`PART_BYTES`]; at least one.
pub(super) fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some(end) = end_of_part(rest) {
        let (part, more) = rest.split_at(end);
        parts.push(part);
        rest = more;
    }
    parts.push(rest);
    parts
}

/// Before the last table that begins in it; where none does, behind its last line; where that has no end, behind the
/// last character that fits. Absent where all of it fits.
fn end_of_part(text: &str) -> Option<usize> {
    let mut left = PART_BYTES;
    let is_over = |byte| {
        let rest = left.checked_sub(sent(byte));
        left = rest.unwrap_or(0);
        rest.is_none()
    };
    let over = text.bytes().position(is_over)?;
    let most = (0..=over).rev().find(|at| text.is_char_boundary(*at))?;
    let head = text.get(..most).unwrap_or_default();
    Some(head.rfind("\n[").or_else(|| head.rfind('\n')).map_or(most, |at| at + 1))
}

/// The text with another one in place of a part; the space around it stays, which forms do not keep.
pub(super) fn replaced(text: &str, part: usize, new: &str) -> String {
    let parts = split(text).into_iter().enumerate();
    parts.map(|(at, old)| if at == part { within(old, new) } else { old.to_owned() }).collect()
}

fn within(old: &str, new: &str) -> String {
    let lead = old.len() - old.trim_start().len();
    let trail = old.trim_end().len().max(lead);
    let (before, after) = (old.get(..lead).unwrap_or_default(), old.get(trail..).unwrap_or_default());
    format!("{before}{}{after}", new.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long() -> String {
        (0..5000).map(|n| format!("[circuits.c{n}]\nhosts = [\"ü{n}.test\"] # one\n\n")).collect()
    }

    #[test]
    fn parts_begin_with_tables_are_no_longer_than_they_may_be_and_lose_nothing() {
        let text = long();
        let parts = split(&text);
        assert!(parts.len() > 5 && parts.iter().all(|part| sent_bytes(part) <= PART_BYTES && part.starts_with('[')));
        assert_eq!(parts.concat(), text);
        let quotes = "\"\n".repeat(PART_BYTES);
        let escaped = |part: &&str| part.replace('"', "&#34;").len() <= PART_BYTES;
        assert!(split(&quotes).iter().all(escaped), "as they are sent");
        assert_eq!(split(&quotes).concat(), quotes);
        let line = "ü".repeat(PART_BYTES);
        assert_eq!(split(&line).concat(), line, "no table, no line");
        let lines = "x\n".repeat(PART_BYTES);
        assert!(split(&lines).iter().all(|part| part.ends_with('\n')));
        assert_eq!(split(""), [""]);
    }

    #[test]
    fn a_part_takes_the_place_of_the_old_one_alone() {
        let text = long();
        let third = split(&text)[2];
        assert_eq!(replaced(&text, 2, third.trim()), text, "as forms send it");
        let other = replaced(&text, 2, &third.replacen("one", "another", 1));
        assert_eq!(other, text.replacen(third, &third.replacen("one", "another", 1), 1));
        assert_eq!(replaced("[a]\n\n", 0, ""), "\n\n");
        assert_eq!(replaced(" \n", 0, "[a]"), " \n[a]");
    }
}
