//! Frames of an export: a line of JSON that says how many entries and bytes follow, and the cursor behind them.

use anyhow::Context as _;
use serde::Deserialize;

use crate::cli::failure::Failure;

/// Entries up to a place from which an export can go on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) text: Vec<u8>,
    pub(super) rows: u64,
    /// Absent at the end.
    pub(super) cursor: Option<String>,
    pub(super) last: bool,
}

#[derive(Deserialize)]
struct Head {
    rows: u64,
    bytes: usize,
    cursor: Option<String>,
    last: bool,
}

/// Takes bytes, gives whole frames. Pieces without a place to go on from are joined with those after them; the server
/// reads a page of about 512 KiB at a time, whose end is such a place.
#[derive(Debug, Default)]
pub(super) struct Frames {
    unread: Vec<u8>,
    joined: Frame,
}

impl Frames {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    fn read(&mut self) -> Result<Option<Frame>, Failure> {
        while let Some(line) = self.unread.iter().position(|byte| *byte == b'\n') {
            let (head, rest) = self.unread.split_at(line + 1);
            let head: Head =
                serde_json::from_slice(head).context("the admin port's answer is no export; is this its address?")?;
            let Some(text) = rest.get(..head.bytes) else { return Ok(None) };
            self.joined.text.extend_from_slice(text);
            self.joined.rows += head.rows;
            self.unread.drain(..line + 1 + head.bytes);
            if head.last || head.cursor.is_some() {
                let joined = std::mem::take(&mut self.joined);
                return Ok(Some(Frame { cursor: head.cursor, last: head.last, ..joined }));
            }
        }
        Ok(None)
    }
}

impl Iterator for Frames {
    type Item = Result<Frame, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_whole_and_end_where_an_export_can_go_on() {
        let answer = concat!(
            "{\"rows\":2,\"bytes\":4,\"cursor\":null,\"last\":false}\na\nb\n",
            "{\"rows\":1,\"bytes\":2,\"cursor\":\"x\",\"last\":false}\nc\n",
            "{\"rows\":0,\"bytes\":0,\"cursor\":\"y\",\"last\":false}\n",
            "{\"rows\":1,\"bytes\":2,\"cursor\":null,\"last\":true}\nd\n",
        );
        let mut frames = Frames::default();
        let mut found = Vec::new();
        for byte in answer.as_bytes() {
            frames.feed(&[*byte]);
            found.extend(frames.by_ref().map(Result::unwrap));
        }
        let frame = |text: &str, rows, cursor: Option<&str>| Frame {
            text: text.into(),
            rows,
            cursor: cursor.map(str::to_owned),
            last: cursor.is_none(),
        };
        assert_eq!(found, [frame("a\nb\nc\n", 3, Some("x")), frame("", 0, Some("y")), frame("d\n", 1, None)]);
        frames.feed(b"<html>\n");
        assert!(frames.next().unwrap().is_err());
    }
}
