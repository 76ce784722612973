//! What the address of a log's page asks: the parameters of the API, and a few of the page's own.

use std::time::Duration;

use jiff::Timestamp;
use vestibule_logstore::query::moment;
use vestibule_logstore::{Log, Query};

use super::address::Address;
use super::chart::BARS_MAX;
use super::value;
use crate::admin::logs::DEADLINE;
use crate::admin::problem::Problem;

/// Quick ranges, as the API names them.
pub(super) const RANGES: [&str; 7] = ["5m", "15m", "1h", "24h", "7d", "30d", "all"];

/// Unless the address says otherwise.
const RANGE: &str = "24h";
const LIMIT: &str = "50";

/// Counts that take longer are cut short, and the page says so: nobody waits for them alone.
const COUNTED_WITHIN: Duration = Duration::from_secs(1);

/// How often a page may load itself again, in seconds.
pub(super) const REFRESH: [&str; 3] = ["5", "30", "60"];

/// The page's own, which the log knows nothing of.
const OF_THE_PAGE: [&str; 2] = ["live", "refresh"];

/// Which entries of an answer, and how they are told: nothing that an export, a tail or a count takes.
pub(super) const OF_LISTS: [&str; 7] = ["limit", "cursor", "order", "sort", "count", "fold", "fields"];

/// When.
pub(super) const TIMES: [&str; 3] = ["range", "since", "until"];

/// What a person can add with the form: sent once, then part of the address.
const TYPED: [&str; 4] = ["field", "op", "value", "column"];

/// Operators of a filter, for the form; the last part of a parameter's name.
pub(super) const OPERATORS: [(&str, &str); 6] = [
    ("", "is"),
    (".not", "is not"),
    (".contains", "contains"),
    (".prefix", "begins with"),
    (".min", "at least"),
    (".max", "at most"),
];

/// A question in the address of a page.
pub(super) struct Question {
    /// As it stands in the browser.
    pub(super) address: Address,
    /// For the log.
    pub(super) asked: Address,
    pub(super) log: Log,
    pub(super) now: Timestamp,
}

impl Question {
    /// Reads an address; what a form sent comes back as the address that says the same.
    pub(super) fn read(log: Log, address: Address, now: Timestamp) -> Result<Self, Address> {
        let canonical = canonical(&address);
        if canonical != address {
            return Err(canonical);
        }
        let mut asked = address.without(&OF_THE_PAGE);
        if TIMES.iter().all(|name| asked.get(name).is_none()) {
            asked = asked.and("range", RANGE);
        }
        if asked.get("limit").is_none() {
            asked = asked.and("limit", LIMIT);
        }
        let question = Self { address, asked, log, now };
        let folds = question.sort() == "time" && question.asked.get("fold").is_none();
        let asked = if folds { question.asked.clone().and("fold", "true") } else { question.asked.clone() };
        Ok(Self { asked, ..question })
    }

    pub(super) fn sort(&self) -> &str {
        self.asked.get("sort").unwrap_or("time")
    }

    pub(super) fn is_ascending(&self) -> bool {
        self.asked.get("order") == Some("asc")
    }

    pub(super) fn is_folded(&self) -> bool {
        self.asked.get("fold") == Some("true")
    }

    /// The page of the log.
    pub(super) fn page(&self) -> Result<Query, Problem> {
        // The page shows what it likes of each entry.
        self.query(&self.asked.without(&["fields"]), DEADLINE)
    }

    /// What is counted: the entries on all pages.
    pub(super) fn counted(&self) -> Result<Query, Problem> {
        self.query(&self.asked.without(&OF_LISTS), COUNTED_WITHIN)
    }

    fn query(&self, asked: &Address, deadline: Duration) -> Result<Query, Problem> {
        let mut query = Query::parse(self.log, &asked.parameters, self.now)?;
        query.deadline = deadline;
        Ok(query)
    }

    /// What it is about, from when; none where nobody says.
    pub(super) fn since(&self) -> Option<Timestamp> {
        let told = self.asked.get("since").or(self.asked.get("range").filter(|range| *range != "all"));
        told.and_then(|told| moment(told, self.now))
    }

    pub(super) fn until(&self) -> Timestamp {
        self.asked.get("until").and_then(|told| moment(told, self.now)).unwrap_or(self.now)
    }

    /// Seconds of one bar, so that there are at most [`BARS_MAX`].
    pub(super) fn step(&self) -> i64 {
        const STEPS: [i64; 13] = [1, 5, 15, 60, 300, 900, 1800, 3600, 14_400, 43_200, 86_400, 604_800, 2_592_000];
        let Some(since) = self.since() else { return 86_400 };
        let seconds = self.until().duration_since(since).as_secs().max(1);
        STEPS.into_iter().find(|step| seconds / step < BARS_MAX).unwrap_or(seconds / BARS_MAX + 1)
    }

    /// Conditions on fields: name of the parameter and value.
    pub(super) fn filters(&self) -> impl Iterator<Item = &(String, String)> {
        let others = ["q", "view"];
        let is_filter = move |name: &str| {
            !OF_THE_PAGE.contains(&name)
                && !OF_LISTS.contains(&name)
                && !TIMES.contains(&name)
                && !others.contains(&name)
        };
        self.address.parameters.iter().filter(move |(name, _)| is_filter(name))
    }

