//! Argon2id hashes in the PHC string format.

/// Least memory in KiB, passes and lanes: the second choice of RFC 9106 reduced to OWASP's minimum.
const LEAST: Costs = Costs { memory_kib: 19_456, passes: 2, lanes: 1 };
/// Beyond these one sign-in would take the machine.
const MOST: Costs = Costs { memory_kib: 1 << 20, passes: 64, lanes: 16 };
/// Bytes of salt and of hash, from RFC 9106 (salt at least 8) and PHC (hash at most 64).
const SALT_BYTES: std::ops::RangeInclusive<usize> = 8..=48;
const HASH_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

struct Costs {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// Checks form and costs.
///
/// # Errors
/// What is wrong; never a part of the text.
pub(crate) fn check(text: &str) -> Result<(), String> {
    if !text.starts_with("$argon2") {
        return Err("this is no hash, and a secret in clear does not stand here".to_owned());
    }
    let Some(rest) = text.strip_prefix("$argon2id$") else {
        return Err("only argon2id hashes are accepted".to_owned());
    };
    let malformed = || "this Argon2id hash is damaged".to_owned();
    let [version, costs, salt, hash] = rest.split('$').collect::<Vec<_>>().try_into().map_err(|_| malformed())?;
    if version != "v=19" {
        return Err("only version 19 of Argon2id is accepted".to_owned());
    }
    if !SALT_BYTES.contains(&base64_bytes(salt)) || !HASH_BYTES.contains(&base64_bytes(hash)) {
        return Err(malformed());
    }
    let Costs { memory_kib, passes, lanes } = parse_costs(costs).ok_or_else(malformed)?;
    if memory_kib < LEAST.memory_kib || passes < LEAST.passes || lanes < LEAST.lanes {
        let (m, t, p) = (LEAST.memory_kib, LEAST.passes, LEAST.lanes);
        return Err(format!("this hash is too cheap to guess; at least m={m},t={t},p={p} is needed"));
    }
    if memory_kib > MOST.memory_kib || passes > MOST.passes || lanes > MOST.lanes {
        let (m, t, p) = (MOST.memory_kib, MOST.passes, MOST.lanes);
        return Err(format!("this hash is too dear to check; at most m={m},t={t},p={p} is accepted"));
    }
    Ok(())
}

fn parse_costs(text: &str) -> Option<Costs> {
    let [memory, passes, lanes] = text.split(',').collect::<Vec<_>>().try_into().ok()?;
    let number = |text: &str, name: &str| -> Option<u32> { text.strip_prefix(name)?.parse().ok() };
    Some(Costs { memory_kib: number(memory, "m=")?, passes: number(passes, "t=")?, lanes: number(lanes, "p=")? })
}

/// Bytes behind base64 without padding; 0 where it is none.
fn base64_bytes(text: &str) -> usize {
    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    if text.bytes().all(alphabet) && text.len() % 4 != 1 { text.len() * 3 / 4 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::check;

    const TAIL: &str = "$c29tZXNhbHRzb21lc2FsdA$7XVzbYJZHPBPWkqHzqnGeDNVvPTRoYVPr5SCTHsyGm8";

    #[test]
    fn only_strong_argon2id_passes() {
        let cases = [
            ("$argon2id$v=19$m=19456,t=2,p=1", None),
            ("$argon2id$v=19$m=1048576,t=64,p=16", None),
            ("$argon2id$v=19$m=19455,t=2,p=1", Some("too cheap")),
            ("$argon2id$v=19$m=19456,t=1,p=1", Some("too cheap")),
            ("$argon2id$v=19$m=19456,t=2,p=0", Some("too cheap")),
            ("$argon2id$v=19$m=1048577,t=2,p=1", Some("too dear")),
            ("$argon2i$v=19$m=19456,t=2,p=1", Some("only argon2id")),
            ("$argon2id$v=16$m=19456,t=2,p=1", Some("only version 19")),
            ("$argon2id$m=19456,t=2,p=1", Some("damaged")),
            ("$argon2id$v=19$t=2,m=19456,p=1", Some("damaged")),
            ("$argon2id$v=19$m=19456,t=2,p=1,x=1", Some("damaged")),
        ];
        for (head, expected) in cases {
            let found = check(&format!("{head}{TAIL}")).err();
            assert_eq!(found.is_some(), expected.is_some(), "{head}: {found:?}");
            assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()), "{head}");
        }
        assert!(check("hunter2").is_err_and(|wrong| !wrong.contains("hunter2")));
        assert!(check("$argon2id$v=19$m=19456,t=2,p=1$$").is_err());
    }
}
