//! Unloading: the warehouse writes a model's rows into the store itself, as Parquet, and hydrant reads them from there.
//!
//! What users need to know stands in `docs/sources/unload.md`, why it is so in `docs/decisions/0016-unload.md`.
//!
//! The files are only a way in. They lie in a folder of their own below the run's ([`Staging`]), are read as the rows of any
//! source are, and are gone before the run is sealed. A warehouse that unloads says two things of a model: the [`Recipe`],
//! made without asking anybody (`duckdb`, `snowflake`, `bigquery`, `redshift`), and how it is followed ([`Warehouse`]). All else is
//! the same for all of them: [`Unloading::new`] makes rows of both that nothing is done for before the first is asked for.
//!
//! **Rows must not look changed because they came this way.** Their schema is the one that the source describes, which is what
//! it streams in. A type that Parquet files of that warehouse do not hold exactly is written in another [`Form`], or the model is
//! streamed; what a file then holds is looked at once more, column by column ([`form`]).

pub mod bigquery;
pub mod duckdb;
mod form;
mod job;
mod object;
mod read;
mod receipt;
pub mod redshift;
pub mod snowflake;
mod staging;
mod text;

#[cfg(test)]
mod tests;

pub use form::Form;
pub use receipt::Receipt;
pub use staging::Staging;

use super::{Model, Rows, SourceError};
use crate::secret::Secret;
use arrow::{
    array::RecordBatch,
    datatypes::{Field, Schema, SchemaRef},
};
use async_trait::async_trait;
use job::Job;
use std::sync::{Arc, OnceLock};

/// What a source makes of the wish that a model's rows go through the store.
pub enum Unload {
    /// Nobody has asked it to: it streams.
    Off,
    /// It was asked to, and streams all the same.
    Streams {
        /// Why, in words: `the store is a local folder`.
        because: String,
    },
    /// It writes the rows into the store.
    Writes(Box<Unloading>),
}

/// Rows that the warehouse is about to write into the store.
pub struct Unloading {
    /// The statement that it is going to run. Holds no secret.
    pub statement: String,
    /// Whether the rows come in the order of the model's `ORDER BY`.
    pub keeps_order: bool,
    /// The rows. When the first one is asked for, the statement runs; when the last one was read, the files are removed.
    /// Whoever drops them before the end removes the folder.
    pub rows: Rows,
    /// What came of it, from the end of the rows on.
    pub outcome: Arc<OnceLock<Outcome>>,
}

/// How the rows of an [`Unloading`] have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// From files in the store.
    Read {
        /// How many.
        files: u64,
        /// Their size.
        bytes: u64,
    },
    /// Streamed after all.
    Streamed {
        /// Why, in words.
        because: String,
    },
}

/// How a warehouse unloads a model.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Statements that must run before, in the same session. They may hold secrets and are never shown.
    pub before: Vec<Secret>,
    /// The statement that writes the files. Holds no secret.
    pub statement: String,
    /// How each column is written, in the order of the model.
    pub forms: Vec<Form>,
    /// How the number of rows that were written gets known.
    pub receipt: Receipt,
    /// Whether the files, read in the order of their names, have the rows in the order of the model's `ORDER BY`.
    pub keeps_order: bool,
}

/// A warehouse that writes files.
#[async_trait]
pub trait Warehouse: Send + Sync {
    /// Follows the recipe up to the end of its statement. Returns what the statement returns. Dropping the future ends the
    /// statement, as far as that can be done.
    ///
    /// # Errors
    ///
    /// As for a query. No message holds what is not shown of the recipe.
    async fn write(&self, recipe: &Recipe) -> Result<Vec<RecordBatch>, SourceError>;

    /// As [`Source::open`](super::Source::open).
    async fn open(&self, model: &Model) -> Result<Rows, SourceError>;
}

impl Unloading {
    /// Rows of a model by this recipe. `schema` is the model's, as the source describes it.
    pub fn new(
        recipe: Recipe,
        model: Model,
        schema: &Schema,
        into: Staging,
        warehouse: Arc<dyn Warehouse>,
    ) -> Self {
        let outcome = Arc::new(OnceLock::new());
        let (statement, keeps_order) = (recipe.statement.clone(), recipe.keeps_order);
        let schema = read_as(schema);
        let (told, schema_read) = (outcome.clone(), schema.clone());
        let job = Job { recipe, model, schema: schema_read, into, warehouse, outcome: told };
        let rows = Rows { schema, batches: job.rows() };
        Self { statement, keeps_order, rows, outcome }
    }
}

/// The schema of rows that are read from files: the described one, without dictionaries, which are a way to send texts, and
/// without promises about NULL, which files do not make.
fn read_as(schema: &Schema) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| {
            let plain = form::plain(field.data_type());
            field.as_ref().clone().with_data_type(plain).with_nullable(true)
        })
        .collect();
    Arc::new(Schema::new(fields))
}
