//! The parameters of one call, each known by its name.

use std::str::FromStr;

use jiff::Timestamp;

use crate::admin::problem::Problem;

/// What a view was asked. An empty value is the same as none.
#[derive(Debug)]
pub(super) struct Parameters<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Parameters<'a> {
    /// # Errors
    /// 400 for a name that is not among the known ones.
    pub(super) fn read(given: &'a [(String, String)], known: &[&str]) -> Result<Self, Problem> {
        let mut read = Vec::new();
        for (name, value) in given {
            if !known.contains(&name.as_str()) {
                let message = format!("not known here; there are {}", known.join(", "));
                return Err(Problem::bad_parameter(name, &message));
            }
            if !value.is_empty() {
                read.push((name.as_str(), value.as_str()));
            }
        }
        Ok(Self(read))
    }

    /// The values of a parameter that may be given several times.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(given, _)| *given == name).map(|(_, value)| *value)
    }

    /// # Errors
    /// 400 when it is given twice.
    pub(super) fn one(&self, name: &str) -> Result<Option<&'a str>, Problem> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Problem::bad_parameter(name, "given twice; give it once")),
            (value, None) => Ok(value),
        }
    }

    /// # Errors
    /// 400 when it is no `T`; `wanted` says what to write.
    pub(super) fn parse<T: FromStr>(&self, name: &str, wanted: &str) -> Result<Option<T>, Problem> {
        let parse = |value: &str| value.parse().map_err(|_| wrong(name, value, wanted));
        self.one(name)?.map(parse).transpose()
    }

    /// A moment.
    ///
    /// # Errors
    /// 400 when it is not RFC 3339.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        self.parse(name, "a time; write 2026-11-23T08:00:00Z")
    }

    /// False unless it is given.
    ///
    /// # Errors
    /// 400 when it is neither true nor false.
    pub(super) fn truth(&self, name: &str) -> Result<Option<bool>, Problem> {
        self.choice(name, &[("true", true), ("false", false)])
    }

    /// A number from 1 on.
    ///
    /// # Errors
    /// 400 when it is anything else.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let wanted = "a number from 1 on";
        match self.parse(name, wanted)? {
            Some(0) => Err(wrong(name, "0", wanted)),
            number => Ok(number),
        }
    }

    /// A number from 1 to `most`; what is no such number becomes `default`, what is larger `most`.
    ///
    /// # Errors
    /// 400 when it is given twice.
    pub(super) fn clamped(&self, name: &str, default: u64, most: u64) -> Result<u64, Problem> {
        let number = self.one(name)?.and_then(|value| value.parse().ok()).filter(|number| *number > 0);
        Ok(number.unwrap_or(default).min(most))
    }

    /// One of these words, whatever their case.
    ///
    /// # Errors
    /// 400 when it is none of them.
    pub(super) fn choice<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, Problem> {
        self.one(name)?.map(|value| chosen(name, value, words)).transpose()
    }
}

/// The meaning of a word, whatever its case.
///
/// # Errors
/// 400 when it is none of them.
pub(super) fn chosen<T: Copy>(name: &str, value: &str, words: &[(&str, T)]) -> Result<T, Problem> {
    let known = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(value));
    known.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        wrong(name, value, &format!("known; write one of: {}", words.join(", ")))
    })
}

/// `wanted` completes "is not".
pub(super) fn wrong(name: &str, value: &str, wanted: &str) -> Problem {
    Problem::bad_parameter(name, &format!("{value:?} is not {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Vec<(String, String)> {
        let pairs = text.split('&').map(|pair| pair.split_once('=').unwrap());
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn check<T: std::fmt::Debug>(
        text: &str,
        read: impl Fn(&Parameters<'_>) -> Result<T, Problem>,
        expected: Result<&str, &str>,
    ) {
        let given = given(text);
        let result = Parameters::read(&given, &["n", "w"]).and_then(|parameters| read(&parameters));
        let result = result.map(|value| format!("{value:?}")).map_err(|problem| problem.detail);
        assert_eq!(result.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn a_parameter_is_read_or_named() {
        let one = |parameters: &Parameters<'_>| parameters.one("n").map(|value| value.map(str::to_owned));
        check("n=5", one, Ok("Some(\"5\")"));
        check("n=", one, Ok("None"));
        check("n=5&n=6", one, Err("n: given twice; give it once"));
        check("m=5", one, Err("m: not known here; there are n, w"));
        check("m=", one, Err("m: not known here; there are n, w"));
        check("n=5", |p| p.number("n"), Ok("Some(5)"));
        check("n=0", |p| p.number("n"), Err("n: \"0\" is not a number from 1 on"));
        check("n=-1", |p| p.number("n"), Err("n: \"-1\" is not a number from 1 on"));
        check("n=TRUE", |p| p.truth("n"), Ok("Some(true)"));
        check("n=1", |p| p.truth("n"), Err("n: \"1\" is not known; write one of: true, false"));
        check("n=2026-11-23T08:00:00%2b01:00", |p| p.time("w"), Ok("None"));
        check("n=2026-11-23T08:00:00+01:00", |p| p.time("n"), Ok("Some(2026-11-23T07:00:00Z)"));
        check("n=15m", |p| p.time("n"), Err("n: \"15m\" is not a time; write 2026-11-23T08:00:00Z"));
    }

    #[test]
    fn a_clamped_number_is_never_refused() {
        for (text, expected) in
            [("w=1", "7"), ("n=3", "3"), ("n=11", "10"), ("n=0", "7"), ("n=-3", "7"), ("n=x", "7"), ("n=1e3", "7")]
        {
            check(text, |p| p.clamped("n", 7, 10), Ok(expected));
        }
    }
}
