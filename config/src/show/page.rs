//! A page that is being written: tables, keys, and what stands in place of secrets.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};
use std::path::Path;

use super::Purpose;
use crate::Settings;
use crate::certificate::Certificates;
use crate::origin::Origin;
use crate::secret::{PasswordHash, Secret, TokenHash};
use crate::shape::{quoted, quoted_key};

/// Elements of a list that are printed; the rest is counted.
const LISTED_MAX: usize = 200;

/// In place of where a value comes from that nobody wrote.
const DEFAULT: &str = "default";

/// The text so far, and the table that its next line belongs to.
pub(super) struct Page<'a> {
    pub(super) settings: &'a Settings,
    pub(super) origins: bool,
    pub(super) purpose: Purpose,
    pub(super) text: String,
    pub(super) table: Vec<String>,
}

impl Page<'_> {
    pub(super) fn secret(&self, secret: &Secret) -> String {
        self.purpose.secret(secret.expose().as_bytes())
    }

    pub(super) fn hash(&self, hash: &PasswordHash) -> String {
        self.purpose.secret(hash.expose().as_bytes())
    }

    pub(super) fn token(&self, hash: &TokenHash) -> String {
        self.purpose.secret(hash.expose())
    }

    /// A file whose content counts.
    pub(super) fn file(&self, path: &Path, content: &[u8]) -> String {
        self.purpose.standing_for(&path.display().to_string(), content)
    }

    pub(super) fn certificates(&self, certificates: &Certificates) -> String {
        self.file(&certificates.path, &certificates.all.concat())
    }

    /// A list of strings, cut where it is long; how many are left out stands as its last element.
    pub(super) fn list<T: Display>(&self, items: impl IntoIterator<Item = T>) -> String {
        let mut items = items.into_iter();
        let mut shown: Vec<String> = items.by_ref().take(LISTED_MAX).map(text).collect();
        let rest: Vec<String> = items.map(text).collect();
        if !rest.is_empty() {
            let count = format!("and {} more", rest.len());
            shown.push(self.purpose.standing_for(&count, rest.join(",").as_bytes()));
        }
        format!("[{}]", shown.join(", "))
    }

    pub(super) fn table(&mut self, path: &[&str]) {
        self.header("[", path, "]");
        self.table = path.iter().map(ToString::to_string).collect();
    }

    /// One table of a list of them; `at` counts from 0.
    pub(super) fn element(&mut self, path: &[&str], at: usize) {
        self.header("[[", path, "]]");
        self.table = path.iter().map(ToString::to_string).chain([at.to_string()]).collect();
    }

    pub(super) fn header(&mut self, open: &str, path: &[&str], close: &str) {
        let gap = if self.text.is_empty() { "" } else { "\n" };
        let keys: Vec<Cow<'_, str>> = path.iter().map(|key| quoted_key(key)).collect();
        self.push(format_args!("{gap}{open}{}{close}\n", keys.join(".")));
    }

    pub(super) fn set_some(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    pub(super) fn set(&mut self, key: &str, value: impl Display) {
        self.set_or(key, value, &[]);
    }

    /// Where the key does not stand in its own place, `elsewhere` is where its value comes from.
    pub(super) fn set_or(&mut self, key: &str, value: impl Display, elsewhere: &[&str]) {
        if !self.origins {
            return self.line(key, value, None);
        }
        let path: Vec<&str> = self.table.iter().map(String::as_str).chain([key]).collect();
        let origins = &self.settings.origins;
        let origin = origins.at(&path).or_else(|| origins.at(elsewhere));
        self.line(key, value, Some(told(origin)));
    }

    pub(super) fn set_from(&mut self, key: &str, value: impl Display, path: &[&str]) {
        let settings = self.settings;
        let origin = self.origins.then(|| told(settings.origins.at(path)));
        self.line(key, value, origin);
    }

    fn line(&mut self, key: &str, value: impl Display, origin: Option<String>) {
        self.push(format_args!("{} = {value}", quoted_key(key)));
        origin.iter().for_each(|origin| self.text.extend(["  # ", origin]));
        self.text.push('\n');
    }

    fn push(&mut self, what: fmt::Arguments<'_>) {
        self.text.write_fmt(what).expect("a text takes everything");
    }
}

fn told(origin: Option<&Origin>) -> String {
    origin.map_or_else(|| DEFAULT.to_owned(), Origin::to_string)
}

/// A table in braces, of those keys that have a value.
pub(super) fn inline<const N: usize>(pairs: [Option<(&str, String)>; N]) -> String {
    let pairs: Vec<_> = pairs.into_iter().flatten().map(|(key, value)| format!("{key} = {value}")).collect();
    format!("{{ {} }}", pairs.join(", "))
}

/// A string with its quotes.
pub(super) fn text(text: impl Display) -> String {
    quoted(&text.to_string())
}
