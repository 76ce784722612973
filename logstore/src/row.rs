//! One stored entry, read back.

use uuid::Uuid;

use crate::entry::Log;

/// One stored entry, read back.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its log.
    pub log: Log,
    /// Its position.
    pub seq: u64,
    /// Its name.
    pub id: Uuid,
}

impl Row {
    /// Every field, absent ones null, on one line.
    pub fn to_json(&self) -> String {
        todo!()
    }
}
