//! A question as a predicate over one segment.

use memchr::memmem::Finder;
use uuid::Uuid;

use super::Query;
use super::filter::{Filter, Outcome, Subject, Test};
use super::id_part::IdPart;
use super::predicate::{CodeSet, Predicate};
use super::text::Needle;
use crate::codec::Raw;
use crate::entry::{Field, Kind, Log, TIME};
use crate::id::Ids;
use crate::row::{Value, value_of};
use crate::segment::{Dictionary, Fault, Numbers, PAGE, STRAY, Segment, Shape, TIME_SIGN};

/// The rows of a segment that match times, filters and text.
pub(crate) fn compile(query: &Query, segment: &Segment<'_>, ids: &Ids) -> Result<Predicate, Fault> {
    let compiler = Compiler { segment, ids, log: query.log };
    let mut parts = vec![compiler.times(query.since, query.until)?];
    for filter in &query.filters {
        parts.push(compiler.filter(filter)?);
        if parts.contains(&Predicate::Constant(false)) {
            return Ok(Predicate::Constant(false));
        }
    }
    for group in &query.groups {
        let any = group.filters.iter().map(|filter| compiler.filter(filter));
        let any = Predicate::any(any.collect::<Result<Vec<_>, _>>()?);
        parts.push(if group.negated { Predicate::not(any) } else { any });
    }
    if let Some(needle) = &query.text {
        parts.push(compiler.anywhere(needle)?);
    }
    Predicate::all(parts).sharpened(segment)
}

struct Compiler<'s, 'a> {
    segment: &'s Segment<'a>,
    ids: &'s Ids,
    log: Log,
}

impl Compiler<'_, '_> {
    fn times(&self, since: i64, until: i64) -> Result<Predicate, Fault> {
        let range = (since.cast_unsigned() ^ TIME_SIGN, until.cast_unsigned() ^ TIME_SIGN);
        match self.segment.header.column(TIME).map(|column| &column.shape) {
            Some(Shape::Numbers(numbers)) => Ok(in_span(TIME, numbers.span, vec![range])),
            Some(_) => Err(Fault::Damaged("the times of a segment are not numbers")),
            // Entries without a time are of 1970.
            None => Ok(Predicate::Constant(since <= 0 && until >= 0)),
        }
    }

    fn filter(&self, filter: &Filter) -> Result<Predicate, Fault> {
        let any = match filter.subject {
            Subject::Field(field) => self.tests(&field, &filter.tests)?,
            Subject::Url => self.urls(&filter.tests)?,
            Subject::Request => {
                let outcomes = filter.tests.iter().filter_map(Test::outcome).map(|outcome| self.outcome(outcome));
                Predicate::any(outcomes.collect::<Result<Vec<_>, _>>()?)
            }
        };
        Ok(if filter.negated { Predicate::not(any) } else { any })
    }

    /// Host and path as one text. A needle without a slash cannot reach from one into the other.
    fn urls(&self, tests: &[Test]) -> Result<Predicate, Fault> {
        let (host, path) = super::url_fields();
        if tests.iter().all(|test| matches!(test, Test::Contains(needle) if !needle.has_slash())) {
            return Ok(Predicate::any([self.tests(host, tests)?, self.tests(path, tests)?]));
        }
        self.rows_where(|row| {
            let (mut one, mut other) = (String::new(), String::new());
            let host = value_of(host, self.segment.raw(host.number, row, self.ids, &mut one)?);
            let path = value_of(path, self.segment.raw(path.number, row, self.ids, &mut other)?);
            let url = super::url(host, path);
            Ok(tests.iter().any(|test| test.holds(Some(Value::Text(&url)))))
        })
    }

    fn outcome(&self, outcome: Outcome) -> Result<Predicate, Fault> {
        let status = |range| self.named("status_code", Test::Number(range));
        let blocked = || self.named("action", Test::Equals("blocked".into()));
        Ok(match outcome {
            Outcome::Success => status(200..=399)?,
            Outcome::Failed => Predicate::not(status(200..=399)?),
            Outcome::Allowed => Predicate::all([Predicate::not(blocked()?), status(100..=499)?]),
            Outcome::Denied => blocked()?,
            Outcome::Error => status(500..=599)?,
        })
    }

