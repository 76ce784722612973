//! The links of a log's page: each is the page's own address with one thing changed.

use vestibule_logstore::Log;

use super::address::Address;
use super::columns::{self, Columns};
use super::question::{OPERATORS, Question, RANGES, REFRESH, TIMES};
use super::value;

/// A link, and whether it is what the page shows already.
pub(super) struct Choice {
    pub(super) label: String,
    pub(super) link: String,
    pub(super) is_on: bool,
}

/// A column.
pub(super) struct Head {
    pub(super) field: &'static str,
    /// Sorts by it, or the other way round.
    pub(super) link: String,
    /// `ascending`, `descending`; empty: sorted by another one.
    pub(super) sorted: &'static str,
    pub(super) is_number: bool,
}

pub(super) fn chips(first: &Address, columns: &Columns) -> Vec<Choice> {
    let (name, words) = columns.chips;
    let all =
        Choice { label: "all".to_owned(), link: first.without(&[name]).to_string(), is_on: first.get(name).is_none() };
    let chip = |word: &&str| {
        let is_on = first.has(name, word);
        let link = if is_on { first.without_pair(name, word) } else { first.with(name, word) };
        Choice { label: word.replace('_', " "), link: link.to_string(), is_on }
    };
    std::iter::once(all).chain(words.iter().map(chip)).collect()
}

pub(super) fn ranges(first: &Address, question: &Question) -> Vec<Choice> {
    let choice = |range: &str| Choice {
        label: range.to_owned(),
        link: first.without(&TIMES).and("range", range).to_string(),
        is_on: question.asked.get("range") == Some(range),
    };
    RANGES.into_iter().map(choice).collect()
}

/// Other ways to look at the same entries.
pub(super) fn modes(first: &Address, question: &Question) -> Vec<Choice> {
    let still = first.without(&["live", "refresh"]);
    let is_live = first.get("live").is_some();
    let live = if is_live { still.clone() } else { still.without(&["sort", "order"]).and("live", "1") };
    let mut modes = vec![Choice { label: "live".to_owned(), link: live.to_string(), is_on: is_live }];
    modes.extend(REFRESH.iter().map(|every| {
        let is_on = first.get("refresh") == Some(every);
        let link = if is_on { still.clone() } else { still.clone().and("refresh", every) };
        Choice { label: format!("every {every} s"), link: link.to_string(), is_on }
    }));
    if question.sort() == "time" {
        let is_on = question.is_folded();
        let link = if is_on { first.with("fold", "false") } else { first.without(&["fold"]) };
        modes.push(Choice { label: "equal ones folded".to_owned(), link: link.to_string(), is_on });
    }
    if question.log == Log::Access {
        let is_on = first.get("view") == Some("events");
        let link = if is_on { first.without(&["view"]) } else { first.with("view", "events") };
        modes.push(Choice { label: "every event".to_owned(), link: link.to_string(), is_on });
    }
    modes
}

pub(super) fn filters(first: &Address, question: &Question) -> Vec<Choice> {
    let choice = |(name, held): &(String, String)| {
        let operator = OPERATORS.iter().rev().find(|(end, _)| name.ends_with(end)).copied().unwrap_or(("", "is"));
        let (end, word) = operator;
        let field = name.strip_suffix(end).unwrap_or(name);
        let held_shown = if held.is_empty() { "none" } else { held };
        Choice {
            label: value::cut(format!("{field} {word} {held_shown}"), 80),
            link: first.without_pair(name, held).to_string(),
            is_on: true,
        }
    };
    question.filters().map(choice).collect()
}

pub(super) fn head(question: &Question, field: &'static str) -> Head {
    let is_sorted = question.sort() == field;
    let ascending = question.is_ascending();
    let address = question.address.without(&["cursor", "order", "sort", "fold"]);
    let order = if is_sorted && !ascending { "asc" } else { "desc" };
    let address =
        if field == "time" && order == "desc" { address } else { address.and("sort", field).and("order", order) };
    let sorted = match (is_sorted, ascending) {
        (false, _) => "",
        (true, true) => "ascending",
        (true, false) => "descending",
    };
    Head { field, link: address.to_string(), sorted, is_number: columns::is_number(question.log, field) }
}
