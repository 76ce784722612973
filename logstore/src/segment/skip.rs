//! What makes searches fast, compared with what the entries make of it.
//!
//! Filters, counts and lists are in no hash: an entry that they deny is not found, though it is there. So all of it is
//! made once more. Compressed parts may differ where their content does not: another version of a compressor wrote
//! them.

use super::Fault;
use super::dictionary::Dictionary;
use super::encode::Made;
use super::frames::unpress;
use super::header::Header;
use super::part::{Part, Parts, Stored};
use super::read::Segment;

impl Segment<'_> {
    /// Whether the parts of this segment are those that its entries make.
    pub(crate) fn agrees(&self, made: &[Made]) -> Result<bool, Fault> {
        for (column, part, _) in made {
            if !self.agrees_in(*column, *part, made)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn agrees_in(&self, column: u32, part: Part, made: &[Made]) -> Result<bool, Fault> {
        let made = MadeParts(made);
        if part == Part::Header {
            let header = Header::decode(self.header.first, &made.part(column, part)?)?;
            return Ok(Header { bytes: self.header.bytes, ..header } == *self.header);
        }
        let (stored, new) = (self.parts.part(column, part)?, made.part(column, part)?);
        if *stored == *new {
            return Ok(true);
        }
        Ok(match part {
            // Entries are made of these.
            Part::Header | Part::Codes | Part::Numbers => true,
            Part::Dictionary | Part::Strays => {
                let (one, other) =
                    (Dictionary::open(self.parts, column, part)?, Dictionary::open(&made, column, part)?);
                one.is_same(&other)?
            }
            Part::Counts | Part::Hours => unpress(&stored)? == unpress(&new)?,
            Part::Trigrams | Part::Exact | Part::Rare | Part::Extremes => false,
        })
    }
}

/// Parts that were just made.
struct MadeParts<'a>(&'a [Made]);

impl Parts for MadeParts<'_> {
    fn part(&self, column: u32, part: Part) -> Result<Stored<'_>, Fault> {
        let found = self.0.iter().find(|(of, which, _)| (*of, *which) == (column, part));
        found.map(|(_, _, body)| Stored::Borrowed(body)).ok_or(Fault::Damaged("a part was not made"))
    }
}
