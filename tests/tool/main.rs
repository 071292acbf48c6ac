//! Tests of the whole tool: the binary, a configuration, real files, real databases, a real store.
//!
//! They are one binary, because linking it is what they cost. SQLite is always there; Postgres and the S3 store are those
//! that `./test` starts.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod adopt;
mod ahead;
mod columns;
mod crash;
mod cursor;
mod dbt;
mod export_changes;
mod failures;
mod formats;
mod gc;
mod guard;
mod harness;
mod kill;
mod modes;
mod order;
mod output;
mod overtaken;
mod pains;
mod pains_elsewhere;
#[path = "../support/proxy.rs"]
mod proxy;
mod quickstart;
mod races;
mod rejects;
mod rewrite;
mod secrets;
mod simulation;
mod state;
mod types;
mod unchanged;
mod undo;
mod unique;
mod unload;
mod verify;
mod warehouses;
mod wire;
mod without_transactions;
