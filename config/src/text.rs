//! The files' texts as excerpts may show them.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::mask;
use crate::origin::Origin;

/// A stretch of one of the files that were read, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    /// Index into [`Texts`].
    pub(crate) file: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// What was read, in that order, with the secrets hidden.
#[derive(Clone, Default)]
pub struct Texts(Vec<Text>);

/// One file's text without its secrets.
#[derive(Clone)]
pub(crate) struct Text {
    name: Arc<str>,
    shown: String,
    /// Byte at which each line of the original starts.
    line_starts: Vec<usize>,
    /// Bytes of the original that take more than one to make a character, counted before each such character.
    wide: Vec<(usize, usize)>,
    cuts: Vec<Cut>,
}

/// One hidden stretch.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    /// In the original.
    pub(crate) hidden: Range<usize>,
    /// In the text as shown.
    pub(crate) shown: Range<usize>,
}

impl Texts {
    /// Remembers a file's text without its secrets and returns its index.
    pub(crate) fn add(&mut self, name: &str, text: &str) -> usize {
        let (shown, cuts) = mask::mask(text);
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let wide = if text.is_ascii() { Vec::new() } else { wide(text) };
        self.0.push(Text { name: name.into(), shown, line_starts, wide, cuts });
        self.0.len() - 1
    }

    /// Whether this is one of them.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.by_name(name).is_some()
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&Text> {
        self.0.iter().find(|text| *text.name == *name)
    }

    /// The line of a span.
    pub(crate) fn origin(&self, span: Span) -> Option<Origin> {
        let text = self.0.get(span.file)?;
        Some(Origin { file: text.name.clone(), line: text.line(span.start) })
    }

    /// Where a span is, for people.
    pub(crate) fn place(&self, span: Span) -> Option<crate::problem::Place> {
        let text = self.0.get(span.file)?;
        let line = text.line(span.start);
        let start = text.line_starts.get(line.checked_sub(1)?)?;
        let before = |byte: usize| text.wide.partition_point(|(at, _)| *at < byte);
        let wide = text.wide.get(before(*start)..before(span.start)).unwrap_or_default();
        let surplus: usize = wide.iter().map(|(_, extra)| extra).sum();
        Some(crate::problem::Place {
            file: text.name.to_string(),
            line,
            column: span.start - start - surplus + 1,
            span: span.start..span.end,
        })
    }
}

fn wide(text: &str) -> Vec<(usize, usize)> {
    text.char_indices().filter(|(_, c)| c.len_utf8() > 1).map(|(at, c)| (at, c.len_utf8() - 1)).collect()
}

impl Text {
    /// From 1, of a byte of the original.
    fn line(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at)
    }

    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// The stretch of the shown text that stands for one of the original.
    pub(crate) fn shown_span(&self, span: &Range<usize>) -> Range<usize> {
        let (start, end) = (self.shown_start(span.start), self.shown_end(span.end));
        start.min(self.shown.len())..end.clamp(start, self.shown.len().max(start))
    }

    /// The lines of the shown text from the first to the last of these stretches of it.
    pub(crate) fn lines(&self, spans: &[Range<usize>]) -> Range<usize> {
        let first = spans.iter().map(|span| span.start).min().unwrap_or(0);
        let last = spans.iter().map(|span| span.end.saturating_sub(1).max(span.start)).max().unwrap_or(0);
        let (before, after) = (self.shown.as_bytes().get(..first), self.shown.as_bytes().get(last..));
        let start = before.and_then(|before| before.iter().rposition(|byte| *byte == b'\n')).map_or(0, |at| at + 1);
        let end = after.and_then(|after| after.iter().position(|byte| *byte == b'\n'));
        start..end.map_or(self.shown.len(), |at| last + at + 1)
    }

    fn shown_start(&self, at: usize) -> usize {
        match self.cuts.iter().rev().find(|cut| cut.hidden.start <= at) {
            Some(cut) if at < cut.hidden.end => cut.shown.start,
            Some(cut) => at - cut.hidden.end + cut.shown.end,
            None => at,
        }
    }

    fn shown_end(&self, at: usize) -> usize {
        match self.cuts.iter().rev().find(|cut| cut.hidden.start < at) {
            Some(cut) if at < cut.hidden.end => cut.shown.end,
            Some(cut) => at - cut.hidden.end + cut.shown.end,
            None => at,
        }
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|text| &text.name)).finish()
    }
}
