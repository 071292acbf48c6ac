//! SQLite as a hydrant target: tables in one database file, kept equal to queries.
//!
//! | file | what is there |
//! |---|---|
//! | `config` | the settings, and how the file is opened |
//! | `target` | the contract, method by method; one transaction for a batch |
//! | `inspect`, `limits` | a table of the file compared with what a sync wants; what its columns hold |
//! | `scan` | a table read from one end to the other |
//! | `write` | rows of a batch, statement by statement; which one it was that the database refused |
//! | `moves` | values of unique columns that move between the rows of a batch |
//! | `statement` | every statement's text |
//! | `encode`, `decode`, `nested` | Arrow carriers to what SQLite stores, and back |
//! | `classify` | what an error of SQLite means to the caller |
//!
//! `docs/targets/sqlite.md` says how it writes, which types become what, and what its limits are.

mod classify;
mod config;
mod decode;
mod encode;
mod inspect;
mod limits;
mod moves;
mod nested;
mod scan;
mod statement;
mod target;
mod write;

pub use config::Settings;
pub use target::SqliteTarget;
