//! Request and attempt limits.
