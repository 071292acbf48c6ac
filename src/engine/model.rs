//! The columns and rows of a sync's model, as the sync wants them. No other part of the engine asks the source for them, so
//! that nothing past this file knows columns by other names than the table's.

use super::{Env, Failure};
use crate::{
    config::closest,
    mapping::{Mapper, Mapping, MappingError},
    source::{Model, Rows, SourceError, SourceErrorKind},
    sync::SyncSpec,
};
use arrow::datatypes::SchemaRef;
use futures::StreamExt;
use hydrant_contract::{ShapeError, ValueType};

/// The columns that the model gives the table, without running it in full.
pub(super) async fn describe(env: &Env, sync: &SyncSpec) -> Result<SchemaRef, Failure> {
    let schema = env.source.describe(&sync.model).await?;
    has_cursor(sync, &schema)?;
    match &sync.columns {
        None => Ok(schema),
        Some(mapping) => Ok(mapper(mapping, &schema)?.schema()),
    }
}

/// Runs the model, unless its rows come by way of the store: then these are they.
pub(super) async fn open(env: &Env, sync: &SyncSpec, unloaded: Option<Rows>) -> Result<Rows, Failure> {
    open_watched(env, sync, &sync.model, unloaded, |rows| rows).await
}

/// Runs the model, or what is run in its place; `watch` sees the rows with the columns and values that the source has.
pub(super) async fn open_watched(
    env: &Env,
    sync: &SyncSpec,
    model: &Model,
    unloaded: Option<Rows>,
    watch: impl FnOnce(Rows) -> Rows,
) -> Result<Rows, Failure> {
    let rows = match unloaded {
        Some(rows) => rows,
        None => env.source.open(model).await?,
    };
    has_cursor(sync, &rows.schema)?;
    let rows = watch(rows);
    match &sync.columns {
        None => Ok(rows),
        Some(mapping) => mapped(rows, mapping),
    }
}

/// A failure if the sync has a cursor that is not among the query's columns, or cannot be one.
fn has_cursor(sync: &SyncSpec, schema: &SchemaRef) -> Result<(), Failure> {
    let Some(cursor) = &sync.cursor else { return Ok(()) };
    let returned: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let problem = match schema.field_with_name(&cursor.column) {
        Ok(field) => cursor.misfit(&ValueType::of(field).map_err(ShapeError::from)?),
        Err(_) => {
            let hint = match like(&cursor.column, &returned) {
                Some(column) => format!("did you mean {column:?}?"),
                None => format!("it returns {}", returned.join(", ")),
            };
            Some(format!("the query does not return the column {:?}; {hint}", cursor.column))
        }
    };
    match problem {
        None => Ok(()),
        Some(problem) => Err(Failure::Policies { problems: vec![format!("cursor: {problem}")] }),
    }
}

/// The column that is probably meant. Warehouses fold names to one case, each to another.
fn like<'a>(column: &str, returned: &[&'a str]) -> Option<&'a str> {
    let folded = returned.iter().find(|other| other.to_lowercase() == column.to_lowercase());
    folded.copied().or_else(|| closest(column, returned))
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
    let hint = match like(from, returned) {
        Some(column) => match name {
            Some(name) => format!("did you mean {column:?}? Write `{name}: {column}`"),
            None => format!("did you mean {column:?}?"),
        },
        None => format!("it returns {}", returned.join(", ")),
    };
    format!("columns: {error}; {hint}")
}
