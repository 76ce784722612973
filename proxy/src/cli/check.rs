//! `vestibule check`.

use std::path::Path;

use serde_json::json;
use vestibule_config::Settings;

use super::failure::Failure;
use super::list::Form;
use super::output::Output;
use super::{Global, files};

/// Flags of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Warnings are problems too
    #[arg(long)]
    strict: bool,
    /// How to say it
    #[arg(short, long, value_enum, value_name = "FORM", default_value_t = Form::Line)]
    output: Form,
}

/// Says every problem; 3 when the file is refused.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let path = files::path(global)?;
    let loaded = files::tested(files::load(&path))?;
    let (report, settings) = match &loaded {
        Ok(settings) => (&settings.report(), Some(settings)),
        Err(report) => (report, None),
    };
    let valid = settings.is_some() && (report.problems.is_empty() || !args.strict);
    match args.output {
        Form::Json => {
            let answer = json!({
                "file": path.display().to_string(),
                "valid": valid,
                "revision": settings.map(|settings| &*settings.revision),
                "problems": report.problems,
            });
            output.line(&answer.to_string())?;
        }
        Form::Line => {
            if !report.problems.is_empty() {
                output.text(&report.render(output.colored))?;
            }
            if let Some(settings) = settings {
                output.line(&summary(settings, &path, valid))?;
            }
        }
    }
    if valid { Ok(()) } else { output.finish().and(Err(Failure::InvalidShown)) }
}

fn summary(settings: &Settings, path: &Path, valid: bool) -> String {
    let Settings { circuits, warnings, revision, .. } = settings;
    let word = if valid { "valid" } else { "refused by --strict" };
    let (circuits, warnings) = (counted(circuits.len(), "circuit"), counted(warnings.len(), "warning"));
    format!("{}: {word}; {circuits}, {warnings}, revision {revision}", path.display())
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
