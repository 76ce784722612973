//! How a command can end other than well, and with which exit code.

use std::process::ExitCode;

use vestibule_config::Report;

use super::Global;
use super::output::{Output, say};

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(super) enum Failure {
    /// It went wrong.
    Failed(anyhow::Error),
    /// It was asked for wrongly.
    Usage(String),
    /// The configuration has problems, which are shown.
    Invalid(Report),
    /// It has problems that were shown already.
    InvalidShown,
    /// Nobody answers at the admin address.
    Unreachable(String),
    /// The logs are not what they were, which is shown.
    Unsound,
    /// A proof proves nothing.
    NotProven(String),
    /// By the person at the terminal.
    Interrupted,
    /// The reader of our output has seen enough.
    ClosedPipe,
}

impl Failure {
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::Failed(anyhow::Error::msg(message.into()))
    }

    /// Says it on stderr; the answer is the exit code.
    pub(super) fn report(self, global: &Global) -> ExitCode {
        let code = self.code();
        match self {
            Self::Failed(error) => say(global, &format!("error: {error:#}")),
            Self::Usage(message) | Self::Unreachable(message) | Self::NotProven(message) => {
                say(global, &format!("error: {message}"))
            }
            Self::Invalid(report) => say(global, &report.render(Output::stderr_is_colored(global))),
            Self::InvalidShown | Self::Unsound | Self::Interrupted | Self::ClosedPipe => (),
        }
        ExitCode::from(code)
    }

    fn code(&self) -> u8 {
        match self {
            Self::ClosedPipe => 0,
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Invalid(_) | Self::InvalidShown => 3,
            Self::Unreachable(_) => 4,
            Self::Unsound | Self::NotProven(_) => 5,
            Self::Interrupted => 130,
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}
