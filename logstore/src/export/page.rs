//! The text of one page of entries.

use std::collections::VecDeque;

use super::lines::{Cells, Lines};
use super::text::Text;
use super::{Format, PAGE_BYTES, PIECE_BYTES, Piece};
use crate::error::QueryError;
use crate::piece;
use crate::query::{Query, Rank};
use crate::view::View;

/// Fewer entries that follow each other in a segment are put together one by one: where two segments meet, entries of
/// both take turns.
const RUN_MIN: usize = 48;

/// A page while it is written.
pub(super) struct Page<'q> {
    format: Format,
    query: &'q Query,
    /// The piece at hand.
    pub(super) text: Text,
    /// What was written of the segment at hand, by its first position.
    pub(super) cells: Option<(u64, Cells)>,
    pub(super) made: Made<'q>,
}

/// What is finished of a page.
pub(super) struct Made<'q> {
    query: &'q Query,
    pieces: VecDeque<Piece>,
    /// Bytes of the pieces.
    pub(super) bytes: usize,
    /// Entries of the whole page.
    pub(super) rows: u64,
    /// Entries in the piece at hand, and where the last of them ends.
    begun: u64,
    line_end: usize,
}

impl<'q> Page<'q> {
    pub(super) fn new(format: Format, query: &'q Query, cells: Option<(u64, Cells)>) -> Self {
        let made = Made { query, pieces: VecDeque::new(), bytes: 0, rows: 0, begun: 0, line_end: 0 };
        Self { format, query, text: Text::with_room(PIECE_BYTES), cells, made }
    }

    pub(super) fn put_head(&mut self) {
        let mut head = String::new();
        self.format.write_head(self.query, &mut head);
        self.text.push_text(&head);
        self.made.line_end = self.text.len();
    }

    /// Writes entries in this order. Gives the last one that was written if the page got too long for all of them.
    pub(super) fn write<'r>(
        &mut self,
        view: &View<'_>,
        mut ranks: &[&'r Rank],
    ) -> Result<Option<&'r Rank>, QueryError> {
        while !ranks.is_empty() {
            let apart = short_runs(view, ranks);
            let (now, rest) = ranks.split_at(apart);
            if let Some(last) = self.write_apart(view, now)? {
                return Ok(Some(last));
            }
            let Some(piece) = rest.first().and_then(|first| view.piece_of(first.seq)) else { break };
            let (now, rest) = rest.split_at(run(view, rest));
            if let Some(last) = self.write_run(view, piece, now)? {
                return Ok(Some(last));
            }
            ranks = rest;
        }
        Ok(None)
    }

    /// Entries of one segment.
    fn write_run<'r>(
        &mut self,
        view: &View<'_>,
        piece: &std::sync::Arc<piece::Piece>,
        ranks: &[&'r Rank],
    ) -> Result<Option<&'r Rank>, QueryError> {
        let rows: Vec<usize> = ranks.iter().map(|rank| (rank.seq - piece.first) as usize).collect();
        let (text, made, query, format) = (&mut self.text, &mut self.made, self.query, self.format);
        let mut known = self.cells.take().filter(|(first, cells)| *first == piece.first && cells.bytes() < CELLS_BYTES);
        let mut next = ranks.iter();
        let written = view.segment(piece, |segment| {
            if known.is_none() {
                known = Cells::of(segment, format, query.fields()).map(|cells| (piece.first, cells));
            }
            let Some((_, cells)) = &mut known else { return Ok(None) };
            let mut lines = Lines { segment, ids: view.ids, log: query.log, format, cells };
            lines.write(&rows, text, |text| next.next().is_some_and(|rank| made.end_line(text, rank))).map(Some)
        })?;
        self.cells = known;
        // A segment that turned out to be broken may have left half a line.
        self.text.cut(self.made.line_end);
        match written {
            Some(Some(written)) if written < ranks.len() => {
                Ok(written.checked_sub(1).and_then(|last| ranks.get(last)).copied())
            }
            Some(Some(_)) | None => Ok(None),
            Some(None) => self.write_apart(view, ranks),
        }
    }

    /// Entries wherever they are.
    fn write_apart<'r>(&mut self, view: &View<'_>, ranks: &[&'r Rank]) -> Result<Option<&'r Rank>, QueryError> {
        let mut line = String::new();
        for ranks in ranks.chunks(APART_AT_ONCE) {
            let positions: Vec<u64> = ranks.iter().map(|rank| rank.seq).collect();
            let mut ranks = ranks.iter();
            for row in view.rows(&positions)? {
                line.clear();
                self.format.write(self.query.fields(), &row, &mut line);
                self.text.push_text(&line);
                // Those that cannot be read are passed over.
                if let Some(rank) = ranks.by_ref().find(|rank| rank.seq == row.seq)
                    && self.made.end_line(&mut self.text, rank)
                {
                    return Ok(Some(rank));
                }
            }
        }
        Ok(None)
    }

    /// All pieces; the last of them says where it goes on.
    pub(super) fn pieces(self, next: Option<String>) -> VecDeque<Piece> {
        let Made { mut pieces, begun, .. } = self.made;
        if self.text.len() > 0 || pieces.is_empty() {
            pieces.push_back(Piece { text: self.text.into_string(), rows: begun, cursor: None, last: false });
        }
        if let Some(piece) = pieces.back_mut() {
            (piece.last, piece.cursor) = (next.is_none(), next);
        }
        pieces
    }
}

/// Bytes of a segment's texts above which they are made anew for the next page.
const CELLS_BYTES: usize = 8 << 20;

/// Entries that are put together at a time.
const APART_AT_ONCE: usize = 1000;

impl Made<'_> {
    /// Notes that a line has ended, and closes a full piece. True when the page is long enough.
    fn end_line(&mut self, text: &mut Text, rank: &Rank) -> bool {
        self.rows += 1;
        self.begun += 1;
        self.line_end = text.len();
        if text.len() < PIECE_BYTES {
            return false;
        }
        self.bytes += text.len();
        self.line_end = 0;
        let full = std::mem::replace(text, Text::with_room(PIECE_BYTES)).into_string();
        let (rows, cursor) = (std::mem::take(&mut self.begun), Some(self.query.cursor(rank, false)));
        self.pieces.push_back(Piece { text: full, rows, cursor, last: false });
        self.bytes >= 2 * PAGE_BYTES
    }
}

/// Entries at the beginning that are in no segment, or in runs that are too short.
fn short_runs(view: &View<'_>, ranks: &[&Rank]) -> usize {
    let mut apart = 0;
    while let Some(rest) = ranks.get(apart..).filter(|rest| !rest.is_empty()) {
        let length = run(view, rest);
        if length >= RUN_MIN && rest.first().is_some_and(|first| view.piece_of(first.seq).is_some()) {
            break;
        }
        apart += length;
    }
    apart
}

/// Entries at the beginning that are in the same segment, or in none.
fn run(view: &View<'_>, ranks: &[&Rank]) -> usize {
    let Some(first) = ranks.first() else { return 0 };
    match view.piece_of(first.seq) {
        Some(piece) => ranks.iter().take_while(|rank| piece.positions().contains(&rank.seq)).count(),
        None => ranks.iter().take_while(|rank| view.piece_of(rank.seq).is_none()).count(),
    }
}
