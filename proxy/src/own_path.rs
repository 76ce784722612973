//! `/.vestibule/` in that spelling is ours; whatever a backend could read as it is nobody's.

use memchr::memchr2_iter;
use percent_encoding::percent_decode;

/// Everything of ours is below it.
const PREFIX: &str = "/.vestibule/";

/// The segment by which it is recognised in other spellings.
const SEGMENT: &[u8] = b".vestibule";

/// Times that a path is decoded; what is still encoded then is not read as ours by anybody.
const DECODE_ROUNDS: usize = 3;

/// Whose a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Ours; never forwarded.
    Vestibule,
    /// The upstream's.
    Upstream,
    /// Another spelling of ours; neither served nor forwarded.
    Nobody,
}

/// Whose `path` is; without query.
pub(crate) fn owner(path: &str) -> Owner {
    if path.starts_with(PREFIX) {
        Owner::Vestibule
    } else if may_alias(path) && is_alias(path) {
        Owner::Nobody
    } else {
        Owner::Upstream
    }
}

/// Quick: every alias has an escape or a part of our name.
fn may_alias(path: &str) -> bool {
    let path = path.as_bytes();
    memchr2_iter(b'%', b'.', path).any(|at| {
        let rest = path.get(at..).unwrap_or_default();
        rest.first() == Some(&b'%') || rest.get(..SEGMENT.len()).is_some_and(|part| part.eq_ignore_ascii_case(SEGMENT))
    })
}

fn is_alias(path: &str) -> bool {
    let mut decoded = path.as_bytes().to_vec();
    for _ in 0..DECODE_ROUNDS {
        if begins_with_ours(&decoded) {
            return true;
        }
        let next: Vec<u8> = percent_decode(&decoded).collect();
        if next == decoded {
            return false;
        }
        decoded = next;
    }
    begins_with_ours(&decoded)
}

/// The first segment that is left when dots are resolved, doubled slashes merged, parameters dropped.
fn begins_with_ours(path: &[u8]) -> bool {
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in path.split(|byte| matches!(byte, b'/' | b'\\')) {
        let name = segment.split(|byte| matches!(byte, b';' | 0)).next().unwrap_or_default();
        match name.trim_ascii() {
            b"" | b"." => (),
            b".." => _ = segments.pop(),
            name => segments.push(name),
        }
    }
    segments.first().is_some_and(|first| first.eq_ignore_ascii_case(SEGMENT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_is_ours_and_no_other_passes() {
        for (path, expected) in [
            ("/.vestibule/login", Owner::Vestibule),
            ("/.vestibule/", Owner::Vestibule),
            ("/.vestibule/../x", Owner::Vestibule),
            ("/.vestibule", Owner::Nobody),
            ("//.vestibule/login", Owner::Nobody),
            ("/./.vestibule/login", Owner::Nobody),
            ("/x/../.vestibule/login", Owner::Nobody),
            ("/x/%2e%2e/.vestibule/login", Owner::Nobody),
            ("/%2evestibule/login", Owner::Nobody),
            ("/%2Evestibule/login", Owner::Nobody),
            ("/%252evestibule/login", Owner::Nobody),
            ("/.%76estibule/login", Owner::Nobody),
            ("/.vestibule%2flogin", Owner::Nobody),
            ("/%2f.vestibule/login", Owner::Nobody),
            ("/.vestibule;x=1/login", Owner::Nobody),
            ("/.vestibule%00/login", Owner::Nobody),
            ("/\\.vestibule\\login", Owner::Nobody),
            ("/%5c.vestibule/login", Owner::Nobody),
            ("/.VESTIBULE/login", Owner::Nobody),
            ("/.vestibule%20/login", Owner::Nobody),
            ("/../.vestibule/login", Owner::Nobody),
            ("/", Owner::Upstream),
            ("/vestibule/login", Owner::Upstream),
            ("/.vestibules/login", Owner::Upstream),
            ("/a/.vestibule/login", Owner::Upstream),
            ("/a%2f.vestibule/login", Owner::Upstream),
            ("/.vestibule/..%2f..%2fx", Owner::Vestibule),
            ("/a%2Fb%20c", Owner::Upstream),
            ("/%zz", Owner::Upstream),
        ] {
            assert_eq!(owner(path), expected, "{path}");
        }
    }

    /// What a server reads that cuts parameters, merges slashes and follows dots.
    fn followed(path: &str) -> String {
        let mut segments: Vec<&str> = Vec::new();
        for segment in path.split(['/', '\\']) {
            match segment.split([';', '\0']).next().unwrap_or_default() {
                "" | "." => (),
                ".." => drop(segments.pop()),
                name => segments.push(name),
            }
        }
        format!("/{}", segments.join("/"))
    }

    fn resolved(path: &str) -> String {
        percent_decode(path.as_bytes()).decode_utf8_lossy().into_owned()
    }

    #[test]
    fn fuzz_a_path_has_one_spelling_and_one_owner() {
        let seeds: [&[u8]; 5] = [
            b"/.vestibule/login",
            b"/a/b%20c/",
            b"/wiki/%C3%BC?x=1",
            b"/x/../.vestibule/login",
            b"/%2evestibule;a=b/x",
        ];
        let words: [&[u8]; 16] = [
            b"/",
            b"//",
            b"/./",
            b"/../",
            b"%2e",
            b"%2f",
            b"%5c",
            b"%25",
            b"%00",
            b";",
            b"\\",
            b".vestibule",
            b"%C3",
            b"\xc3\xbc",
            b"%41",
            b"~",
        ];
        crate::fuzz::fuzz(&seeds, &words, |input| {
            let Ok(path) = std::str::from_utf8(input) else { return false };
            // Each reads in an order of its own.
            let readings = [
                followed(path),
                followed(&resolved(path)),
                followed(&resolved(&followed(path))),
                followed(&resolved(&resolved(path))),
            ];
            let is_ours = |read: &String| {
                read.split('/').nth(1).is_some_and(|first| first.trim().eq_ignore_ascii_case(".vestibule"))
            };
            assert!(!readings.iter().any(is_ours) || owner(path) != Owner::Upstream);
            let Some(spelled) = vestibule_config::path::canonical(path) else { return path.starts_with('/') };
            assert_eq!(
                vestibule_config::path::canonical(&spelled).as_deref(),
                Some(&*spelled),
                "it is its own spelling"
            );
            assert_eq!(resolved(&spelled), resolved(path), "it means the same");
            assert!(spelled.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b';' | b'?' | b'#')));
            let same = resolved(&spelled);
            let end = if same.len() > 1 && same.ends_with('/') { "/" } else { "" };
            assert_eq!(followed(&same) + end, same, "nobody finds another path in it");
            assert_eq!(resolved(&same), same, "nor by resolving it again");
            true
        });
    }
}
