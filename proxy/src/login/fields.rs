//! The fields of a form, from a form or a JSON body. Every field is known, a string, and sent once.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use percent_encoding::percent_decode;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use vestibule_auth::{Credential, Secret};
use zeroize::Zeroizing;

use super::BODY_BYTES;

/// Twice what an address may be long; a longer one is nobody's.
const EMAIL_BYTES: usize = 512;

/// How the body was written; the answer is written likewise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// `application/x-www-form-urlencoded`, or no body.
    Form,
    /// `application/json`.
    Json,
}

/// Fields of the sign-in page.
pub(super) const SIGN_IN: &[&str] = &["email", "password", "pin", "return", "request"];
/// Of the form that asks for a code by e-mail.
pub(super) const ASK_FOR_CODE: &[&str] = &["email", "return"];
/// Of a sign-in that goes on.
pub(super) const GO_ON: &[&str] = &["step", "code", "purpose"];
/// Of signing out.
pub(super) const SIGN_OUT: &[&str] = &["return"];

/// What a body said.
pub(super) struct Fields {
    known: &'static [&'static str],
    sent: Vec<(&'static str, Zeroizing<String>)>,
}

/// The body is not a form of ours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadForm {
    pub(super) status: StatusCode,
    /// Names the field, never its value.
    pub(crate) detail: String,
}

/// By the content type; a body without one is a form only if it is empty.
pub(super) fn encoding(headers: &HeaderMap, body: &[u8]) -> Result<Encoding, BadForm> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return if body.is_empty() { Ok(Encoding::Form) } else { Err(unknown_type()) };
    };
    let name = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if name.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Ok(Encoding::Form)
    } else if name.eq_ignore_ascii_case("application/json") {
        Ok(Encoding::Json)
    } else {
        Err(unknown_type())
    }
}

impl Fields {
    /// `known` are the fields that may be there.
    pub(super) fn read(encoding: Encoding, body: &[u8], known: &'static [&'static str]) -> Result<Self, BadForm> {
        if body.len() > BODY_BYTES {
            return Err(bad(format!("the body is longer than {BODY_BYTES} bytes")));
        }
        let mut fields = Self { known, sent: Vec::new() };
        for (name, value) in pairs(encoding, body)? {
            fields.put(&name, value)?;
        }
        Ok(fields)
    }

    /// As sent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.value(name).map(|value| value.as_str())
    }

    /// As sent; missing is a mistake.
    pub(super) fn required(&self, name: &str) -> Result<&str, BadForm> {
        self.get(name).ok_or_else(|| Self::missing(name))
    }

    /// `return` as sent; not checked.
    pub(super) fn back(&self) -> Option<&str> {
        self.get("return")
    }

    /// `request` as sent: the id of what a circuit wants, at the login host.
    pub(super) fn request(&self) -> Option<&str> {
        self.get("request")
    }

    /// As typed, for showing the page again.
    pub(super) fn email(&self) -> &str {
        self.get("email").unwrap_or_default()
    }

    /// As typed, of a length that an address could have.
    pub(super) fn address(&self) -> Result<&str, BadForm> {
        let email = self.required("email")?;
        let short = email.len() <= EMAIL_BYTES;
        if short { Ok(email) } else { Err(bad(format!("email is longer than {EMAIL_BYTES} bytes"))) }
    }

    pub(super) fn credential(&self) -> Result<Credential, BadForm> {
        let secret = match (self.value("password"), self.value("pin")) {
            (Some(password), None) => Secret::Password(password.clone()),
            (None, Some(pin)) => Secret::Pin(pin.clone()),
            (Some(_), Some(_)) => return Err(bad("password and pin are both there; send one of them")),
            (None, None) => return Err(bad("password or pin is missing")),
        };
        if self.value("email").is_none() {
            return Ok(Credential::Shared(secret));
        }
        Ok(Credential::Own { email: self.address()?.to_owned(), secret })
    }

    fn value(&self, name: &str) -> Option<&Zeroizing<String>> {
        self.sent.iter().find(|(sent, _)| *sent == name).map(|(_, value)| value)
    }

    /// A field that has to be here.
    pub(super) fn missing(name: &str) -> BadForm {
        bad(format!("{name} is missing"))
    }

    /// A field that has no place here.
    pub(super) fn unexpected(name: &str) -> BadForm {
        bad(format!("{name} is not expected here"))
    }

    fn put(&mut self, name: &str, value: Zeroizing<String>) -> Result<(), BadForm> {
        let Some(known) = self.known.iter().find(|known| **known == name) else {
            return Err(bad(format!("unknown field {:?}; send {}", cut(name), self.known.join(", "))));
        };
        if self.value(known).is_some() {
            return Err(bad(format!("{name} is there twice")));
        }
        self.sent.push((known, value));
        Ok(())
    }
}

