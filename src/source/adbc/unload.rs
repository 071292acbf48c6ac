//! Models that the warehouse writes into the store itself.

use super::{describe, error::Told, rows, session::Sessions, worker};
use crate::{
    config::UnloadSpec,
    object_storage::Address,
    source::{
        Model, Rows, SourceError, SourceErrorKind, Staging, Unload, Unloading,
        unload::{Recipe, Warehouse, bigquery, duckdb, redshift, snowflake},
    },
};
use adbc_core::Statement;
use arrow::{
    array::{Array, AsArray, RecordBatch, RecordBatchReader},
    datatypes::Schema,
};
use async_trait::async_trait;
use std::sync::Arc;

/// See [`crate::source::Source::unload`].
pub(super) async fn unload(
    sessions: &Arc<Sessions>,
    model: &Model,
    into: &Staging,
) -> Result<Unload, SourceError> {
    let Some(how) = &sessions.spec().unload else { return Ok(Unload::Off) };
    let schema = {
        let (sessions, model) = (Arc::clone(sessions), model.clone());
        worker::run(move |cancel| describe::describe(&sessions, &model, cancel)).await?
    };
    let recipe = match how {
        UnloadSpec::DuckDb => by_duckdb(sessions, model, &schema, into).await?,
        UnloadSpec::Snowflake(access) => snowflake::recipe(&model.sql, &schema, into, access),
        UnloadSpec::BigQuery => bigquery::recipe(&model.sql, &schema, into),
        UnloadSpec::Redshift { iam_role } => {
            let region = into.address().and_then(Address::s3_region);
            redshift::recipe(&model.sql, &schema, into, iam_role, region.as_deref())
        }
    };
    Ok(match recipe {
        Err(because) => Unload::Streams { because },
        Ok(recipe) => {
            let warehouse = Arc::new(Writer(Arc::clone(sessions)));
            let unloading = Unloading::new(recipe, model.clone(), &schema, into.clone(), warehouse);
            Unload::Writes(Box::new(unloading))
        }
    })
}

/// DuckDB is asked what it calls the types of the columns: Arrow's types do not tell all of them apart.
async fn by_duckdb(
    sessions: &Arc<Sessions>,
    model: &Model,
    schema: &Schema,
    into: &Staging,
) -> Result<Result<Recipe, String>, SourceError> {
    if let Some((statement, because)) = duckdb::needs(into) {
        let loaded = run(sessions, Vec::new(), statement.to_owned()).await;
        if let Err(error) = loaded {
            tracing::debug!(%error, "an extension of DuckDB is not there");
            return Ok(Err(because.to_owned()));
        }
    }
    let described = run(sessions, Vec::new(), duckdb::types(&model.sql)).await?;
    let mut types = Vec::new();
    for batch in &described {
        let Some(column) = batch.column_by_name("column_type").and_then(|c| c.as_string_opt::<i32>()) else {
            return Ok(Err("DuckDB does not say what the types of the columns are".to_owned()));
        };
        types.extend(column.iter().map(|of_type| of_type.unwrap_or_default().to_owned()));
    }
    let keys = into.address().and_then(Address::s3_keys);
    Ok(duckdb::recipe(&model.sql, schema, &types, into, keys.as_ref()))
}

/// The warehouse, as far as unloading needs it.
struct Writer(Arc<Sessions>);

#[async_trait]
impl Warehouse for Writer {
    async fn write(&self, recipe: &Recipe) -> Result<Vec<RecordBatch>, SourceError> {
        run(&self.0, recipe.before.clone(), recipe.statement.clone()).await
    }

    async fn open(&self, model: &Model) -> Result<Rows, SourceError> {
        rows::open(Arc::clone(&self.0), model.clone()).await
    }
}

/// Runs statements of hydrant's own in one session, and returns the few rows that the last one returns.
async fn run(
    sessions: &Arc<Sessions>,
    before: Vec<crate::secret::Secret>,
    statement: String,
) -> Result<Vec<RecordBatch>, SourceError> {
    let sessions = Arc::clone(sessions);
    worker::run(move |cancel| {
        let told = Told::of(&sessions, "running the statement");
        let mut session = sessions.connect()?;
        for sql in before {
            let mut statement = session.statement(sql.expose(), cancel, &told)?;
            // What the driver says could quote the statement, which holds keys.
            statement.execute_update().map_err(|error| SourceError {
                message: "the source does not take the keys of the store".to_owned(),
                position: None,
                kind: match told.query(&error).kind {
                    SourceErrorKind::Query => SourceErrorKind::Broken,
                    kind => kind,
                },
            })?;
        }
        let mut statement = session.statement(&statement, cancel, &told)?;
        let mut reader = statement.execute().map_err(|error| told.query(&error))?;
        let schema = reader.schema();
        let mut batches = Vec::new();
        for batch in reader.by_ref() {
            let batch = batch.map_err(|error| told.reading(&error))?;
            for (field, column) in schema.fields().iter().zip(batch.columns()) {
                column.to_data().validate_full().map_err(|error| told.invalid(field.name(), &error))?;
            }
            batches.push(batch);
        }
        Ok(batches)
    })
    .await
}
