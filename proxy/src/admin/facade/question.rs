//! A view's parameters in our query language.

use jiff::Timestamp;
use vestibule_logstore::{BadParameter, Log, Page, Query};

use super::parameters::Parameters;
use crate::admin::door::Call;
use crate::admin::logs::{DEADLINE, off_the_runtime};
use crate::admin::problem::Problem;

/// `FIELD=VALUE` with or without an operator, as [`Query::parse`] takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition(String, String);

impl Condition {
    /// The value is meant literally, commas too.
    pub(super) fn new(field: &str, value: &str) -> Self {
        Self(field.to_owned(), value.replace(',', "\\,"))
    }

    /// Any of these values, each meant literally.
    pub(super) fn words(field: &str, values: &[impl AsRef<str>]) -> Self {
        let values: Vec<_> = values.iter().map(|value| value.as_ref().replace(',', "\\,")).collect();
        Self(field.to_owned(), values.join(","))
    }
}

/// What is asked of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    log: Log,
    /// All of them hold.
    conditions: Vec<Condition>,
    /// Of each list one holds.
    any: Vec<Vec<Condition>>,
    /// Of each list none holds.
    none: Vec<Vec<Condition>>,
}

impl Question {
    /// Every entry, newest first.
    pub(super) const fn of(log: Log) -> Self {
        Self { log, conditions: Vec::new(), any: Vec::new(), none: Vec::new() }
    }

    /// Entries of which this holds too. A second condition on the same field with the same operator adds a value to
    /// the first: ask once.
    #[must_use]
    pub(super) fn and(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// The same, where there is a value.
    #[must_use]
    pub(super) fn and_if(self, field: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.and(Condition::new(field, value)),
            None => self,
        }
    }

    /// Entries of which one of these holds too; no entry, if there is none.
    #[must_use]
    pub(super) fn and_any(mut self, conditions: Vec<Condition>) -> Self {
        self.any.push(conditions);
        self
    }

    /// Entries of which none of these holds.
    #[must_use]
    pub(super) fn and_none(mut self, conditions: Vec<Condition>) -> Self {
        self.none.push(conditions);
        self
    }

    /// Nothing matches.
    #[must_use]
    pub(super) fn nothing(self) -> Self {
        self.and_any(Vec::new())
    }

    /// Times of the parameters `first` and `last`, both inclusive.
    ///
    /// # Errors
    /// 400 when one is no time, or `first` is after `last`.
    pub(super) fn between(self, given: &Parameters<'_>, first: &str, last: &str) -> Result<Self, Problem> {
        let (since, until) = (given.time(first)?, given.time(last)?);
        if since.zip(until).is_some_and(|(since, until)| since > until) {
            return Err(Problem::bad_parameter(first, &format!("is after {last}; write an earlier time")));
        }
        Ok(self.within(since, until))
    }

    /// Both inclusive.
    #[must_use]
    pub(super) fn within(self, since: Option<Timestamp>, until: Option<Timestamp>) -> Self {
        let text = |time: Timestamp| time.to_string();
        self.and_if("since", since.map(text).as_deref()).and_if("until", until.map(text).as_deref())
    }

    /// For [`read`]. `cursor` is one of an earlier page.
    ///
    /// # Errors
    /// 400 naming the parameter, a `cursor` too.
    pub(super) fn query(&self, call: &Call, cursor: Option<&str>) -> Result<Query, BadParameter> {
        let cursor = cursor.map(|cursor| Condition::new("cursor", cursor));
        let conditions = self.conditions.iter().cloned().chain(cursor);
        let mut query = Query::parse(self.log, &pairs(conditions), call.actor.started)?;
        for group in &self.any {
            query.any_of(&pairs(group.iter().cloned()))?;
        }
        for group in &self.none {
            query.none_of(&pairs(group.iter().cloned()))?;
        }
        query.deadline = DEADLINE;
        Ok(query)
    }
}

fn pairs(conditions: impl Iterator<Item = Condition>) -> Vec<(String, String)> {
    conditions.map(|Condition(name, value)| (name, value)).collect()
}

/// One page.
///
/// # Errors
/// 503 when too many queries run, 500 when the disk refuses.
pub(super) async fn read(call: &Call, query: Query) -> Result<Page, Problem> {
    let store = call.port.state.store.clone();
    off_the_runtime(call, move || Ok(store.query(&query)?)).await
}

/// The page that begins after `offset` rows, and how many there are in all: entries, or runs of them where the question
/// folds.
///
/// # Errors
/// As [`read`], and 503 when they could not be counted in time: numbers of pages would not be true.
pub(super) async fn numbered(
    call: &Call,
    question: &Question,
    limit: usize,
    offset: u64,
) -> Result<(Page, u64), Problem> {
    let mut query = question.clone().and(Condition::new("count", "true")).query(call, None)?;
    (query.limit, query.offset) = (limit, usize::try_from(offset).unwrap_or(usize::MAX));
    let page = read(call, query).await?;
    in_time(&page)?;
    let total = page.total.ok_or_else(too_slow)?;
    Ok((page, total))
}

/// A page that the deadline cut short is none that has a number. One that lacks what cannot be read any more is.
///
/// # Errors
/// 503 of the former.
pub(super) fn in_time(page: &Page) -> Result<(), Problem> {
    if page.complete || !page.quarantined.is_empty() { Ok(()) } else { Err(too_slow()) }
}

fn too_slow() -> Problem {
    Problem::busy("not counted in time; ask for a shorter time")
}

/// Entries before a page.
pub(super) const fn before(page: u64, size: u64) -> u64 {
    (page - 1).saturating_mul(size)
}

#[cfg(test)]
impl Question {
    /// One line a condition: `name=value`, `any: …`, `none: …`.
    pub(super) fn shown(&self) -> String {
        let one = |Condition(name, value): &Condition| format!("{name}={value}");
        let group = |group: &Vec<Condition>| group.iter().map(one).collect::<Vec<_>>().join(" | ");
        let lines = self.conditions.iter().map(one);
        let lines = lines.chain(self.any.iter().map(|any| format!("any: {}", group(any))));
        let lines = lines.chain(self.none.iter().map(|none| format!("none: {}", group(none))));
        lines.collect::<Vec<_>>().join("\n")
    }
}
