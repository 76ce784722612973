//! Mutated inputs for the parsers of what strangers send.
//!
//! Each target is a test beside its parser that says what must hold of every input. What a parser takes is mutated
//! further, so that inputs get past its first checks. The usual run takes a moment;
//! `VESTIBULE_FUZZ_ROUNDS=50000000 cargo test --release -p vestibule-proxy --lib -- fuzz` takes its time, and
//! `VESTIBULE_FUZZ_SEED` begins elsewhere.

/// Inputs of a usual run.
const ROUNDS: u64 = 30_000;
/// Inputs that are mutated; a newer one takes the place of another.
const CORPUS_MAX: usize = 512;
/// Longest input.
const INPUT_MAX_BYTES: usize = 2048;
/// Mutations of one input.
const MUTATIONS_MAX: u64 = 6;

/// Calls `accepts` with inputs made of `seeds` and `words`; it says whether the parser took the input, and fails where
/// something does not hold.
pub(crate) fn fuzz(seeds: &[&[u8]], words: &[&[u8]], accepts: impl Fn(&[u8]) -> bool) {
    let mut dice = Dice(number("VESTIBULE_FUZZ_SEED", 0x9e37_79b9_7f4a_7c15) | 1);
    let mut corpus: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.to_vec()).collect();
    for _ in 0..number("VESTIBULE_FUZZ_ROUNDS", ROUNDS) {
        let mut input = dice.pick(&corpus).clone();
        for _ in 0..=dice.below(MUTATIONS_MAX) {
            mutate(&mut input, &mut dice, &corpus, words);
        }
        input.truncate(INPUT_MAX_BYTES);
        let shown = Shown(&input);
        let is_taken = accepts(&input);
        drop(shown);
        if is_taken {
            match corpus.len() < CORPUS_MAX {
                true => corpus.push(input),
                false => *dice.pick_mut(&mut corpus) = input,
            }
        }
    }
}

fn mutate(input: &mut Vec<u8>, dice: &mut Dice, corpus: &[Vec<u8>], words: &[&[u8]]) {
    let at = dice.below(input.len() as u64 + 1) as usize;
    let end = at + dice.below((input.len() - at) as u64 + 1) as usize;
    match dice.below(7) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
        1 => input.insert(at, dice.below(256) as u8),
        2 => drop(input.drain(at..end.min(at + 8))),
        3 => drop(input.splice(at..at, dice.pick(words).iter().copied())),
        4 => drop(input.splice(at..end, dice.pick(words).iter().copied())),
        5 => {
            let again = input[at..end].to_vec();
            drop(input.splice(at..at, again));
        }
        _ => {
            let other = dice.pick(corpus).clone();
            let from = dice.below(other.len() as u64 + 1) as usize;
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

/// The input, where its check panics.
struct Shown<'a>(&'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("input: b\"{}\"", self.0.escape_ascii());
        }
    }
}

/// Numbers by xorshift.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    fn pick_mut<'a, T>(&mut self, from: &'a mut [T]) -> &'a mut T {
        &mut from[self.below(from.len() as u64) as usize]
    }
}
