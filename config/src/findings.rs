//! Collects every problem of a run, so that one run reports them all.

use crate::problem::{Problem, Related, Severity};
use crate::text::{Span, Texts};

/// The problems found so far, in any order.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

/// One problem whose places are not yet lines and columns.
#[derive(Debug)]
pub(crate) struct Finding {
    severity: Severity,
    span: Option<Span>,
    message: String,
    help: Option<String>,
    related: Vec<(Span, String)>,
}

impl Findings {
    /// Refuses the files.
    pub(crate) fn error(&mut self, span: impl Into<Option<Span>>, message: impl Into<String>) -> &mut Finding {
        self.add(Severity::Error, span.into(), message.into())
    }

    /// Is shown and refuses nothing.
    pub(crate) fn warning(&mut self, span: impl Into<Option<Span>>, message: impl Into<String>) -> &mut Finding {
        self.add(Severity::Warning, span.into(), message.into())
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.0.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// By file, then by place; what has no place comes first.
    pub(crate) fn into_problems(mut self, texts: &Texts) -> Vec<Problem> {
        self.0.sort_by_key(|finding| finding.span);
        self.0.into_iter().map(|finding| finding.into_problem(texts)).collect()
    }

    fn add(&mut self, severity: Severity, span: Option<Span>, message: String) -> &mut Finding {
        self.0.push(Finding { severity, span, message, help: None, related: Vec::new() });
        self.0.last_mut().expect("one was pushed")
    }
}

impl Finding {
    /// What to write instead.
    pub(crate) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// A second place, with what stands there.
    pub(crate) fn also(&mut self, span: Span, label: &str) -> &mut Self {
        self.related.push((span, label.to_owned()));
        self
    }

    fn into_problem(self, texts: &Texts) -> Problem {
        let Self { severity, span, message, help, related } = self;
        let related = related.into_iter();
        Problem {
            severity,
            place: span.and_then(|span| texts.place(span)),
            message,
            help,
            related: related.filter_map(|(span, label)| Some(Related { place: texts.place(span)?, label })).collect(),
        }
    }
}
