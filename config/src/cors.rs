//! `cors`: what becomes of the question by which a browser asks whether a page of another site may send a request.

use http::{HeaderName, Method, Uri};

use crate::access::Policy;
use crate::network::{self, LIST_MAX};
use crate::shape::{Field, Reading, Shape, Stage, shape};
use crate::text::Span;
use crate::tree::{Node, Value};
use crate::word::{Word, Wrong, spellings, words};

/// `cors`; absent, the answer is no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cors {
    /// `"pass"`: the upstream answers.
    Pass,
    /// A table: it is answered here.
    Answer(CorsAnswer),
}

/// Which questions are answered with yes; every other with no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsAnswer {
    /// Scheme, host and port as browsers write them; at least one.
    pub origins: Vec<String>,
    /// Default `GET`, `HEAD`, `POST`.
    pub methods: Vec<Method>,
    /// Besides those that browsers send without asking.
    pub headers: Vec<HeaderName>,
}

shape! {
    /// What the table `cors` may say.
    struct RawCors {
        origins: Vec<WebOrigin>,
        methods: Vec<AskedMethod>,
        headers: Vec<AskedHeader>,
    }
}

/// `https://app.example.net`
#[derive(Debug, Clone, PartialEq, Eq)]
struct WebOrigin(String);

#[derive(Debug, Clone, PartialEq, Eq)]
struct AskedMethod(Method);

/// A header that a page may set.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AskedHeader(HeaderName);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CorsWord {
    Pass,
}

spellings!(read CorsWord { "pass" => Pass });

impl RawCors {
    fn check(self, reading: &mut Reading<'_>) -> Option<CorsAnswer> {
        let Self { table, origins, methods, headers } = self;
        let span = origins.span().unwrap_or(table);
        let origins = origins.required("origins", "[\"https://app.example.net\"]", table, reading)?;
        if origins.is_empty() {
            reading.findings.error(span, "no origin may ask").help("write origins = [\"https://app.example.net\"]");
        }
        for (count, span) in [
            (origins.len(), Some(span)),
            (methods.as_ref().map_or(0, Vec::len), methods.span()),
            (headers.as_ref().map_or(0, Vec::len), headers.span()),
        ] {
            network::bounded(count, LIST_MAX, "entries", span.unwrap_or(table), reading);
        }
        let usual = || vec![Method::GET, Method::HEAD, Method::POST];
        Some(CorsAnswer {
            origins: origins.into_iter().map(|origin| origin.0).collect(),
            methods: methods.optional().map_or_else(usual, |all| all.into_iter().map(|method| method.0).collect()),
            headers: headers.or_default().into_iter().map(|header| header.0).collect(),
        })
    }
}

impl Shape for Cors {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        if matches!(node.value, Value::Table(_)) {
            return RawCors::read(node, reading)?.check(reading).map(Self::Answer);
        }
        CorsWord::read(node, reading).map(|CorsWord::Pass| Self::Pass)
    }

    fn keys(path: &str, stage: Stage, visit: &mut dyn FnMut(&str, Stage)) {
        RawCors::keys(path, stage, visit);
    }

    fn schema() -> serde_json::Value {
        crate::shape::either(&CorsWord::schema(), &RawCors::schema())
    }
}

/// A circuit that asks nobody who he is leaves the answer to its upstream.
pub(crate) fn warn_where_idle(
    cors: &Field<Cors>,
    mut policies: impl Iterator<Item = Policy>,
    reading: &mut Reading<'_>,
) {
    let key: Option<Span> = cors.key();
    if let Some(key) = key
        && policies.all(|policy| policy == Policy::Public)
    {
        reading.findings.warning(key, "\"cors\" has no effect with access = \"public\": the upstream is asked");
    }
}

impl Word for WebOrigin {
    const EXAMPLE: &str = "\"https://app.example.net\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = |why: &str| Wrong::new(format!("{text:?} is not an origin: {why}"));
        if text == "*" || text == "null" {
            return Err(wrong("anybody's page could send requests in the name of who is signed in")
                .help(format!("write each one, such as {}", Self::EXAMPLE)));
        }
        let uri: Option<Uri> = text.parse().ok();
        let parts = uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.authority()?)));
        let (scheme, authority) =
            parts.ok_or_else(|| wrong("it has no scheme").help(format!("write {}", Self::EXAMPLE)))?;
        if !matches!(scheme, "http" | "https") || authority.as_str().contains('@') {
            return Err(wrong("it is no origin of a page").help(format!("write one such as {}", Self::EXAMPLE)));
        }
        let usual = if scheme == "https" { ":443" } else { ":80" };
        let host = authority.as_str().to_ascii_lowercase();
        let written = format!("{scheme}://{}", host.strip_suffix(usual).unwrap_or(&host));
        if text != written {
            return Err(wrong("browsers write it otherwise").help(format!("write {written:?}")));
        }
        Ok(Self(written))
    }
}

impl Word for AskedMethod {
    fn parse(text: &str) -> Result<Self, Wrong> {
        let method = Method::from_bytes(text.as_bytes()).ok();
        let method = method.filter(|_| text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-'));
        let never = ["CONNECT", "TRACE", "TRACK"].contains(&text);
        method.filter(|_| !never).map(Self).ok_or_else(|| {
            Wrong::new(format!("{text:?} is no method that a page can send"))
                .help("write one such as \"POST\" or \"PUT\"")
        })
    }
}

impl Word for AskedHeader {
    fn parse(text: &str) -> Result<Self, Wrong> {
        HeaderName::from_bytes(text.as_bytes()).map(Self).map_err(|_| {
            Wrong::new(format!("{text:?} is not a header name")).help("write each one, such as \"content-type\"")
        })
    }
}

words!(WebOrigin, AskedMethod, AskedHeader);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_do() {
        for text in ["https://app.example.net", "http://localhost:3000", "https://[::1]:8443", "http://10.0.0.1"] {
            assert!(WebOrigin::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "*",
            "null",
            "app.example.net",
            "https://app.example.net/",
            "https://app.example.net/x",
            "https://App.example.net",
            "HTTPS://app.example.net",
            "https://app.example.net:443",
            "http://app.example.net:80",
            "https://me@app.example.net",
            "https://*.example.net/",
            "ftp://app.example.net",
            "https://app.example.net?x",
        ] {
            assert!(WebOrigin::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_star_is_no_method_and_no_origin() {
        for text in ["*,", "", "get", "TRACE", "CONNECT", "P UT"] {
            assert!(AskedMethod::parse(text).is_err(), "{text}");
        }
        assert!(AskedMethod::parse("PROPFIND").is_ok() && AskedMethod::parse("VERSION-CONTROL").is_ok());
        assert!(AskedHeader::parse("a b").is_err() && AskedHeader::parse("Content-Type").is_ok());
    }
}