    /// The same entries, exported.
    pub(super) fn export(&self, format: &str) -> Address {
        let path = format!("/logs/{}/export", self.log.name());
        self.asked.without(&["limit", "cursor", "count", "fold"]).at(&path).and("format", format)
    }

    /// Where the values of its fields are counted.
    pub(super) fn values(&self) -> Address {
        let path = format!("/logs/{}/facets", self.log.name());
        self.asked.without(&OF_LISTS).at(&path)
    }

    /// What comes, as it comes.
    pub(super) fn tail(&self, fields: &str) -> Address {
        let path = format!("/logs/{}/tail", self.log.name());
        self.asked.without(&OF_LISTS).without(&TIMES).without(&["view"]).at(&path).and("fields", fields)
    }

    /// The same entries, at a terminal.
    pub(super) fn command(&self) -> String {
        let mut words = vec!["vestibule".to_owned(), "logs".to_owned(), self.log.name().to_owned()];
        let since = self.asked.get("since").or(self.asked.get("range").filter(|range| *range != "all"));
        for (flag, value) in [("--since", since), ("--until", self.asked.get("until"))] {
            words.extend(value.into_iter().flat_map(|value| [flag.to_owned(), quoted(value)]));
        }
        words.extend(["-n".to_owned(), quoted(self.asked.get("limit").unwrap_or(LIMIT))]);
        words.extend(self.filters().map(|(name, value)| quoted(&format!("{name}={value}"))));
        let text = self.asked.get("q").into_iter();
        words.extend(text.flat_map(|text| ["--search".to_owned(), quoted(text)]));
        words.join(" ")
    }
}

/// Typed filters and chosen columns in their places, without what says nothing.
fn canonical(address: &Address) -> Address {
    let typed = |name: &str| address.get(name).filter(|value| !value.is_empty());
    let mut said = address.clone();
    said.parameters.retain(|(name, value)| {
        let may_be_empty =
            !TIMES.contains(&name.as_str()) && !["q", "refresh", "live", "limit"].contains(&name.as_str());
        !TYPED.contains(&name.as_str()) && (may_be_empty || !value.is_empty())
    });
    if said.get("since").is_some() || said.get("until").is_some() {
        said = said.without(&["range"]);
    }
    if let Some(field) = typed("field") {
        let (operator, value) = (address.get("op").unwrap_or_default(), address.get("value").unwrap_or_default());
        said = said.without(&["cursor"]).and(&format!("{field}{operator}"), &value::escaped(value));
    }
    let columns: Vec<_> = address.parameters.iter().filter(|(name, _)| name == "column").collect();
    if !columns.is_empty() {
        let columns: Vec<_> = columns.into_iter().map(|(_, column)| column.as_str()).collect();
        said = said.with("fields", &columns.join(","));
    }
    said
}

/// As a shell reads it back.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(parameters: &[(&str, &str)]) -> Address {
        Address::new("/logs/requests", parameters)
    }

    fn read(parameters: &[(&str, &str)]) -> Result<Question, Address> {
        Question::read(Log::Requests, address(parameters), "2026-11-28T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn what_a_form_sends_becomes_an_address() {
        for (sent, expected) in [
            (vec![("q", ""), ("since", ""), ("range", "1h")], "/logs/requests?range=1h"),
            (vec![("range", "1h"), ("since", "2026-11-28T00:00:00Z")], "/logs/requests?since=2026-11-28T00:00:00Z"),
            (
                vec![("field", "path"), ("op", ".prefix"), ("value", "/a,b"), ("cursor", "c")],
                "/logs/requests?path.prefix=/a%5C,b",
            ),
            (vec![("field", ""), ("op", ""), ("value", "")], "/logs/requests"),
            (vec![("column", "time"), ("column", "host"), ("fields", "path")], "/logs/requests?fields=time,host"),
            (vec![("email", ""), ("q", "")], "/logs/requests?email="),
        ] {
            assert_eq!(read(&sent).err().map(|address| address.to_string()).as_deref(), Some(expected), "{sent:?}");
        }
    }

    #[test]
    fn the_log_is_asked_what_the_address_says_and_the_defaults() {
        let plain = read(&[("live", "1")]).unwrap_or_else(|_| panic!());
        assert_eq!(plain.asked.to_string(), "/logs/requests?range=24h&limit=50&fold=true");
        assert_eq!(plain.step(), 1800);
        let sorted = read(&[("sort", "path"), ("range", "5m")]).unwrap_or_else(|_| panic!());
        assert_eq!(sorted.asked.to_string(), "/logs/requests?sort=path&range=5m&limit=50");
        assert_eq!(sorted.step(), 15);
        assert_eq!(read(&[("range", "all")]).unwrap_or_else(|_| panic!()).step(), 86_400);
    }

    #[test]
    fn the_command_asks_the_same_and_a_shell_runs_nothing_of_it() {
        let question =
            read(&[("range", "1h"), ("circuit", "wiki"), ("path.not", "/$(id)"), ("q", "it's"), ("sort", "path")]);
        assert_eq!(
            question.unwrap_or_else(|_| panic!()).command(),
            "vestibule logs requests --since 1h -n 50 circuit=wiki 'path.not=/$(id)' --search 'it'\\''s'"
        );
    }
}
