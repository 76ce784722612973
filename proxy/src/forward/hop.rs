//! Requests that come back to the process that sent them.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};

/// What every request of this process to an upstream carries. Nobody else can know the value beforehand, so that only a
/// request that was here before has it; an upstream that gives it away lets somebody refuse his own requests.
pub(crate) static HOP: LazyLock<(HeaderName, HeaderValue)> =
    LazyLock::new(|| (HeaderName::from_static("x-vestibule-hop"), value()));

/// This request was forwarded by this process already.
pub(crate) fn is_back(fields: &HeaderMap) -> bool {
    let (name, ours) = &*HOP;
    fields.get_all(name).iter().any(|value| value == ours)
}

fn value() -> HeaderValue {
    let mut random = [0; 16];
    getrandom::fill(&mut random).expect("the system gives random bytes");
    let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&digits).expect("hexadecimal digits are visible")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_value_of_this_process_counts() {
        let (name, value) = &*HOP;
        assert!(value.len() == 32 && !is_back(&HeaderMap::new()));
        let mut fields = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static("00"))]);
        assert!(!is_back(&fields));
        fields.append(name.clone(), value.clone());
        assert!(is_back(&fields));
    }
}
