//! Rows that are not sealed yet as a segment in memory.
//!
//! Questions about a whole log would test thousands of such rows one by one. A page of them that was looked at twice is
//! made a segment that is kept in the cache, and nothing is ever written: until they are asked about, rows cost nothing
//! of this.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::cache::{Decoded, Kind};
use crate::entry::Log;
use crate::id::Ids;
use crate::piece::Piece;
use crate::segment::{Fault, Header, PAGE, Part, Parts, Stored, encode};

/// Rows of such a segment; its position is a multiple of them.
pub(crate) const WARM_ROWS: u64 = PAGE as u64;

/// Decoded pages and blocks take so many times the memory of the parts, about.
const DECODED: usize = 4;

/// The parts of one segment, and what was decoded of them.
pub(crate) struct InMemory {
    parts: FxHashMap<(u32, Part), Vec<u8>>,
    decoded: Mutex<FxHashMap<(u32, Kind, usize), Decoded>>,
}

/// Makes a segment of rows from a position on.
pub(crate) fn piece(log: Log, first: u64, rows: &[Box<[u8]>], ids: &Ids) -> Result<Piece, Fault> {
    let rows: Vec<&[u8]> = rows.iter().map(|row| &**row).collect();
    let made = encode(log, first, &rows, ids).into_iter().map(|(column, part, body)| ((column, part), body));
    let memory = InMemory { parts: made.collect(), decoded: Mutex::default() };
    let header = Header::decode(first, &memory.part(0, Part::Header)?)?;
    Ok(Piece::in_memory(header, Arc::new(memory)))
}

impl InMemory {
    /// Memory that it takes when much of it is decoded.
    pub(crate) fn bytes(&self) -> usize {
        self.parts.values().map(|part| part.len() * DECODED).sum()
    }
}

impl Parts for InMemory {
    fn part(&self, column: u32, part: Part) -> Result<Stored<'_>, Fault> {
        let part = self.parts.get(&(column, part)).ok_or(Fault::Damaged("a part of rows in memory is missing"))?;
        Ok(Stored::Borrowed(part))
    }

    fn decoded(
        &self,
        column: u32,
        kind: Kind,
        at: usize,
        make: &mut dyn FnMut() -> Result<Decoded, Fault>,
    ) -> Result<Decoded, Fault> {
        if let Some(decoded) = self.decoded.lock().get(&(column, kind, at)) {
            return Ok(decoded.clone());
        }
        // One may be made of another: the lock is free meanwhile.
        let made = make()?;
        self.decoded.lock().insert((column, kind, at), made.clone());
        Ok(made)
    }
}

impl std::fmt::Debug for InMemory {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("InMemory").field("parts", &self.parts.len()).finish_non_exhaustive()
    }
}
