//! Reads the parameters of a URL.

use jiff::{SignedDuration, Timestamp};

use super::cursor::Cursor;
use super::filter::Filter;
use super::key::Order;
use super::text::Needle;
use super::{DEADLINE, LIMIT, LIMIT_MAX, Query, Sort, condition};
use crate::entry::{Field, Log, TIME};
use crate::error::BadParameter;

/// The names that `range` takes.
const RANGES: [&str; 7] = ["5m", "15m", "1h", "24h", "7d", "30d", "all"];

/// Conditions of one query; one more is refused.
const FILTERS_MAX: usize = 64;

/// Values of one condition; one more is refused.
const VALUES_MAX: usize = 256;

pub(super) fn parse(log: Log, parameters: &[(String, String)], now: Timestamp) -> Result<Query, BadParameter> {
    let mut given = Given::new(log);
    for (name, value) in parameters {
        given.read(name, value, now)?;
    }
    given.check()
}

/// Parameters as far as they were read.
struct Given {
    log: Log,
    seen: Vec<String>,
    since: Option<i64>,
    until: Option<i64>,
    range: Option<i64>,
    limit: usize,
    sort: Option<Sort>,
    order: Order,
    cursor: Option<Cursor>,
    events: bool,
    fold: bool,
    text: Option<Needle>,
    fields: Option<Vec<Field>>,
    count: bool,
    filters: Vec<(String, Filter)>,
}

impl Given {
    const fn new(log: Log) -> Self {
        Self {
            log,
            seen: Vec::new(),
            since: None,
            until: None,
            range: None,
            limit: LIMIT,
            sort: None,
            order: Order::Descending,
            cursor: None,
            events: false,
            fold: false,
            text: None,
            fields: None,
            count: false,
            filters: Vec::new(),
        }
    }

    fn read(&mut self, name: &str, value: &str, now: Timestamp) -> Result<(), BadParameter> {
        match name {
            "since" => self.since = Some(time(name, value, now)?),
            "until" => self.until = Some(time(name, value, now)?),
            "range" => self.range = Some(range(name, value, now)?),
            "limit" => self.limit = limit(name, value)?,
            "cursor" => self.cursor = Some(cursor(self.log, name, value)?),
            "order" => self.order = order(name, value)?,
            "sort" => self.sort = Some(sort(self.log, name, value)?),
            "view" => self.events = view(self.log, name, value)?,
            "q" => self.text = (!value.is_empty()).then(|| Needle::new(value)),
            "fields" => self.fields = Some(fields(self.log, name, value)?),
            "count" => self.count = truth(name, value)?,
            "fold" => self.fold = truth(name, value)?,
            _ => return self.filter(name, value),
        }
        if self.seen.iter().any(|seen| seen == name) {
            return Err(bad(name, "given twice; give it once"));
        }
        self.seen.push(name.to_owned());
        Ok(())
    }

    /// Repeated parameters add values to one condition.
    fn filter(&mut self, name: &str, value: &str) -> Result<(), BadParameter> {
        let filter = condition::read(self.log, name, value)?;
        if let Some((_, known)) = self.filters.iter_mut().find(|(known, _)| known == name) {
            known.tests.extend(filter.tests);
        } else {
            self.filters.push((name.to_owned(), filter));
        }
        if self.filters.len() > FILTERS_MAX {
            return Err(bad(name, format!("more than {FILTERS_MAX} conditions; ask for less at once")));
        }
        if self.filters.iter().any(|(_, filter)| filter.tests.len() > VALUES_MAX) {
            return Err(bad(name, format!("more than {VALUES_MAX} values; ask for less at once")));
        }
        Ok(())
    }

    fn check(self) -> Result<Query, BadParameter> {
        let Self {
            log,
            seen: _,
            since,
            until,
            range,
            limit,
            sort,
            order,
            cursor,
            events,
            fold,
            text,
            fields,
            count,
            filters,
        } = self;
        if range.is_some() && (since.is_some() || until.is_some()) {
            return Err(bad("range", "given together with since or until; write one or the other"));
        }
        let since = since.or(range).unwrap_or(i64::MIN);
        let until = until.unwrap_or(i64::MAX);
        if since > until {
            return Err(bad("since", "is after until; write an earlier time"));
        }
        let time = || Sort::named(log, "time").expect("every log has times");
        let sort = sort.unwrap_or_else(time);
        if cursor.as_ref().is_some_and(|cursor| cursor.order != order || cursor.sort != sort.place(log)) {
            return Err(bad(
                "cursor",
                "was made for another order; ask without it, or with the sort and order it was made for",
            ));
        }
        if fold && !matches!(sort, Sort::Field(Field { number: TIME, .. })) {
            return Err(bad("fold", "adjacent entries are those next to each other in time; leave sort out"));
        }
        let filters = filters.into_iter().map(|(_, filter)| filter).collect();
        let (deadline, offset) = (DEADLINE, 0);
        Ok(Query {
            log,
            limit,
            deadline,
            offset,
            since,
            until,
            sort,
            order,
            cursor,
            events,
            fold,
            filters,
            groups: Vec::new(),
            text,
            fields,
            count,
        })
    }
}

