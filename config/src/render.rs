//! Findings as people read them: excerpt, caret, remedy.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str};

use crate::problem::{Place, Problem, Severity};
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
    let mut snippets: Vec<(&str, Snippet<'_, Annotation<'_>>)> = Vec::new();
    if let Some(place) = &problem.place {
        add(&mut snippets, place, AnnotationKind::Primary, None, texts);
    }
    for related in &problem.related {
        add(&mut snippets, &related.place, AnnotationKind::Context, Some(&related.label), texts);
    }
    for (_, snippet) in snippets {
        group = group.element(snippet);
    }
    match &problem.help {
        Some(help) => group.element(Level::HELP.message(normalize_untrusted_str(help))),
        None => group,
    }
}

/// One snippet per file: two places in the same file share an excerpt.
fn add<'a>(
    snippets: &mut Vec<(&'a str, Snippet<'a, Annotation<'a>>)>,
    place: &'a Place,
    kind: AnnotationKind,
    label: Option<&'a str>,
    texts: &'a Texts,
) {
    let Some(text) = texts.by_name(&place.file) else { return };
    let annotation = kind.span(text.shown_span(&place.span)).label(label);
    let known = snippets.iter().position(|(file, _)| *file == place.file);
    let (file, snippet) = match known {
        Some(index) => snippets.swap_remove(index),
        None => (place.file.as_str(), Snippet::source(text.shown()).path(place.file.as_str())),
    };
    let entry = (file, snippet.annotation(annotation));
    match known {
        Some(index) => snippets.insert(index, entry),
        None => snippets.push(entry),
    }
}
