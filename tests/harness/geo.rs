//! Writes geo databases of the MaxMind format, small enough to read in a test's source.
//!
//! The format is described at <https://maxmind.github.io/MaxMind-DB/>: a binary search tree over addresses of 128
//! bits (IPv4 in `::/96`), a data section, and metadata behind a marker.

use std::net::Ipv4Addr;

/// One network and what the database says of it.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// First address of the network.
    pub network: Ipv4Addr,
    /// Length of its prefix.
    pub prefix: u8,
    /// ISO 3166-1 alpha-2.
    pub country: &'static str,
    /// English name.
    pub country_name: &'static str,
    /// ISO 3166-2 without the country.
    pub subdivision: &'static str,
    /// English name.
    pub city: &'static str,
}

/// The documentation networks of RFC 5737, spread over three countries.
pub const PLACES: &[Place] = &[
    place([203, 0, 113, 0], "DE", "Germany", "BE", "Berlin"),
    place([198, 51, 100, 0], "CN", "China", "BJ", "Beijing"),
    place([192, 0, 2, 0], "US", "United States", "OR", "Portland"),
];

const fn place(
    address: [u8; 4],
    country: &'static str,
    country_name: &'static str,
    subdivision: &'static str,
    city: &'static str,
) -> Place {
    let [a, b, c, d] = address;
    Place { network: Ipv4Addr::new(a, b, c, d), prefix: 24, country, country_name, subdivision, city }
}

const METADATA_MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// A whole database.
pub fn database(places: &[Place]) -> Vec<u8> {
    let mut data = Vec::new();
    let mut tree = vec![[None::<Branch>; 2]];
    for place in places {
        let offset = data.len();
        record(place).write(&mut data);
        insert(&mut tree, place, offset);
    }
    let mut file = Vec::new();
    for node in &tree {
        for branch in node {
            let value = match branch {
                None => tree.len(),
                Some(Branch::Node(number)) => *number,
                // Sixteen zero bytes stand between tree and data.
                Some(Branch::Data(offset)) => tree.len() + 16 + offset,
            };
            file.extend_from_slice(&u32::try_from(value).unwrap().to_be_bytes()[1..]);
        }
    }
    file.extend_from_slice(&[0; 16]);
    file.extend_from_slice(&data);
    file.extend_from_slice(METADATA_MARKER);
    metadata(tree.len()).write(&mut file);
    file
}

#[derive(Clone, Copy)]
enum Branch {
    Node(usize),
    Data(usize),
}

/// Follows the network's bits from the root and hangs the data below the last one.
fn insert(tree: &mut Vec<[Option<Branch>; 2]>, place: &Place, offset: usize) {
    let address = u128::from(u32::from(place.network));
    let depth = 96 + usize::from(place.prefix);
    let mut node = 0;
    for level in 0..depth {
        let bit = usize::from(address >> (127 - level) & 1 == 1);
        if level + 1 == depth {
            tree[node][bit] = Some(Branch::Data(offset));
        } else if let Some(Branch::Node(next)) = tree[node][bit] {
            node = next;
        } else {
            tree.push([None; 2]);
            let next = tree.len() - 1;
            tree[node][bit] = Some(Branch::Node(next));
            node = next;
        }
    }
}

fn record(place: &Place) -> Value {
    let name = |text| Value::Map(vec![("en", Value::Text(text))]);
    Value::Map(vec![
        ("country", Value::Map(vec![("iso_code", Value::Text(place.country)), ("names", name(place.country_name))])),
        ("subdivisions", Value::List(vec![Value::Map(vec![("iso_code", Value::Text(place.subdivision))])])),
        ("city", Value::Map(vec![("names", name(place.city))])),
    ])
}

fn metadata(nodes: usize) -> Value {
    Value::Map(vec![
        ("node_count", Value::U32(u32::try_from(nodes).unwrap())),
        ("record_size", Value::U16(24)),
        ("ip_version", Value::U16(6)),
        ("database_type", Value::Text("Vestibule-Example-City")),
        ("languages", Value::List(vec![Value::Text("en")])),
        ("binary_format_major_version", Value::U16(2)),
        ("binary_format_minor_version", Value::U16(0)),
        ("build_epoch", Value::U64(1_767_225_600)),
        ("description", Value::Map(vec![("en", Value::Text("Documentation networks in example places"))])),
    ])
}

enum Value {
    Text(&'static str),
    U16(u16),
    U32(u32),
    U64(u64),
    Map(Vec<(&'static str, Value)>),
    List(Vec<Value>),
}

impl Value {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => {
                control(out, 2, text.len());
                out.extend_from_slice(text.as_bytes());
            }
            Self::U16(number) => number_bytes(out, 5, &number.to_be_bytes()),
            Self::U32(number) => number_bytes(out, 6, &number.to_be_bytes()),
            Self::U64(number) => number_bytes(out, 9, &number.to_be_bytes()),
            Self::Map(pairs) => {
                control(out, 7, pairs.len());
                for (key, value) in pairs {
                    Self::Text(key).write(out);
                    value.write(out);
                }
            }
            Self::List(values) => {
                control(out, 11, values.len());
                values.iter().for_each(|value| value.write(out));
            }
        }
    }
}

/// Leading zero bytes are left out.
fn number_bytes(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    control(out, kind, bytes.len() - zeros);
    out.extend_from_slice(&bytes[zeros..]);
}

/// Kind and size; kinds above 7 have a byte of their own, sizes from 29 too. No value here is longer than 284.
fn control(out: &mut Vec<u8>, kind: u8, size: usize) {
    let (short, long) = if size < 29 { (size, None) } else { (29, Some(size - 29)) };
    let short = u8::try_from(short).unwrap();
    if kind > 7 {
        out.extend_from_slice(&[short, kind - 7]);
    } else {
        out.push(kind << 5 | short);
    }
    out.extend(long.map(|rest| u8::try_from(rest).unwrap()));
}
