//! How much room the disk has, and what is done when there is little.
//!
//! Below the low mark somebody should be told. Below the hard mark requests leave no entries, which is counted and
//! marked like any loss, so that what is left is for attempts and changes: nobody is let in without those. When the disk
//! is full all the same, a file that was there for nothing else gives way, once, and is made again when there is room.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use parking_lot::Mutex;
use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// The file that gives way, in the folder of the logs.
pub(crate) const BALLAST: &str = "ballast";

/// The parts of a disk that are the marks unless they are said, and the most that they are then, in bytes.
const LOW: (u64, u64) = (10, 1 << 30);
const HARD: (u64, u64) = (50, 256 << 20);
const BALLAST_SIZE: (u64, u64) = (100, 64 << 20);

/// A mark is left when there is so much more, as a part of it.
const SLACK: u64 = 10;

/// How much of the disk is to be free, in bytes; 0 sets no mark, and what is absent goes by the size of the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// Below this somebody should be told.
    pub low: Option<u64>,
    /// Below this requests leave no entries.
    pub hard: Option<u64>,
    /// Size of the file that gives way.
    pub ballast: Option<u64>,
}

/// Below which mark the free room is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// None.
    #[default]
    Neither,
    /// Somebody should be told.
    Low,
    /// Requests leave no entries.
    Hard,
}

/// What is known of the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Disk {
    /// Bytes that may still be written.
    pub free: u64,
    /// Bytes of all of it.
    pub size: u64,
    /// Below which mark that is.
    pub mark: Mark,
    /// Bytes of the file that gives way; 0 while there is none.
    pub ballast: u64,
}

/// Looked at by the writer, asked by whoever appends.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// None until somebody said what they are: then nothing is done.
    marks: Mutex<Option<Marks>>,
    free: AtomicU64,
    size: AtomicU64,
    /// A [`Mark`].
    mark: AtomicU8,
    ballast: AtomicU64,
}

impl Mark {
    const ALL: [Self; 3] = [Self::Neither, Self::Low, Self::Hard];

    /// For output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Neither => "none",
            Self::Low => "low",
            Self::Hard => "hard",
        }
    }
}

impl Room {
    /// From now on.
    pub(crate) fn set(&self, marks: Marks, dir: &Path) {
        *self.marks.lock() = Some(marks);
        self.look(dir);
    }

    /// Whether requests leave no entries. Cheap.
    pub(crate) fn is_short(&self) -> bool {
        self.mark() == Mark::Hard
    }

    pub(crate) fn disk(&self) -> Disk {
        let (free, size) = (self.free.load(Ordering::Relaxed), self.size.load(Ordering::Relaxed));
        Disk { free, size, mark: self.mark(), ballast: self.ballast.load(Ordering::Relaxed) }
    }

    fn mark(&self) -> Mark {
        Mark::ALL.get(usize::from(self.mark.load(Ordering::Relaxed))).copied().unwrap_or_default()
    }

    /// Asks the system how much is free, and makes the ballast where it is missing and there is room.
    pub(crate) fn look(&self, dir: &Path) {
        let Some(marks) = *self.marks.lock() else { return };
        let (Ok((free, size)), before) = (measure(dir), self.mark()) else { return };
        let (low, hard) = (or_part(marks.low, LOW, size), or_part(marks.hard, HARD, size));
        let under = |mark: u64, was_under: bool| free < mark.saturating_add(if was_under { mark / SLACK } else { 0 });
        let mark = match (under(hard, before == Mark::Hard), under(low, before != Mark::Neither)) {
            (true, _) => Mark::Hard,
            (false, true) => Mark::Low,
            (false, false) => Mark::Neither,
        };
        self.free.store(free, Ordering::Relaxed);
        self.size.store(size, Ordering::Relaxed);
        self.mark.store(mark as u8, Ordering::Relaxed);
        if mark != before {
            tracing::warn!(free, size, ?mark, "the room on the disk of the logs changed its mark");
        }
        let wanted = or_part(marks.ballast, BALLAST_SIZE, size);
        let there = fs::metadata(dir.join(BALLAST)).map_or(0, |file| file.len());
        if there != wanted && (wanted < there || free > hard.saturating_add(wanted.saturating_mul(2))) {
            make_ballast(dir, wanted).unwrap_or_else(|error| tracing::warn!(%error, "no ballast"));
        }
        self.ballast.store(fs::metadata(dir.join(BALLAST)).map_or(0, |file| file.len()), Ordering::Relaxed);
    }

