//! The columns of a model, without running it.

use super::{
    about,
    error::Told,
    session::{Session, Sessions},
    worker::Cancel,
};
use crate::source::{Model, SourceError, SourceErrorKind};
use adbc_core::{Statement, error::Status};
use arrow::{array::RecordBatchReader, datatypes::SchemaRef};
use std::sync::Arc;

/// What the model is called where it becomes a part of another query.
const ALIAS: &str = "hydrant_model";

/// By the driver's own means, if it has any; otherwise by a query around the model that returns no rows.
pub(super) fn describe(
    sessions: &Sessions,
    model: &Model,
    cancel: &Cancel,
) -> Result<SchemaRef, SourceError> {
    let told = Told::of(sessions, "describing the query").with(model, 0);
    let mut session = sessions.connect()?;
    let mut statement = session.statement(&model.sql, cancel, &told)?;
    let refused = match statement.execute_schema() {
        Ok(schema) => return Ok(Arc::new(schema)),
        Err(error) => error,
    };
    drop(statement);
    let own = told.query(&refused);
    let is_final = refused.status != Status::NotImplemented
        && matches!(
            own.kind,
            SourceErrorKind::Query
                | SourceErrorKind::Missing
                | SourceErrorKind::Denied
                | SourceErrorKind::Unreachable
        );
    if is_final {
        return Err(own);
    }
    if about::guesses_types(&mut session) {
        return by_first_rows(&mut session, model, cancel, &told);
    }
    match by_no_rows(&mut session, sessions, model, cancel) {
        // Of two errors the one that is about the model alone.
        Err(_) if refused.status != Status::NotImplemented => Err(own),
        described => described,
    }
}

fn by_no_rows(
    session: &mut Session,
    sessions: &Sessions,
    model: &Model,
    cancel: &Cancel,
) -> Result<SchemaRef, SourceError> {
    // The line break keeps a comment at the model's end from hiding what follows.
    let sql = format!("SELECT * FROM (\n{}\n) AS {ALIAS} WHERE 1 = 0", bare(&model.sql));
    let told = Told::of(sessions, "describing the query").with(model, 1);
    let mut statement = session.statement(&sql, cancel, &told)?;
    let reader = statement.execute().map_err(|error| told.query(&error))?;
    Ok(reader.schema())
}

/// Where types are guessed from values: from those of the first rows, which the engine has as soon as it starts.
fn by_first_rows(
    session: &mut Session,
    model: &Model,
    cancel: &Cancel,
    told: &Told<'_>,
) -> Result<SchemaRef, SourceError> {
    let mut statement = session.statement(&model.sql, cancel, told)?;
    let reader = statement.execute().map_err(|error| told.query(&error))?;
    Ok(reader.schema())
}

/// The model without what may end a statement, but not a part of one.
fn bare(sql: &str) -> &str {
    sql.trim_end().trim_end_matches(';').trim_end()
}
