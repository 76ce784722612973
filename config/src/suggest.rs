//! What the user may have meant.

/// How alike two words must be to be offered, from 0 to 1; one slip is forgiven in words of three letters and more.
const ALIKE: f64 = 0.7;
const SHORT: usize = 3;

/// `did you mean "x"?`, or every word where none is alike.
pub(crate) fn one_of(introduction: &str, written: &str, words: &[impl AsRef<str>]) -> String {
    if let Some(word) = nearest(written, words) {
        return format!("did you mean {word:?}?");
    }
    let words: Vec<String> = words.iter().map(|word| format!("{:?}", word.as_ref())).collect();
    if words.is_empty() { format!("{introduction} none") } else { format!("{introduction}: {}", words.join(", ")) }
}

/// The word most like what was written, if one is alike.
pub(crate) fn nearest<'a>(written: &str, words: &'a [impl AsRef<str>]) -> Option<&'a str> {
    let written = written.to_lowercase();
    let alike = |word: &str| {
        let word = word.to_lowercase();
        let slip = written.chars().count() >= SHORT && strsim::damerau_levenshtein(&written, &word) <= 1;
        let alike = strsim::normalized_damerau_levenshtein(&written, &word);
        (slip || alike >= ALIKE).then_some(alike)
    };
    let words = words.iter().map(AsRef::as_ref).filter_map(|word| Some((alike(word)?, word)));
    words.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let words = ["tls", "upstream", "upstreams", "members", "shared"];
        for (written, expected) in [
            ("tsl", Some("tls")),
            ("upstrem", Some("upstream")),
            ("Membres", Some("members")),
            ("up", None),
            ("password", None),
        ] {
            assert_eq!(nearest(written, &words), expected, "{written}");
        }
        assert_eq!(one_of("one of", "x", &["a", "b"]), "one of: \"a\", \"b\"");
    }
}
