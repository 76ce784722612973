//! Where requests come from, as a map. The outlines are of Natural Earth (public domain, 1:110m), as paths of whole
//! numbers: a line for each country, its ISO code first.

use std::sync::LazyLock;

use super::address::Address;
use super::value;

static COUNTRIES: LazyLock<Vec<(&str, &str)>> =
    LazyLock::new(|| include_str!("world.txt").lines().filter_map(|line| line.split_once(' ')).collect());

/// The world, with the countries that are on a list.
pub(super) struct Map {
    /// All other countries in one.
    pub(super) rest: String,
    pub(super) countries: Vec<Country>,
}

/// One that requests came from.
pub(super) struct Country {
    pub(super) path: &'static str,
    /// `few` to `most`.
    pub(super) class: &'static str,
    pub(super) link: String,
    pub(super) title: String,
}

/// From the least to the most, each for a tenth of the next.
const CLASSES: [&str; 4] = ["few", "some", "many", "most"];

impl Map {
    /// `counts` by ISO code; `log` is the page of the requests that were counted. None where no country is known.
    pub(super) fn of(counts: &[(String, u64)], log: &Address) -> Option<Self> {
        let most = counts.iter().map(|(_, count)| *count).max()?;
        let mut map = Self { rest: String::new(), countries: Vec::new() };
        for (code, path) in COUNTRIES.iter() {
            match counts.iter().find(|(counted, _)| counted == code) {
                None => map.rest.push_str(path),
                Some((_, count)) => map.countries.push(Country {
                    path,
                    class: class(*count, most),
                    link: log.clone().and("country", code).to_string(),
                    title: format!("{code}: {}", value::count(*count)),
                }),
            }
        }
        Some(map)
    }
}

fn class(count: u64, most: u64) -> &'static str {
    let tenths = [1000, 100, 10].iter().filter(|tenth| count.saturating_mul(**tenth) >= most.max(1)).count();
    // A tenth of the most and above is the top class.
    CLASSES.get(tenths).copied().unwrap_or("few")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_coloured_by_the_order_of_their_counts() {
        let counts: Vec<_> =
            [("DE", 1000), ("FR", 100), ("CN", 99), ("US", 1)].map(|(code, count)| (code.to_owned(), count)).into();
        let map = Map::of(&counts, &Address::new("/logs/requests", &[("range", "24h")])).unwrap();
        let told: Vec<_> = map.countries.iter().map(|country| (country.title.as_str(), country.class)).collect();
        assert_eq!(told, [("CN: 99", "many"), ("DE: 1\u{202f}000", "most"), ("FR: 100", "most"), ("US: 1", "some")]);
        assert_eq!(map.countries[0].link, "/logs/requests?range=24h&country=CN");
        assert!(Map::of(&[], &Address::new("/", &[])).is_none());
        assert_eq!(COUNTRIES.len() - 4, map.rest.matches('M').count() - multiples(&map));
    }

    /// Countries of several islands have several outlines.
    fn multiples(map: &Map) -> usize {
        let rest = COUNTRIES.iter().filter(|(code, _)| !map.countries.iter().any(|it| it.title.starts_with(code)));
        rest.map(|(_, path)| path.matches('M').count() - 1).sum()
    }
}
