//! The names of what is counted, and which rows of a page have the same.

use std::borrow::Cow;

use crate::entry::{Field, Kind, Log};
use crate::id::Ids;
use crate::json;
use crate::row::{Value, value_of};
use crate::segment::{Codes, Fault, PAGE, Segment, Shape};

/// The rows of a page by the value of a field.
pub(super) struct Group<'s, 'a> {
    segment: &'s Segment<'a>,
    field: Option<Field>,
    page: usize,
    way: Way<'s>,
}

enum Way<'s> {
    /// All rows have the same.
    One,
    Codes(&'s Codes),
    /// Every row for itself.
    Rows,
}

impl<'s, 'a> Group<'s, 'a> {
    pub(super) fn new(segment: &'s Segment<'a>, field: Option<Field>, page: usize) -> Result<Self, Fault> {
        let shape = field.and_then(|field| segment.header.column(field.number)).map(|column| &column.shape);
        let is_stored = !field.is_some_and(|field| matches!(field.kind, Kind::Id | Kind::Position));
        let way = match (field, shape) {
            (Some(field), Some(Shape::Small { .. } | Shape::Large { .. })) => {
                Way::Codes(segment.codes(field.number, page)?)
            }
            (Some(_), Some(Shape::Numbers(_) | Shape::Ids { .. })) => Way::Rows,
            (Some(_), _) if !is_stored => Way::Rows,
            (None, _) | (_, None | Some(Shape::Constant(_) | Shape::Raw { .. })) => Way::One,
        };
        Ok(Self { segment, field, page, way })
    }

    /// What rows are counted together by.
    pub(super) fn code(&self, row: usize) -> usize {
        match &self.way {
            Way::One => 0,
            Way::Codes(codes) => codes.get(row).unwrap_or_default(),
            Way::Rows => row,
        }
    }

    /// What rows of a code are counted under.
    pub(super) fn name(&self, log: Log, ids: &Ids, code: usize) -> Result<String, Fault> {
        let Some(field) = self.field else { return Ok(String::new()) };
        let seq = self.segment.header.first + (self.page * PAGE + code) as u64;
        let mut made = String::new();
        let value = match (field.kind, &self.way) {
            (Kind::Id, _) => Some(Value::Id(ids.id(log, seq))),
            (Kind::Position, _) => Some(Value::Number(seq)),
            (_, Way::Codes(_)) => value_of(&field, self.segment.raw_of_code(field.number, code)?),
            (_, Way::One | Way::Rows) => {
                value_of(&field, self.segment.raw(field.number, self.page * PAGE + code, ids, &mut made)?)
            }
        };
        Ok(name(value).into_owned())
    }
}

/// A value as the name of a count; absence has an empty one.
pub(in crate::query) fn name(value: Option<Value<'_>>) -> Cow<'_, str> {
    match value {
        None => Cow::Borrowed(""),
        Some(Value::Id(id)) => Cow::Owned(id.to_string()),
        Some(Value::Number(number)) => Cow::Owned(number.to_string()),
        Some(Value::Time(time)) => Cow::Owned(json::time(time)),
        Some(Value::Text(text) | Value::Json(text)) => Cow::Borrowed(text),
        Some(Value::Address(address)) => Cow::Owned(address.to_string()),
    }
}
