//! The command line: results on stdout, all else on stderr.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage, 3 configuration invalid, 4 server not reachable, 5
//! verification failed, 130 interrupted.
//! A pipe that the reader closed ends a command quietly with 0. No secret is ever a flag.

mod admin_link;
mod anchor;
mod backup;
mod ban;
mod bar;
mod check;
mod client;
mod complete;
mod completions;
mod config;
mod demo;
mod edit;
mod erase;
mod export;
mod failure;
mod files;
mod grant;
mod hash;
mod healthcheck;
mod init;
mod line;
mod list;
mod logs;
mod man;
mod output;
mod places;
mod prove;
mod reload;
mod replay;
mod run;
mod session;
mod stats;
mod token;
mod user;
mod verify;
mod version;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use failure::Failure;
use output::Output;

/// An authenticating reverse proxy with a log of every attempt and every request.
#[derive(Debug, Parser)]
#[command(name = "vestibule", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_long_help = FURTHER)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What no flag says.
const FURTHER: &str = "\
To begin:
  vestibule demo                        a gateway with example circuits, to try
  vestibule init gateway                a first gateway/vestibule.toml
  vestibule check -c gateway/vestibule.toml
  vestibule run -c gateway/vestibule.toml

With a token of [admin.tokens] in VESTIBULE_ADMIN_TOKEN:
  vestibule logs -f                     requests, as they come
  vestibule logs access result=failed   sign-ins that failed
  vestibule why https://wiki.example.net/ --user maya@example.net
  vestibule config diff                 what a reload would change

Environment:
  VESTIBULE_CONFIG       the main file, as -c
  VESTIBULE_ADMIN_URL    where the admin port is, as --admin-url
  VESTIBULE_ADMIN_TOKEN  the token for it; no flag takes one
  VESTIBULE_LOG          what run says, such as vestibule=debug
  NO_COLOR               no colours

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 configuration invalid, 4 server not reachable, 5 verification failed, 130 \
interrupted.";

/// Flags of every command.
#[derive(Debug, Args)]
struct Global {
    /// The main file; else ./vestibule.toml, then /etc/vestibule/vestibule.toml
    #[arg(short, long, global = true, value_name = "FILE", env = "VESTIBULE_CONFIG")]
    config: Option<PathBuf>,
    /// Where the running server's admin port is; else what [admin] listen says. The token is taken from
    /// VESTIBULE_ADMIN_TOKEN
    #[arg(long, global = true, value_name = "URL", env = "VESTIBULE_ADMIN_URL")]
    admin_url: Option<String>,
    /// When to colour
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    color: Color,
    /// Say less on stderr; twice: nothing
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "verbose")]
    quiet: u8,
    /// Say more on stderr
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Everywhere
    Always,
    /// Nowhere
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve in the foreground
    Run,
    /// Serve example circuits from a temporary folder, to try things out
    Demo(demo::Args),
    /// Write a first vestibule.toml; prints the admin token and a PIN once
    Init(init::Args),
    /// Say every problem of the configuration at once
    Check(check::Args),
    /// Show the effective configuration, what a reload would change, and its revisions
    Config(config::Args),
    /// Make the running server read its files again
    Reload,
    /// Write the files back as they were in an earlier revision, and take them
    Rollback(config::Rollback),
    /// Say why a request would be let in or not, layer by layer
    Why(why::Args),
    /// Ask the recorded requests again, of a file that is not in force: who would lose or gain access
    Replay(replay::Args),
    /// Hash a secret for the file; it is read from the terminal or from stdin
    Hash(hash::Args),
    /// List sessions, or end them
    Session(session::Args),
    /// List the people of the file, or add, change, block and remove them
    User(user::Args),
    /// List tokens, or make, rotate and revoke them in the file
    Token(token::Args),
    /// Keep networks out, let networks and locked accounts in again
    Ban(ban::Args),
    /// Let people in for a while
    Grant(grant::Args),
    /// Read the logs of the running server
    Logs(logs::Args),
    /// Count the requests of the last hours
    Stats(stats::Args),
    /// Write all entries of a log that match into a file
    Export(export::Args),
    /// Verify the logs: every hash again, against what was signed
    Verify(verify::Args),
    /// Send the heads of the logs elsewhere, or list those that were sent
    Anchor(anchor::Args),
    /// Replace what the logs hold of a person by its hashes; the logs still verify
    Erase(erase::Args),
    /// Make a small file that proves one entry to whoever has the key
    Prove(prove::Args),
    /// Print a link that opens the web pages once, within five minutes
    AdminLink,
    /// Copy the data folder, or put a copy back
    Backup(backup::Args),
    /// Ask the running server whether it is ready
    Healthcheck,
    /// Print a completion script for a shell; it knows the names in the configuration
    Completions(completions::Args),
    /// Write a manual page for each command into a folder
    Man(man::Args),
    /// Print the version
    Version,
}

/// Reads the arguments, runs the command, says how it went.
pub fn main() -> ExitCode {
    if let Some(answered) = complete::answer() {
        return answered;
    }
    let Cli { global, command } = Cli::parse();
    let mut output = Output::stdout(&global);
    let done = dispatch(&global, command, &mut output).and_then(|()| output.finish());
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(&global),
    }
}

fn dispatch(global: &Global, command: Command, output: &mut Output) -> Result<(), Failure> {
    match command {
        Command::Run => run::run(global),
        Command::Demo(args) => demo::run(&args, global, output),
        Command::Init(args) => init::run(&args, global, output),
        Command::Check(args) => check::run(&args, global, output),
        Command::Config(args) => config::run(&args, global, output),
        Command::Reload => reload::run(global, output),
        Command::Rollback(args) => config::rollback(&args, global, output),
        Command::Why(args) => why::run(&args, global, output),
        Command::Replay(args) => replay::run(&args, global, output),
        Command::Hash(args) => hash::run(&args, global, output),
        Command::Session(args) => session::run(&args, global, output),
        Command::User(args) => user::run(&args, global, output),
        Command::Token(args) => token::run(&args, global, output),
        Command::Ban(args) => ban::run(&args, global, output),
        Command::Grant(args) => grant::run(&args, global, output),
        Command::Logs(args) => logs::run(&args, global, output),
        Command::Stats(args) => stats::run(&args, global, output),
        Command::Export(args) => export::run(&args, global, output),
        Command::Verify(args) => verify::run(&args, global, output),
        Command::Anchor(args) => anchor::run(&args, global, output),
        Command::Erase(args) => erase::run(&args, global, output),
        Command::Backup(args) => backup::run(&args, global, output),
        Command::Prove(args) => prove::run(&args, global, output),
        Command::AdminLink => admin_link::run(global, output),
        Command::Healthcheck => healthcheck::run(global, output),
        Command::Completions(args) => completions::run(&args, output),
        Command::Man(args) => man::run(&args, output),
        Command::Version => version::run(output),
    }
}
