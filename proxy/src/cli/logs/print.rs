//! How entries are said.

use std::fmt::Write as _;

use serde_json::Value;
use vestibule_auth::{Clock, SystemClock};
use vestibule_logstore::Log;

use super::{Form, combined};
use crate::admin::lines;
use crate::cli::failure::Failure;
use crate::cli::line::{self, Style, plain};
use crate::cli::output::Output;

/// Writes entries as they were asked for.
pub(super) struct Printer<'a> {
    log: Log,
    form: Form,
    style: Style,
    /// Whether the header of CSV is still to be written.
    headless: bool,
    pub(super) output: &'a mut Output,
}

impl<'a> Printer<'a> {
    /// # Errors
    /// Where the log has no such form.
    pub(super) fn new(log: Log, form: Form, output: &'a mut Output) -> Result<Self, Failure> {
        if form == Form::Combined && log != Log::Requests {
            let message =
                format!("the {} log has no combined form; choose another one, or the request log", log.name());
            return Err(Failure::Usage(message));
        }
        let today = SystemClock::default().now().strftime("%Y-%m-%d").to_string();
        let style = Style { today, colored: output.colored };
        Ok(Self { log, form, style, headless: form == Form::Csv, output })
    }

    /// In the order that they have.
    pub(super) fn print(&mut self, entries: &[Value]) -> Result<(), Failure> {
        if std::mem::take(&mut self.headless) {
            let names: Vec<_> = self.log.fields().iter().map(|field| field.name).collect();
            self.output.text(&format!("{}\r\n", names.join(",")))?;
        }
        entries.iter().try_for_each(|entry| self.one(entry))
    }

    fn one(&mut self, entry: &Value) -> Result<(), Failure> {
        match self.form {
            Form::Line => self.output.line(&self.short(entry)),
            Form::Wide => self.output.line(&(self.short(entry) + &self.rest(entry))),
            Form::Json => self.output.line(&lines::json(entry)),
            Form::Csv => self.output.text(&self.cells(entry)),
            Form::Combined => self.output.line(&combined::line(entry)),
        }
    }

    fn short(&self, entry: &Value) -> String {
        match self.log {
            Log::Requests => line::request(entry, &self.style),
            Log::Access => line::attempt(entry, &self.style),
            Log::Audit => line::act(entry, &self.style),
        }
    }

    /// What the short line leaves out and the entry has, in the order of the log's fields.
    fn rest(&self, entry: &Value) -> String {
        let said = line::said(self.log);
        let left = self.log.fields().iter().filter(|field| !said.contains(&field.name));
        let mut rest = String::new();
        for field in left {
            let value = match entry.get(field.name) {
                None | Some(Value::Null) => continue,
                Some(Value::String(text)) if text.is_empty() => continue,
                Some(Value::String(text)) if text.contains([' ', '"']) => format!("{text:?}"),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            let _ = write!(rest, "  {}={}", field.name, plain(&value));
        }
        rest
    }

    fn cells(&self, entry: &Value) -> String {
        lines::csv(self.log.fields().iter().map(|field| entry.get(field.name).unwrap_or(&Value::Null)))
    }
}
