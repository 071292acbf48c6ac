//! hydrant keeps tables in an application's database equal to queries on the company's warehouse.
//!
//! A run is six verbs with two commit points, and each lives in a place of its own:
//!
//! | verb | what happens | where |
//! |---|---|---|
//! | export | the model's rows come as Arrow batches and become Parquet in the store | [`source`], [`carry`], [`store`] |
//! | | columns are selected, renamed and hashed, where the sync says so | [`mapping`] |
//! | | values are made to fit the target's columns, where the sync says so | [`mend`] |
//! | fingerprint | every row is hashed while it passes | [`fingerprint`] |
//! | diff | last index against new fingerprints: what to insert, update, delete | [`diff`], judged by [`guard`] |
//! | **seal** | one create-only write: from here on the run will be finished | [`store`] |
//! | apply | batches in export order, each in one transaction with its checkpoint | [`apply`], [`hydrant_contract`] |
//! | **publish** | one create-only write: the new index is the last index | [`store`] |
//!
//! Only [`engine`] knows that order. [`config`] turns what was typed into what the program relies on, [`registry`] is the
//! one place that names concrete targets and sources, [`dbt`] reads what a dbt project has to say, and [`cli`] is the one place that prints.

pub mod apply;
pub mod carry;
pub mod cli;
pub mod clock;
pub mod config;
pub mod cursor;
pub mod dbt;
pub mod diff;
pub mod engine;
pub mod fingerprint;
pub mod guard;
pub mod mapping;
pub mod mend;
pub mod object_storage;
mod plural;
pub mod point;
pub mod registry;
pub mod secret;
pub mod source;
pub mod spill;
pub mod store;
pub mod sync;
