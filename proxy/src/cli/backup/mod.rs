//! `vestibule backup`: the data folder at one moment, elsewhere and back.

mod create;
mod restore;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;
use vestibule_logstore::{AuditEntry, Entry, Store};

use super::Global;
use super::failure::Failure;
use super::output::Output;

/// What to do with backups.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Copy the data folder into an empty folder, while the server runs or not, and verify the copy
    Create(Create),
    /// Put a backup into an empty data folder, with the server stopped
    Restore(Restore),
}

#[derive(Debug, clap::Args)]
struct Create {
    /// Where to: a folder that is empty, or not there yet
    dir: PathBuf,
}

#[derive(Debug, clap::Args)]
struct Restore {
    /// The backup
    dir: PathBuf,
    /// Whose signatures to believe: the key as it was printed, or a file that holds it. Without it the key in the backup
    /// is taken, which whoever changed the backup may have changed too
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
}

/// On the machine of the server, as its user.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    match &args.act {
        Act::Create(Create { dir }) => create::run(dir, global, output),
        Act::Restore(Restore { dir, key }) => restore::run(dir, key.as_deref(), global, output),
    }
}

/// Refuses a folder with something in it.
fn must_be_empty(folder: &Path) -> Result<(), Failure> {
    match fs::read_dir(folder).map(|mut inside| inside.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::Usage(format!("{} is not empty", folder.display()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::Usage(format!("{} cannot be read: {error}", folder.display()))),
    }
}

/// The entry of what a command did to the logs that it holds.
fn commit(store: &Store, entry: &AuditEntry<'_>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().context("making a runtime")?;
    runtime.block_on(store.commit(&Entry::Audit(entry))).with_context(|| format!("recording {}", entry.action))?;
    Ok(())
}

/// Of request entries; a command writes none.
const SYNC: Duration = Duration::from_millis(50);
