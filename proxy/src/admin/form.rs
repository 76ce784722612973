//! In which form a client wants a list: `Accept` (RFC 9110, 12.5.1).

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};
use vestibule_config::admin::Role;
use vestibule_logstore::export::Format;

use super::door::Call;
use super::problem::Problem;

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One object with the entries and the way to the next page.
    Json,
    /// Lines of entries alone.
    Lines(Format),
}

/// In the order of preference where the client has none.
const FORMS: [(Form, &str, &str); 3] = [
    (Form::Json, "application", "json"),
    (Form::Lines(Format::Csv), "text", "csv"),
    (Form::Lines(Format::Ndjson), "application", "x-ndjson"),
];

impl Form {
    /// What the client of a list likes best.
    ///
    /// # Errors
    /// 403 for lines where the token is no auditor's.
    pub(super) fn of(call: &Call) -> Result<Self, Problem> {
        let form = Self::wanted(&call.headers);
        match form {
            Self::Json => Ok(form),
            Self::Lines(_) => call.pass.must_be(Role::Auditor).map(|()| form),
        }
    }

    /// What the client likes best of what there is; JSON where it names none of them.
    pub(super) fn wanted(headers: &HeaderMap) -> Self {
        let accepted: Vec<_> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
        let accepted = accepted.join(",");
        let mut best = (Self::Json, if accepted.trim().is_empty() { 1 } else { 0 });
        for (form, kind, subkind) in FORMS {
            let quality = quality(&accepted, kind, subkind);
            if quality > best.1 {
                best = (form, quality);
            }
        }
        best.0
    }
}

/// As the header of an answer.
pub(super) fn content_type(format: Format) -> HeaderValue {
    HeaderValue::from_static(match format {
        Format::Csv => "text/csv; charset=utf-8",
        Format::Ndjson => "application/x-ndjson",
    })
}

/// Thousandths, by the most precise range that covers the type; 0 where none does.
fn quality(accepted: &str, kind: &str, subkind: &str) -> u32 {
    let ranges = accepted.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let (wanted, wanted_subkind) = parts.next()?.split_once('/')?;
        let precision = match (wanted, wanted_subkind) {
            ("*", "*") => 0,
            (wanted, "*") if wanted.eq_ignore_ascii_case(kind) => 1,
            (wanted, sub) if wanted.eq_ignore_ascii_case(kind) && sub.eq_ignore_ascii_case(subkind) => 2,
            (_, _) => return None,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse::<f32>().ok());
        Some((precision, (weight.unwrap_or(0.0).clamp(0.0, 1.0) * 1000.0) as u32))
    });
    ranges.max_by_key(|(precision, _)| *precision).map_or(0, |(_, quality)| quality)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_that_is_liked_best_is_taken_and_json_in_doubt() {
        for (accept, form) in [
            ("", Form::Json),
            ("*/*", Form::Json),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Form::Json),
            ("text/csv", Form::Lines(Format::Csv)),
            ("Text/CSV; charset=utf-8", Form::Lines(Format::Csv)),
            ("text/*", Form::Lines(Format::Csv)),
            ("text/csv, */*;q=0.1", Form::Lines(Format::Csv)),
            ("application/json, text/csv", Form::Json),
            ("application/json;q=0.5, text/csv;q=0.6", Form::Lines(Format::Csv)),
            ("application/x-ndjson", Form::Lines(Format::Ndjson)),
            ("text/csv;q=0", Form::Json),
            ("text/csv;q=x", Form::Json),
            ("image/png", Form::Json),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(Form::wanted(&headers), form, "{accept}");
        }
        assert_eq!(Form::wanted(&HeaderMap::new()), Form::Json);
    }
}
