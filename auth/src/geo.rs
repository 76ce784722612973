//! Where an address is.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use maxminddb::{MaxMindDbError, PathElement, Reader};

use crate::cache::Cache;

/// From the geo database; all absent without one, or for an unmapped address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Location {
    /// ISO 3166-1 alpha-2, upper case.
    pub country: Option<Arc<str>>,
    /// ISO 3166-2 without the country: `BE`. A flat database has a name here.
    pub subdivision: Option<Arc<str>>,
    /// English name.
    pub city: Option<Arc<str>>,
    /// Autonomous system number, where the database has it.
    pub asn: Option<u32>,
}

/// Addresses remembered.
const MAX_PLACES: usize = 100_000;

/// A larger file is not read.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// What the database says of one address.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    pub(crate) location: Arc<Location>,
    /// False where the record cannot be read: nothing is known, not even that the address is unmapped.
    pub(crate) answered: bool,
}

/// A MaxMind file, whole in memory, and the answers it gave.
pub(crate) struct GeoDb {
    reader: Reader<Vec<u8>>,
    places: Cache<IpAddr, Place>,
    version: Version,
}

/// By which a changed file is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    path: PathBuf,
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Version {
    pub(crate) fn of(path: &Path) -> std::io::Result<Self> {
        let meta = std::fs::metadata(path)?;
        Ok(Self { path: path.to_owned(), bytes: meta.len(), modified: meta.modified().ok() })
    }
}

impl GeoDb {
    /// Says what is wrong with the file.
    pub(crate) fn open(version: Version) -> Result<Self, String> {
        if version.bytes > MAX_FILE_BYTES {
            return Err("the file is larger than 1 GiB".to_owned());
        }
        let reader = Reader::open_readfile(&version.path).map_err(|error| error.to_string())?;
        Ok(Self { reader, places: Cache::new(MAX_PLACES), version })
    }

    pub(crate) fn version(&self) -> &Version {
        &self.version
    }

    pub(crate) fn remembered(&self) -> u64 {
        self.places.len() as u64
    }

    pub(crate) fn locate(&self, address: IpAddr) -> Place {
        let address = address.to_canonical();
        if let Some(place) = self.places.get(&address) {
            return place;
        }
        let place = match self.read(address) {
            Ok(location) => Place { location: Arc::new(location), answered: true },
            Err(error) => {
                tracing::warn!(%address, %error, "geo record cannot be read");
                Place::default()
            }
        };
        self.places.insert(address, place.clone());
        place
    }

    fn read(&self, address: IpAddr) -> Result<Location, MaxMindDbError> {
        // Asking an IPv4-only file for an IPv6 address is an error of the reader, but here just an unmapped address.
        if address.is_ipv6() && self.reader.metadata().ip_version == 4 {
            return Ok(Location::default());
        }
        let found = self.reader.lookup(address)?;
        if !found.has_data() {
            return Ok(Location::default());
        }
        let text = |path: &[PathElement<'_>]| found.decode_path::<&str>(path);
        let key = PathElement::Key;
        // The flat schema is known by its country key; GeoIP2 nests each value.
        let flat = text(&[key("country_code")])?;
        let (country, subdivision, city) = if flat.is_some() {
            (flat, text(&[key("state1")])?, text(&[key("city")])?)
        } else {
            (
                text(&[key("country"), key("iso_code")])?,
                text(&[key("subdivisions"), PathElement::Index(0), key("iso_code")])?,
                text(&[key("city"), key("names"), key("en")])?,
            )
        };
        Ok(Location {
            country: known(country).map(|code| code.to_ascii_uppercase().into()),
            subdivision: known(subdivision).map(Into::into),
            city: known(city).map(Into::into),
            asn: found.decode_path(&[key("autonomous_system_number")])?,
        })
    }
}

fn known(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}
