//! Takes secrets out of what the logs keep of an address.

use std::borrow::Cow;
use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;

/// Stands where a value was.
const REDACTED: &str = "[redacted]";

/// A query without `?`, the values of the named parameters replaced, every other byte as it was. Names are compared
/// without case and percent-decoded; `names` are lower-case.
pub(crate) fn query<'a>(query: &'a str, names: &BTreeSet<String>) -> Cow<'a, str> {
    if !parameters(query).any(|part| is_secret(part, names)) {
        return Cow::Borrowed(query);
    }
    let mut kept = String::with_capacity(query.len());
    let mut rest = query;
    for part in parameters(query) {
        match part.split_once('=') {
            Some((name, _)) if is_secret(part, names) => {
                kept.push_str(name);
                kept.push('=');
                kept.push_str(REDACTED);
            }
            _ => kept.push_str(part),
        }
        rest = rest.get(part.len()..).unwrap_or_default();
        let mut separator = rest.chars();
        kept.extend(separator.next());
        rest = separator.as_str();
    }
    Cow::Owned(kept)
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
