//! Which bytes HTTP takes where (RFC 9110, 5.6.2 and 5.5; RFC 9112, 3.2).

/// In a method or a field's name.
pub(crate) const TOKEN: u8 = 1;
/// In a target. No white space, no control, no fragment, nothing that would have to be escaped on the way.
pub(crate) const TARGET: u8 = 2;
/// In a field's value: tab, space, visible ASCII, and what is not ASCII.
pub(crate) const VALUE: u8 = 4;

/// The classes of each byte.
static CLASSES: [u8; 256] = classes();

/// Every byte is of this class.
pub(crate) fn all(bytes: &[u8], class: u8) -> bool {
    bytes.iter().fold(class, |left, byte| left & CLASSES.get(usize::from(*byte)).copied().unwrap_or(0)) != 0
}

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut rest: &mut [u8] = &mut classes;
    let mut byte = 0;
    while let Some((class, after)) = rest.split_first_mut() {
        *class = of(byte);
        byte = byte.wrapping_add(1);
        rest = after;
    }
    classes
}

const fn of(byte: u8) -> u8 {
    let token = byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.')
        || matches!(byte, b'^' | b'_' | b'`' | b'|' | b'~');
    let target = byte > b' ' && byte != 0x7f && !matches!(byte, b'#' | b'<' | b'>' | b'`' | b'^' | b'"');
    let value = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    let mut class = 0;
    if token {
        class |= TOKEN;
    }
    if target {
        class |= TARGET;
    }
    if value {
        class |= VALUE;
    }
    class
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_its_bytes() {
        let of = |class: u8| (0..=255).filter(|byte| all(&[*byte], class)).collect::<Vec<u8>>();
        let ascii = |taken: &dyn Fn(u8) -> bool| (0..128).filter(|byte| taken(*byte)).collect::<Vec<u8>>();
        assert_eq!(of(TOKEN), ascii(&|byte| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&byte)));
        let target = ascii(&|byte| byte.is_ascii_graphic() && !b"#<>`^\"".contains(&byte));
        assert_eq!(of(TARGET), target.into_iter().chain(128..=255).collect::<Vec<_>>());
        let value = ascii(&|byte| !byte.is_ascii_control() || byte == b'\t');
        assert_eq!(of(VALUE), value.into_iter().chain(128..=255).collect::<Vec<_>>());
        assert!(all(b"", TOKEN) && all(b"GET", TOKEN) && !all(b"G T", TOKEN));
    }
}
