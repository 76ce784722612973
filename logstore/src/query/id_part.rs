//! Parts of the texts of ids, looked for without writing the texts: an id is a number, and its text shows four bits of
//! it in each place that has no hyphen.

use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// Where the text of an id has hyphens.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Bits of an id, and what they must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Digits {
    looked_at: u128,
    wanted: u128,
}

/// A text that may be part of the text of an id: the digits that it asks for in each place where it can stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdPart {
    places: Vec<Digits>,
}

impl IdPart {
    /// A text that stands anywhere in an id; in lower case, as ids are.
    pub(crate) fn anywhere(text: &str) -> Self {
        let starts = Hyphenated::LENGTH.checked_sub(text.len()).map(|last| 0..=last);
        Self { places: starts.into_iter().flatten().filter_map(|start| Digits::of(text, start)).collect() }
    }

    /// A text that an id begins with.
    pub(crate) fn at_start(text: &str) -> Self {
        Self { places: Digits::of(text, 0).into_iter().collect() }
    }

    /// No id has it.
    pub(crate) const fn is_nowhere(&self) -> bool {
        self.places.is_empty()
    }

    pub(crate) fn is_in(&self, id: Uuid) -> bool {
        let id = id.as_u128();
        self.places.iter().any(|digits| id & digits.looked_at == digits.wanted)
    }
}

impl Digits {
    /// Of a text that begins at a place; none where it cannot.
    fn of(text: &str, start: usize) -> Option<Self> {
        let mut digits = Self { looked_at: 0, wanted: 0 };
        for (at, character) in (start..Hyphenated::LENGTH + 1).zip(text.chars()) {
            if at == Hyphenated::LENGTH || HYPHENS.contains(&at) != (character == '-') {
                return None;
            }
            if character == '-' {
                continue;
            }
            let digit = character.to_digit(16).filter(|_| !character.is_ascii_uppercase())?;
            let hyphens = HYPHENS.iter().filter(|hyphen| **hyphen < at).count();
            let shift = u128::BITS - 4 * (at - hyphens + 1) as u32;
            digits.looked_at |= 0xf << shift;
            digits.wanted |= u128::from(digit) << shift;
        }
        Some(digits)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        /// Parts of ids, and texts that look like some.
        fn part()(id: u128, from in 0..36_usize, length in 0..=37_usize, other in "[0-9a-f-]{1,4}|[A-Fg]|é") -> String {
            let text = Uuid::from_u128(id).to_string() + "0";
            let part = text.get(from..(from + length).min(text.len())).unwrap();
            if length % 5 == 0 { other } else { part.to_owned() }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_digits_say_what_the_text_says(id: u128, part in part(), other in 1..5_usize) {
            // Of other ids short parts are found, and long ones seldom; of one's own all are.
            let own = Uuid::from_u128(id).to_string();
            let own_part = &own[36 / other - 36 / other / 2..36 / other];
            for part in [part.as_str(), own_part, &own, &own[..other]] {
                let (id, text) = (Uuid::from_u128(id), own.as_str());
                prop_assert_eq!(IdPart::anywhere(part).is_in(id), text.contains(part), "{} in {}", part, text);
                prop_assert_eq!(IdPart::at_start(part).is_in(id), text.starts_with(part), "{} before {}", part, text);
            }
        }
    }

    #[test]
    fn what_no_id_has_is_known_before_any_is_looked_at() {
        for part in ["wiki", "A", "--", "00000000-0000-", "0123456789abc", &"0".repeat(37)] {
            let nowhere = part != "00000000-0000-";
            assert_eq!(IdPart::anywhere(part).is_nowhere(), nowhere, "{part}");
        }
    }
}
