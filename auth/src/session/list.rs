//! Sessions for people to look at.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;

use super::row::Row;
use super::store::{CookieHash, Store};
use super::{Held, Listed, SessionFilter, State};
use crate::error::Error;

impl Store {
    pub(crate) fn list(&self, filter: &SessionFilter, limit: usize) -> Result<Vec<Listed>, Error> {
        if let Some(id) = &filter.id {
            let found = self.find_by_id(id)?.filter(|listed| {
                filter.email.as_ref().is_none_or(|email| Some(email) == listed.email.as_ref())
                    && filter.circuit.as_ref().is_none_or(|circuit| *circuit == listed.circuit)
            });
            return Ok(found.into_iter().take(limit).collect());
        }
        let mut newest: BTreeMap<(Timestamp, CookieHash), Row> = BTreeMap::new();
        self.each_row(|hash, row| {
            if row.matches(filter) {
                newest.insert((row.created, *hash), row);
                if newest.len() > limit {
                    newest.pop_first();
                }
            }
        })?;
        newest.into_iter().rev().map(|((_, hash), row)| self.listed(&hash, row)).collect()
    }

    pub(crate) fn each_live(&self, mut take: impl FnMut(&Held<'_>)) -> Result<(), Error> {
        let now = self.clock.now();
        self.each_row(|_, row| {
            if row.state == State::Active && now < row.expires {
                take(&Held { email: row.email.as_deref(), circuit: &row.circuit, created: row.created });
            }
        })
    }

    pub(crate) fn find_by_id(&self, id: &str) -> Result<Option<Listed>, Error> {
        let Some(hash) = self.hash_of(id)? else { return Ok(None) };
        self.row(&hash)?.map(|row| self.listed(&hash, row)).transpose()
    }

    fn listed(&self, hash: &CookieHash, row: Row) -> Result<Listed, Error> {
        let last_used = self.last_used(hash, &row)?;
        let state = row.state_at(self.clock.now(), last_used);
        Ok(row.listed(state, last_used))
    }

    /// Circuit and address of every session of a shared secret that is still known.
    pub(crate) fn shared_addresses(&self, mut take: impl FnMut(&str, IpAddr)) -> Result<(), Error> {
        self.each_row(|_, row| {
            if row.email.is_none() {
                take(&row.circuit, row.source_ip);
            }
        })
    }
}
