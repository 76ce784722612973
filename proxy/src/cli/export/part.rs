//! Where an export is written: into a part beside the file, with a note of how far it is, until it is whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::frame::Frame;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// The note is there from the first entries on and renewed so often, so that also an end without notice can be made
/// good; what was written after it is written again.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// How far an export is.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Standing {
    /// What makes it the same export.
    key: Vec<String>,
    /// The question, the same whenever it is asked; empty before the first time.
    pub(super) parameters: Vec<(String, String)>,
    /// Goes on from here; absent before the first entry.
    pub(super) cursor: Option<String>,
    /// Entries written.
    pub(super) rows: u64,
    /// Bytes written.
    pub(super) bytes: u64,
    /// Entries of the whole, if that was counted.
    pub(super) total: Option<u64>,
}

/// An export as far as it is written.
pub(super) struct Part<'a> {
    pub(super) standing: Standing,
    to: To<'a>,
}

enum To<'a> {
    Stdout(&'a mut Output),
    File {
        whole: PathBuf,
        part: PathBuf,
        note: PathBuf,
        file: File,
        /// When the note was renewed last; absent before the first.
        noted: Option<Instant>,
    },
}

impl<'a> Part<'a> {
    /// A new one, or that of the same command, if it was interrupted.
    pub(super) fn open(to: &Path, key: &[String], output: &'a mut Output) -> Result<Self, Failure> {
        let begun = Standing { key: key.to_vec(), ..Standing::default() };
        if to == Path::new("-") {
            return Ok(Self { standing: begun, to: To::Stdout(output) });
        }
        if to.is_dir() {
            return Err(Failure::Usage(format!("{to:?} is a folder; write the name of a file")));
        }
        let (part, note) = (beside(to, ".part"), beside(to, ".part.json"));
        // Logs are about people: others on this machine need not read them.
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&part);
        let mut file = file.with_context(|| format!("{part:?} cannot be written"))?;
        match file.try_lock() {
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::failed(format!("another export is writing {part:?}")));
            }
            Err(TryLockError::Error(error)) => return Err(anyhow::Error::new(error).context("locking a file").into()),
        }
        let standing = stands(&note, &part, &file, key)?.unwrap_or(begun);
        file.set_len(standing.bytes).with_context(|| format!("cutting {part:?}"))?;
        file.seek(SeekFrom::End(0)).with_context(|| format!("writing {part:?}"))?;
        Ok(Self { standing, to: To::File { whole: to.to_owned(), part, note, file, noted: None } })
    }

    /// Appends entries.
    pub(super) fn write(&mut self, frame: Frame) -> Result<(), Failure> {
        let Frame { text, rows, cursor, last } = frame;
        match &mut self.to {
            To::Stdout(output) => {
                output.bytes(&text)?;
                output.finish()?;
            }
            To::File { file, part, .. } => file.write_all(&text).with_context(|| format!("writing {part:?}"))?,
        }
        self.standing.rows += rows;
        self.standing.bytes += text.len() as u64;
        self.standing.cursor = cursor;
        match &self.to {
            To::File { noted, .. } if !last && noted.is_none_or(|noted| noted.elapsed() >= NOTE_EVERY) => self.keep(),
            To::File { .. } | To::Stdout(_) => Ok(()),
        }
    }

    /// Notes how far it is.
    fn keep(&mut self) -> Result<(), Failure> {
        let To::File { note, noted, .. } = &mut self.to else { return Ok(()) };
        let text = serde_json::to_string(&self.standing).context("writing a note")?;
        // Renamed into place: a note is whole or not there.
        let next = beside(note, ".new");
        let written = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&next);
        let written = written.and_then(|mut file| file.write_all(text.as_bytes()));
        written.and_then(|()| fs::rename(&next, &*note)).with_context(|| format!("writing {note:?}"))?;
        *noted = Some(Instant::now());
        Ok(())
    }

    /// Leaves it for the next time, and says where; none for stdout and for one that did not begin.
    pub(super) fn leave(mut self) -> Result<Option<(PathBuf, u64)>, Failure> {
        let begun = self.standing.cursor.is_some();
        if begun {
            self.keep()?;
        }
        match self.to {
            To::File { part, .. } if begun => Ok(Some((part, self.standing.rows))),
            To::File { part, note, .. } => {
                drop((fs::remove_file(part), fs::remove_file(note)));
                Ok(None)
            }
            To::Stdout(_) => Ok(None),
        }
    }

    /// Puts the whole in place of the file.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let To::File { whole, part, note, file, .. } = self.to else { return Ok(()) };
        file.sync_all().with_context(|| format!("writing {part:?}"))?;
        fs::rename(&part, &whole).with_context(|| format!("renaming {part:?} to {whole:?}"))?;
        // There is none where the export came in one piece.
        drop(fs::remove_file(note));
        Ok(())
    }
}

/// How far an earlier run of the same command came; none if there was none.
fn stands(note: &Path, part: &Path, file: &File, key: &[String]) -> Result<Option<Standing>, Failure> {
    let Ok(text) = fs::read_to_string(note) else { return Ok(None) };
    let standing = serde_json::from_str::<Standing>(&text).ok();
    let length = file.metadata().with_context(|| format!("reading {part:?}"))?.len();
    match standing {
        Some(standing) if standing.key != key => {
            let message =
                format!("{part:?} is of another export, which may go on; remove it, or write to another file");
            Err(Failure::Usage(message))
        }
        Some(standing) if standing.bytes <= length => Ok(Some(standing)),
        Some(_) | None => Ok(None),
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
