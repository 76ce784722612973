//! Host names in the one spelling that routes and rules compare.

use std::borrow::Cow;

/// Longest name that DNS can hold.
const NAME_MAX_BYTES: usize = 253;

/// The authority of a request cannot be trusted to name one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadHost;

/// `Host` or `:authority` taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority<'a> {
    /// Lower-case, without port or trailing dot; an IPv6 address keeps its brackets.
    pub(crate) host: Cow<'a, str>,
    /// Digits, if one was written.
    pub(crate) port: Option<&'a str>,
}

/// The port of an authority that [`parse`] has taken.
pub(crate) fn port(authority: &str) -> Option<&str> {
    let (_, port) = authority.rsplit_once(':')?;
    (!port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())).then_some(port)
}

/// Reads `host[:port]`.
///
/// # Errors
/// User info, a comma, a space, an empty name, a port that is no number: anything that two readers could read
/// differently.
pub(crate) fn parse(text: &str) -> Result<Authority<'_>, BadHost> {
    if is_canonical_name(text.as_bytes()) {
        return Ok(Authority { host: Cow::Borrowed(text), port: None });
    }
    let (name, port) = split_port(text)?;
    let port = port.filter(|port| !port.is_empty());
    if port.is_some_and(|port| !is_port(port)) {
        return Err(BadHost);
    }
    let name = if name.starts_with('[') { name } else { name.strip_suffix('.').unwrap_or(name) };
    if !is_name(name) && !is_ipv6_literal(name) {
        return Err(BadHost);
    }
    let host = if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    };
    Ok(Authority { host, port })
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), BadHost> {
    if text.starts_with('[') {
        let (address, rest) = text.split_once(']').ok_or(BadHost)?;
        let name = text.get(..=address.len()).ok_or(BadHost)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((name, Some(port))),
            None if rest.is_empty() => Ok((name, None)),
            None => Err(BadHost),
        };
    }
    Ok(text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))))
}

/// Digits only: a number's own parser takes a sign, too.
fn is_port(port: &str) -> bool {
    port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

/// Most hosts come so: a name in its one spelling, and nothing else.
fn is_canonical_name(text: &[u8]) -> bool {
    let mut after_label = false;
    for byte in text {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => after_label = true,
            b'.' if after_label => after_label = false,
            _ => return false,
        }
    }
    after_label && text.len() <= NAME_MAX_BYTES
}

/// Labels of letters, digits, hyphens and underscores, none of them empty.
fn is_name(name: &str) -> bool {
    let mut label_is_empty = true;
    for byte in name.bytes() {
        match byte {
            b'.' if label_is_empty => return false,
            b'.' => label_is_empty = true,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => label_is_empty = false,
            _ => return false,
        }
    }
    !label_is_empty && name.len() <= NAME_MAX_BYTES
}

fn is_ipv6_literal(name: &str) -> bool {
    name.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_has_one_spelling() {
        for (text, host, port) in [
            ("pub.test", "pub.test", None),
            ("PUB.Test", "pub.test", None),
            ("pub.test:8080", "pub.test", Some("8080")),
            ("pub.test.", "pub.test", None),
            ("PUB.test.:8080", "pub.test", Some("8080")),
            ("pub.test:", "pub.test", None),
            ("127.0.0.1:80", "127.0.0.1", Some("80")),
            ("[::1]", "[::1]", None),
            ("[2001:DB8::1]:443", "[2001:db8::1]", Some("443")),
            ("my_app.test", "my_app.test", None),
        ] {
            assert_eq!(parse(text), Ok(Authority { host: host.into(), port }), "{text}");
        }
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        let long = format!("{}.test", "a".repeat(250));
        for text in [
            "",
            ".",
            "..",
            "a..b",
            "pub.test..",
            "user@pub.test",
            "a,b",
            "a b",
            " pub.test",
            "pub.test ",
            "a/b",
            "a\\b",
            "a?b",
            "a#b",
            "a%2eb",
            "pub.test:x",
            "pub.test:80:80",
            "pub.test:123456",
            "pub.test:65536",
            "pub.test:+80",
            ":80",
            "[::1",
            "[::1]x",
            "[x]",
            "[]",
            "::1",
            "b\u{fc}cher.test",
            "a\tb",
            &long,
        ] {
            assert_eq!(parse(text), Err(BadHost), "{text:?}");
        }
    }

    #[test]
    fn fuzz_a_host_that_is_taken_has_one_spelling() {
        let seeds: [&[u8]; 4] = [b"pub.test:8080", b"[2001:db8::1]:443", b"192.0.2.1", b"Wiki_1.example.NET."];
        let words: [&[u8]; 9] = [b":", b".", b"[", b"]", b"@", b"%", b"::ffff:1.2.3.4", b"xn--", b"\xc3\xbc"];
        crate::fuzz::fuzz(&seeds, &words, |input| {
            let Ok(text) = std::str::from_utf8(input) else { return false };
            let Ok(authority) = parse(text) else { return false };
            let again = parse(&authority.host).expect("the spelling of a host is a host");
            assert_eq!((&again.host, again.port), (&authority.host, None));
            assert!(text.to_ascii_lowercase().starts_with(&*authority.host));
            assert!(authority.host.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()));
            assert!(!authority.host.contains(['/', '@', '\\', ',', '%', '?', '#']));
            assert!(authority.port.is_none_or(|port| port.parse::<u16>().is_ok()));
            true
        });
    }
}
