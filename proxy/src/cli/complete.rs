//! What a shell proposes while somebody types: the names that the configuration has, fields of the logs and their values.
//!
//! The script of `vestibule completions` calls the program with [`VARIABLE`] set, and the line behind `--`. No server is
//! asked, and nothing is checked: the files are read for their names.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::CompleteEnv;
use clap_complete::engine::CompletionCandidate;
use jiff::Timestamp;
use vestibule_config::outline::{Outline, outline};
use vestibule_config::{FileSource, discover};
use vestibule_logstore::Log;
use vestibule_logstore::entry::Kind;

use super::{Cli, logs};
use crate::reload::History;

/// Names the shell that asks.
pub(super) const VARIABLE: &str = "VESTIBULE_COMPLETE";

/// Where bash and zsh say which word of the line is completed.
const INDEX: &str = "_CLAP_COMPLETE_INDEX";

type Candidates = Vec<CompletionCandidate>;

/// The answer to a shell that asks; absent where none does.
pub(super) fn answer() -> Option<ExitCode> {
    let folder = env::current_dir().ok();
    let asked = CompleteEnv::with_factory(Cli::command).var(VARIABLE).try_complete(env::args_os(), folder.as_deref());
    match asked {
        Ok(false) => None,
        Ok(true) => Some(ExitCode::SUCCESS),
        // A shell shows nothing of what would be said here.
        Err(_) => Some(ExitCode::FAILURE),
    }
}

/// Names of circuits.
pub(super) fn circuits() -> Candidates {
    candidates(Line::now().outline().circuits)
}

/// E-mail addresses of the file's people.
pub(super) fn people() -> Candidates {
    candidates(Line::now().outline().users)
}

/// Who may be asked about: people and machines.
pub(super) fn somebody() -> Candidates {
    let Outline { users, service_tokens, .. } = Line::now().outline();
    let machines = service_tokens.iter().map(|name| format!("token:{name}"));
    candidates(users.iter().cloned().chain(machines))
}

/// Names of tokens; of the admin port's where the line says so.
pub(super) fn tokens() -> Candidates {
    let line = Line::now();
    let Outline { service_tokens, admin_tokens, .. } = line.outline();
    let is_admin = line.words.iter().any(|word| word == "--admin");
    candidates(if is_admin { admin_tokens } else { service_tokens })
}

/// Revisions that can be gone back to, the latest first.
pub(super) fn revisions() -> Candidates {
    let kept = Line::now().outline().data_dir.map(|folder| History::of(&folder).list()).unwrap_or_default();
    let revisions = kept.into_iter().map(|kept| {
        let about = format!("{} by {} ({})", kept.time.strftime("%Y-%m-%d %H:%M:%S"), kept.actor, kept.cause);
        CompletionCandidate::new(kept.revision).help(Some(about.into()))
    });
    revisions.collect()
}

/// A log, a field, or a value of the field that stands before.
pub(super) fn of_logs(current: &OsStr) -> Candidates {
    let Some(current) = current.to_str() else { return Vec::new() };
    let line = Line::now();
    let log = line.log();
    // Shells that split words at the sign ask for the value alone.
    let (before, field, begun) = match (line.field_before(log), current.split_once('=')) {
        (Some(field), _) => (String::new(), field, current),
        (None, Some((field, begun))) => (format!("{field}="), field.to_owned(), begun),
        (None, None) => return starting(current, line.first_words(log)),
    };
    let values = line.values(log, &field).into_iter().map(|value| before.clone() + &value);
    starting(&format!("{before}{begun}"), values)
}

fn candidates(names: impl IntoIterator<Item = String>) -> Candidates {
    names.into_iter().map(CompletionCandidate::new).collect()
}

fn starting(begun: &str, names: impl IntoIterator<Item = String>) -> Candidates {
    candidates(names.into_iter().filter(|name| name.starts_with(begun)))
}

/// The line so far.
struct Line {
    words: Vec<String>,
    /// Which of them is completed.
    at: usize,
}

impl Line {
    fn now() -> Self {
        let words: Vec<String> = env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        let words = words.split(|word| word == "--").nth(1).unwrap_or_default().to_vec();
        let said = env::var(INDEX).ok().and_then(|index| index.parse().ok());
        Self { at: said.unwrap_or(words.len().saturating_sub(1)), words }
    }

    fn before(&self) -> &[String] {
        self.words.get(..self.at).unwrap_or_default()
    }

    /// What the files name; nothing where there are none.
    fn outline(&self) -> Outline {
        let variable = env::var("VESTIBULE_CONFIG").ok();
        let main = discover(self.config().as_deref(), variable.as_deref());
        let source = FileSource::new(|_| None, Timestamp::UNIX_EPOCH);
        main.map(|main| outline(&main, &source)).unwrap_or_default()
    }

    /// Behind `-c` or `--config`.
    fn config(&self) -> Option<PathBuf> {
        let flag = |word: &String| word == "-c" || word == "--config";
        let mut behind = self.words.iter().skip_while(|word| !flag(word)).skip(1).filter(|word| *word != "=");
        let joined = || self.words.iter().find_map(|word| word.strip_prefix("--config="));
        behind.next().map(String::as_str).or_else(joined).map(|path| Path::new(path).to_owned())
    }

    fn log(&self) -> Log {
        self.before().iter().find_map(|word| logs::named(word)).unwrap_or(Log::Requests)
    }

    /// Whose value is completed, where the shell has split the words: `circuit`, `=`, `wi`.
    fn field_before(&self, log: Log) -> Option<String> {
        let (last, rest) = self.before().split_last()?;
        let field = if last == "=" { rest.last()? } else { last };
        log.field(field).map(|field| field.name.to_owned())
    }

    /// The logs, unless one was named, and the fields of the log.
    fn first_words(&self, log: Log) -> Vec<String> {
        let is_named = self.before().iter().any(|word| logs::named(word).is_some());
        let logs = Log::ALL.into_iter().filter(|_| !is_named).map(|log| log.name().to_owned());
        logs.chain(log.fields().iter().map(|field| format!("{}=", field.name))).collect()
    }

    fn values(&self, log: Log, field: &str) -> Vec<String> {
        match (field, log.field(field).map(|field| field.kind)) {
            ("circuit", _) => self.outline().circuits,
            ("project", _) => self.outline().projects,
            ("email", _) => self.outline().users,
            ("provider", _) => self.outline().providers,
            (_, Some(Kind::Word(words))) => words.iter().map(|word| (*word).to_owned()).collect(),
            (_, Some(_) | None) => Vec::new(),
        }
    }
}
