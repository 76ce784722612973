//! The vestibule program.

pub mod cli;