pub(crate) type Pair = (String, Zeroizing<String>);

fn pairs(encoding: Encoding, body: &[u8]) -> Result<Vec<Pair>, BadForm> {
    match encoding {
        Encoding::Form => form_pairs(body),
        // The parser's own message may quote a value, so it is not passed on.
        Encoding::Json => serde_json::from_slice(body)
            .map(|JsonPairs(pairs)| pairs)
            .map_err(|_| bad("the body is not a JSON object whose values are all strings")),
    }
}

/// The fields of a form in order, decoded.
pub(crate) fn form_pairs(body: &[u8]) -> Result<Vec<Pair>, BadForm> {
    let parts = body.split(|byte| *byte == b'&').filter(|part| !part.is_empty());
    parts.map(form_pair).collect()
}

fn form_pair(part: &[u8]) -> Result<Pair, BadForm> {
    let mut halves = part.splitn(2, |byte| *byte == b'=');
    let name = form_text(halves.next().unwrap_or_default()).ok_or_else(|| bad("a field's name is not UTF-8"))?;
    let value = form_text(halves.next().unwrap_or_default());
    let value = value.ok_or_else(|| bad(format!("{:?} is not UTF-8", cut(&name))))?;
    Ok((name.to_string(), value))
}

fn form_text(text: &[u8]) -> Option<Zeroizing<String>> {
    let spaced: Zeroizing<Vec<u8>> =
        Zeroizing::new(text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect());
    let decoded: Vec<u8> = percent_decode(&spaced).collect();
    String::from_utf8(decoded).ok().map(Zeroizing::new)
}

/// An object's pairs in order, so that a name that comes twice is seen.
struct JsonPairs(Vec<Pair>);

