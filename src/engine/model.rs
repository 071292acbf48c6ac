//! The columns and rows of a sync's model, as the sync wants them. No other part of the engine asks the source for them, so
//! that nothing past this file knows columns by other names than the table's.

use super::{Env, Failure};
use crate::{
    config::closest,
    mapping::{Mapper, Mapping, MappingError},
    source::{Rows, SourceError, SourceErrorKind},
    sync::SyncSpec,
};
use arrow::datatypes::SchemaRef;
use futures::StreamExt;

/// The columns that the model gives the table, without running it in full.
pub(super) async fn describe(env: &Env, sync: &SyncSpec) -> Result<SchemaRef, Failure> {
    let schema = env.source.describe(&sync.model).await?;
    match &sync.columns {
        None => Ok(schema),
        Some(mapping) => Ok(mapper(mapping, &schema)?.schema()),
    }
}

/// Runs the model, unless its rows come by way of the store: then these are they.
pub(super) async fn open(env: &Env, sync: &SyncSpec, unloaded: Option<Rows>) -> Result<Rows, Failure> {
    let rows = match unloaded {
        Some(rows) => rows,
        None => env.source.open(&sync.model).await?,
    };
    match &sync.columns {
        None => Ok(rows),
        Some(mapping) => mapped(rows, mapping),
    }
}

/// These rows of the source with the columns that are wanted.
fn mapped(rows: Rows, mapping: &Mapping) -> Result<Rows, Failure> {
    let mut mapper = mapper(mapping, &rows.schema)?;
    let schema = mapper.schema();
    let batches = rows.batches.map(move |batch| {
        mapper.map(&batch?).map_err(|error| SourceError {
            kind: SourceErrorKind::Data,
            message: error.to_string(),
            position: None,
        })
    });
    Ok(Rows { schema, batches: batches.boxed() })
}

/// The mapping for a query that returns these columns, or everything that is wrong with it.
fn mapper(mapping: &Mapping, schema: &SchemaRef) -> Result<Mapper, Failure> {
    Mapper::new(mapping, schema).map_err(|errors| {
        let returned: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        Failure::Policies { problems: errors.iter().map(|error| in_words(error, &returned)).collect() }
    })
}

/// An error with what to do about it.
fn in_words(error: &MappingError, returned: &[&str]) -> String {
    let MappingError::Missing { from, name } = error else { return format!("columns: {error}") };
    // Warehouses fold names to one case, each to another.
    let folded = returned.iter().find(|column| column.to_lowercase() == from.to_lowercase());
    let hint = match folded.copied().or_else(|| closest(from, returned)) {
        Some(column) => match name {
            Some(name) => format!("did you mean {column:?}? Write `{name}: {column}`"),
            None => format!("did you mean {column:?}?"),
        },
        None => format!("it returns {}", returned.join(", ")),
    };
    format!("columns: {error}; {hint}")
}
