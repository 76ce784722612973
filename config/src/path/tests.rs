use proptest::prelude::*;

use super::*;

fn prefix(text: &str) -> PathPrefix {
    PathPrefix::parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"))
}

#[test]
fn a_path_has_one_spelling() {
    for (path, expected) in [
        ("/", "/"),
        ("/a/b/", "/a/b/"),
        ("/a+b&c=d:e@f!$'()*,", "/a+b&c=d:e@f!$'()*,"),
        ("/%61dmin/%7Ex%2d%2E%5f", "/admin/~x-._"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/café", "/caf%C3%A9"),
        ("/a%20b%2Bc%40", "/a%20b%2Bc%40"),
        ("/100%25", "/100%25"),
        ("/100%25zz", "/100%25zz"),
        ("/{a|b}[c]", "/{a|b}[c]"),
        ("/...", "/..."),
        ("/.well-known/x", "/.well-known/x"),
        ("/a..b/..c", "/a..b/..c"),
    ] {
        assert_eq!(canonical(path).as_deref(), Some(expected), "{path}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_has_none() {
    for path in [
        "",
        "a",
        "*",
        "//",
        "//a",
        "/a//b",
        "/a//",
        "/.",
        "/..",
        "/./a",
        "/../a",
        "/a/.",
        "/a/..",
        "/a/./b",
        "/a/../b",
        "/a/%2e%2e/b",
        "/a/%2E./b",
        "/a/.%2e",
        "/%2e",
        "/a%2fb",
        "/a%2Fb",
        "/a%5cb",
        "/a\\b",
        "/a%5Cb",
        "/a;b",
        "/a%3bb",
        "/a;x=1/b",
        "/..;/b",
        "/a%00",
        "/a%0d%0ab",
        "/a%09",
        "/a%7f",
        "/a\u{7f}",
        "/a b",
        "/a\tb",
        "/%",
        "/%a",
        "/%zz",
        "/%u0061",
        "/%252e%252e/b",
        "/%2525%32%65",
        "/%25%32%65",
        "/%25%36%31dmin",
        "/%2561dmin",
        "/caf%e9",
        "/%c0%af",
        "/%c0%ae%c0%ae/b",
        "/%ff",
        "/a?b",
        "/a#b",
        "/a%3f\u{0}",
    ] {
        assert_eq!(canonical(path), None, "{path}");
    }
}

#[test]
fn a_prefix_ends_with_a_segment() {
    let api = prefix("/api");
    assert_eq!(api.rest_of("/api"), Some(""));
    assert_eq!(api.rest_of("/api/"), Some("/"));
    assert_eq!(api.rest_of("/api/x/y"), Some("/x/y"));
    for path in ["/", "/ap", "/apiary", "/API", "/x/api", "/api.json", "/api%20"] {
        assert_eq!(api.rest_of(path), None, "{path}");
    }
    assert!(api.begins_in_any_case("/API/x") && api.begins_in_any_case("/api") && !api.begins_in_any_case("/APIary"));
    assert!(!prefix("/caf%C3%A9").begins_in_any_case("/caf"));
    let root = prefix("/");
    assert_eq!((root.as_str(), root.rest_of("/"), root.rest_of("/a")), ("/", Some("/"), Some("/a")));
    assert_eq!(
        (prefix("/v2").with("/x"), prefix("/v2").with(""), root.with("/x")),
        ("/v2/x".into(), "/v2".into(), "/x".into())
    );
    assert_eq!(root.with(""), "/");
    assert_eq!(prefix("/café"), prefix("/caf%c3%a9"));
    assert_eq!(prefix("/%61"), prefix("/a"));
}

/// Paths that are likely to be tricky: pieces of escapes, dots, slashes.
fn tricky() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/".to_owned()),
        Just("admin".to_owned()),
        Just("..".to_owned()),
        Just(".".to_owned()),
        "%[0-9a-fA-F]{2}",
        "%25[0-9a-fA-F]{2}",
        "%",
        "[a-zA-Z0-9;+@\\\\ ~é]",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// Resolves every escape, once.
fn resolved(path: &str) -> Vec<u8> {
    let mut bytes = path.bytes().peekable();
    let mut resolved = Vec::new();
    while let Some(byte) = bytes.next() {
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16)).unwrap();
        resolved.push(if byte == b'%' { u8::try_from(digit() * 16 + digit()).unwrap() } else { byte });
    }
    resolved
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// What is decided is what is sent: the spelling stays as it is, however often it is made.
    #[test]
    fn the_one_spelling_is_its_own(path in tricky()) {
        if let Some(once) = canonical(&path) {
            let again = canonical(&once);
            prop_assert_eq!(again.as_deref(), Some(&*once));
        }
    }

    /// No reader who resolves escapes, once or again and again, sees another path than the one that is decided.
    #[test]
    fn every_reader_sees_the_same_segments(path in tricky()) {
        let Some(spelled) = canonical(&path) else { return Ok(()) };
        let once = resolved(&spelled);
        prop_assert_eq!(&once, &resolved(&path), "what it means is not changed");
        let text = String::from_utf8(once).unwrap();
        prop_assert_eq!(text.matches('/').count(), spelled.matches('/').count());
        prop_assert!(!text.contains(['\\', ';', '\0']));
        prop_assert!(text.split('/').all(|segment| segment != "." && segment != ".."));
        prop_assert!(!text.contains("//"));
    }

    /// A prefix begins a path exactly where it begins what the path means.
    #[test]
    fn a_prefix_is_found_in_every_spelling(path in tricky(), escape in proptest::bits::u8::ANY) {
        let Some(spelled) = canonical(&path) else { return Ok(()) };
        let meant = String::from_utf8(resolved(&spelled)).unwrap();
        let begins = meant == "/admin" || meant.starts_with("/admin/");
        prop_assert_eq!(prefix("/admin").rest_of(&spelled).is_some(), begins);
        // The same path with some of its letters escaped.
        let letters = meant.chars().enumerate().map(|(at, letter)| match letter {
            'a'..='z' if escape >> (at % 8) & 1 == 1 => format!("%{:02x}", u32::from(letter)),
            '/' => "/".to_owned(),
            other if other.is_ascii_alphanumeric() => other.to_string(),
            other => other.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect(),
        });
        let escaped: String = letters.collect();
        let again = canonical(&escaped).expect("escapes of letters are resolved");
        prop_assert_eq!(prefix("/admin").rest_of(&again).is_some(), begins);
    }
}
