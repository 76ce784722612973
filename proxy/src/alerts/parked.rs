//! Deliveries that wait, kept beside the databases, so that neither a stop nor a crash loses them.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use tempfile::NamedTempFile;

use super::WAITING;
use super::delivery::{Delivery, Parked};

/// In `data_dir`.
const FILE: &str = "alerts.json";

/// Instead of those that were there; the file goes with the last one.
pub(super) fn write<'a>(data_dir: &Path, waiting: impl Iterator<Item = &'a Delivery>) -> anyhow::Result<()> {
    let path = data_dir.join(FILE);
    let parked: Vec<Parked> = waiting.map(Delivery::parked).collect();
    if parked.is_empty() {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error).context("removing alerts.json"),
            _ => Ok(()),
        };
    }
    let mut new = NamedTempFile::new_in(data_dir)?;
    new.write_all(&serde_json::to_vec(&parked)?)?;
    new.as_file().sync_all()?;
    new.persist(&path)?;
    Ok(File::open(data_dir)?.sync_all()?)
}

/// Those that waited when the last process ended, at most as many as may wait. `elapsed` and `now` are the two clocks.
pub(super) fn read(data_dir: &Path, elapsed: Duration, now: Timestamp) -> anyhow::Result<Vec<Delivery>> {
    let text = match fs::read(data_dir.join(FILE)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        read => read?,
    };
    let parked: Vec<Parked> = serde_json::from_slice(&text)?;
    Ok(parked.into_iter().take(WAITING).filter_map(|parked| parked.waiting(elapsed, now)).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vestibule_config::alert::Occasion;

    use super::super::delivery::Attempt;
    use super::*;

    #[test]
    fn what_waits_is_tried_when_it_would_have_been_and_not_later_than_its_next_pause() {
        let folder = tempfile::tempdir().unwrap();
        let at = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
        let delivery =
            || Delivery::new("ops".into(), Occasion::Disk, at(0), Duration::ZERO, &json!({ "a": 1 }), "store");
        let tried = delivery().tried(Attempt::failed(at(1), "away"));
        assert_eq!(tried.next, Duration::from_secs(60));
        write(folder.path(), [&tried].into_iter()).unwrap();
        // Another process, whose clock begins anew: 20 s after the alert, long after it, and with the clock put back.
        for (now, next) in [(20, 40), (3000, 0), (-3000, 60)] {
            let read = read(folder.path(), Duration::from_secs(7), at(now)).unwrap();
            assert_eq!(read.len(), 1);
            assert_eq!(
                (read[0].next, &read[0].id, &read[0].body),
                (Duration::from_secs(7 + next), &tried.id, &tried.body)
            );
            assert_eq!((read[0].attempts.len(), read[0].occasion), (1, Occasion::Disk));
        }
        write(folder.path(), std::iter::empty()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(read(folder.path(), Duration::ZERO, at(0)).unwrap().is_empty());
        // No more than may wait are taken up, and what cannot be read is left as it is.
        let more: Vec<_> = std::iter::repeat_with(delivery).take(WAITING + 1).collect();
        write(folder.path(), more.iter()).unwrap();
        assert_eq!(read(folder.path(), Duration::ZERO, at(0)).unwrap().len(), WAITING);
        fs::write(folder.path().join(FILE), "[{").unwrap();
        assert!(read(folder.path(), Duration::ZERO, at(0)).is_err());
        assert_eq!(fs::read_to_string(folder.path().join(FILE)).unwrap(), "[{");
    }
}
