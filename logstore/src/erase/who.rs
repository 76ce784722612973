//! Which entries are about a person.

use memchr::memmem::Finder;
use rustc_hash::FxHashSet;

use crate::codec::{Fields, Raw};
use crate::entry::Log;

/// Ids of this kind are nobody's own: many people have them.
const SHARED: [&str; 4] = ["shared:", "token:", "header:", "ip:"];

/// Entries that say what was done to logs. They name nobody.
const STATEMENTS: [&[u8]; 3] = [b"log.erase", b"log.prune", b"user.erase"];

/// What tells the entries of a person from all others.
pub(super) struct Who {
    /// Their e-mail and their ids, lower-case, wherever these stand in a text.
    needles: Vec<Finder<'static>>,
    texts: FxHashSet<Vec<u8>>,
    /// Ids of sessions, attempts and requests, where they are the whole of a field.
    names: FxHashSet<Vec<u8>>,
}

/// Numbers of fields.
struct Numbers {
    /// What names the person.
    person: [Option<u32>; 2],
    /// What joins entries of one session, attempt or request.
    joins: [Option<u32>; 4],
    action: Option<u32>,
}

impl Numbers {
    fn of(log: Log) -> Self {
        let number = |name| log.field(name).map(|field| field.number);
        Self {
            person: ["email", "user_id"].map(number),
            joins: ["session_id", "attempt_id", "request_id", "resource"].map(number),
            action: if log == Log::Audit { number("action") } else { None },
        }
    }
}

impl Who {
    /// Whoever has one of these names: an e-mail, and what stands for it.
    pub(super) fn of(texts: &[String]) -> Self {
        let mut who = Self { needles: Vec::new(), texts: FxHashSet::default(), names: FxHashSet::default() };
        texts.iter().for_each(|text| who.add(text));
        who
    }

    fn add(&mut self, text: &str) {
        let text = text.to_lowercase();
        if text.is_empty() || !self.texts.insert(text.clone().into_bytes()) {
            return;
        }
        // As it stands in a query that was sent.
        for needle in [Some(text.clone()), text.contains('@').then(|| text.replace('@', "%40"))].into_iter().flatten() {
            self.needles.push(Finder::new(&needle).into_owned());
        }
    }

    /// Learns the ids of the person from an entry that names them.
    pub(super) fn learn(&mut self, log: Log, bytes: &[u8]) {
        let numbers = Numbers::of(log);
        let texts: Vec<(u32, &[u8])> = texts(bytes).collect();
        let [email, user_id] = numbers.person.map(|number| value(&texts, number));
        let is_named =
            [email, user_id].into_iter().flatten().any(|text| self.texts.contains(&text.to_ascii_lowercase()));
        if !is_named {
            return;
        }
        if let Some(id) = user_id.and_then(|id| str::from_utf8(id).ok())
            && !SHARED.iter().any(|kind| id.starts_with(kind))
        {
            self.add(id);
        }
        // The other ids of a request stand beside its e-mail.
        let joins = numbers.joins.into_iter().take(if log == Log::Requests { 1 } else { numbers.joins.len() });
        let joins = joins.filter_map(|number| value(&texts, number));
        self.names.extend(joins.map(<[u8]>::to_vec));
    }

    /// Whether an entry is about the person.
    pub(super) fn has(&self, log: Log, bytes: &[u8]) -> bool {
        let numbers = Numbers::of(log);
        let lower = bytes.to_ascii_lowercase();
        let may_be_named = self.needles.iter().any(|needle| needle.find(&lower).is_some());
        let is_joined =
            |(number, text): (u32, &[u8])| numbers.joins.contains(&Some(number)) && self.names.contains(text);
        let is_about =
            |(number, text): (u32, &[u8])| is_joined((number, text)) || (may_be_named && self.is_named_in(text));
        let is_statement = numbers
            .action
            .is_some_and(|action| texts(bytes).any(|(number, text)| number == action && STATEMENTS.contains(&text)));
        !is_statement && texts(bytes).any(is_about)
    }

