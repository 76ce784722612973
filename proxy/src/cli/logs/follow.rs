//! `vestibule logs -f`: asks again and again for what was added, by position in the log: an entry carries the time at
//! which its request began, so that a long one comes behind entries that are younger.

use std::time::Duration;

use super::{PAGE, Printer, Reader};
use crate::cli::Global;
use crate::cli::failure::Failure;
use crate::cli::output::{remark, say};

const EVERY: Duration = Duration::from_millis(500);

/// Prints what comes from position `next` on, until interrupted.
pub(super) fn follow(
    reader: &Reader,
    mut next: u64,
    global: &Global,
    printer: &mut Printer<'_>,
) -> Result<(), Failure> {
    let mut lost = false;
    loop {
        reader.client.pause(EVERY)?;
        match advance(reader, &mut next, printer) {
            Ok(()) if lost => {
                remark(global, "connected again; nothing was skipped");
                lost = false;
            }
            Ok(()) => (),
            Err(Failure::Unreachable(message)) if !lost => {
                say(global, &format!("{message} Trying again."));
                lost = true;
            }
            Err(Failure::Unreachable(_)) => (),
            Err(other) => return Err(other),
        }
    }
}

/// Prints what is there, a page of positions at a time; what was printed is never asked for again.
fn advance(reader: &Reader, next: &mut u64, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let end = reader.entries()?;
    if end < *next {
        return Err(Failure::failed(format!("the log has {end} entries and was read up to {next}: it is another one")));
    }
    while *next < end {
        let last = end.min(*next + PAGE as u64) - 1;
        let (from, to, limit) = (next.to_string(), last.to_string(), PAGE.to_string());
        let range = [("seq.min", from.as_str()), ("seq.max", &to), ("order", "asc"), ("limit", &limit)];
        let (entries, _) = reader.page(&range)?;
        printer.print(&entries)?;
        printer.output.finish()?;
        *next = last + 1;
    }
    Ok(())
}