    fn named(&self, name: &str, test: Test) -> Result<Predicate, Fault> {
        self.log.field(name).map_or(Ok(Predicate::Constant(false)), |field| self.tests(field, &[test]))
    }

    /// The rows for which any of the tests holds.
    fn tests(&self, field: &Field, tests: &[Test]) -> Result<Predicate, Fault> {
        match field.kind {
            Kind::Position => return Ok(self.positions(tests)),
            Kind::Id => return Ok(self.own_ids(tests)),
            Kind::Time | Kind::Text | Kind::Word(_) | Kind::Number | Kind::Count | Kind::Address | Kind::Json => (),
        }
        let holds = |raw: Option<Raw<'_>>| tests.iter().any(|test| test.holds(value_of(field, raw)));
        let Some(column) = self.segment.header.column(field.number) else {
            return Ok(Predicate::Constant(holds(None)));
        };
        match &column.shape {
            Shape::Constant(word) => Ok(Predicate::Constant(holds(Some(word.raw())))),
            Shape::Small { values, absent } => {
                let mut set = CodeSet::none(values.len() + usize::from(*absent > 0));
                let words = values.iter().map(|(word, _)| Some(word.raw()));
                let codes = (*absent > 0).then_some(None).into_iter().chain(words);
                codes.enumerate().filter(|(_, raw)| holds(*raw)).for_each(|(code, _)| set.add(code));
                Ok(Predicate::codes(field.number, set))
            }
            Shape::Large { values, absent, .. } => {
                let mut set = CodeSet::none(*values as usize + usize::from(*absent > 0));
                if *absent > 0 && holds(None) {
                    set.add(0);
                }
                for test in tests {
                    self.large(field, test, usize::from(*absent > 0), &mut set)?;
                }
                Ok(Predicate::codes(field.number, set))
            }
            Shape::Numbers(numbers) => Ok(number_tests(field, numbers, tests, holds(None))),
            Shape::Ids { counters, strays } => self.id_tests(field, counters, *strays, tests),
            // Of changing type: no field of this version.
            Shape::Raw { .. } => Ok(Predicate::Constant(holds(None))),
        }
    }

    fn positions(&self, tests: &[Test]) -> Predicate {
        let (first, rows) = (self.segment.header.first, self.segment.header.rows);
        let ranges = tests.iter().filter_map(Test::range).filter_map(|range| {
            let from = range.start().saturating_sub(first);
            let to = range.end().checked_sub(first)?.min(rows - 1);
            (from <= to && !range.is_empty()).then_some(from as usize..=to as usize)
        });
        Predicate::any(ranges.map(|range| match (*range.start(), *range.end()) {
            (0, end) if end as u64 + 1 == rows => Predicate::Constant(true),
            _ => Predicate::Rows(range.collect()),
        }))
    }

    /// A whole id tells its position; to look for parts of ids all of them are made.
    fn own_ids(&self, tests: &[Test]) -> Predicate {
        Predicate::any(tests.iter().map(|test| match test {
            Test::Id(id) => self.own_row(id),
            Test::Contains(needle) => match needle.as_id() {
                Some(id) => self.own_row(&id),
                None => self.own_rows_with(&needle.as_id_part()),
            },
            Test::Prefix(prefix) => self.own_rows_with(&IdPart::at_start(prefix)),
            Test::Absent
            | Test::Equals(_)
            | Test::Holds(_)
            | Test::Number(_)
            | Test::Network(_)
            | Test::Time(_)
            | Test::Request(_) => Predicate::Constant(false),
        }))
    }

    fn own_row(&self, id: &Uuid) -> Predicate {
        let place = self.ids.place(id).filter(|(log, _)| *log == self.log);
        let row = place.and_then(|(_, seq)| seq.checked_sub(self.segment.header.first));
        Predicate::rows(row.filter(|row| *row < self.segment.header.rows).map(|row| row as usize))
    }

    fn own_rows_with(&self, part: &IdPart) -> Predicate {
        if part.is_nowhere() {
            return Predicate::Constant(false);
        }
        let header = &self.segment.header;
        let pages = (0..header.rows as usize).step_by(PAGE).enumerate();
        Predicate::rows(pages.flat_map(|(page, from)| {
            let first = header.first + from as u64;
            let ids = self.ids.ids(self.log, first..first + header.rows_of(page) as u64);
            (from..).zip(ids).filter(|(_, id)| part.is_in(*id)).map(|(row, _)| row)
        }))
    }

