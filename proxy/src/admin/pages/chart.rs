//! Counts over time, as bars of SVG that are links to their time.

use super::columns::tone;
use super::value;

/// Bars of one chart at most.
pub(super) const BARS_MAX: i64 = 60;

/// Of the drawing; the page stretches it.
const HEIGHT: u64 = 100;
const SLOT: usize = 12;
pub(super) const BAR: usize = 10;

/// Counts over time.
pub(super) struct Chart {
    pub(super) bars: Vec<Bar>,
    /// Of the drawing.
    pub(super) width: usize,
    /// The highest bar.
    pub(super) most: String,
    /// When the first bar begins, and the last one ends.
    pub(super) first: String,
    pub(super) last: String,
    /// What the colours mean, with their sums.
    pub(super) legend: Vec<Meaning>,
    /// Of all bars.
    pub(super) total: String,
}

/// What a colour means.
pub(super) struct Meaning {
    pub(super) class: &'static str,
    pub(super) word: String,
    pub(super) count: String,
}

/// One step of time.
pub(super) struct Bar {
    pub(super) x: usize,
    pub(super) parts: Vec<Part>,
    /// To the entries of this time; empty: none.
    pub(super) link: String,
    /// For people.
    pub(super) title: String,
    /// RFC 3339, for the script.
    pub(super) since: String,
    pub(super) until: String,
}

/// One value's share of a bar.
pub(super) struct Part {
    pub(super) class: &'static str,
    pub(super) y: u64,
    pub(super) height: u64,
}

/// One step, before it is drawn; times are microseconds since 1970.
pub(super) struct Slot {
    pub(super) since: i64,
    pub(super) until: i64,
    /// By value.
    pub(super) counts: Vec<(String, u64)>,
}

impl Chart {
    /// `link` gives the address of the entries between two times.
    pub(super) fn of(slots: &[Slot], link: impl Fn(&str, &str) -> String) -> Self {
        let sum = |slot: &Slot| slot.counts.iter().map(|(_, count)| count).sum::<u64>();
        let most = slots.iter().map(sum).max().unwrap_or_default();
        let bars = slots.iter().enumerate().map(|(at, slot)| {
            // The last microsecond before the next step: both ends of a time are included.
            let (since, until) = (moment(slot.since), moment(slot.until - 1));
            Bar {
                x: at * SLOT,
                parts: stack(&slot.counts, most),
                link: link(&since, &until),
                title: format!("{} · {}", value::time(slot.since).trim_end_matches(".000"), said(&slot.counts)),
                since,
                until,
            }
        });
        let shown = |time: i64| {
            let time = value::time(time);
            let time = time.trim_end_matches(".000");
            time.strip_suffix(":00").unwrap_or(time).to_owned()
        };
        Self {
            bars: bars.collect(),
            width: slots.len().max(1) * SLOT,
            most: value::count(most),
            first: slots.first().map(|slot| shown(slot.since)).unwrap_or_default(),
            last: slots.last().map(|slot| shown(slot.until)).unwrap_or_default(),
            legend: legend(slots),
            total: value::count(slots.iter().map(sum).sum()),
        }
    }
}

fn moment(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).unwrap_or_default().to_string()
}

/// From the ground up, in the order of the values; what is there is at least a line.
fn stack(counts: &[(String, u64)], most: u64) -> Vec<Part> {
    let mut ground = HEIGHT;
    let parts = counts.iter().filter(|(_, count)| *count > 0).map(|(word, count)| {
        let share = u128::from(*count) * u128::from(HEIGHT) / u128::from(most.max(1));
        let height = u64::try_from(share).unwrap_or(HEIGHT).clamp(1, ground.max(1));
        ground = ground.saturating_sub(height);
        Part { class: tone(word), y: ground, height }
    });
    parts.collect()
}

fn said(counts: &[(String, u64)]) -> String {
    let named = counts.iter().map(|(word, count)| format!("{} {word}", value::count(*count)));
    let all: Vec<_> = named.collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

fn legend(slots: &[Slot]) -> Vec<Meaning> {
    let mut sums: Vec<(&str, u64)> = Vec::new();
    for (word, count) in slots.iter().flat_map(|slot| &slot.counts) {
        match sums.iter_mut().find(|(known, _)| known == word) {
            Some((_, sum)) => *sum += count,
            None => sums.push((word, *count)),
        }
    }
    sums.sort_unstable();
    let meaning =
        |(word, sum): (&str, u64)| Meaning { class: tone(word), word: word.to_owned(), count: value::count(sum) };
    sums.into_iter().map(meaning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_on_the_ground_and_even_one_entry_shows() {
        let slot = |counts: &[(&str, u64)]| Slot {
            since: 0,
            until: 60_000_000,
            counts: counts.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect(),
        };
        let slots = [slot(&[("allowed", 750), ("blocked", 250)]), slot(&[("allowed", 1)]), slot(&[])];
        let chart = Chart::of(&slots, |since, until| format!("{since}/{until}"));
        let drawn: Vec<Vec<_>> = chart
            .bars
            .iter()
            .map(|bar| bar.parts.iter().map(|part| (part.class, part.y, part.height)).collect())
            .collect();
        assert_eq!(drawn, [vec![("good", 25, 75), ("bad", 0, 25)], vec![("good", 99, 1)], vec![]]);
        assert_eq!(chart.bars[0].link, "1970-01-01T00:00:00Z/1970-01-01T00:00:59.999999Z");
        assert_eq!(
            (chart.total.as_str(), chart.most.as_str(), chart.last.as_str()),
            ("1\u{202f}001", "1\u{202f}000", "1970-01-01 00:01")
        );
        assert_eq!(chart.bars[2].title, "1970-01-01 00:00:00 · nothing");
    }
}
