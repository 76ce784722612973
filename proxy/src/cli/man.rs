//! `vestibule man DIR`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_mangen::Man;

use super::Cli;
use super::failure::Failure;
use super::output::Output;

/// Where to.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder, made where there is none; pages that are there are replaced
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Writes a page for each command, of the name that `man` looks for.
pub(super) fn run(args: &Args, output: &mut Output) -> Result<(), Failure> {
    let dir = &args.dir;
    fs::create_dir_all(dir).with_context(|| format!("making the folder {}", dir.display()))?;
    let mut all = Cli::command().disable_help_subcommand(true);
    all.build();
    let pages = write(&all, dir).with_context(|| format!("writing into {}", dir.display()))?;
    output.line(&format!("{pages} pages in {}", dir.display()))
}

/// The page of a command and those below it; returns how many.
fn write(command: &clap::Command, dir: &Path) -> std::io::Result<usize> {
    let page = Man::new(command.clone()).source(concat!("vestibule ", env!("CARGO_PKG_VERSION"))).manual("Vestibule");
    page.generate_to(dir)?;
    command.get_subcommands().try_fold(1, |pages, below| Ok(pages + write(below, dir)?))
}