    /// The disk is full: the ballast gives way. Whether there was one.
    pub(crate) fn drop_ballast(&self, dir: &Path) -> bool {
        let is_gone = fs::remove_file(dir.join(BALLAST)).is_ok();
        if is_gone {
            tracing::warn!("the ballast gave way: the disk of the logs is full");
        }
        self.look(dir);
        is_gone
    }

    /// Whether what failed may have failed for want of room.
    pub(crate) fn is_full(&self, cause: &str) -> bool {
        cause.contains("No space left") || self.is_short()
    }
}

/// Bytes that are free for this program, and all of them.
fn measure(dir: &Path) -> io::Result<(u64, u64)> {
    let disk = statvfs(dir)?;
    Ok((disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize)))
}

fn or_part(said: Option<u64>, (part, most): (u64, u64), size: u64) -> u64 {
    said.unwrap_or((size / part).min(most))
}

/// Of this size; none of size 0.
fn make_ballast(dir: &Path, size: u64) -> io::Result<()> {
    let path = dir.join(BALLAST);
    if path.exists() {
        fs::remove_file(&path)?;
    }
    if size == 0 {
        return Ok(());
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    // A part of it would be taken for one of the wrong size.
    fallocate(&file, FallocateFlags::empty(), 0, size).inspect_err(|_| drop(fs::remove_file(&path)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_left_only_when_there_is_some_more() {
        let dir = tempfile::tempdir().unwrap();
        let (room, (free, _)) = (Room::default(), measure(dir.path()).unwrap());
        room.look(dir.path());
        assert_eq!(room.disk(), Disk::default(), "nobody has set marks");
        let marks = |low, hard| Marks { low: Some(low), hard: Some(hard), ballast: Some(0) };
        // Far enough from what is free that others who write meanwhile make no difference.
        for (low, hard, mark) in [
            (free / 2, 0, Mark::Neither),
            (free * 2, free / 2, Mark::Low),
            (free * 2, free * 2, Mark::Hard),
            (free * 2, free / 100 * 95, Mark::Hard),
            (free * 2, free / 2, Mark::Low),
            (free / 100 * 95, free / 2, Mark::Low),
            (free / 2, free / 4, Mark::Neither),
        ] {
            room.set(marks(low, hard), dir.path());
            assert_eq!((room.disk().mark, room.is_short()), (mark, mark == Mark::Hard), "{low} {hard}");
        }
    }

    #[test]
    fn what_is_not_said_is_a_part_of_the_disk_up_to_a_most() {
        for (said, size, mark) in
            [(None, 5 << 30, 512 << 20), (None, 1 << 40, 1 << 30), (Some(7), 1 << 40, 7), (Some(0), 1 << 40, 0)]
        {
            assert_eq!(or_part(said, LOW, size), mark, "{said:?} {size}");
        }
    }

    #[test]
    fn only_a_want_of_room_takes_the_ballast() {
        let dir = tempfile::tempdir().unwrap();
        let room = Room::default();
        let broken = "IO error: Input/output error: /logs/000012.log";
        assert!(room.is_full("IO error: No space left on device: /logs/000012.log") && !room.is_full(broken));
        room.set(Marks { low: Some(u64::MAX), hard: Some(u64::MAX), ballast: Some(0) }, dir.path());
        assert!(room.is_full(broken), "below the hard mark it may be that");
    }

    #[test]
    fn the_ballast_has_its_size_gives_way_and_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let room = Room::default();
        let size = || fs::metadata(dir.path().join(BALLAST)).map_or(0, |file| file.len());
        for wanted in [8192, 4096, 0] {
            room.set(Marks { low: Some(0), hard: Some(0), ballast: Some(wanted) }, dir.path());
            assert_eq!((size(), room.disk().ballast), (wanted, wanted));
        }
        room.set(Marks { low: Some(0), hard: Some(0), ballast: Some(4096) }, dir.path());
        *room.marks.lock() = Some(Marks { low: Some(0), hard: Some(u64::MAX), ballast: Some(4096) });
        assert!(room.drop_ballast(dir.path()));
        assert_eq!((size(), room.disk().ballast), (0, 0), "there is no room for another one");
        assert!(!room.drop_ballast(dir.path()));
        *room.marks.lock() = Some(Marks { low: Some(0), hard: Some(0), ballast: Some(4096) });
        room.look(dir.path());
        assert_eq!(size(), 4096);
    }
}
