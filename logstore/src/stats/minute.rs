//! The counters of one minute.

use super::counted::{Counted, Dimension, Totals};
use super::keys::{Key, Keys};
use crate::codec::put_varint;

/// Room of the keys of one minute, in bytes as they are stored; a key that finds none counts under `other`. With all
/// minutes of a day full, as in a flood of addresses, the counters take 45 MiB.
pub(super) const MINUTE_BYTES: usize = 32 << 10;

/// What addresses and people leave to all other keys.
const OPEN_BYTES: usize = MINUTE_BYTES / 4 * 3;

/// What a key takes besides its own bytes: its length and its count.
const KEY_BYTES: usize = 3;

/// What a circuit takes besides its name and its keys.
const CELL_BYTES: usize = 32;

/// Version of the stored bytes.
const VERSION: u8 = 1;

/// Group of the circuits' names: each is counted with the place of its cell. The groups after it are those of the
/// cells, one for each dimension.
const NAMES: u16 = 0;

/// Place of the cell of circuits for which there was no room; the others follow it.
const REST: u64 = 0;

/// One minute while requests are added to it.
#[derive(Debug)]
pub(super) struct Minute {
    cells: Vec<Cell>,
    /// Of all cells. The empty name is of requests that found no circuit.
    keys: Keys,
    bytes: usize,
}

/// One circuit's minute.
#[derive(Debug, Default)]
struct Cell {
    totals: Totals,
    unnamed: [Unnamed; Dimension::ALL.len()],
}

/// Requests without a key, and those whose key found no room.
#[derive(Debug, Default)]
struct Unnamed {
    absent: u64,
    other: u64,
}

/// Takes what a stored minute holds: a circuit, then its keys and what has none, dimension by dimension.
pub(super) trait Take {
    /// `circuit` is absent for those for which there was no room.
    fn circuit(&mut self, circuit: Option<&[u8]>, totals: &Totals);
    fn key(&mut self, of: Dimension, key: &[u8], count: u64);
    fn unnamed(&mut self, of: Dimension, absent: u64, other: u64);
}

impl Default for Minute {
    fn default() -> Self {
        Self { cells: vec![Cell::default()], keys: Keys::default(), bytes: 0 }
    }
}

impl Minute {
    pub(super) fn add(&mut self, request: &Counted<'_>) {
        let place = self.place(request.circuit);
        let Some(cell) = usize::try_from(place).ok().and_then(|place| self.cells.get_mut(place)) else { return };
        cell.totals.add(&request.totals);
        for (of, unnamed) in Dimension::ALL.into_iter().zip(&mut cell.unnamed) {
            let key = request.key(of);
            // What was read from disk may be anything; it must not end the writer.
            if key.is_empty() {
                unnamed.absent = unnamed.absent.saturating_add(1);
                continue;
            }
            let known = Key::of(group(place, of), key);
            let room = if of.is_open() { OPEN_BYTES } else { MINUTE_BYTES };
            if let Some(count) = self.keys.count_mut(&known) {
                *count = count.saturating_add(1);
            } else if self.bytes + KEY_BYTES + key.len() <= room {
                self.bytes += KEY_BYTES + key.len();
                self.keys.insert(&known, 1);
            } else {
                unnamed.other = unnamed.other.saturating_add(1);
            }
        }
    }

    /// Of a circuit's cell; made if there is room for it.
    fn place(&mut self, circuit: &[u8]) -> u64 {
        let name = Key::of(NAMES, circuit);
        if let Some(place) = self.keys.count_mut(&name) {
            return *place;
        }
        if self.bytes + CELL_BYTES + circuit.len() > MINUTE_BYTES { REST } else { self.make_cell(&name, circuit.len()) }
    }

    fn make_cell(&mut self, name: &Key<'_>, name_bytes: usize) -> u64 {
        self.bytes += CELL_BYTES + name_bytes;
        let place = self.cells.len() as u64;
        self.keys.insert(name, place);
        self.cells.push(Cell::default());
        place
    }

    /// Version u8, number of circuits, each with its name; then the rest. All numbers are varints.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes + CELL_BYTES);
        out.push(VERSION);
        let keys = self.keys.by_group();
        let names = keys.partition_point(|(group, ..)| *group == NAMES);
        let (names, mut keys) = keys.split_at_checked(names).unwrap_or_default();
        let (rest, cells) = self.cells.split_first().map_or((None, [].as_slice()), |(rest, cells)| (Some(rest), cells));
        // The rest's groups are the first and its cell is the last.
        let of_rest = Dimension::ALL.map(|of| take_group(REST, of, &mut keys));
        put_varint(cells.len() as u64, &mut out);
        for ((_, name, place), cell) in names.iter().zip(cells) {
            put_key(name, &mut out);
            cell.encode(Dimension::ALL.map(|of| take_group(*place, of, &mut keys)), &mut out);
        }
        rest.unwrap_or(&Cell::default()).encode(of_rest, &mut out);
        out
    }

    /// None for what [`Self::encode`] did not write.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut decoding = Decoding { minute: Self::default(), place: REST };
        read(bytes, &mut decoding)?;
        Some(decoding.minute)
    }

    /// Counts these keys without their names from now on. Whether there were any.
    pub(super) fn forget(&mut self, goes: impl Fn(Dimension, &[u8]) -> bool) -> bool {
        let decoding = Decoding { minute: Self::default(), place: REST };
        let mut forgetting = Forgetting { decoding, goes, are_gone: false };
        let is_read = read(&self.encode(), &mut forgetting).is_some();
        let are_gone = is_read && forgetting.are_gone;
        if are_gone {
            *self = forgetting.decoding.minute;
        }
        are_gone
    }

    /// Empty again, its memory kept.
    pub(super) fn clear(&mut self) {
        self.cells.clear();
        self.cells.push(Cell::default());
        self.keys.clear();
        self.bytes = 0;
    }
}

