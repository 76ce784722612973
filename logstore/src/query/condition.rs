//! Reads one condition: `FIELD=VALUE`, with or without an operator.

use jiff::Timestamp;
use uuid::Uuid;

use super::filter::{Filter, Outcome, Subject, Test, network};
use super::parse::{bad, known_field};
use super::text::Needle;
use crate::entry::{Field, Kind, Log};
use crate::error::BadParameter;

/// What is done with the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Is,
    Not,
    Contains,
    Prefix,
    Min,
    Max,
}

pub(super) fn read(log: Log, parameter: &str, value: &str) -> Result<Filter, BadParameter> {
    let (name, operator) = operator(parameter)?;
    if let Some(words) = request_words(log, name) {
        return of_request(parameter, name, operator, value, words);
    }
    if (log, name, operator) == (Log::Requests, "url", Operator::Contains) && !value.is_empty() {
        let tests = split(value).iter().map(|value| Test::Contains(Needle::new(value))).collect();
        return Ok(Filter { subject: Subject::Url, negated: false, tests });
    }
    let field = known_field(log, parameter, name)?;
    let values = split(value);
    let tests = values.iter().map(|value| test(log, field, parameter, operator, value));
    Ok(Filter {
        subject: Subject::Field(*field),
        negated: operator == Operator::Not,
        tests: tests.collect::<Result<_, _>>()?,
    })
}

fn operator(parameter: &str) -> Result<(&str, Operator), BadParameter> {
    let Some((name, operator)) = parameter.rsplit_once('.') else {
        return Ok((parameter, Operator::Is));
    };
    let operator = match operator {
        "not" => Operator::Not,
        "contains" => Operator::Contains,
        "prefix" => Operator::Prefix,
        "min" => Operator::Min,
        "max" => Operator::Max,
        _ => {
            let what = format!("{operator:?} is not an operator; write one of: not, contains, prefix, min, max");
            return Err(bad(parameter, what));
        }
    };
    Ok((name, operator))
}

/// Values between commas; a comma that belongs to a value is written `\,`.
fn split(value: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let mut characters = value.chars().peekable();
    while let Some(character) = characters.next() {
        let comma = character == '\\' && characters.next_if_eq(&',').is_some();
        match values.last_mut() {
            Some(last) if comma => last.push(','),
            Some(last) if character != ',' => last.push(character),
            Some(_) | None => values.push(String::new()),
        }
    }
    values
}

fn test(log: Log, field: &Field, parameter: &str, operator: Operator, value: &str) -> Result<Test, BadParameter> {
    let refuse = |wanted: &str| Err(bad(parameter, format!("{value:?} is not {wanted}")));
    match (operator, field.kind) {
        (Operator::Is | Operator::Not, _) => equal(log, field, parameter, value),
        (Operator::Contains | Operator::Prefix, _) if value.is_empty() => {
            refuse("a text; write at least one character")
        }
        (Operator::Contains, Kind::Text | Kind::Word(_) | Kind::Json | Kind::Address | Kind::Id) => {
            Ok(Test::Contains(Needle::new(value)))
        }
        (Operator::Prefix, Kind::Text | Kind::Word(_) | Kind::Json | Kind::Address | Kind::Id) => {
            Ok(Test::Prefix(as_stored(field, value)))
        }
        (Operator::Min | Operator::Max, Kind::Number | Kind::Count | Kind::Position) => match value.parse() {
            Ok(least) if operator == Operator::Min => Ok(Test::Number(least..=u64::MAX)),
            Ok(most) => Ok(Test::Number(0..=most)),
            Err(_) => refuse("a number; write digits"),
        },
        (
            Operator::Contains | Operator::Prefix | Operator::Min | Operator::Max,
            Kind::Id
            | Kind::Position
            | Kind::Time
            | Kind::Text
            | Kind::Word(_)
            | Kind::Number
            | Kind::Count
            | Kind::Address
            | Kind::Json,
        ) => Err(bad(parameter, instead(field))),
    }
}

/// What may be asked of a field whose kind does not take the operator.
fn instead(field: &Field) -> String {
    let name = field.name;
    match field.kind {
        Kind::Time => "times are asked for with since and until".into(),
        Kind::Address => format!("{name} is an address; write {name}=192.0.2.0/24"),
        Kind::Number | Kind::Count | Kind::Position => format!("{name} is a number; write {name}.min or {name}.max"),
        Kind::Text | Kind::Word(_) | Kind::Json | Kind::Id => {
            format!("{name} is a text; write {name}.contains or {name}.prefix")
        }
    }
}

