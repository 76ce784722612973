//! What kind of client asks, so that each gets an answer that it can read.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

/// Kind of client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// A person's browser that is about to show the answer: pages and redirects.
    Navigation,
    /// Scripts, `fetch`, curl: problem bodies, never a redirect.
    Program,
    /// gRPC: status 200 with `grpc-status`.
    Grpc,
}

/// A page navigation says `Sec-Fetch-Mode: navigate`, or, from a client without fetch metadata, that it takes
/// `text/html`, and not `X-Requested-With`. Whoever is not recognised is a program.
pub(crate) fn classify(headers: &HeaderMap) -> Client {
    if is_grpc(headers) {
        return Client::Grpc;
    }
    match headers.get("sec-fetch-mode") {
        Some(mode) if mode == "navigate" => Client::Navigation,
        Some(_) => Client::Program,
        None if has_fetch_metadata(headers) => Client::Program,
        None if headers.contains_key("x-requested-with") => Client::Program,
        None if accepts_html(headers) => Client::Navigation,
        None => Client::Program,
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        value.as_bytes().get(..16).is_some_and(|start| start.eq_ignore_ascii_case(b"application/grpc"))
    })
}

fn has_fetch_metadata(headers: &HeaderMap) -> bool {
    ["sec-fetch-site", "sec-fetch-dest", "sec-fetch-user"].iter().any(|name| headers.contains_key(*name))
}

fn accepts_html(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|name| name.trim().eq_ignore_ascii_case("text/html"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn kind(lines: &[(&'static str, &'static str)]) -> Client {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        classify(&headers)
    }

    #[test]
    fn browsers_that_show_the_answer_are_navigations() {
        assert_eq!(kind(&[("sec-fetch-mode", "navigate"), ("accept", "*/*")]), Client::Navigation);
        assert_eq!(kind(&[("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")]), Client::Navigation);
        assert_eq!(kind(&[("accept", "image/png"), ("accept", "Text/HTML;q=0.5")]), Client::Navigation);
    }

    #[test]
    fn everything_else_is_a_program() {
        assert_eq!(kind(&[]), Client::Program);
        assert_eq!(kind(&[("accept", "*/*")]), Client::Program);
        assert_eq!(kind(&[("accept", "application/json")]), Client::Program);
        assert_eq!(kind(&[("accept", "text/htmlx")]), Client::Program);
        assert_eq!(kind(&[("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")]), Client::Program);
        assert_eq!(kind(&[("accept", "text/html"), ("sec-fetch-mode", "cors")]), Client::Program);
        assert_eq!(kind(&[("accept", "text/html"), ("sec-fetch-mode", "websocket")]), Client::Program);
        assert_eq!(kind(&[("accept", "text/html"), ("sec-fetch-dest", "empty")]), Client::Program);
        assert_eq!(kind(&[("content-type", "application/json")]), Client::Program);
    }

    #[test]
    fn grpc_is_known_by_its_content_type() {
        assert_eq!(kind(&[("content-type", "application/grpc")]), Client::Grpc);
        assert_eq!(kind(&[("content-type", "Application/gRPC+proto"), ("accept", "text/html")]), Client::Grpc);
    }
}
