//! Text that is put together from many short pieces.
//!
//! A short piece is copied with as many bytes behind it as make up a step, which costs a fraction of copying just its
//! own: what is too much is overwritten by the next one.

use uuid::Uuid;

use super::Format;
use crate::json;

/// Nearly every line is shorter. Growing for the last line of each piece would copy all of them.
const LINE: usize = 16 << 10;

/// Bytes that are copied at once.
pub(super) const STEP: usize = 32;

/// Pieces to copy, with a step of bytes behind the last.
pub(super) struct Padded {
    text: String,
    length: usize,
}

/// Behind the last piece.
const PAD: &str = "                                ";

impl Padded {
    pub(super) fn of(text: &str) -> Self {
        let mut padded = Self { text: String::new(), length: 0 };
        padded.write(|out| out.push_str(text));
        padded
    }

    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// What was added.
    pub(super) fn text(&self) -> &str {
        self.text.get(..self.length).unwrap_or_default()
    }

    /// A part of it, see [`Self::since`].
    pub(super) fn part(&self, (start, length): (u32, u32)) -> &str {
        let (start, length) = (start as usize, length as usize);
        self.text.get(start..start + length).unwrap_or_default()
    }

    /// As [`Self::write`]; what was added before an error stays.
    pub(super) fn try_write<E>(&mut self, write: impl FnOnce(&mut String) -> Result<(), E>) -> Result<(), E> {
        let mut outcome = Ok(());
        self.write(|out| outcome = write(out));
        outcome
    }

    pub(super) fn write(&mut self, write: impl FnOnce(&mut String)) {
        self.text.truncate(self.length);
        write(&mut self.text);
        self.length = self.text.len();
        self.text.push_str(PAD);
    }

    /// Beginning and length of what was added since it was so long. Texts of one segment are far below 4 GiB.
    pub(super) const fn since(&self, start: usize) -> (u32, u32) {
        (start as u32, (self.length - start) as u32)
    }
}

/// The text so far, with room behind it.
pub(super) struct Text {
    bytes: Vec<u8>,
    length: usize,
}

impl Text {
    /// With room for so many bytes and the line that goes beyond them, unless that is very long.
    pub(super) fn with_room(bytes: usize) -> Self {
        Self { bytes: vec![0; bytes + LINE + STEP], length: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// Takes back what comes after so many bytes.
    pub(super) fn cut(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// The text, of which pieces were added whole.
    pub(super) fn into_string(mut self) -> String {
        self.bytes.truncate(self.length);
        String::from_utf8(self.bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    pub(super) fn push(&mut self, piece: &Padded) {
        self.copy(piece.text.as_bytes(), piece.length);
    }

    #[inline]
    pub(super) fn push_part(&mut self, pieces: &Padded, (start, length): (u32, u32)) {
        self.copy(pieces.text.as_bytes().get(start as usize..).unwrap_or_default(), length as usize);
    }

    pub(super) fn push_text(&mut self, text: &str) {
        self.make_room(text.len());
        if let Some(to) = self.bytes.get_mut(self.length..self.length + text.len()) {
            to.copy_from_slice(text.as_bytes());
            self.length += text.len();
        }
    }

    /// Decimal.
    #[inline]
    pub(super) fn push_number(&mut self, number: u64) {
        let (digits, used) = json::digits(number);
        let mut padded = [0; 20 + STEP];
        padded.first_chunk_mut().into_iter().for_each(|first| *first = digits);
        self.copy(padded.get(20 - used..).unwrap_or_default(), used);
    }

    /// As [`Format::cell`] has it.
    #[inline]
    pub(super) fn push_time(&mut self, micros: i64, format: Format) {
        let Ok(from_1970) = u64::try_from(micros) else {
            let mut cell = String::new();
            format.cell(Some(crate::row::Value::Time(micros)), &mut cell);
            return self.push_text(&cell);
        };
        self.push_quoted(json::time_text(from_1970), format);
    }

    /// As [`Format::cell`] has it.
    #[inline]
    pub(super) fn push_id(&mut self, id: &Uuid, format: Format) {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        id.hyphenated().encode_lower(&mut text);
        self.push_quoted(text, format);
    }

    #[inline]
    fn push_quoted<const N: usize>(&mut self, text: [u8; N], format: Format) {
        let mut padded = [b'"'; 3 * STEP];
        if let Some(to) = padded.get_mut(1..).and_then(|rest| rest.first_chunk_mut()) {
            *to = text;
        }
        match format {
            Format::Csv => self.copy(padded.get(1..).unwrap_or_default(), N),
            Format::Ndjson => self.copy(&padded, N + 2),
        }
    }

    /// The first bytes of what has a step of bytes behind them.
    #[inline]
    fn copy(&mut self, from: &[u8], length: usize) {
        self.make_room(length);
        let Some(to) = self.bytes.get_mut(self.length..) else { return };
        let mut done = 0;
        while done < length {
            let from = from.get(done..).and_then(|from| from.first_chunk::<STEP>());
            let to = to.get_mut(done..).and_then(|to| to.first_chunk_mut::<STEP>());
            let (Some(from), Some(to)) = (from, to) else { return };
            *to = *from;
            done += STEP;
        }
        self.length += length;
    }

    #[inline]
    fn make_room(&mut self, length: usize) {
        if self.length + length + STEP > self.bytes.len() {
            self.bytes.resize((self.length + length + STEP) * 2, 0);
        }
    }
}
