//! Postgres as a source, on a real server: its types, its refusals, the wire in between, and the whole tool.

mod connection;
mod example;
#[path = "../../tool/harness.rs"]
#[allow(dead_code)]
mod harness;
mod refusals;
mod server;
mod tool;
mod types;
mod wire;

use crate::proxy;
