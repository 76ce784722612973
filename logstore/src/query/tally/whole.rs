//! Counts of segments all of which matches: what they know of themselves, without their pages.

use std::borrow::Cow;

use super::Tally;
use super::group::name;
use crate::codec::Raw;
use crate::entry::{Field, Kind};
use crate::row::value_of;
use crate::segment::{Fault, HOUR, Segment, Shape, Word};

impl Tally<'_> {
    /// A whole segment without time steps: the dictionaries know their counts.
    pub(super) fn values(&mut self, segment: &Segment<'_>, at: usize, field: Option<Field>) -> Result<bool, Fault> {
        let rows = segment.header.rows;
        let Some(field) = field else {
            self.add_named(at, 0, "", rows);
            return Ok(true);
        };
        if matches!(field.kind, Kind::Id | Kind::Position) {
            return Ok(false);
        }
        let named = |raw| name(value_of(&field, raw));
        let Some(column) = segment.header.column(field.number) else {
            self.add_named(at, 0, &named(None), rows);
            return Ok(true);
        };
        match &column.shape {
            Shape::Constant(word) => self.add_named(at, 0, &named(Some(word.raw())), rows),
            Shape::Small { values, absent } => {
                self.add_named(at, 0, &named(None), *absent);
                for (word, rows) in values {
                    self.add_named(at, 0, &named(Some(word.raw())), *rows);
                }
            }
            Shape::Large { absent, .. } => {
                self.add_named(at, 0, &named(None), *absent);
                let is_sealed = self.sealed.binary_search(&segment.header.first).is_ok();
                match self.put_off.as_mut().filter(|_| is_sealed).and_then(|put_off| put_off.get_mut(at)) {
                    Some(put_off) => put_off.push(segment.header.first),
                    None => self.dictionary(segment, at, &field)?,
                }
            }
            Shape::Numbers(_) | Shape::Ids { .. } | Shape::Raw { .. } => return Ok(false),
        }
        Ok(true)
    }

    /// All values of a large dictionary.
    pub(in crate::query) fn dictionary(
        &mut self,
        segment: &Segment<'_>,
        at: usize,
        field: &Field,
    ) -> Result<(), Fault> {
        let counts = segment.counts(field.number)?;
        segment.dictionary(field.number)?.each(|code, value| {
            let rows = counts.get(code).copied().unwrap_or_default();
            self.add_named(at, 0, &name(value_of(field, Some(Raw::Bytes(value)))), rows);
        })
    }

    /// A whole segment in steps of hours: the hours are counted already.
    pub(super) fn hours(&mut self, segment: &Segment<'_>, at: usize, field: Option<Field>) -> Result<bool, Fault> {
        let column = field.map(|field| (field, segment.header.column(field.number)));
        let shape = column.and_then(|(_, column)| column).map(|column| &column.shape);
        let is_counted = field.is_none() || matches!(shape, None | Some(Shape::Constant(_) | Shape::Small { .. }));
        let is_stored = !field.is_some_and(|field| matches!(field.kind, Kind::Id | Kind::Position));
        if !segment.header.has_hours || self.step.is_none_or(|step| step % HOUR != 0) || !is_counted || !is_stored {
            return Ok(false);
        }
        let hours = segment.hours()?;
        let named = |raw| field.map_or(Cow::Borrowed(""), |field| name(value_of(&field, raw)));
        let Some(Shape::Small { values, absent }) = shape else {
            let only = shape.and_then(|shape| shape.words().next()).map(Word::raw);
            let place = self.place(at, &named(only));
            for hour in &hours.hours {
                self.add(at, self.bucket(hour.hour.saturating_mul(HOUR)), place, hour.rows);
            }
            return Ok(true);
        };
        let number = field.map_or(0, |field| field.number);
        if !hours.has(number) {
            return Ok(false);
        }
        let absent = (*absent > 0).then_some(None);
        let raws = absent.into_iter().chain(values.iter().map(|(word, _)| Some(word.raw())));
        let places: Vec<u32> = raws.map(|raw| self.place(at, &named(raw))).collect();
        for (hour, counts) in hours.of(number) {
            let bucket = self.bucket(hour.hour.saturating_mul(HOUR));
            for (place, rows) in places.iter().zip(counts) {
                self.add(at, bucket, *place, u64::from(*rows));
            }
        }
        Ok(true)
    }
}
