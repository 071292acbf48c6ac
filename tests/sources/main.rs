//! Sources against real warehouses, each by its own driver or protocol.
#![allow(clippy::unwrap_used, reason = "also helpers of tests may panic")]

mod adbc;
mod postgres;
#[path = "../support/proxy.rs"]
#[allow(dead_code, reason = "other tests need its other faults")]
mod proxy;
mod support;
