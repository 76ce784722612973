//! The id of a request as headers carry it.

use http::HeaderValue;
use vestibule_logstore::RequestIds;

/// One more.
pub(crate) fn next(ids: &RequestIds) -> HeaderValue {
    let mut text = [0; 36];
    let text = ids.next().hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).expect("hexadecimal is visible ASCII")
}
