//! Hides secrets in a text that excerpts will show, whether the text can be parsed or not.

use toml_parser::Source;
use toml_parser::lexer::{Token, TokenKind};

use crate::text::Cut;

/// What stands in place of a secret; its length says nothing about the secret's.
pub(crate) const HIDDEN: &str = "[hidden]";

/// Words of a key, between `_` and `-`, whose value is never shown.
const SECRET_WORDS: &[&str] = &[
    "password",
    "passphrase",
    "pin",
    "hash",
    "secret",
    "token",
    "key",
    "totp",
    "credential",
    "credentials",
    "smtp",
    "redis",
    "clickhouse",
    "authorization",
    "cookie",
];

/// The text with every secret replaced, and what was replaced where.
pub(crate) fn mask(text: &str) -> (String, Vec<Cut>) {
    let mut shown = String::with_capacity(text.len());
    let mut cuts = Vec::new();
    let mut done = 0;
    for hidden in Scan::new(text).hidden() {
        shown.push_str(text.get(done..hidden.start).unwrap_or_default());
        let start = shown.len();
        shown.push_str(HIDDEN);
        done = hidden.end;
        cuts.push(Cut { hidden, shown: start..shown.len() });
    }
    shown.push_str(text.get(done..).unwrap_or_default());
    (shown, cuts)
}

/// Walks over the tokens and knows to which key a value belongs.
struct Scan<'a> {
    text: &'a str,
    /// Whether the value being read belongs to a secret key.
    secret: bool,
    /// Of the brackets around it, outermost first: whether what is inside is secret, and whether keys stand there.
    around: Vec<(bool, bool)>,
    /// The last key or value outside a secret.
    word: &'a str,
    found: Vec<std::ops::Range<usize>>,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, secret: false, around: Vec::new(), word: "", found: Vec::new() }
    }

    fn hidden(mut self) -> Vec<std::ops::Range<usize>> {
        for token in Source::new(self.text).lex() {
            self.take(token);
        }
        self.found
    }

    fn take(&mut self, token: Token) {
        let (start, end) = (token.span().start(), token.span().end());
        let text = self.text.get(start..end).unwrap_or_default();
        match token.kind() {
            TokenKind::Equals => {
                let inherited = self.around.last().is_some_and(|(secret, _)| *secret);
                let reference = matches!(self.word, "file" | "env");
                self.secret = !reference && (inherited || is_secret(self.word));
            }
            TokenKind::LeftSquareBracket => self.around.push((self.secret, false)),
            TokenKind::LeftCurlyBracket => {
                self.around.push((self.secret, true));
                self.secret = false;
            }
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                self.around.pop();
            }
            TokenKind::Comma => self.secret = self.around.last().is_some_and(|(secret, keys)| *secret && !keys),
            TokenKind::Newline if self.around.is_empty() => self.secret = false,
            TokenKind::Comment => self.comment(start, text),
            TokenKind::LiteralString | TokenKind::BasicString => self.value(start, end, text, 1),
            TokenKind::MlLiteralString | TokenKind::MlBasicString => self.value(start, end, text, 3),
            TokenKind::Atom | TokenKind::Dot => self.value(start, end, text, 0),
            TokenKind::Whitespace | TokenKind::Newline | TokenKind::Eof => (),
        }
    }

    /// A key or a value; `quotes` characters at each end stay visible.
    fn value(&mut self, start: usize, end: usize, text: &'a str, quotes: usize) {
        let bare = text.trim_matches(['"', '\'']);
        if self.secret || looks_secret(bare) {
            let quotes = quotes.min((end - start) / 2);
            let closed = text.ends_with(['"', '\'']) && end - start >= 2 * quotes;
            self.hide(start + quotes, if closed { end - quotes } else { end });
        } else if let Some(userinfo) = userinfo(text) {
            self.hide(start + userinfo.start, start + userinfo.end);
        } else if text != "." {
            self.word = bare;
        }
    }

    /// A commented-out secret is one too.
    fn comment(&mut self, start: usize, text: &str) {
        let Some(equals) = text.find('=') else { return };
        let key = text.get(..equals).unwrap_or_default().trim_start_matches('#').trim();
        let key = key.rsplit([' ', '.', '{']).next().unwrap_or_default();
        if is_secret(key) {
            self.hide(start + equals + 1, start + text.len());
        }
    }

    fn hide(&mut self, start: usize, end: usize) {
        match self.found.last_mut() {
            Some(last) if last.end == start => last.end = end,
            Some(_) | None if start < end => self.found.push(start..end),
            Some(_) | None => (),
        }
    }
}

