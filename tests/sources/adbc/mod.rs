//! Real ADBC drivers: DuckDB, PostgreSQL, SQLite, Snowflake's against a server that speaks like it, and Flight SQL's.

mod about;
mod blocking;
mod cut;
mod errors;
mod examples;
mod fixture;
mod loading;
mod project;
mod secrets;
mod streaming;
mod tool;
mod types;
