//! `vestibule completions SHELL`.

use clap_complete::Shell;
use clap_complete::env::Shells;

use super::complete::VARIABLE;
use super::failure::Failure;
use super::output::Output;

/// For which shell.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(value_enum)]
    shell: Shell,
}

/// What shells call, as they find it.
const PROGRAM: &str = "vestibule";

/// Prints the script. It asks the program itself, so that it knows the configuration's names.
pub(super) fn run(args: &Args, output: &mut Output) -> Result<(), Failure> {
    let shells = Shells::builtins();
    let shell = shells.completer(&args.shell.to_string());
    let shell = shell.ok_or_else(|| Failure::failed(format!("{} cannot complete", args.shell)))?;
    let mut script = Vec::new();
    let written = shell.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script);
    written.map_err(|error| Failure::Failed(error.into()))?;
    output.bytes(&script)
}
