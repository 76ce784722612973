//! Our cookies are cut out of what the upstream gets; the rest stays byte for byte.

use http::{HeaderMap, HeaderValue, header};
use memchr::memchr;

/// What begins so is ours.
const PREFIXES: [&[u8]; 2] = [b"vestibule", b"__Host-vestibule"];

/// What to do with the `Cookie` lines of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// One line at most, and nothing of ours in it.
    Unchanged,
    /// Nothing is left.
    Remove,
    /// One line with what is left.
    Replace(HeaderValue),
}

/// Several lines (as HTTP/2 may send them) count as one, joined by `; `.
pub(super) fn cut(headers: &HeaderMap) -> Cut {
    let mut lines = headers.get_all(header::COOKIE).iter();
    let Some(first) = lines.next() else { return Cut::Unchanged };
    let Some(second) = lines.next() else { return cut_line(first.as_bytes()) };
    let mut joined = first.as_bytes().to_vec();
    for line in std::iter::once(second).chain(lines) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(line.as_bytes());
    }
    match cut_line(&joined) {
        Cut::Unchanged => replace(&joined),
        changed @ (Cut::Remove | Cut::Replace(_)) => changed,
    }
}

/// A `Set-Cookie` value that would set a cookie of ours.
pub(super) fn sets_ours(value: &[u8]) -> bool {
    is_ours(value.split(|byte| *byte == b';').next().unwrap_or_default())
}

fn cut_line(line: &[u8]) -> Cut {
    if memchr(b';', line).is_none() {
        return if is_ours(line) { Cut::Remove } else { Cut::Unchanged };
    }
    if !line.split(is_semicolon).any(is_ours) {
        return Cut::Unchanged;
    }
    let mut kept = Vec::with_capacity(line.len());
    for (at, pair) in line.split(is_semicolon).filter(|pair| !is_ours(pair)).enumerate() {
        if at > 0 {
            kept.push(b';');
        }
        kept.extend_from_slice(pair);
    }
    // What followed a cut first pair brings the space that stood between them.
    let begins_with_own_space = line.first().is_some_and(u8::is_ascii_whitespace);
    let kept = if begins_with_own_space { &kept[..] } else { kept.trim_ascii_start() };
    if kept.iter().all(|byte| byte.is_ascii_whitespace() || *byte == b';') { Cut::Remove } else { replace(kept) }
}

fn replace(line: &[u8]) -> Cut {
    // Parts of a valid value are valid; in doubt the upstream gets no cookie rather than ours.
    HeaderValue::from_bytes(line).map_or(Cut::Remove, Cut::Replace)
}

fn is_semicolon(byte: &u8) -> bool {
    *byte == b';'
}

