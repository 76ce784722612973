//! What the minutes of a range make together.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::counted::{Dimension, Totals};
use super::minute::{self, Take};
use super::ring::{minute_of, start_of};
use crate::error::BadParameter;
use crate::row;

/// Values of a ranking; the others are counted together.
pub const TOP: usize = 100;

/// Different values of one ranking that are told apart while they are counted.
const VALUES: usize = 50_000;

/// How far back to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// `5m`
    FiveMinutes,
    /// `15m`
    QuarterHour,
    /// `1h`
    Hour,
    /// `24h`
    Day,
}

impl Range {
    /// All of them, the shortest first.
    pub const ALL: [Self; 4] = [Self::FiveMinutes, Self::QuarterHour, Self::Hour, Self::Day];

    /// As in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FiveMinutes => "5m",
            Self::QuarterHour => "15m",
            Self::Hour => "1h",
            Self::Day => "24h",
        }
    }

    /// Reads the parameter `range`.
    ///
    /// # Errors
    /// What the counters do not reach, and what there is instead.
    pub fn parse(value: &str) -> Result<Self, BadParameter> {
        Self::ALL.into_iter().find(|range| range.name() == value).ok_or_else(|| BadParameter {
            parameter: "range".to_owned(),
            message: format!(
                "{value:?} is not counted; write one of: {}; for other times ask the log for a histogram and facets",
                Self::ALL.map(Self::name).join(", ")
            ),
        })
    }

    const fn minutes(self) -> i64 {
        match self {
            Self::FiveMinutes => 5,
            Self::QuarterHour => 15,
            Self::Hour => 60,
            Self::Day => 24 * 60,
        }
    }

    /// Of one step of the series, in minutes.
    const fn step(self) -> i64 {
        match self {
            Self::FiveMinutes | Self::QuarterHour | Self::Hour => 1,
            Self::Day => 60,
        }
    }
}

/// By what requests are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// ISO 3166-1 alpha-2.
    Country,
    /// Status code.
    Status,
    /// Circuit's name.
    Circuit,
    /// E-mail, or the id of who has none.
    User,
    /// Of the closed list.
    Reason,
    /// Client address.
    Ip,
    /// As sent.
    Method,
}

impl By {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Country, Self::Status, Self::Circuit, Self::User, Self::Reason, Self::Ip, Self::Method];

    /// As in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Country => "country",
            Self::Status => "status",
            Self::Circuit => "circuit",
            Self::User => "user",
            Self::Reason => "reason",
            Self::Ip => "ip",
            Self::Method => "method",
        }
    }

    /// What it is counted by within a circuit.
    const fn dimension(self) -> Option<Dimension> {
        match self {
            Self::Country => Some(Dimension::Country),
            Self::Status => Some(Dimension::Status),
            Self::Circuit => None,
            Self::User => Some(Dimension::User),
            Self::Reason => Some(Dimension::Reason),
            Self::Ip => Some(Dimension::Ip),
            Self::Method => Some(Dimension::Method),
        }
    }
}

/// Requests of a range. Each ranking's counts, `absent` and `other` make the total, and so does the series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Whole minutes from here on are counted; microseconds since 1970.
    pub since: i64,
    /// Up to here, included.
    pub until: i64,
    /// All of them.
    pub totals: Totals,
    /// One for each of [`By::ALL`].
    pub rankings: Vec<Ranking>,
    /// Of one step of the series.
    pub step: Duration,
    /// Without a gap; the first step begins at or before `since`.
    pub series: Vec<Step>,
}

/// The most frequent values, at most [`TOP`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranking {
    /// Of what.
    pub by: By,
    /// The most frequent first, equal ones by name.
    pub top: Vec<(String, u64)>,
    /// Requests without a value.
    pub absent: u64,
    /// Requests with other values than those in `top`.
    pub other: u64,
}

/// One step of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Its start; microseconds since 1970.
    pub time: i64,
    /// Requests that began in it.
    pub totals: Totals,
}

/// The minutes that a range means now, both included: all of the first one counts.
pub(super) fn window(range: Range, now: Timestamp) -> (i64, i64) {
    let until = minute_of(now.as_microsecond());
    (until - range.minutes(), until)
}

/// Adds stored minutes up. `circuit` is the name of the only one that counts; an empty one means requests that found
/// none.
pub(super) fn sum<B: AsRef<[u8]>>(minutes: &[(i64, B)], range: Range, circuit: Option<&str>, now: Timestamp) -> Stats {
    let (since, until) = window(range, now);
    let mut sum = Sum::new(range, circuit.map(str::as_bytes), since, until);
    for (minute, bytes) in minutes {
        sum.step = usize::try_from((minute - sum.first_step) / range.step()).unwrap_or(usize::MAX);
        // What cannot be read was written by nobody.
        let _read: Option<()> = minute::read(bytes.as_ref(), &mut sum);
    }
    sum.finish(range, start_of(since), now.as_microsecond())
}

