//! Takes secrets out of what the logs keep of an address.

use std::borrow::Cow;
use std::collections::BTreeSet;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Stands where a value was.
const REDACTED: &str = "[redacted]";

/// Addresses within addresses that are looked into; a value that holds one more is hidden whole.
const DEPTH: usize = 4;

/// What a value that is an address again keeps readable after its secrets went.
const IN_VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'[').remove(b']');

/// A query without `?`, the values of the named parameters replaced, every other byte as it was. Names are compared
/// without case and percent-decoded; `names` are lower-case. A value that is an address with a query itself, such as
/// the `return` of the sign-in page, loses its secrets too.
pub(crate) fn query<'a>(query: &'a str, names: &BTreeSet<String>) -> Cow<'a, str> {
    within(query, names, DEPTH)
}

fn within<'a>(query: &'a str, names: &BTreeSet<String>, depth: usize) -> Cow<'a, str> {
    if parameters(query).all(|part| hidden(part, names, depth).is_none()) {
        return Cow::Borrowed(query);
    }
    let mut kept = String::with_capacity(query.len());
    let mut rest = query;
    for part in parameters(query) {
        match hidden(part, names, depth) {
            Some((name, value)) => {
                kept.push_str(name);
                kept.push('=');
                kept.push_str(&value);
            }
            None => kept.push_str(part),
        }
        rest = rest.get(part.len()..).unwrap_or_default();
        let mut separator = rest.chars();
        kept.extend(separator.next());
        rest = separator.as_str();
    }
    Cow::Owned(kept)
}

/// The name of a parameter and what stands for its value, where that may not be kept as it is.
fn hidden<'a>(part: &'a str, names: &BTreeSet<String>, depth: usize) -> Option<(&'a str, Cow<'static, str>)> {
    let (name, value) = part.split_once('=')?;
    if is_secret(part, names) {
        return Some((name, Cow::Borrowed(REDACTED)));
    }
    if !value.bytes().any(|byte| matches!(byte, b'?' | b'%')) {
        return None;
    }
    let plain = percent_decode_str(value).decode_utf8_lossy();
    let (place, inner) = plain.split_once('?')?;
    let Some(depth) = depth.checked_sub(1) else { return Some((name, Cow::Borrowed(REDACTED))) };
    match within(inner, names, depth) {
        Cow::Borrowed(_) => None,
        Cow::Owned(inner) => {
            let address = format!("{place}?{inner}");
            Some((name, Cow::Owned(utf8_percent_encode(&address, IN_VALUE).to_string())))
        }
    }
}

/// An absolute or relative address, its query redacted, user and password gone.
pub(crate) fn address<'a>(address: &'a str, names: &BTreeSet<String>) -> Cow<'a, str> {
    let (place, parameters) = match address.split_once('?') {
        Some((place, parameters)) => (place, Some(parameters)),
        None => (address, None),
    };
    let place = without_user(place);
    let parameters = parameters.map(|parameters| query(parameters, names));
    match (place, parameters) {
        (Cow::Borrowed(_), None | Some(Cow::Borrowed(_))) => Cow::Borrowed(address),
        (place, None) => place,
        (place, Some(parameters)) => Cow::Owned(format!("{place}?{parameters}")),
    }
}

/// Servers divide at `&`, some also at `;`; a value is hidden under either reading.
fn parameters(query: &str) -> impl Iterator<Item = &str> {
    query.split(['&', ';'])
}

fn is_secret(parameter: &str, names: &BTreeSet<String>) -> bool {
    let Some((name, _)) = parameter.split_once('=') else { return false };
    if name.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        let name = name.replace('+', " ");
        let name = percent_decode_str(&name).decode_utf8_lossy();
        return names.contains(&name.trim().to_lowercase());
    }
    if name.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
        return names.contains(&name.to_lowercase());
    }
    names.contains(name)
}

fn without_user(place: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = place.split_once("://") else { return Cow::Borrowed(place) };
    let authority_end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    match authority.rsplit_once('@') {
        Some((_, host)) => Cow::Owned(format!("{scheme}://{host}{path}")),
        None => Cow::Borrowed(place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> BTreeSet<String> {
        ["token", "api_key", "code"].map(str::to_owned).into()
    }

    #[test]
    fn named_values_go_and_the_rest_stays_byte_for_byte() {
        for (before, after) in [
            ("", ""),
            ("a=1&b=2", "a=1&b=2"),
            ("token=abc", "token=[redacted]"),
            ("a=1&token=abc&b=%20+", "a=1&token=[redacted]&b=%20+"),
            ("TOKEN=abc", "TOKEN=[redacted]"),
            ("%74oken=abc", "%74oken=[redacted]"),
            ("api%5Fkey=abc", "api%5Fkey=[redacted]"),
            ("token=a=b=c", "token=[redacted]"),
            ("token", "token"),
            ("token=", "token=[redacted]"),
            ("a=1;token=abc;b", "a=1;token=[redacted];b"),
            ("tokens=1&mytoken=2", "tokens=1&mytoken=2"),
            ("token=a&token=b", "token=[redacted]&token=[redacted]"),
            ("&&token=a&", "&&token=[redacted]&"),
            ("+token=a", "+token=[redacted]"),
            ("q=%C3%A4&\u{e4}=1&code=x", "q=%C3%A4&\u{e4}=1&code=[redacted]"),
        ] {
            assert_eq!(query(before, &names()), after, "{before}");
        }
    }

    #[test]
    fn an_address_in_a_value_loses_its_secrets_too() {
        for (before, after) in [
            ("return=%2Fx%3Ftoken%3Dabc", "return=/x%3Ftoken%3D[redacted]"),
            ("return=%2Fx%3Fa%3D1%26token%3Dabc&b=1", "return=/x%3Fa%3D1%26token%3D[redacted]&b=1"),
            ("next=/x?token=abc", "next=/x%3Ftoken%3D[redacted]"),
            ("a=%2Fx%3Fb%3D%252Fy%253Fcode%253Dabc", "a=/x%3Fb%3D/y%253Fcode%253D[redacted]"),
            ("return=%2Fx%3Fa%3D1", "return=%2Fx%3Fa%3D1"),
            ("q=100%&r=what?", "q=100%&r=what?"),
        ] {
            assert_eq!(query(before, &names()), after, "{before}");
        }
    }

    #[test]
    fn addresses_too_deep_to_look_into_are_hidden_whole() {
        let mut address = "/x?token=abc".to_owned();
        for _ in 0..=DEPTH {
            address = format!("/x?a={}", utf8_percent_encode(&address, NON_ALPHANUMERIC));
        }
        assert!(!super::address(&address, &names()).contains("abc"));
    }

    #[test]
    fn addresses_lose_secrets_and_users() {
        for (before, after) in [
            ("https://a.test/x?token=abc&b=1", "https://a.test/x?token=[redacted]&b=1"),
            ("https://u:p@a.test/x", "https://a.test/x"),
            ("https://u:p@a.test?code=1", "https://a.test?code=[redacted]"),
            ("https://a.test/@x?b=1", "https://a.test/@x?b=1"),
            ("/x?code=1", "/x?code=[redacted]"),
            ("junk", "junk"),
        ] {
            assert_eq!(address(before, &names()), after, "{before}");
        }
    }
}