fn equal(log: Log, field: &Field, parameter: &str, value: &str) -> Result<Test, BadParameter> {
    let refuse = |wanted: String| Err(bad(parameter, format!("{value:?} is not {wanted}")));
    if value.is_empty() {
        return Ok(Test::Absent);
    }
    match field.kind {
        Kind::Text => Ok(Test::Equals(as_stored(field, value))),
        Kind::Json => Ok(Test::Holds(value.to_owned())),
        Kind::Word(list) => match word(log, field, list, value) {
            Some(word) => Ok(Test::Equals(word.to_owned())),
            None => refuse(format!("{}; write one of: {}", indefinite(field.name), list.join(", "))),
        },
        Kind::Number | Kind::Count | Kind::Position => match number(field, value) {
            Some(range) => Ok(Test::Number(range)),
            None if field.name == "status_code" => refuse("a status; write 404 or 4xx".into()),
            None => refuse("a number; write digits".into()),
        },
        Kind::Address => match network(value) {
            Some(network) => Ok(Test::Network(network)),
            None => refuse("an address; write 192.0.2.7, or a network such as 192.0.2.0/24".into()),
        },
        Kind::Time => match value.parse::<Timestamp>() {
            Ok(time) => Ok(Test::Time(time.as_microsecond())),
            Err(_) => refuse("a time; write 2026-11-23T08:00:00.000000Z".into()),
        },
        Kind::Id => match Uuid::try_parse(value) {
            Ok(id) => Ok(Test::Id(id)),
            Err(_) => refuse("an id; write a UUID".into()),
        },
    }
}

/// Codes of countries are letters of either case to people, and stored in upper case.
fn as_stored(field: &Field, value: &str) -> String {
    if field.name == "country" { value.to_uppercase() } else { value.to_owned() }
}

/// `an action`, `a result`.
fn indefinite(name: &str) -> String {
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {name}")
}

fn word(log: Log, field: &Field, list: &'static [&'static str], value: &str) -> Option<&'static str> {
    let value = if log == Log::Audit && field.name == "status" && value.eq_ignore_ascii_case("blocked") {
        "denied"
    } else {
        value
    };
    list.iter().find(|word| word.eq_ignore_ascii_case(value)).copied()
}

/// A number, or of `status_code` a class such as `4xx`.
fn number(field: &Field, value: &str) -> Option<std::ops::RangeInclusive<u64>> {
    if let (b'1'..=b'5', Some(class)) = (*value.as_bytes().first()?, value.get(1..))
        && field.name == "status_code"
        && class.eq_ignore_ascii_case("xx")
    {
        let first = u64::from(*value.as_bytes().first()? - b'0') * 100;
        return Some(first..=first + 99);
    }
    value.parse().ok().map(|number| number..=number)
}

/// `status` and `outcome` of the request log are no fields; they are made of others.
fn request_words(log: Log, name: &str) -> Option<&'static [(&'static str, Outcome)]> {
    match (log, name) {
        (Log::Requests, "status") => Some(&[("success", Outcome::Success), ("failed", Outcome::Failed)]),
        (Log::Requests, "outcome") => {
            Some(&[("allowed", Outcome::Allowed), ("denied", Outcome::Denied), ("error", Outcome::Error)])
        }
        (Log::Requests | Log::Access | Log::Audit, _) => None,
    }
}

fn of_request(
    parameter: &str,
    name: &str,
    operator: Operator,
    value: &str,
    words: &[(&str, Outcome)],
) -> Result<Filter, BadParameter> {
    if !matches!(operator, Operator::Is | Operator::Not) {
        return Err(bad(parameter, format!("takes no such operator; write {name} or {name}.not")));
    }
    let tests = split(value).into_iter().map(|value| {
        let known = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(&value));
        known.map(|(_, outcome)| Test::Request(*outcome)).ok_or_else(|| {
            let list: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            bad(parameter, format!("{value:?} is not {}; write one of: {}", indefinite(name), list.join(", ")))
        })
    });
    Ok(Filter {
        subject: Subject::Request,
        negated: operator == Operator::Not,
        tests: tests.collect::<Result<_, _>>()?,
    })
}
