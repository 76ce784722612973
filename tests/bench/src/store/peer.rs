//! The other engines, each a child process of `peers.py`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::Kept;
use crate::plan::Plan;
use crate::question::{Question, Subjects};
use crate::rounds::Reply;

/// An engine that answers.
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) kept: Kept,
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

fn command(plan: &Plan, engine: &str, folder: &Path, action: &str) -> Command {
    let mut command = Command::new(&plan.python);
    command.arg(&plan.script).arg(engine).arg(folder).arg(action);
    command
}

/// Fills a folder from a file of rows.
pub(crate) fn load(plan: &Plan, engine: &str, folder: &Path, rows: &Path) -> Kept {
    let output = command(plan, engine, folder, "load").arg(rows).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{engine} could not be loaded");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |name: &str| told.get(name).and_then(Value::as_f64);
    let (cpu_s, wall_s, bytes) = (number("cpu_s"), number("wall_s"), number("bytes").unwrap_or(0.0) as u64);
    Kept { entries: plan.entries, cpu_s, wall_s, bytes, opened_ms: f64::NAN }
}

impl Peer {
    /// Of a filled folder.
    pub(crate) fn open(plan: &Plan, engine: &str, folder: &Path, subjects: &Subjects, kept: Kept) -> Self {
        let mut command = command(plan, engine, folder, "ask");
        command.arg(subjects.json(engine)).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (questions, answers) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut peer = Self { name: engine.to_owned(), kept, child, questions, answers };
        let opened = peer.read();
        peer.kept.opened_ms = opened.ok().and_then(|opened| opened.get("ms")?.as_f64()).unwrap_or(f64::NAN);
        peer
    }

    /// Asks once.
    pub(crate) fn ask(&mut self, question: Question) -> Result<Reply, String> {
        let questions = self.questions.as_mut().ok_or("it has ended")?;
        writeln!(questions, "{}", question.name()).map_err(|error| error.to_string())?;
        let reply = self.read()?;
        if let Some(error) = reply.get("error") {
            return Err(error.to_string());
        }
        let number = |name: &str| reply.get(name).and_then(Value::as_f64).ok_or("the reply lacks a figure");
        let answer = reply.get("answer").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Reply { ms: number("ms")?, cpu_ms: number("cpu_ms")?, answer })
    }

    fn read(&mut self) -> Result<Value, String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|error| error.to_string())?;
        serde_json::from_str(&line).map_err(|error| format!("{line:?}: {error}"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends when there are no more questions.
        drop(self.questions.take());
        drop(self.child.wait());
    }
}
