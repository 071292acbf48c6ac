//! Where rows come from: a source runs a model and streams its rows as Arrow record batches.

#[cfg(feature = "adbc")]
pub mod adbc;
mod dialect;
mod error;
#[cfg(any(feature = "files", feature = "postgres"))]
mod excerpt;
#[cfg(feature = "files")]
pub mod files;
#[cfg(feature = "postgres")]
pub mod postgres;
mod since;
pub mod unload;

pub use dialect::Dialect;
pub use error::{SourceError, SourceErrorKind};
pub use unload::{Staging, Unload, Unloading};

use crate::dbt::Node;
use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use async_trait::async_trait;
use futures::stream::BoxStream;
use std::path::PathBuf;

/// A warehouse, or files, that queries run on.
///
/// A source never holds a whole result in memory, and needs read access only.
#[async_trait]
pub trait Source: Send + Sync {
    /// How its SQL is written.
    fn dialect(&self) -> Dialect;

    /// Connects, and says what is there and what the account may do.
    async fn about(&self) -> Result<About, SourceError>;

    /// The columns that the model returns, without running it in full.
    async fn describe(&self, model: &Model) -> Result<SchemaRef, SourceError>;

    /// Runs the model. The stream ends after its first error. Dropping it cancels the query.
    async fn open(&self, model: &Model) -> Result<Rows, SourceError>;

    /// Whether it writes the model's rows into the store itself, and how. Nothing is run in full and nothing is written before
    /// the first of [`Unloading::rows`] is asked for.
    async fn unload(&self, model: &Model, into: &Staging) -> Result<Unload, SourceError>;
}

/// What a source has to say of itself once it is connected to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Product and version: `PostgreSQL 17.2`.
    pub product: String,
    /// Where it is: host and database, file, project. Without passwords.
    pub place: String,
    /// The account that queries run as, where there are accounts.
    pub account: Option<String>,
    /// What whoever checks the set-up should know of the account's rights: each one sentence.
    pub notes: Vec<String>,
}

/// The rows of a model, in the source's order, in whatever Arrow types the source has.
pub struct Rows {
    /// The schema of every batch.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: BoxStream<'static, Result<RecordBatch, SourceError>>,
}

/// The query whose rows are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// The query.
    pub sql: String,
    /// The file that it was read from; without one it stood in the configuration itself.
    pub file: Option<PathBuf>,
    /// The model of dbt whose relation it reads.
    pub dbt: Option<Node>,
}