    /// Adds the codes of a dictionary whose values pass one test.
    fn large(&self, field: &Field, test: &Test, shift: usize, set: &mut CodeSet) -> Result<(), Fault> {
        let number = field.number;
        match test {
            Test::Equals(wanted) => {
                if self.segment.may_hold(number, wanted.as_bytes())?
                    && let (code, true) = self.segment.dictionary(number)?.place(wanted.as_bytes())?
                {
                    set.add(code + shift);
                }
            }
            Test::Prefix(prefix) if !matches!(field.kind, Kind::Address) => {
                let dictionary = self.segment.dictionary(number)?;
                let (from, _) = dictionary.place(prefix.as_bytes())?;
                let to = match beyond(prefix.as_bytes()) {
                    Some(end) => dictionary.place(&end)?.0,
                    None => dictionary.len(),
                };
                (from..to).for_each(|code| set.add(code + shift));
            }
            Test::Contains(needle) if !matches!(field.kind, Kind::Address) => {
                if needle.ascii().is_none_or(|needle| needle.len() < 3) || self.may_contain(number, needle)? {
                    contains(self.segment.dictionary(number)?, needle, |code| set.add(code + shift))?;
                }
            }
            Test::Absent => (),
            Test::Contains(_)
            | Test::Prefix(_)
            | Test::Holds(_)
            | Test::Number(_)
            | Test::Id(_)
            | Test::Network(_)
            | Test::Time(_)
            | Test::Request(_) => {
                self.segment.dictionary(number)?.each(|code, value| {
                    if test.holds(value_of(field, Some(Raw::Bytes(value)))) {
                        set.add(code + shift);
                    }
                })?;
            }
        }
        Ok(())
    }

    fn may_contain(&self, number: u32, needle: &Needle) -> Result<bool, Fault> {
        needle.ascii().map_or(Ok(true), |needle| self.segment.may_contain(number, needle))
    }

    fn id_tests(&self, field: &Field, counters: &Numbers, strays: u64, tests: &[Test]) -> Result<Predicate, Fault> {
        let number = field.number;
        let mut parts = Vec::new();
        for test in tests {
            parts.push(match test {
                Test::Absent => Predicate::Numbers { column: number, ranges: vec![(STRAY + 1, STRAY + 1)] },
                Test::Equals(wanted) => match self.ids.counter(wanted) {
                    Some(counter) => in_span(number, counters.span, vec![(counter, counter)]),
                    None => self.stray_rows(number, strays, test, field)?,
                },
                Test::Contains(needle) => {
                    let strays_with = self.stray_rows(number, strays, test, field)?;
                    let ours_with = match needle.as_id().and_then(|id| self.ids.counter(&id.to_string())) {
                        Some(counter) => in_span(number, counters.span, vec![(counter, counter)]),
                        None => self.id_rows_with(number, strays, &needle.as_id_part())?,
                    };
                    Predicate::any([strays_with, ours_with])
                }
                Test::Prefix(prefix) => {
                    let strays_with = self.stray_rows(number, strays, test, field)?;
                    Predicate::any([strays_with, self.id_rows_with(number, strays, &IdPart::at_start(prefix))?])
                }
                Test::Holds(_)
                | Test::Number(_)
                | Test::Id(_)
                | Test::Network(_)
                | Test::Time(_)
                | Test::Request(_) => Predicate::Constant(false),
            });
        }
        Ok(Predicate::any(parts))
    }

    fn stray_rows(&self, number: u32, strays: u64, test: &Test, field: &Field) -> Result<Predicate, Fault> {
        let mut ranges = Vec::new();
        if strays > 0 {
            self.segment.strays(number)?.each(|at, text| {
                if test.holds(value_of(field, Some(Raw::Bytes(text)))) {
                    ranges.push((STRAY - at as u64, STRAY - at as u64));
                }
            })?;
        }
        Ok(if ranges.is_empty() { Predicate::Constant(false) } else { Predicate::Numbers { column: number, ranges } })
    }

