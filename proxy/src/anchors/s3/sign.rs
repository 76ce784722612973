//! Signatures of requests to S3: AWS Signature Version 4, in headers, over everything that is sent.

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderName, HeaderValue, Method, Request};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use vestibule_config::anchors::S3;

use crate::digest::{hex, sha256};

/// What stands for itself in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A request before it is signed.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// From the bucket on, of characters that stand for themselves.
    pub(super) path: String,
    /// Neither names nor values are encoded yet.
    pub(super) query: Vec<(&'a str, &'a str)>,
    /// Besides those of the signature; names are lower-case.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Call<'_> {
    /// As it is sent. The request is good for some minutes around `now`.
    pub(super) fn sign(self, s3: &S3, now: Timestamp) -> Result<Request<Vec<u8>>, http::Error> {
        let Self { method, path, query, mut headers, body } = self;
        let host = s3.endpoint.split_once("://").map_or("", |(_, host)| host).to_owned();
        let (time, payload) = (now.strftime("%Y%m%dT%H%M%SZ").to_string(), hex(&sha256(&body)));
        headers.extend([
            (HOST.as_str(), host),
            ("x-amz-content-sha256", payload.clone()),
            ("x-amz-date", time.clone()),
        ]);
        headers.sort();
        let query = encoded(query);
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}");
        let scope = format!("{}/{}/s3/aws4_request", now.strftime("%Y%m%d"), s3.region);
        let signed = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&sha256(canonical.as_bytes())));
        let signature = hex(hmac::sign(&key(s3, &scope), signed.as_bytes()).as_ref());
        let credential = s3.access_key.expose();
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={credential}/{scope},SignedHeaders={names},Signature={signature}");

        let question = if query.is_empty() { "" } else { "?" };
        let mut request = Request::builder().method(method).uri(format!("{}{path}{question}{query}", s3.endpoint));
        for (name, value) in headers.iter().filter(|(name, _)| *name != HOST.as_str()) {
            request = request.header(HeaderName::from_static(name), value.trim());
        }
        let mut authorization = HeaderValue::from_str(&authorization)?;
        authorization.set_sensitive(true);
        request.header(AUTHORIZATION, authorization).body(body)
    }
}

/// In the order of the encoded names.
fn encoded(query: Vec<(&str, &str)>) -> String {
    let encode = |text| utf8_percent_encode(text, QUERY).to_string();
    let mut pairs: Vec<_> = query.into_iter().map(|(name, value)| (encode(name), encode(value))).collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// Good for one day, region and service: the parts of the scope.
fn key(s3: &S3, scope: &str) -> hmac::Key {
    let first = hmac::Key::new(HMAC_SHA256, format!("AWS4{}", s3.secret_key.expose()).as_bytes());
    scope.split('/').fold(first, |key, part| hmac::Key::new(HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref()))
}

#[cfg(test)]
mod tests {
    use vestibule_config::secret::Secret;

    use super::*;

    /// The examples in AWS's description of the signature in headers.
    fn check(path: &str, query: Vec<(&str, &str)>, headers: Vec<(&'static str, String)>, expected: &str) {
        let secret = |text: &str| Secret::new(text.to_owned().into());
        let (access, key) = (secret("AKIAIOSFODNN7EXAMPLE"), secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"));
        let s3 = S3::reader("https://examplebucket.s3.amazonaws.com", "us-east-1", access, key).unwrap();
        let call = Call { method: Method::GET, path: path.to_owned(), query, headers, body: Vec::new() };
        let request = call.sign(&s3, "2013-05-24T00:00:00Z".parse().unwrap()).unwrap();
        let authorization = request.headers()[AUTHORIZATION].to_str().unwrap();
        assert_eq!(authorization.rsplit_once("Signature=").unwrap().1, expected);
    }

    #[test]
    fn signatures_are_those_of_the_description() {
        check(
            "/test.txt",
            vec![],
            vec![("range", "bytes=0-9".to_owned())],
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        );
        check("/", vec![("lifecycle", "")], vec![], "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
        check(
            "/",
            vec![("prefix", "J"), ("max-keys", "2")],
            vec![],
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        );
    }
}