/// Of a cell's keys of one dimension. There is room for a thousand circuits.
fn group(place: u64, of: Dimension) -> u16 {
    let group = place.saturating_mul(Dimension::ALL.len() as u64).saturating_add(of.index() as u64 + 1);
    u16::try_from(group).unwrap_or(u16::MAX)
}

type Group<'k> = &'k [(u16, &'k [u8], u64)];

/// Takes the keys of a group from the front of all.
fn take_group<'k>(place: u64, of: Dimension, keys: &mut Group<'k>) -> Group<'k> {
    let group = group(place, of);
    let (taken, rest) = keys.split_at_checked(keys.partition_point(|(of, ..)| *of <= group)).unwrap_or_default();
    *keys = rest;
    taken
}

impl Cell {
    fn encode(&self, keys: [Group<'_>; Dimension::ALL.len()], out: &mut Vec<u8>) {
        let Totals { allowed, blocked, bytes_in, bytes_out } = self.totals;
        for number in [allowed, blocked, bytes_in, bytes_out] {
            put_varint(number, out);
        }
        for (Unnamed { absent, other }, keys) in self.unnamed.iter().zip(keys) {
            for number in [*absent, *other, keys.len() as u64] {
                put_varint(number, out);
            }
            for (_, key, count) in keys {
                put_key(key, out);
                put_varint(*count, out);
            }
        }
    }
}

fn put_key(key: &[u8], out: &mut Vec<u8>) {
    put_varint(key.len() as u64, out);
    out.extend_from_slice(key);
}

/// Goes through a stored minute. None where the bytes are not those of one.
pub(super) fn read(bytes: &[u8], take: &mut impl Take) -> Option<()> {
    let (&version, rest) = bytes.split_first()?;
    let mut bytes = Bytes(rest);
    let circuits = bytes.number().filter(|_| version == VERSION)?;
    for _ in 0..circuits {
        let name = bytes.key()?;
        read_cell(Some(name), &mut bytes, take)?;
    }
    read_cell(None, &mut bytes, take)?;
    bytes.0.is_empty().then_some(())
}

fn read_cell(circuit: Option<&[u8]>, bytes: &mut Bytes<'_>, take: &mut impl Take) -> Option<()> {
    let [allowed, blocked, bytes_in, bytes_out] = [bytes.number()?, bytes.number()?, bytes.number()?, bytes.number()?];
    take.circuit(circuit, &Totals { allowed, blocked, bytes_in, bytes_out });
    for of in Dimension::ALL {
        let [absent, other, keys] = [bytes.number()?, bytes.number()?, bytes.number()?];
        take.unnamed(of, absent, other);
        for _ in 0..keys {
            let key = bytes.key()?;
            take.key(of, key, bytes.number()?);
        }
    }
    Some(())
}

/// Bytes that are still to be read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn key(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (key, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(key)
    }
}

/// Makes a minute that can be added to out of a stored one.
struct Decoding {
    minute: Minute,
    /// Of the cell that is being read.
    place: u64,
}

impl Decoding {
    fn cell(&mut self) -> Option<&mut Cell> {
        self.minute.cells.get_mut(usize::try_from(self.place).ok()?)
    }
}

impl Take for Decoding {
    fn circuit(&mut self, circuit: Option<&[u8]>, totals: &Totals) {
        self.place = circuit.map_or(REST, |circuit| {
            let name = Key::of(NAMES, circuit);
            let known = self.minute.keys.count_mut(&name).map(|place| *place);
            known.unwrap_or_else(|| self.minute.make_cell(&name, circuit.len()))
        });
        if let Some(cell) = self.cell() {
            cell.totals = *totals;
        }
    }

    fn key(&mut self, of: Dimension, key: &[u8], count: u64) {
        let known = Key::of(group(self.place, of), key);
        if let Some(before) = self.minute.keys.count_mut(&known) {
            *before = count;
        } else {
            self.minute.bytes += KEY_BYTES + key.len();
            self.minute.keys.insert(&known, count);
        }
    }

    fn unnamed(&mut self, of: Dimension, absent: u64, other: u64) {
        if let Some(unnamed) = self.cell().and_then(|cell| cell.unnamed.get_mut(of.index())) {
            *unnamed = Unnamed { absent, other };
        }
    }
}

/// As [`Decoding`], but for the names of some keys.
struct Forgetting<G> {
    decoding: Decoding,
    goes: G,
    are_gone: bool,
}

impl<G: Fn(Dimension, &[u8]) -> bool> Take for Forgetting<G> {
    fn circuit(&mut self, circuit: Option<&[u8]>, totals: &Totals) {
        self.decoding.circuit(circuit, totals);
    }

    fn key(&mut self, of: Dimension, key: &[u8], count: u64) {
        if !(self.goes)(of, key) {
            return self.decoding.key(of, key, count);
        }
        self.are_gone = true;
        if let Some(unnamed) = self.decoding.cell().and_then(|cell| cell.unnamed.get_mut(of.index())) {
            unnamed.other = unnamed.other.saturating_add(count);
        }
    }

    fn unnamed(&mut self, of: Dimension, absent: u64, other: u64) {
        self.decoding.unnamed(of, absent, other);
    }
}