    /// Parts of ids are in no filter: the ids of all rows are made and looked at.
    fn id_rows_with(&self, number: u32, strays: u64, part: &IdPart) -> Result<Predicate, Fault> {
        let mut rows = Vec::new();
        let pages = if part.is_nowhere() { 0 } else { self.segment.header.pages() };
        for page in 0..pages {
            let counters = self.segment.numbers(number, page)?;
            let ids = self.ids.requests(counters.iter().copied());
            let is_ours = |counter: &u64| STRAY.checked_sub(*counter).is_some_and(|stray| stray >= strays);
            let found = (page * PAGE..).zip(counters.iter().zip(ids));
            rows.extend(found.filter(|(_, (counter, id))| is_ours(counter) && part.is_in(*id)).map(|(row, _)| row));
        }
        Ok(Predicate::rows(rows))
    }

    fn rows_where(&self, holds: impl Fn(usize) -> Result<bool, Fault>) -> Result<Predicate, Fault> {
        let mut rows = Vec::new();
        for row in 0..self.segment.header.rows as usize {
            if holds(row)? {
                rows.push(row);
            }
        }
        Ok(Predicate::rows(rows))
    }

    /// The rows that hold the text in any text field.
    fn anywhere(&self, needle: &Needle) -> Result<Predicate, Fault> {
        let test = [Test::Contains(needle.clone())];
        let fields = || self.log.fields().iter().filter(|field| field.is_searched());
        let is_text = |number| fields().any(|field| field.number == number && !matches!(field.kind, Kind::Address));
        let in_texts = needle.ascii().map_or(Ok(true), |ascii| self.segment.may_hold_text(is_text, ascii))?;
        let mut parts = Vec::new();
        for field in fields() {
            let may_hold = if matches!(field.kind, Kind::Address) {
                needle.may_be_in_an_address()
            } else {
                // Ids of ours are made when they are asked for, and are in no filter.
                in_texts || (is_id(self.log, field) && needle.may_be_in_an_id())
            };
            if may_hold {
                parts.push(self.tests(field, &test)?);
            }
        }
        Ok(Predicate::any(parts))
    }
}

fn number_tests(field: &Field, numbers: &Numbers, tests: &[Test], absent_holds: bool) -> Predicate {
    let number =
        |test: &Test| test.range().filter(|range| !range.is_empty()).map(|range| (*range.start(), *range.end()));
    let time = |test: &Test| test.time().map(|time| time.cast_unsigned() ^ TIME_SIGN).map(|time| (time, time));
    let is_time = matches!(field.kind, Kind::Time);
    let ranges = tests.iter().filter_map(|test| if is_time { time(test) } else { number(test) });
    let present = in_span(field.number, numbers.span, ranges.collect());
    let Some(hole) = numbers.absent.filter(|_| field.number != TIME) else {
        return present;
    };
    // What stands for absence is a number like any other to the pages.
    let absent = Predicate::Numbers { column: field.number, ranges: vec![(hole, hole)] };
    if absent_holds { Predicate::any([present, absent]) } else { Predicate::all([present, Predicate::not(absent)]) }
}

/// Answered by the span of the whole segment where that is possible. Absent rows are not in the span.
fn in_span(column: u32, (least, most): (u64, u64), mut ranges: Vec<(u64, u64)>) -> Predicate {
    ranges.retain(|(from, to)| *from <= most && *to >= least);
    if ranges.is_empty() {
        return Predicate::Constant(false);
    }
    if column == TIME && ranges.iter().any(|(from, to)| *from <= least && *to >= most) {
        return Predicate::Constant(true);
    }
    Predicate::Numbers { column, ranges }
}

fn contains(dictionary: &Dictionary<'_>, needle: &Needle, mut see: impl FnMut(usize)) -> Result<(), Fault> {
    match needle.ascii() {
        Some(ascii) if !ascii.is_empty() => dictionary.each_with(&Finder::new(ascii), see),
        Some(_) | None => dictionary.each(|code, value| {
            if str::from_utf8(value).is_ok_and(|text| needle.is_in(text)) {
                see(code);
            }
        }),
    }
}

/// The first text after all that begin like this; none if there is none.
fn beyond(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut end = prefix.get(..=kept)?.to_vec();
    *end.last_mut()? += 1;
    Some(end)
}

/// Whether values of ours are kept as numbers there.
fn is_id(log: Log, field: &Field) -> bool {
    matches!(field.kind, Kind::Id) || log.holds_ids(field.number)
}