/// By name, as written: a name is everything before `=`, white space around it not counted.
fn is_ours(pair: &[u8]) -> bool {
    let name = memchr(b'=', pair).and_then(|end| pair.get(..end)).unwrap_or(pair).trim_ascii();
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let expected = match expected {
            Some("=") => Cut::Unchanged,
            Some(line) => Cut::Replace(HeaderValue::from_bytes(line.as_bytes()).unwrap()),
            None => Cut::Remove,
        };
        assert_eq!(cut(&headers), expected, "{lines:?}");
    }

    #[test]
    fn only_ours_go_and_the_rest_stays_byte_for_byte() {
        check(&[], Some("="));
        check(&["a=1; b=2"], Some("="));
        check(&["a={\"x\":1}; vestibule=v; b=2"], Some("a={\"x\":1}; b=2"));
        check(&["vestibule=v"], None);
        check(&["vestibule=v;"], None);
        check(&["vestibule=v; a=1"], Some("a=1"));
        check(&["a=1; vestibule=v"], Some("a=1"));
        check(&["a=1;vestibule=v;b=2"], Some("a=1;b=2"));
        check(&["a=1;  b=\" x \"; __Host-vestibule=v;c"], Some("a=1;  b=\" x \";c"));
        check(&["vestibule-admin=v; a=1; vestibule=w"], Some("a=1"));
        check(&["Vestibule=v; xvestibule=1; __host-vestibule=1"], Some("="));
        check(&["a=vestibule=1"], Some("="));
        check(&["a=1; vestibule =v"], Some("a=1"));
        check(&["a=1;\tvestibule=v; b=\u{e4}"], Some("a=1; b=\u{e4}"));
        check(&["a=1;; vestibule=v;;b"], Some("a=1;;;b"));
        check(&["a=; vestibule=; =x"], Some("a=; =x"));
    }

    #[test]
    fn several_lines_become_one() {
        check(&["a=1", "b=2"], Some("a=1; b=2"));
        check(&["a=1", "vestibule=v", "b=2"], Some("a=1; b=2"));
        check(&["vestibule=v", "__Host-vestibule=w"], None);
    }

    #[test]
    fn pairs_that_are_not_ours_survive_any_mixture() {
        let others = ["a=1", " b={\"k\":[1,2]}", "", "\tc=\"q;", " =v", " novalue", " x=vestibule", "d=%3B"];
        let ours = ["vestibule=s", " __Host-vestibule=t", " vestibule_x=1", "\tvestibule", " vestibule = 1"];
        // Every mixture of six pairs, chosen by the bits and digits of a counter.
        for choice in 0..20_000_usize {
            let pairs: Vec<_> = (0..6)
                .map(|at| {
                    let digit = choice / 3_usize.pow(at);
                    if choice >> at & 1 == 0 { others[digit % others.len()] } else { ours[digit % ours.len()] }
                })
                .collect();
            let line = pairs.join(";");
            let Ok(value) = HeaderValue::from_bytes(line.trim_ascii().as_bytes()) else { continue };
            let kept: Vec<_> = pairs.iter().filter(|pair| !ours.contains(pair)).copied().collect();
            let kept = kept.join(";");
            let left = match cut_line(value.as_bytes()) {
                Cut::Unchanged => line.clone(),
                Cut::Remove => String::new(),
                Cut::Replace(left) => String::from_utf8(left.as_bytes().to_vec()).unwrap(),
            };
            let empty = kept.bytes().all(|byte| byte == b';' || byte.is_ascii_whitespace());
            assert_eq!(left.trim(), if empty && left.is_empty() { "" } else { kept.trim() }, "{line:?}");
        }
    }

    #[test]
    fn fuzz_no_cookie_of_ours_passes_and_every_other_does() {
        let seeds: [&[u8]; 3] = [b"a=1; vestibule=v; b=2", b"__Host-vestibule=x", b"a=1\n vestibule=v; c"];
        let words: [&[u8]; 8] = [b"vestibule", b"__Host-vestibule", b"=", b";", b"; ", b"\"", b"\t", b"\n"];
        crate::fuzz::fuzz(&seeds, &words, |input| {
            let mut headers = HeaderMap::new();
            for line in input.split(|byte| *byte == b'\n') {
                let Ok(value) = HeaderValue::from_bytes(line) else { return false };
                headers.append(header::COOKIE, value);
            }
            let sent: Vec<_> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
            let sent = sent.join(&b"; "[..]);
            let left = match cut(&headers) {
                Cut::Unchanged => sent.clone(),
                Cut::Remove => Vec::new(),
                Cut::Replace(line) => line.as_bytes().to_vec(),
            };
            let pairs = |line: &[u8]| -> Vec<Vec<u8>> {
                let kept = line.split(is_semicolon).map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty());
                kept.filter(|pair| !is_ours(pair)).map(<[u8]>::to_vec).collect()
            };
            assert!(!left.split(is_semicolon).any(is_ours), "{}", left.escape_ascii());
            assert_eq!(pairs(&left), pairs(&sent));
            left != sent
        });
    }
}