pub(super) fn bad(parameter: &str, message: impl Into<String>) -> BadParameter {
    BadParameter { parameter: parameter.to_owned(), message: message.into() }
}

/// The field, or what there is instead.
pub(super) fn known_field(log: Log, parameter: &str, name: &str) -> Result<&'static Field, BadParameter> {
    log.field(name).ok_or_else(|| {
        let names: Vec<_> = log.fields().iter().map(|field| field.name).collect();
        let what = format!("{name:?} is not a field of the {} log; its fields are: {}", log.name(), names.join(", "));
        bad(parameter, what)
    })
}

/// Microseconds since 1970 of a time or of a distance from now.
pub(super) fn time(name: &str, value: &str, now: Timestamp) -> Result<i64, BadParameter> {
    if let Ok(time) = value.parse::<Timestamp>() {
        return Ok(time.as_microsecond());
    }
    ago(value, now).ok_or_else(|| {
        bad(name, format!("{value:?} is not a time; write 2026-11-23T08:00:00Z, or 15m, 24h, 7d for that long ago"))
    })
}

/// `15m`: microseconds since 1970 of fifteen minutes before now.
fn ago(value: &str, now: Timestamp) -> Option<i64> {
    let (count, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    let seconds = count.parse::<i64>().ok()?.checked_mul(seconds)?;
    // Longer than time itself is the beginning of time.
    let then = now.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN);
    Some(then.as_microsecond())
}

fn range(name: &str, value: &str, now: Timestamp) -> Result<i64, BadParameter> {
    if !RANGES.contains(&value) {
        return Err(bad(name, format!("{value:?} is not a range; write one of: {}", RANGES.join(", "))));
    }
    Ok(ago(value, now).unwrap_or(i64::MIN))
}

fn limit(name: &str, value: &str) -> Result<usize, BadParameter> {
    let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| bad(name, format!("{value:?} is not a page size; write a number from 1 to {LIMIT_MAX}")))
}

fn cursor(log: Log, name: &str, value: &str) -> Result<Cursor, BadParameter> {
    let cursor = Cursor::decode(value).filter(|cursor| cursor.log == log);
    cursor.ok_or_else(|| bad(name, "is not one of this log's; take it from next_cursor or prev_cursor of an answer"))
}

fn sort(log: Log, name: &str, value: &str) -> Result<Sort, BadParameter> {
    match Sort::named(log, value) {
        Some(sort) => Ok(sort),
        None => known_field(log, name, value).map(|field| Sort::Field(*field)),
    }
}

/// Whether events are asked for.
fn view(log: Log, name: &str, value: &str) -> Result<bool, BadParameter> {
    match (log, value) {
        (Log::Access, "attempts") => Ok(false),
        (Log::Access, "events") => Ok(true),
        (Log::Access, _) => Err(bad(name, format!("{value:?} is not a view; write attempts or events"))),
        (Log::Requests | Log::Audit, _) => Err(bad(name, "is of the access log only; leave it out")),
    }
}

fn order(name: &str, value: &str) -> Result<Order, BadParameter> {
    match value.to_ascii_lowercase().as_str() {
        "asc" => Ok(Order::Ascending),
        "desc" => Ok(Order::Descending),
        _ => Err(bad(name, format!("{value:?} is not an order; write asc or desc"))),
    }
}

fn fields(log: Log, name: &str, value: &str) -> Result<Vec<Field>, BadParameter> {
    let wanted = value.split(',').map(|field| known_field(log, name, field).map(|field| field.name));
    let wanted: Vec<_> = wanted.collect::<Result<_, _>>()?;
    Ok(log.fields().iter().filter(|field| wanted.contains(&field.name)).copied().collect())
}

fn truth(name: &str, value: &str) -> Result<bool, BadParameter> {
    value.parse().map_err(|_| bad(name, format!("{value:?} is neither; write true or false")))
}

#[cfg(test)]
mod tests;
