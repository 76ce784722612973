//! Where addresses are.

/// What a geo database says about an address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) country: &'static str,
    pub(super) subdivision: &'static str,
    pub(super) city: &'static str,
    /// Of the network that carries most of the city's people.
    pub(super) asn: u64,
}

const fn place(country: &'static str, subdivision: &'static str, city: &'static str, asn: u64) -> Place {
    Place { country, subdivision, city, asn }
}

/// By falling number of people who sign in from there.
pub(super) const PLACES: &[Place] = &[
    place("DE", "BE", "Berlin", 3320),
    place("CH", "ZH", "Zurich", 3303),
    place("DE", "BY", "Munich", 8881),
    place("AT", "9", "Vienna", 8447),
    place("FR", "IDF", "Paris", 3215),
    place("NL", "NH", "Amsterdam", 1136),
    place("GB", "ENG", "London", 2856),
    place("US", "NY", "New York", 701),
    place("CH", "BE", "Bern", 6730),
    place("DE", "HH", "Hamburg", 3209),
    place("US", "CA", "San Francisco", 7922),
    place("PL", "14", "Warsaw", 5617),
    place("IT", "25", "Milan", 3269),
    place("ES", "MD", "Madrid", 3352),
    place("SE", "AB", "Stockholm", 3301),
    place("US", "IL", "Chicago", 7018),
    place("CZ", "10", "Prague", 5610),
    place("DK", "84", "Copenhagen", 3292),
    place("US", "WA", "Seattle", 7923),
    place("IN", "KA", "Bengaluru", 9829),
    place("IE", "L", "Dublin", 5466),
    place("PT", "11", "Lisbon", 3243),
    place("CA", "ON", "Toronto", 577),
    place("FI", "18", "Helsinki", 719),
    place("NO", "03", "Oslo", 2119),
    place("GB", "SCT", "Edinburgh", 2857),
    place("FR", "ARA", "Lyon", 12_322),
    place("BE", "BRU", "Brussels", 5432),
    place("AU", "NSW", "Sydney", 1221),
    place("JP", "13", "Tokyo", 2516),
    place("US", "TX", "Austin", 7019),
    place("SG", "", "Singapore", 7473),
    place("IN", "MH", "Mumbai", 24_560),
    place("RO", "B", "Bucharest", 9050),
    place("GR", "I", "Athens", 6799),
    place("HU", "BU", "Budapest", 5483),
    place("BR", "SP", "Sao Paulo", 27_699),
    place("ZA", "WC", "Cape Town", 3741),
    place("KR", "11", "Seoul", 4766),
    place("MX", "CMX", "Mexico City", 8151),
    place("AU", "VIC", "Melbourne", 4804),
    place("TR", "34", "Istanbul", 9121),
    place("AR", "C", "Buenos Aires", 7303),
    place("NZ", "AUK", "Auckland", 9500),
    place("CN", "BJ", "Beijing", 4808),
    place("CN", "SH", "Shanghai", 4812),
    place("RU", "MOW", "Moscow", 8402),
    place("VN", "SG", "Ho Chi Minh City", 45_899),
    place("ID", "JK", "Jakarta", 17_974),
    place("UA", "30", "Kyiv", 15_895),
    place("HK", "", "Hong Kong", 4760),
    place("IR", "23", "Tehran", 58_224),
    place("EG", "C", "Cairo", 8452),
    place("NG", "LA", "Lagos", 29_465),
    place("TH", "10", "Bangkok", 7470),
    place("BG", "22", "Sofia", 8866),
];
