//! The most frequent values of a few fields, as links that ask for them or for all others.

use vestibule_logstore::query::Facet;

use super::question::Question;
use super::value;

/// Values of one field that are shown.
pub(super) const TOP: usize = 6;

/// Characters of one.
const VALUE_MAX: usize = 40;

/// One field.
pub(super) struct FacetView {
    pub(super) field: &'static str,
    pub(super) values: Vec<ValueView>,
}

/// One value of it.
pub(super) struct ValueView {
    pub(super) text: String,
    pub(super) count: String,
    /// Those alone; or all again, where those alone are shown.
    pub(super) only: String,
    pub(super) is_on: bool,
    /// All but those.
    pub(super) others: String,
}

impl FacetView {
    pub(super) fn of(facet: &Facet, question: &Question) -> Self {
        let address = question.address.without(&["cursor"]);
        let excluded = format!("{}.not", facet.field);
        let values = facet.values.iter().map(|(held, count)| {
            let filter = value::escaped(held);
            let is_on = address.has(facet.field, &filter);
            let only = if is_on {
                address.without_pair(facet.field, &filter)
            } else {
                address.without(&[facet.field]).and(facet.field, &filter)
            };
            ValueView {
                text: if held.is_empty() { "none".to_owned() } else { value::cut(held.clone(), VALUE_MAX) },
                count: value::count(*count),
                only: only.to_string(),
                is_on,
                others: address.clone().and(&excluded, &filter).to_string(),
            }
        });
        Self { field: facet.field, values: values.collect() }
    }
}
