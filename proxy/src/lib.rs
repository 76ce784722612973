//! The vestibule program.
