//! Names as the file spells them, in the one spelling that the program compares.

use std::fmt;
use std::sync::Arc;

use crate::word::{Word, Wrong, words};

macro_rules! spelled {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) Arc<str>);

        impl $name {
            /// The text in its one spelling.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The shared text, for entries and caches.
            pub fn shared(&self) -> Arc<str> {
                self.0.clone()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

spelled! {
    /// Name of a circuit, project, rate limit or token: letters, digits, space, hyphen, underscore; 1 to 64 characters.
    Name
}
spelled! {
    /// An e-mail address, lower-cased, with exactly one `@`; the identity of a person.
    Email
}
spelled! {
    /// A host name in lower case, without port or trailing dot.
    Host
}
spelled! {
    /// ISO 3166-1 alpha-2, upper case.
    CountryCode
}

/// Characters of a [`Name`].
const NAME_LENGTH_MAX: usize = 64;

impl Word for Name {
    fn parse(text: &str) -> Result<Self, Wrong> {
        let allowed = |c: char| c.is_alphanumeric() || " -_".contains(c);
        let length = text.chars().count();
        if text.trim() != text || length == 0 || length > NAME_LENGTH_MAX || !text.chars().all(allowed) {
            return Err(Wrong::new(format!("{text:?} is not a name")).help(format!(
                "write 1 to {NAME_LENGTH_MAX} letters, digits, spaces, hyphens or underscores, with no space at either end"
            )));
        }
        Ok(Self(text.into()))
    }
}

impl Word for Email {
    const EXAMPLE: &str = "\"maya@example.net\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong =
            || Wrong::new(format!("{text:?} is not an e-mail address")).help("write one such as \"maya@example.net\"");
        let (local, domain) = text.split_once('@').ok_or_else(wrong)?;
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"(),:;<>[]\\".contains(&byte));
        if local.is_empty() || text.len() > 254 || !printable || Host::parse(&domain.to_ascii_lowercase()).is_err() {
            return Err(wrong());
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }
}

impl Email {
    /// As somebody else than the file names a person; absent where that is no address.
    pub fn folded(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    /// Behind the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl Word for Host {
    const EXAMPLE: &str = "\"wiki.example.net\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = |why: &str| Wrong::new(format!("{text:?} is not a host name: {why}"));
        if !text.is_ascii() {
            return Err(wrong("it is not ASCII").help("write its form in the domain name system, \"xn--…\""));
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            let host = rest.split(['/', ':']).next().unwrap_or_default();
            return Err(wrong(&format!("it has a scheme, {scheme:?}")).help(format!("write {host:?}")));
        }
        if text.contains('*') {
            return Err(wrong("it has a wildcard").help("write each host"));
        }
        if let Some((host, _)) = text.split_once('/') {
            return Err(wrong("it has a path").help(format!("write {host:?}")));
        }
        if let Some((host, _)) = text.split_once(':').filter(|(_, port)| !port.contains(':')) {
            return Err(wrong("it has a port")
                .help(format!("write {:?}; the port makes no difference", host.to_ascii_lowercase())));
        }
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(wrong("it has capital letters").help(format!("write {:?}", text.to_ascii_lowercase())));
        }
        if let Some(host) = text.strip_suffix('.') {
            return Err(wrong("it ends in a dot").help(format!("write {host:?}")));
        }
        let label = |label: &str| {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            (1..=63).contains(&label.len())
                && label.bytes().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if text.len() > 253 || !text.split('.').all(label) {
            return Err(wrong("each part has 1 to 63 letters, digits, hyphens or underscores"));
        }
        Ok(Self(text.into()))
    }
}

words!(Name, Email, Host);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_letters_digits_spaces_and_hyphens() {
        for text in ["wiki", "Team wiki 2", "a-b_c", "Büro", &"x".repeat(64)] {
            assert!(Name::parse(text).is_ok(), "{text}");
        }
        for text in ["", " wiki", "wiki ", "a/b", "a.b", "a\nb", "a@b", &"x".repeat(65)] {
            assert!(Name::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_are_folded_and_have_one_at() {
        assert_eq!(Email::parse("Maya@Example.net").map(|email| email.to_string()).as_deref(), Ok("maya@example.net"));
        for text in
            ["", "maya", "@example.net", "maya@", "a@b@c", "ma ya@example.net", "máya@example.net", "a@b..c", "a@b/c"]
        {
            assert!(Email::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_are_exact() {
        for text in ["wiki.example.net", "localhost", "127.0.0.1", "a_b.test", "xn--bcher-kva.example"] {
            assert!(Host::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "Wiki.test",
            "wiki.test.",
            "wiki.test:80",
            "http://wiki.test",
            "*.test",
            "wiki.test/a",
            "-a.test",
            "a..b",
            "::1",
            "bücher.test",
        ] {
            assert!(Host::parse(text).is_err(), "{text}");
        }
    }
}
