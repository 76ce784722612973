//! Addresses of pages: a path, and the parameters that are its state.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands in a query as it is; less than RFC 3986 lets, so that no value ends one.
const VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':').remove(b'/').remove(b',');

/// A page of this port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    path: String,
    /// Decoded, in order.
    pub(super) parameters: Vec<(String, String)>,
}

impl Address {
    pub(super) fn new(path: &str, parameters: &[(&str, &str)]) -> Self {
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { path: path.to_owned(), parameters }
    }

    pub(super) fn of(path: &str, parameters: Vec<(String, String)>) -> Self {
        Self { path: path.to_owned(), parameters }
    }

    /// The first value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, name: &str, value: &str) -> bool {
        self.parameters.iter().any(|(known, held)| known == name && held == value)
    }

    /// The same without these parameters.
    pub(super) fn without(&self, names: &[&str]) -> Self {
        let kept = self.parameters.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        Self { path: self.path.clone(), parameters: kept.cloned().collect() }
    }

    /// The same without one pair.
    pub(super) fn without_pair(&self, name: &str, value: &str) -> Self {
        let kept = self.parameters.iter().filter(|(known, held)| known != name || held != value);
        Self { path: self.path.clone(), parameters: kept.cloned().collect() }
    }

    /// The same with one parameter more.
    pub(super) fn and(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with one parameter of this name.
    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        self.without(&[name]).and(name, value)
    }

    /// The same parameters at another path.
    pub(super) fn at(&self, path: &str) -> Self {
        Self { path: path.to_owned(), parameters: self.parameters.clone() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        for (at, (name, value)) in self.parameters.iter().enumerate() {
            let mark = if at > 0 { '&' } else { '?' };
            write!(f, "{mark}{}={}", utf8_percent_encode(name, VALUE), utf8_percent_encode(value, VALUE))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_one_whatever_stands_in_it() {
        let address = Address::new("/logs/requests", &[("path", "/a?b=c&d#\"><script>"), ("q", "ü +%")]);
        assert_eq!(address.to_string(), "/logs/requests?path=/a%3Fb%3Dc%26d%23%22%3E%3Cscript%3E&q=%C3%BC%20%2B%25");
    }

    #[test]
    fn parameters_are_added_replaced_and_taken_away() {
        let address = Address::new("/", &[("circuit", "a"), ("circuit", "b"), ("range", "1h")]);
        assert_eq!(address.with("range", "5m").to_string(), "/?circuit=a&circuit=b&range=5m");
        assert_eq!(address.without_pair("circuit", "a").to_string(), "/?circuit=b&range=1h");
        assert_eq!(address.without(&["circuit", "range"]).and("q", "x").to_string(), "/?q=x");
        assert!(address.has("circuit", "b") && !address.has("circuit", "c"));
    }
}
