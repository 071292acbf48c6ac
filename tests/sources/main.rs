//! Sources against the real thing.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod postgres;
