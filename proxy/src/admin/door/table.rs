//! What the table of routes says of a path.

use http::Uri;

use crate::admin::ROUTES;
use crate::admin::problem::Problem;

/// 405 where the path has other methods, else 404.
pub(super) fn nothing_here(uri: &Uri) -> Problem {
    let mut allow: Vec<&str> =
        ROUTES.iter().filter(|route| covers(route.path, uri.path())).map(|route| route.method.as_str()).collect();
    allow.dedup();
    if allow.is_empty() {
        Problem::not_found("no such path on this port")
    } else {
        Problem::method_not_allowed(&allow.join(", "))
    }
}

/// What stands at `{id}`.
pub(super) fn id_in<'a>(pattern: &str, path: &'a str) -> &'a str {
    let mut segments = pattern.split('/').zip(path.split('/'));
    segments.find(|(wanted, _)| *wanted == "{id}").map_or("", |(_, segment)| segment)
}

fn covers(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(wanted), Some(segment)) if wanted == segment || (wanted == "{id}" && !segment.is_empty()) => (),
            (_, _) => return false,
        }
    }
}
