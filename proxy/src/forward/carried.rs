//! Which of the client's fields go on to the upstream.
//!
//! Not: what belongs to this hop only (RFC 9110, 7.6.1), what only we may say, and what is meant for us.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};
use pingora::{Error, ErrorType, Result};
use vestibule_auth::machine::service_token;

use super::cookies::{self, Cut};
use crate::context::Head;
use crate::routes::{OWN_PREFIX, Routes};
use crate::syntax;

/// Families of names by which backends learn who the client is.
const CLAIM_PREFIXES: [&str; 3] = [OWN_PREFIX, "x-forwarded-", "remote-"];

/// Names in one `Connection`; a request with more is refused. They are compared with every field.
const OPTIONS_MAX: usize = 16;

/// Adds the client's fields to ours, which have none of their names; `opens_tunnel` as [`asks_for_websocket`] says.
///
/// # Errors
/// When `Connection` has more than [`OPTIONS_MAX`] names or something that is no name.
pub(super) fn add(fields: &mut HeaderMap, sent: &HeaderMap, opens_tunnel: bool, routes: &Routes) -> Result<()> {
    let special = Special::of(sent);
    let options = special.connection.then(|| Options::of(sent)).transpose()?;
    let drops_authorization =
        special.authorization && sent.get_all(header::AUTHORIZATION).iter().any(|value| service_token(value).is_some());
    for (name, value) in sent {
        let drops = !passes(name, routes) || (drops_authorization && *name == header::AUTHORIZATION);
        if !drops && !options.as_ref().is_some_and(|options| options.name(name)) {
            fields.append(name.clone(), value.clone());
        }
    }
    if let Some(cookie) = special.cookie.then(|| cookie(sent)).flatten() {
        fields.insert(header::COOKIE, cookie);
    }
    if opens_tunnel {
        fields.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        fields.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    Ok(())
}

/// Which fields are there that need more than their name looked at. One look at all names costs less than asking for
/// each of these.
#[derive(Default)]
struct Special {
    authorization: bool,
    connection: bool,
    cookie: bool,
}

impl Special {
    fn of(sent: &HeaderMap) -> Self {
        let mut special = Self::default();
        for name in sent.keys() {
            special.authorization |= *name == header::AUTHORIZATION;
            special.connection |= *name == header::CONNECTION;
            special.cookie |= *name == header::COOKIE;
        }
        special
    }
}

/// Without ours.
fn cookie(sent: &HeaderMap) -> Option<HeaderValue> {
    match cookies::cut(sent) {
        Cut::Unchanged => sent.get(header::COOKIE).cloned(),
        Cut::Remove => None,
        Cut::Replace(line) => Some(line),
    }
}

/// The one upgrade that is passed on (RFC 6455, 4.1); any other is served as if it had not been asked for. One with a
/// body is none: what would be read as one could be a request of its own to the upstream.
pub(crate) fn asks_for_websocket(head: &Head, sent: &HeaderMap) -> bool {
    let mut asked = sent.get_all(header::UPGRADE).iter();
    let is_websocket = asked.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    is_websocket
        && asked.next().is_none()
        && head.version == Version::HTTP_11
        && head.method == Method::GET
        && connection_names_upgrade(sent)
        && !sent.contains_key(header::TRANSFER_ENCODING)
        && sent.get(header::CONTENT_LENGTH).is_none_or(|length| length == "0")
}

fn connection_names_upgrade(sent: &HeaderMap) -> bool {
    let lines = sent.get_all(header::CONNECTION).iter();
    let mut names = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    names.any(|name| name.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// Whether a field of this name may go on as it is.
pub(super) fn passes(name: &HeaderName, routes: &Routes) -> bool {
    let text = name.as_str();
    !(is_of_this_hop(text) || *name == header::COOKIE || is_claim(text) || routes.is_identity(name))
}

/// Whether a field of this name may stand after an answer's body: nothing there frames a message, opens a session, leads
/// elsewhere, or speaks in our name (RFC 9110, 6.5.1).
pub(super) fn trails(name: &HeaderName) -> bool {
    let text = name.as_str();
    let is_of_the_head = matches!(
        text,
        "content-length"
            | "content-encoding"
            | "content-type"
            | "location"
            | "set-cookie"
            | "strict-transport-security"
            | "www-authenticate"
            | "x-request-id"
    );
    !(is_of_the_head || is_of_this_hop(text) || text.starts_with(OWN_PREFIX))
}

/// `Host` is told anew, framing too where there is a body.
fn is_of_this_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "host"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Names by which backends learn who the client is. They fold names in different ways (`_`, `.` and `-` become one), so
/// that a name with anything but letters, digits and hyphens never passes.
fn is_claim(name: &str) -> bool {
    let is_known = matches!(
        name,
        "cf-connecting-ip"
            | "fastly-client-ip"
            | "forwarded"
            | "proxy"
            | "true-client-ip"
            | "x-client-ip"
            | "x-cluster-client-ip"
            | "x-original-forwarded-for"
            | "x-original-url"
            | "x-real-ip"
            | "x-request-id"
            | "x-rewrite-url"
    );
    is_known
        || CLAIM_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || name.bytes().any(|byte| !byte.is_ascii_alphanumeric() && byte != b'-')
}

/// The names in the client's `Connection`: fields that it wants to end here.
struct Options<'a> {
    names: [&'a [u8]; OPTIONS_MAX],
}

impl<'a> Options<'a> {
    fn of(sent: &'a HeaderMap) -> Result<Self> {
        let mut options = Self { names: [&[]; OPTIONS_MAX] };
        let lines = sent.get_all(header::CONNECTION).iter();
        let names = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
        let mut places = options.names.iter_mut();
        for name in names.filter(|name| !name.is_empty()) {
            let Some(place) = places.next() else { return refuse("too many names in Connection") };
            if !syntax::all(name, syntax::TOKEN) {
                return refuse("no name in Connection");
            }
            *place = name;
        }
        Ok(options)
    }

    /// True where the client names this field. What frames the body stays all the same.
    fn name(&self, field: &HeaderName) -> bool {
        let mut names = self.names.iter().take_while(|name| !name.is_empty());
        names.any(|name| name.eq_ignore_ascii_case(field.as_str().as_bytes())) && *field != header::CONTENT_LENGTH
    }
}

fn refuse<T>(why: &'static str) -> Result<T> {
    Error::e_explain(ErrorType::InvalidHTTPHeader, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn carried(lines: &[(&str, &str)]) -> Result<HeaderMap> {
        let mut routes = Routes::default();
        routes.add_identity_names([HeaderName::from_static("x-auth-user"), header::FROM]);
        let mut fields = HeaderMap::new();
        let sent = map(lines);
        add(&mut fields, &sent, asks_for_websocket(&head(Version::HTTP_11, Method::GET), &sent), &routes)?;
        Ok(fields)
    }

    fn head(version: Version, method: Method) -> Head {
        Head { method, uri: http::Uri::from_static("/"), version }
    }

    fn names(lines: &[(&str, &str)]) -> Vec<String> {
        carried(lines).unwrap().keys().map(ToString::to_string).collect()
    }

    fn stripped(names: &[&str]) -> Vec<String> {
        let lines: Vec<_> = names.iter().flat_map(|name| [(*name, "forged"), (*name, "twice")]).collect();
        self::names(&lines)
    }

    #[test]
    fn client_copies_go_in_every_spelling() {
        let forged = [
            "X-Vestibule-User",
            "x-vestibule-groups",
            "X-VESTIBULE-ASSERTION",
            "X_Vestibule_User",
            "X.Vestibule.User",
            "X-Vestibule_User",
            "X-Vestibule",
            "X-Auth-User",
            "x_auth_user",
            "From",
            "X-Forwarded-For",
            "X_Forwarded_For",
            "X-Forwarded-Host",
            "X-Forwarded-Proto",
            "X-Forwarded-Port",
            "X-Forwarded-User",
            "Forwarded",
            "X-Real-IP",
            "X-Real_IP",
            "Proxy",
            "X-Request-Id",
            "Remote-User",
            "Remote_User",
            "Content_Length",
            "Transfer.Encoding",
            "True-Client-IP",
            "X-Original-URL",
        ];
        assert_eq!(stripped(&forged), Vec::<String>::new());
    }

    #[test]
    fn what_is_no_claim_passes() {
        let other = ["accept", "x-auth-users", "x-api-key", "user-agent", "sec-ch-ua", "x-real-ipx", "remoteness"];
        assert_eq!(stripped(&other), other);
    }

    #[test]
    fn what_belongs_to_this_hop_stays_on_it() {
        let hop = [
            "Connection",
            "Host",
            "HTTP2-Settings",
            "Keep-Alive",
            "Proxy-Authenticate",
            "Proxy-Authorization",
            "Proxy-Connection",
            "TE",
            "Trailer",
            "Transfer-Encoding",
            "Upgrade",
        ];
        assert_eq!(stripped(&hop), Vec::<String>::new());
    }

    #[test]
    fn named_fields_end_here_but_for_those_that_would_change_the_request() {
        for named in ["close, X-Hop", "x-hop", " ,X-HOP,,", "keep-alive,a,b,c,d,e,f,g,h,i,x-hop"] {
            assert_eq!(names(&[("Connection", named), ("X-Hop", "1"), ("Accept", "*/*")]), ["accept"], "{named}");
        }
        let kept = [("Content-Length", "3"), ("Cookie", "a=1"), ("Accept", "*/*")];
        for named in ["host", "Content-Length", "transfer-encoding", "Cookie", "x-forwarded-for", "X-Request-Id"] {
            let lines = [&[("Connection", named)][..], &kept].concat();
            assert_eq!(names(&lines), ["content-length", "accept", "cookie"], "{named}");
        }
    }

    #[test]
    fn a_connection_that_cannot_be_read_is_refused() {
        let many = vec!["x"; OPTIONS_MAX + 1].join(",");
        for bad in ["\"X-Forwarded-For\"", "a b", "a;b", ":authority", &many] {
            assert!(carried(&[("Connection", bad)]).is_err(), "{bad}");
        }
        assert!(carried(&[("Connection", &many[2..])]).is_ok());
    }

    #[test]
    fn a_websocket_is_the_one_upgrade() {
        let lines = [("Connection", "keep-alive, Upgrade"), ("Upgrade", "WebSocket"), ("Sec-WebSocket-Key", "x")];
        let fields = carried(&lines).unwrap();
        assert_eq!(fields.get("connection").unwrap(), "Upgrade");
        assert_eq!(fields.get("upgrade").unwrap(), "websocket");
        assert_eq!(fields.get("sec-websocket-key").unwrap(), "x");
        assert_eq!(names(&[("Connection", "Upgrade"), ("Upgrade", "h2c")]), Vec::<String>::new());
    }

    #[test]
    fn what_looks_like_an_upgrade_and_is_none_is_a_plain_request() {
        let asks = |version, method, lines: &[(&str, &str)]| asks_for_websocket(&head(version, method), &map(lines));
        let lines = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
        let with = |more: (&'static str, &'static str)| [&lines[..], &[more]].concat();
        assert!(asks(Version::HTTP_11, Method::GET, &lines));
        assert!(asks(Version::HTTP_11, Method::GET, &with(("Content-Length", "0"))));
        assert!(!asks(Version::HTTP_10, Method::GET, &lines));
        assert!(!asks(Version::HTTP_2, Method::GET, &lines));
        assert!(!asks(Version::HTTP_11, Method::POST, &lines));
        assert!(!asks(Version::HTTP_11, Method::GET, &lines[1..]));
        assert!(!asks(Version::HTTP_11, Method::GET, &[("Connection", "keep-alive"), lines[1]]));
        for more in [("Upgrade", "h2c"), ("Content-Length", "5"), ("Transfer-Encoding", "chunked")] {
            assert!(!asks(Version::HTTP_11, Method::GET, &with(more)), "{more:?}");
        }
    }

    #[test]
    fn our_cookie_is_cut_out() {
        assert_eq!(carried(&[("Cookie", "a=1; vestibule=v")]).unwrap().get("cookie").unwrap(), "a=1");
        assert_eq!(carried(&[("Cookie", "vestibule=v")]).unwrap().get("cookie"), None);
        assert_eq!(carried(&[("Cookie", "a=1")]).unwrap().get("cookie").unwrap(), "a=1");
    }

    #[test]
    fn only_our_own_tokens_are_taken_from_authorization() {
        for (value, ours) in [
            ("Bearer vst_abc", true),
            ("bearer  vst_abc", true),
            (" BEARER vst_", true),
            ("Bearer abc", false),
            ("Basic dXNlcjpwYXNz", false),
            ("vst_abc", false),
            ("", false),
        ] {
            assert_eq!(service_token(&HeaderValue::from_str(value).unwrap()).is_some(), ours, "{value}");
        }
        assert_eq!(names(&[("Authorization", "Bearer vst_a"), ("Authorization", "Basic b")]), Vec::<String>::new());
        assert_eq!(names(&[("Authorization", "Basic b")]), ["authorization"]);
    }
}
