//! The counters of one minute.

use std::collections::HashMap;

use super::counted::{Counted, Dimension, Totals};
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

/// One minute while requests are added to it.
#[derive(Debug, Default)]
pub(super) struct Minute {
    /// By name; the empty one is of requests that found no circuit.
    circuits: HashMap<Box<[u8]>, Cell>,
    /// Of circuits for which there was no room.
    rest: Cell,
    bytes: usize,
}

/// One circuit's minute.
#[derive(Debug, Default)]
struct Cell {
    totals: Totals,
    counts: [Counts; Dimension::ALL.len()],
}

#[derive(Debug, Default)]
struct Counts {
    keys: HashMap<Box<[u8]>, u64>,
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

impl Minute {
    pub(super) fn add(&mut self, request: &Counted<'_>) {
        if let Some(cell) = self.circuits.get_mut(request.circuit) {
            return cell.add(request, &mut self.bytes);
        }
        let size = CELL_BYTES + request.circuit.len();
        if self.bytes + size > MINUTE_BYTES {
            return self.rest.add(request, &mut self.bytes);
        }
        self.bytes += size;
        self.circuits.entry(request.circuit.into()).or_default().add(request, &mut self.bytes);
    }

    /// Version u8, number of circuits, each with its name; then the rest. All numbers are varints.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes + CELL_BYTES);
        out.push(VERSION);
        put_varint(self.circuits.len() as u64, &mut out);
        for (name, cell) in &self.circuits {
            put_key(name, &mut out);
            cell.encode(&mut out);
        }
        self.rest.encode(&mut out);
        out
    }

    /// None for what [`Self::encode`] did not write.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut decoding = Decoding { minute: Self::default(), circuit: None };
        read(bytes, &mut decoding)?;
        Some(decoding.minute)
    }
}

impl Cell {
    fn add(&mut self, request: &Counted<'_>, bytes: &mut usize) {
        self.totals.add(&request.totals);
        for (of, counts) in Dimension::ALL.into_iter().zip(&mut self.counts) {
            counts.add(request.key(of), if of.is_open() { OPEN_BYTES } else { MINUTE_BYTES }, bytes);
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let Totals { allowed, blocked, bytes_in, bytes_out } = self.totals;
        for number in [allowed, blocked, bytes_in, bytes_out] {
            put_varint(number, out);
        }
        for Counts { keys, absent, other } in &self.counts {
            for number in [*absent, *other, keys.len() as u64] {
                put_varint(number, out);
            }
            for (key, count) in keys {
                put_key(key, out);
                put_varint(*count, out);
            }
        }
    }
}

impl Counts {
    fn add(&mut self, key: &[u8], room: usize, bytes: &mut usize) {
        // What was read from disk may be anything; it must not end the writer.
        if key.is_empty() {
            self.absent = self.absent.saturating_add(1);
        } else if let Some(count) = self.keys.get_mut(key) {
            *count = count.saturating_add(1);
        } else if *bytes + KEY_BYTES + key.len() <= room {
            *bytes += KEY_BYTES + key.len();
            self.keys.insert(key.into(), 1);
        } else {
            self.other = self.other.saturating_add(1);
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
    /// The circuit that is being read; absent for the rest.
    circuit: Option<Box<[u8]>>,
}

impl Decoding {
    fn counts(&mut self, of: Dimension) -> Option<&mut Counts> {
        let cell = match &self.circuit {
            Some(name) => self.minute.circuits.get_mut(name)?,
            None => &mut self.minute.rest,
        };
        cell.counts.get_mut(of.index())
    }
}

impl Take for Decoding {
    fn circuit(&mut self, circuit: Option<&[u8]>, totals: &Totals) {
        self.circuit = circuit.map(Box::from);
        let cell = match &self.circuit {
            Some(name) => {
                self.minute.bytes += CELL_BYTES + name.len();
                self.minute.circuits.entry(name.clone()).or_default()
            }
            None => &mut self.minute.rest,
        };
        cell.totals = *totals;
    }

    fn key(&mut self, of: Dimension, key: &[u8], count: u64) {
        self.minute.bytes += KEY_BYTES + key.len();
        if let Some(counts) = self.counts(of) {
            counts.keys.insert(key.into(), count);
        }
    }

    fn unnamed(&mut self, of: Dimension, absent: u64, other: u64) {
        if let Some(counts) = self.counts(of) {
            (counts.absent, counts.other) = (absent, other);
        }
    }
}
