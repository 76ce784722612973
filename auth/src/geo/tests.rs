use std::path::Path;

use super::*;

/// A value of the MaxMind format.
enum Value {
    Text(&'static str),
    Short(u16),
    Number(u32),
    Long(u64),
    Map(Vec<(&'static str, Value)>),
    List(Vec<Value>),
}
use Value::{List, Long, Map, Number, Short, Text};

impl Value {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Text(text) => {
                head(out, 2, text.len());
                out.extend_from_slice(text.as_bytes());
            }
            Number(number) => {
                head(out, 6, 4);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Short(number) => {
                head(out, 5, 2);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Long(number) => {
                head(out, 9, 8);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Map(pairs) => {
                head(out, 7, pairs.len());
                for (key, value) in pairs {
                    Text(key).write(out);
                    value.write(out);
                }
            }
            List(values) => {
                head(out, 11, values.len());
                values.iter().for_each(|value| value.write(out));
            }
        }
    }
}

/// Types from 8 on are extended: a zero type, then the type less seven.
fn head(out: &mut Vec<u8>, kind: u8, len: usize) {
    let len = u8::try_from(len).unwrap();
    assert!(len < 29);
    if kind < 8 {
        out.push(kind << 5 | len);
    } else {
        out.extend_from_slice(&[len, kind - 7]);
    }
}

/// A database of one node: addresses whose first bit is 0 have the record, the others are not there.
fn database(ip_version: u16, record: &Value) -> Vec<u8> {
    let mut file = Vec::new();
    // 24-bit records: 1 + 16 + 0 points at the first byte of the data, 1 says that there is none.
    file.extend_from_slice(&[0, 0, 17, 0, 0, 1]);
    file.extend_from_slice(&[0; 16]);
    record.write(&mut file);
    file.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    Map(vec![
        ("binary_format_major_version", Short(2)),
        ("binary_format_minor_version", Short(0)),
        ("build_epoch", Long(1_700_000_000)),
        ("database_type", Text("Test")),
        ("description", Map(vec![])),
        ("ip_version", Short(ip_version)),
        ("languages", List(vec![])),
        ("node_count", Number(1)),
        ("record_size", Short(24)),
    ])
    .write(&mut file);
    file
}

fn open(bytes: &[u8]) -> Result<GeoDb, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("places.mmdb");
    std::fs::write(&path, bytes).unwrap();
    GeoDb::open(Version::of(&path).unwrap())
}

fn location(country: &str, subdivision: &str, city: &str) -> Location {
    let known = |text: &str| (!text.is_empty()).then(|| text.into());
    Location { country: known(country), subdivision: known(subdivision), city: known(city), asn: None }
}

fn names(name: &'static str) -> Value {
    Map(vec![("names", Map(vec![("en", Text(name))]))])
}

#[test]
fn both_schemas_are_read() {
    let iso = |code| Map(vec![("iso_code", Text(code))]);
    for (record, expected) in [
        (
            Map(vec![
                ("city", names("Berlin")),
                ("country", iso("DE")),
                ("subdivisions", List(vec![iso("BE"), iso("XX")])),
            ]),
            location("DE", "BE", "Berlin"),
        ),
        (Map(vec![("country", iso("de"))]), location("DE", "", "")),
        // Where a network is registered says nothing of where it is.
        (Map(vec![("registered_country", iso("AU"))]), location("", "", "")),
        (
            Map(vec![("city", Text("Mannheim")), ("country_code", Text("DE")), ("state1", Text("Baden"))]),
            location("DE", "Baden", "Mannheim"),
        ),
        (Map(vec![("country_code", Text("US"))]), location("US", "", "")),
        (
            Map(vec![("autonomous_system_number", Number(64_500))]),
            Location { asn: Some(64_500), ..Location::default() },
        ),
    ] {
        let geo = open(&database(4, &record)).unwrap();
        for _ in 0..2 {
            let place = geo.locate("10.0.0.1".parse().unwrap());
            assert_eq!((&*place.location, place.answered), (&expected, true));
        }
        let unmapped = geo.locate("200.0.0.1".parse().unwrap());
        assert_eq!((&*unmapped.location, unmapped.answered), (&Location::default(), true));
    }
}

#[test]
fn families_that_a_file_lacks_are_unmapped() {
    let geo = open(&database(4, &Map(vec![("country_code", Text("DE"))]))).unwrap();
    for (address, country) in [("::1", None), ("2001:db8::1", None), ("::ffff:10.0.0.1", Some("DE"))] {
        let place = geo.locate(address.parse().unwrap());
        assert_eq!((place.location.country.as_deref(), place.answered), (country, true), "{address}");
    }
}

#[test]
fn a_broken_record_is_no_answer() {
    // A country that is a number where text belongs.
    let geo = open(&database(4, &Map(vec![("country_code", Number(7))]))).unwrap();
    assert!(!geo.locate("10.0.0.1".parse().unwrap()).answered);
}

#[test]
fn a_file_cut_or_changed_anywhere_never_panics() {
    let whole = database(4, &Map(vec![("city", names("Berlin")), ("country_code", Text("DE"))]));
    for end in 0..whole.len() {
        if let Ok(geo) = open(&whole[..end]) {
            geo.locate("10.0.0.1".parse().unwrap());
        }
    }
    for at in 0..whole.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= change;
            if let Ok(geo) = open(&bytes) {
                for address in ["10.0.0.1", "200.0.0.1", "::1"] {
                    geo.locate(address.parse().unwrap());
                }
            }
        }
    }
}

#[test]
fn the_example_database_is_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/demo/places.mmdb");
    let geo = GeoDb::open(Version::of(&path).unwrap()).unwrap();
    let place = |address: &str| Location::clone(&geo.locate(address.parse().unwrap()).location);
    assert_eq!(place("203.0.113.7"), location("DE", "BE", "Berlin"));
    assert_eq!(place("198.51.100.1"), location("CN", "BJ", "Beijing"));
    assert_eq!(place("8.8.8.8"), Location::default());
}