    /// Whether a text names the person.
    pub(super) fn is_named_in(&self, text: &[u8]) -> bool {
        let text = text.to_ascii_lowercase();
        self.needles.iter().any(|needle| {
            let length = needle.needle().len();
            needle.find_iter(&text).any(|at| {
                let (before, rest) = text.split_at_checked(at).unwrap_or_default();
                stands_alone(before, rest.get(length..).unwrap_or_default())
            })
        })
    }
}

/// Whether what stands between these is no part of a longer name: `maya@example.net` is not in `amaya@example.net`.
fn stands_alone(before: &[u8], after: &[u8]) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"_-+".contains(byte);
    let is_escape = matches!(before, [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    let begins = is_escape || !before.last().is_some_and(|byte| is_name(byte) || *byte == b'.');
    let ends = match after {
        [b'.', next, ..] => !is_name(next),
        [next, ..] => !is_name(next),
        [] => true,
    };
    begins && ends
}

fn texts(bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    Fields::of(bytes).map_while(Result::ok).filter_map(|(number, raw)| match raw {
        Raw::Bytes(text) => Some((number, text)),
        Raw::Number(_) => None,
    })
}

/// The text of a field of this number.
pub(super) fn value_in(bytes: &[u8], number: Option<u32>) -> Option<&[u8]> {
    texts(bytes).find(|(known, _)| Some(*known) == number).map(|(_, text)| text)
}

fn value<'a>(texts: &[(u32, &'a [u8])], number: Option<u32>) -> Option<&'a [u8]> {
    texts.iter().find(|(known, _)| Some(*known) == number).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::put_bytes;

    fn row(log: Log, fields: &[(&str, &str)]) -> Vec<u8> {
        let mut row = Vec::new();
        for (name, text) in fields {
            put_bytes(log.field(name).unwrap().number, text.as_bytes(), &mut row);
        }
        row
    }

    #[test]
    fn a_name_is_found_wherever_it_stands_and_never_in_another() {
        let who = Who::of(&["Maya@example.net".to_owned()]);
        for (path, is_about) in [
            ("/u/maya@example.net", true),
            ("/u/MAYA@example.net/x", true),
            ("/?mail=maya%40example.net&x", true),
            ("/?mail=%22maya%40example.net%22", true),
            ("ask maya@example.net.", true),
            ("/u/amaya@example.net", false),
            ("/u/maya@example.network", false),
            ("/u/maya@example.net.example", false),
            ("/u/la.maya@example.net", false),
            ("/u/maya", false),
        ] {
            assert_eq!(who.has(Log::Requests, &row(Log::Requests, &[("path", path)])), is_about, "{path}");
        }
    }

    #[test]
    fn entries_of_the_same_session_attempt_or_request_are_found_by_their_ids() {
        let mut who = Who::of(&["maya@example.net".to_owned()]);
        let named = [
            ("request_id", "r1"),
            ("attempt_id", "a1"),
            ("email", "maya@example.net"),
            ("user_id", "google:1234"),
            ("session_id", "s1"),
        ];
        who.learn(Log::Access, &row(Log::Access, &named));
        who.learn(Log::Access, &row(Log::Access, &[("email", "ada@example.net"), ("session_id", "s2")]));
        let shared = [("email", "maya@example.net"), ("user_id", "shared:wiki")];
        who.learn(Log::Access, &row(Log::Access, &shared));
        for (log, fields, is_about) in [
            (Log::Requests, ("session_id", "s1"), true),
            (Log::Requests, ("session_id", "s2"), false),
            (Log::Requests, ("request_id", "r1"), true),
            (Log::Requests, ("path", "r1"), false),
            (Log::Access, ("attempt_id", "a1"), true),
            (Log::Requests, ("user_id", "google:1234"), true),
            (Log::Requests, ("user_id", "google:12345"), false),
            (Log::Requests, ("user_id", "shared:wiki"), false),
            (Log::Audit, ("resource", "s1"), true),
            (Log::Audit, ("details", r#"{"user":"google:1234"}"#), true),
        ] {
            assert_eq!(who.has(log, &row(log, &[fields])), is_about, "{log:?} {fields:?}");
        }
        let statement = [("action", "log.erase"), ("resource", "s1")];
        assert!(!who.has(Log::Audit, &row(Log::Audit, &statement)));
    }
}
