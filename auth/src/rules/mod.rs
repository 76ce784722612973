//! Rules that look at the address alone, before anybody is asked who he is.

mod country;
mod network;

pub(crate) use country::Countries;
pub(crate) use network::{Networks, Set};
