//! What tells one set of files from another.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};

/// SHA-256 over everything that was read, each text preceded by its length.
pub(crate) struct Revision(Context);

impl Revision {
    pub(crate) fn add(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    /// Lower-case hex of the first 8 bytes.
    pub(crate) fn finish(self) -> Arc<str> {
        let digest = self.0.finish();
        digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>().into()
    }
}

impl Default for Revision {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Revision")
    }
}