impl<'de> Deserialize<'de> for JsonPairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = JsonPairs;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonPairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    pairs.push((name, Zeroizing::new(value)));
                }
                Ok(JsonPairs(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

fn unknown_type() -> BadForm {
    BadForm {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        detail: "send application/x-www-form-urlencoded or application/json".to_owned(),
    }
}

fn bad(detail: impl Into<String>) -> BadForm {
    BadForm { status: StatusCode::BAD_REQUEST, detail: detail.into() }
}

/// What a message shows of a client's text.
fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(encoding: Encoding, body: &str) -> String {
        let credential = Fields::read(encoding, body.as_bytes(), SIGN_IN).and_then(|fields| {
            let back = fields.back().unwrap_or("-").to_owned();
            fields.credential().map(|credential| (credential, back))
        });
        match credential {
            Ok((Credential::Own { email, secret }, back)) => format!("own {email} {} {back}", typed(&secret)),
            Ok((Credential::Shared(secret), back)) => format!("shared {} {back}", typed(&secret)),
            Err(bad) => bad.detail,
        }
    }

    fn typed(secret: &Secret) -> String {
        match secret {
            Secret::Password(text) => format!("password {}", text.as_str()),
            Secret::Pin(text) => format!("pin {}", text.as_str()),
        }
    }

    #[test]
    fn forms_and_objects_say_the_same() {
        for (form, json, read) in [
            (
                "email=maya%40example.net&password=a%26b+c&return=%2Fx%3Fy",
                r#"{"email":"maya@example.net","password":"a&b c","return":"/x?y"}"#,
                "own maya@example.net password a&b c /x?y",
            ),
            ("email=m@x&pin=0123", r#"{"email":"m@x","pin":"0123"}"#, "own m@x pin 0123 -"),
            ("password=%C3%BC%3D=", r#"{"password":"ü=="}"#, "shared password ü== -"),
            ("&pin=1&", r#"{"pin":"1"}"#, "shared pin 1 -"),
            ("pin=", r#"{"pin":""}"#, "shared pin  -"),
            ("pin", r#"{"pin":""}"#, "shared pin  -"),
            ("", "{}", "password or pin is missing"),
            ("return=/", r#"{"return":"/"}"#, "password or pin is missing"),
            ("pin=1&pin=1", r#"{"pin":"1","pin":"1"}"#, "pin is there twice"),
            ("pin=1&p%69n=2", r#"{"pin":"1","p\u0069n":"2"}"#, "pin is there twice"),
            ("pin=1&password=2", r#"{"pin":"1","password":"2"}"#, "password and pin are both there; send one of them"),
            (
                "pin=1&Return=/",
                r#"{"pin":"1","Return":"/"}"#,
                "unknown field \"Return\"; send email, password, pin, return, request",
            ),
        ] {
            assert_eq!(shown(Encoding::Form, form), read, "{form}");
            assert_eq!(shown(Encoding::Json, json), read, "{json}");
        }
    }

    #[test]
    fn a_message_never_repeats_a_value() {
        let not_strings = "the body is not a JSON object whose values are all strings";
        for body in [r#"{"pin":123456}"#, r#"["123456"]"#, r#""123456""#, r#"{"pin":"123456""#, "123456", ""] {
            assert_eq!(shown(Encoding::Json, body), not_strings, "{body}");
        }
        assert_eq!(shown(Encoding::Form, "password=%FF123456"), "\"password\" is not UTF-8");
        assert_eq!(shown(Encoding::Form, "%FF=123456"), "a field's name is not UTF-8");
        let unknown = shown(Encoding::Form, &format!("{}=123456", "x".repeat(900)));
        assert!(unknown.len() < 120 && !unknown.contains("123456"), "{unknown}");
    }

    #[test]
    fn bodies_and_addresses_have_a_bound() {
        let email = "a".repeat(EMAIL_BYTES);
        assert_eq!(shown(Encoding::Form, &format!("email={email}&pin=1")), format!("own {email} pin 1 -"));
        assert_eq!(shown(Encoding::Form, &format!("email={email}a&pin=1")), "email is longer than 512 bytes");
        let fill = "a".repeat(BODY_BYTES - "password=".len());
        assert_eq!(shown(Encoding::Form, &format!("password={fill}")), format!("shared password {fill} -"));
        assert_eq!(shown(Encoding::Form, &format!("password={fill}a")), "the body is longer than 16384 bytes");
    }

    #[test]
    fn the_content_type_says_how_to_read() {
        let read = |value: Option<&'static str>, body: &[u8]| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(value));
            }
            encoding(&headers, body).map_err(|bad| bad.status)
        };
        assert_eq!(read(Some("application/x-www-form-urlencoded"), b"a"), Ok(Encoding::Form));
        assert_eq!(read(Some("Application/JSON; charset=utf-8"), b"a"), Ok(Encoding::Json));
        assert_eq!(read(None, b""), Ok(Encoding::Form));
        assert_eq!(read(None, b"a"), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        assert_eq!(read(Some("text/plain"), b"pin=1"), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        assert_eq!(read(Some("multipart/form-data; boundary=x"), b"a"), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
}
