//! People who were here: everybody with at least one successful sign-in in a time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::entry::Log;
use crate::error::{BadParameter, QueryError};
use crate::query::{LIMIT_MAX, Query};
use crate::row::{Row, Value};
use crate::store::Store;

/// People of one answer; one more is left out, and the answer says that it is not complete.
pub const PEOPLE_MAX: usize = 100_000;

/// Whom to look for: sign-ins between two times.
#[derive(Debug, Clone)]
pub struct SeenQuery {
    /// When this is over, the answer has what was found so far and says that it is not complete.
    pub deadline: Duration,
    /// The parameters of the pages that are read.
    parameters: Vec<(String, String)>,
    now: Timestamp,
}

/// Everybody who was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Whoever signed in last comes first.
    pub people: Vec<Person>,
    /// False when time or room ran out.
    pub complete: bool,
}

/// One person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// As in the access log.
    pub email: String,
    /// Successful sign-ins.
    pub count: u64,
    /// The first of them; microseconds since 1970.
    pub first: i64,
    /// The last of them.
    pub last: i64,
    /// Where the last one came from.
    pub last_ip: Option<IpAddr>,
    /// ISO 3166-1 alpha-2 of that.
    pub last_country: Option<String>,
}

impl SeenQuery {
    /// `since` and `until` as in queries of the log; an absent one sets no limit.
    ///
    /// # Errors
    /// Where they are not times.
    pub fn new(since: Option<&str>, until: Option<&str>, now: Timestamp) -> Result<Self, BadParameter> {
        let fixed = [("action", "login"), ("result", "success"), ("email.not", ""), ("order", "desc")];
        let times = [("since", since), ("until", until)].into_iter().filter_map(|(name, time)| Some((name, time?)));
        let parameters = fixed.into_iter().chain(times);
        let limit = ("limit".to_owned(), LIMIT_MAX.to_string());
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).chain([limit]).collect();
        let query = Self { deadline: crate::query::DEADLINE, parameters, now };
        query.page(None).map(|_| query)
    }

    /// The question for one page.
    fn page(&self, cursor: Option<String>) -> Result<Query, BadParameter> {
        let cursor = cursor.map(|cursor| ("cursor".to_owned(), cursor));
        let parameters: Vec<_> = self.parameters.iter().cloned().chain(cursor).collect();
        Query::parse(Log::Access, &parameters, self.now)
    }
}

/// Reads the matching entries page by page, the latest first.
pub(crate) fn run(store: &Store, query: &SeenQuery) -> Result<Seen, QueryError> {
    let ends = Instant::now() + query.deadline;
    let mut people = HashMap::new();
    let (mut complete, mut cursor) = (true, None);
    loop {
        let mut page = query.page(cursor.take()).expect("the parameters were read before, and the cursor is ours");
        page.deadline = ends.saturating_duration_since(Instant::now());
        let page = store.query(&page)?;
        for row in &page.rows {
            complete &= note(&mut people, row);
        }
        match page.next_cursor {
            Some(next) if Instant::now() < ends => cursor = Some(next),
            next => {
                let people = ranked(people);
                return Ok(Seen { people, complete: complete && next.is_none() });
            }
        }
    }
}

/// False where there is no room for one more person.
fn note(people: &mut HashMap<String, Person>, row: &Row) -> bool {
    let (Some(Value::Text(email)), Some(Value::Time(time))) = (row.value("email"), row.value("time")) else {
        return true;
    };
    if let Some(person) = people.get_mut(email) {
        person.count += 1;
        person.first = person.first.min(time);
        return true;
    }
    let has_room = people.len() < PEOPLE_MAX;
    if has_room {
        people.insert(email.to_owned(), Person::of(email, time, row));
    }
    has_room
}

fn ranked(people: HashMap<String, Person>) -> Vec<Person> {
    let mut people: Vec<Person> = people.into_values().collect();
    people.sort_unstable_by(|one, other| other.last.cmp(&one.last).then_with(|| one.email.cmp(&other.email)));
    people
}

impl Person {
    /// Of the latest sign-in.
    fn of(email: &str, time: i64, row: &Row) -> Self {
        let last_ip = match row.value("source_ip") {
            Some(Value::Address(address)) => Some(address),
            Some(Value::Id(_) | Value::Number(_) | Value::Time(_) | Value::Text(_) | Value::Json(_)) | None => None,
        };
        let last_country = match row.value("country") {
            Some(Value::Text(country)) => Some(country.to_owned()),
            Some(Value::Id(_) | Value::Number(_) | Value::Time(_) | Value::Address(_) | Value::Json(_)) | None => None,
        };
        Self { email: email.to_owned(), count: 1, first: time, last: time, last_ip, last_country }
    }
}
