//! Connections to Postgres, and to what speaks its protocol: what hydrant's target and source have in common.
//!
//! Connection strings as libpq takes them ([`Config`]), TLS as libpq means it, several hosts tried in order, time limits
//! for everything, and errors in words that hold no secret ([`Error`]). What is done on a [`Connection`] is its user's
//! business: nothing here sends a statement.

mod config;
mod connect;
mod conninfo;
mod error;
mod tls;

pub use config::{Config, Purpose, Settings};
pub use connect::{Canceller, Connection, Connector};
pub use error::{Error, ErrorKind, words};
