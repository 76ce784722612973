//! What a provider sends with the browser: each parameter once, and none longer than it can be.

use http::StatusCode;
use percent_encoding::percent_decode;
use vestibule_auth::sso::Callback;

use super::fields::BadForm;

/// Of one parameter, decoded.
const PARAMETER_BYTES: usize = 4096;

/// Those that count; others are not looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters {
    state: Option<String>,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

impl Parameters {
    /// The error names a parameter, never its value.
    pub(crate) fn read(query: &str) -> Result<Self, BadForm> {
        let mut read = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let field = match &*decoded(name).unwrap_or_default() {
                "state" => &mut read.state,
                "code" => &mut read.code,
                "iss" => &mut read.iss,
                "error" => &mut read.error,
                _ => continue,
            };
            let value = decoded(value).filter(|value| value.len() <= PARAMETER_BYTES);
            let value = value.ok_or_else(|| bad(format!("{name} is no text, or too long")))?;
            if field.replace(value).is_some() {
                return Err(bad(format!("{name} is there twice")));
            }
        }
        Ok(read)
    }

    /// Of the sign-in that it answers.
    pub(crate) fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The rest.
    pub(crate) fn callback(&self) -> Callback<'_> {
        let Self { state: _, code, iss, error } = self;
        Callback { code: code.as_deref(), iss: iss.as_deref(), error: error.as_deref() }
    }
}

fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    String::from_utf8(percent_decode(spaced.as_bytes()).collect()).ok()
}

fn bad(detail: String) -> BadForm {
    BadForm { status: StatusCode::BAD_REQUEST, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_counts_once() {
        let found = Parameters::read("code=a%2Bb+c&state=s&iss=https%3A%2F%2Fsso.test&session_state=x&session_state=y")
            .unwrap();
        assert_eq!(found.state.as_deref(), Some("s"));
        assert_eq!(found.callback().code, Some("a+b c"));
        assert_eq!(found.callback().iss, Some("https://sso.test"));
        for (query, detail) in [
            ("code=a&code=a", "code is there twice"),
            ("state=a&st%61te=b", "st%61te is there twice"),
            ("iss=a&iss=", "iss is there twice"),
            ("error=a&error=b", "error is there twice"),
            ("code=%FF", "code is no text, or too long"),
            (&format!("code={}", "x".repeat(PARAMETER_BYTES + 1)), "code is no text, or too long"),
        ] {
            assert_eq!(Parameters::read(query).unwrap_err().detail, detail, "{query}");
        }
        assert_eq!(Parameters::read("").unwrap(), Parameters::default());
    }
}
