//! Chance that repeats: the same seed draws the same.

use std::f64::consts::TAU;

/// Draws numbers.
#[derive(Debug, Clone)]
pub(super) struct Chance {
    state: u64,
}

impl Chance {
    pub(super) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Every value is equally likely. A Weyl sequence, folded by a wide multiplication.
    pub(super) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0xa076_1d64_78bd_642f);
        let wide = u128::from(self.state) * u128::from(self.state ^ 0xe703_7ed1_a0b4_28db);
        (wide >> 64) as u64 ^ wide as u64
    }

    /// Below `end`, which is not 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.bits()) * end as u128) >> 64) as usize
    }

    /// From 0 up to but not including 1.
    pub(super) fn share(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True so many times in a hundred.
    pub(super) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of them.
    pub(super) fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let at = self.below(of.len());
        of.get(at).unwrap()
    }

    /// Waiting time until the next of events that come `mean` apart.
    pub(super) fn wait(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.share()).ln()
    }

    /// Log-normal: half of the values are below `median`; a larger `spread` has a longer tail.
    pub(super) fn around(&mut self, median: f64, spread: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.share()).ln()).sqrt();
        median * (spread * radius * (TAU * self.share()).cos()).exp()
    }
}

/// Draws places 0, 1, 2, … with a probability that falls as `1 / (place + 1)^steepness`, in constant time: each column
/// of a table holds its own place and, above a level, another's (Walker's aliases).
#[derive(Debug)]
pub(super) struct Zipf {
    columns: Vec<(f64, usize)>,
}

impl Zipf {
    pub(super) fn new(places: usize, steepness: f64) -> Self {
        let mut levels: Vec<f64> = (1..=places).map(|place| (place as f64).powf(-steepness)).collect();
        let total: f64 = levels.iter().sum();
        levels.iter_mut().for_each(|level| *level *= places as f64 / total);
        let mut columns: Vec<_> = levels.iter().copied().zip(0..).collect();
        let (mut low, mut high): (Vec<usize>, Vec<usize>) =
            (0..places).partition(|place| levels.get(*place).is_some_and(|level| *level < 1.0));
        while let (Some(poor), Some(rich)) = (low.pop(), high.pop()) {
            let level = levels.get(poor).copied().unwrap();
            *columns.get_mut(poor).unwrap() = (level, rich);
            let left = levels.get_mut(rich).unwrap();
            *left -= 1.0 - level;
            if *left < 1.0 { low.push(rich) } else { high.push(rich) }
        }
        // What is left of either list is full but for rounding.
        for place in low.into_iter().chain(high) {
            *columns.get_mut(place).unwrap() = (1.0, place);
        }
        Self { columns }
    }

    pub(super) fn draw(&self, chance: &mut Chance) -> usize {
        let place = chance.below(self.columns.len());
        let (level, other) = self.columns.get(place).copied().unwrap();
        if chance.share() < level { place } else { other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_drawn_as_often_as_their_rank_says() {
        let (zipf, mut chance) = (Zipf::new(5000, 1.0), Chance::new(1));
        let mut drawn = vec![0_u32; 5000];
        for _ in 0..1_000_000 {
            drawn[zipf.draw(&mut chance)] += 1;
        }
        let total: f64 = (1..=5000).map(|place| 1.0 / f64::from(place)).sum();
        for place in [0, 1, 9, 99] {
            let expected = 1e6 / total / (place + 1) as f64;
            let got = f64::from(drawn[place]);
            assert!((got / expected - 1.0).abs() < 0.1, "place {place}: {got} instead of {expected}");
        }
    }

    #[test]
    fn waits_and_sizes_have_their_middle() {
        let mut chance = Chance::new(2);
        let mean = (0..100_000).map(|_| chance.wait(3.0)).sum::<f64>() / 1e5;
        assert!((mean - 3.0).abs() < 0.05, "{mean}");
        let below = (0..100_000).filter(|_| chance.around(40.0, 1.2) < 40.0).count();
        assert!((49_000..51_000).contains(&below), "{below}");
    }
}