/// Whether a key's value is a secret, also where the key is misspelt.
pub(crate) fn is_secret(key: &str) -> bool {
    key.to_ascii_lowercase().split(['_', '-']).any(|word| {
        SECRET_WORDS.contains(&word) || word.starts_with("pass") || word.contains("pwd") || is_nearly_password(word)
    })
}

/// Most words lack so many of its letters that nobody has to compare them with it.
fn is_nearly_password(word: &str) -> bool {
    (6..=10).contains(&word.len())
        && missing(word) <= SLIPS_MAX
        && strsim::damerau_levenshtein(word, "password") <= SLIPS_MAX
}

/// Of somebody who wants to write `password`.
const SLIPS_MAX: usize = 2;

/// How many letters of `password` a word lacks; each slip takes one at most.
fn missing(word: &str) -> usize {
    let lacks =
        |(letter, times): (u8, usize)| times.saturating_sub(word.bytes().filter(|byte| *byte == letter).count());
    [(b'p', 1), (b'a', 1), (b's', 2), (b'w', 1), (b'o', 1), (b'r', 1), (b'd', 1)].into_iter().map(lacks).sum()
}

/// Values that are secrets wherever they stand.
fn looks_secret(value: &str) -> bool {
    value.starts_with("$argon2")
        || value.starts_with("sha256:")
        || value.starts_with("vst_")
        || value.starts_with("vsta_")
}

/// `user:password` of a URL.
fn userinfo(text: &str) -> Option<std::ops::Range<usize>> {
    let start = text.find("://")? + 3;
    let authority = text.get(start..)?.split(['/', '"', '\'']).next()?;
    let at = authority.rfind('@')?;
    Some(start..start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_and_nothing_else() {
        let cases = [
            ("password_hash = \"hunter2\"", "password_hash = \"[hidden]\""),
            ("pin_hash = 123456 # note", "pin_hash = [hidden] # note"),
            ("pin_hash = 12.5", "pin_hash = [hidden]"),
            ("pasword = 'x'", "pasword = '[hidden]'"),
            ("a = { secret = \"x\", b = \"y\" }", "a = { secret = \"[hidden]\", b = \"y\" }"),
            ("hash = { value = \"x\" }\nb = 1", "hash = { value = \"[hidden]\" }\nb = 1"),
            ("hash = { env = \"NAME\" }", "hash = { env = \"NAME\" }"),
            ("secret = [\"x\", \"y\"]\nb = \"z\"", "secret = [\"[hidden]\", \"[hidden]\"]\nb = \"z\""),
            ("password = \"open", "password = \"[hidden]"),
            ("secret = \"\"\"a\nb\"\"\"\nc = 1", "secret = \"\"\"[hidden]\"\"\"\nc = 1"),
            ("a = 1 # password = \"x\"", "a = 1 # password =[hidden]"),
            ("upstream = \"http://me:pw@host/\"", "upstream = \"http://[hidden]@host/\""),
            ("x = \"$argon2id$v=19$m\"", "x = \"[hidden]\""),
            ("login = [\"password\", \"pin\"]", "login = [\"password\", \"pin\"]"),
            ("[admin.tokens.ops]\nrole = \"admin\"", "[admin.tokens.ops]\nrole = \"admin\""),
            ("keep = \"1d\"\nkeys = 2", "keep = \"1d\"\nkeys = 2"),
        ];
        for (text, expected) in cases {
            assert_eq!(mask(text).0, expected, "{text}");
        }
    }

    /// Every word that one slip makes of another.
    fn slips(word: &str) -> Vec<String> {
        let letters: Vec<char> = word.chars().collect();
        let edited = |edit: &dyn Fn(&mut Vec<char>)| {
            let mut letters = letters.clone();
            edit(&mut letters);
            letters.into_iter().collect::<String>()
        };
        let at_each = (0..letters.len()).flat_map(|at| {
            let taken = edited(&|letters| {
                letters.remove(at);
            });
            let next = (at + 1).min(letters.len() - 1);
            let swapped = edited(&|letters| letters.swap(at, next));
            let others = ['x', 'ä', 's']
                .map(|other| [edited(&|letters| letters[at] = other), edited(&|letters| letters.insert(at, other))]);
            [taken, swapped].into_iter().chain(others.concat())
        });
        at_each.collect()
    }

    #[test]
    fn two_slips_in_password_are_recognised() {
        for word in slips("password").iter().flat_map(|word| slips(word)) {
            let distance = strsim::damerau_levenshtein(&word, "password");
            assert!(distance <= SLIPS_MAX && missing(&word) <= SLIPS_MAX, "{word}");
            assert_eq!(is_secret(&word), (6..=10).contains(&word.len()) || word.starts_with("pass"), "{word}");
        }
        assert!(!is_secret("upstream") && !is_secret("project") && !is_secret("backwards"));
    }
}