#[derive(Default)]
struct Values {
    counts: HashMap<Box<[u8]>, u64>,
    absent: u64,
    other: u64,
}

struct Sum<'q> {
    circuit: Option<&'q [u8]>,
    /// In minutes since 1970.
    first_step: i64,
    /// The one that is being added to.
    step: usize,
    series: Vec<Totals>,
    totals: Totals,
    circuits: Values,
    values: [Values; Dimension::ALL.len()],
    /// Whether what is being read belongs to a circuit that counts.
    is_wanted: bool,
}

impl<'q> Sum<'q> {
    fn new(range: Range, circuit: Option<&'q [u8]>, since: i64, until: i64) -> Self {
        let first_step = since - since.rem_euclid(range.step());
        let steps = usize::try_from((until - first_step) / range.step() + 1).unwrap_or(0);
        Self {
            circuit,
            first_step,
            step: 0,
            series: vec![Totals::default(); steps],
            totals: Totals::default(),
            circuits: Values::default(),
            values: Default::default(),
            is_wanted: false,
        }
    }

    fn finish(self, range: Range, since: i64, until: i64) -> Stats {
        let Self { first_step, series, totals, circuits, values, .. } = self;
        let [country, status, user, reason, ip, method] = values;
        let ranked = [country, status, circuits, user, reason, ip, method];
        let times = (0..).map(|step| start_of(first_step + step * range.step()));
        Stats {
            since,
            until,
            totals,
            rankings: By::ALL.into_iter().zip(ranked).map(|(by, values)| values.ranking(by)).collect(),
            step: Duration::from_secs(range.step().unsigned_abs() * 60),
            series: times.zip(series).map(|(time, totals)| Step { time, totals }).collect(),
        }
    }
}

impl Take for Sum<'_> {
    fn circuit(&mut self, circuit: Option<&[u8]>, totals: &Totals) {
        self.is_wanted = self.circuit.is_none_or(|wanted| Some(wanted) == circuit);
        if !self.is_wanted {
            return;
        }
        self.totals.add(totals);
        if let Some(step) = self.series.get_mut(self.step) {
            step.add(totals);
        }
        match circuit {
            Some(b"") => self.circuits.add_unnamed(totals.count(), 0),
            Some(name) => self.circuits.add(name, totals.count()),
            None => self.circuits.add_unnamed(0, totals.count()),
        }
    }

    fn key(&mut self, of: Dimension, key: &[u8], count: u64) {
        if let Some(values) = self.values.get_mut(of.index()).filter(|_| self.is_wanted) {
            values.add(key, count);
        }
    }

    fn unnamed(&mut self, of: Dimension, absent: u64, other: u64) {
        if let Some(values) = self.values.get_mut(of.index()).filter(|_| self.is_wanted) {
            values.add_unnamed(absent, other);
        }
    }
}

impl Values {
    fn add(&mut self, key: &[u8], count: u64) {
        if let Some(known) = self.counts.get_mut(key) {
            *known = known.saturating_add(count);
        } else if self.counts.len() < VALUES {
            self.counts.insert(key.into(), count);
        } else {
            self.add_unnamed(0, count);
        }
    }

    fn add_unnamed(&mut self, absent: u64, other: u64) {
        self.absent = self.absent.saturating_add(absent);
        self.other = self.other.saturating_add(other);
    }

    fn ranking(self, by: By) -> Ranking {
        let Self { counts, absent, other } = self;
        let mut top: Vec<(Box<[u8]>, u64)> = counts.into_iter().collect();
        top.sort_unstable_by(|(one, more), (other, less)| less.cmp(more).then_with(|| one.cmp(other)));
        let rest = top.iter().skip(TOP).fold(other, |rest, (_, count)| rest.saturating_add(*count));
        top.truncate(TOP);
        let top = top.into_iter().map(|(key, count)| (text(by, &key), count)).collect();
        Ranking { by, top, absent, other: rest }
    }
}

/// A stored key as people read it.
fn text(by: By, key: &[u8]) -> String {
    let text = || String::from_utf8_lossy(key).into_owned();
    match by.dimension() {
        Some(Dimension::Status) => {
            <[u8; 2]>::try_from(key).map_or_else(|_| text(), |code| u16::from_be_bytes(code).to_string())
        }
        Some(Dimension::Ip) => row::address(key).map_or_else(text, |address| address.to_string()),
        Some(Dimension::Country | Dimension::User | Dimension::Reason | Dimension::Method) | None => text(),
    }
}
