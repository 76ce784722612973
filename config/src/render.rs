//! Findings as people read them: excerpt, caret, remedy.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str};

use crate::problem::{Place, Problem, Related, Severity};
use crate::text::Texts;

/// Width in columns at which long source lines are cut.
const WIDTH: usize = 120;

/// Every problem in its order, with an empty line between two; empty where there is none.
pub(crate) fn render<'a>(problems: impl IntoIterator<Item = &'a Problem>, texts: &Texts, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() }.term_width(WIDTH);
    let rendered: Vec<String> =
        problems.into_iter().map(|problem| renderer.render(&[group(problem, texts)]) + "\n").collect();
    rendered.join("\n")
}

fn group<'a>(problem: &'a Problem, texts: &'a Texts) -> Group<'a> {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(normalize_untrusted_str(&problem.message)));
    let primary = problem.place.iter().map(|place| Marked { place, kind: AnnotationKind::Primary, label: None });
    let related = problem.related.iter().map(|Related { place, label }| {
        let label = Some(label.as_str());
        Marked { place, kind: AnnotationKind::Context, label }
    });
    for excerpt in excerpts(primary.chain(related)) {
        group = excerpt.snippet(texts).into_iter().fold(group, Group::element);
    }
    match &problem.help {
        Some(help) => group.element(Level::HELP.message(normalize_untrusted_str(help))),
        None => group,
    }
}

/// A place of a problem, and what is said there.
struct Marked<'a> {
    place: &'a Place,
    kind: AnnotationKind,
    label: Option<&'a str>,
}

/// Places in one file.
struct Excerpt<'a>(Vec<Marked<'a>>);

/// One per file, in the order of the first place in each.
fn excerpts<'a>(places: impl Iterator<Item = Marked<'a>>) -> Vec<Excerpt<'a>> {
    let mut excerpts: Vec<Excerpt<'a>> = Vec::new();
    for marked in places {
        let of_file = |excerpt: &&mut Excerpt<'_>| excerpt.0.iter().any(|known| known.place.file == marked.place.file);
        match excerpts.iter_mut().find(of_file) {
            Some(excerpt) => excerpt.0.push(marked),
            None => excerpts.push(Excerpt(vec![marked])),
        }
    }
    excerpts
}

impl<'a> Excerpt<'a> {
    /// Of the lines from the first place to the last alone: the renderer looks at all that it gets.
    fn snippet(self, texts: &'a Texts) -> Option<Snippet<'a, Annotation<'a>>> {
        let first = self.0.iter().map(|marked| marked.place).min_by_key(|place| place.line)?;
        let text = texts.by_name(&first.file)?;
        let spans: Vec<_> = self.0.iter().map(|marked| text.shown_span(&marked.place.span)).collect();
        let lines = text.lines(&spans);
        let source = text.shown().get(lines.clone()).unwrap_or_default();
        let snippet = Snippet::source(source).path(first.file.as_str()).line_start(first.line);
        Some(self.0.iter().zip(spans).fold(snippet, |snippet, (marked, span)| {
            let span = span.start - lines.start..span.end - lines.start;
            snippet.annotation(marked.kind.span(span).label(marked.label))
        }))
    }
}
