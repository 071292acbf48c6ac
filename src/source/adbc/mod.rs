//! Warehouses behind ADBC drivers: shared libraries that speak a warehouse's own protocol and hand over Arrow.
//!
//! What users need to know stands in `docs/sources/adbc.md`. A driver blocks, so every call has a thread of its own
//! ([`worker`]); it is found and loaded in [`driver`], told its options in [`session`], asked for columns in [`describe`], for
//! rows in [`rows`] and for itself in [`about`]. What it says when it fails is put into words in [`error`], without the
//! secrets that it was told ([`scrub`]).

mod about;
mod describe;
mod driver;
mod error;
mod place;
mod rows;
mod scrub;
mod session;
mod unload;
mod worker;

use super::{About, Dialect, Model, Rows, Source, SourceError, Staging, Unload};
use crate::config::AdbcSpec;
use adbc_core::Statement;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use error::Told;
use session::Sessions;
use std::sync::Arc;

/// A warehouse behind an ADBC driver.
pub struct AdbcSource {
    sessions: Arc<Sessions>,
}

impl AdbcSource {
    /// Nothing is loaded or connected yet.
    pub fn new(spec: &AdbcSpec) -> Self {
        Self { sessions: Arc::new(Sessions::new(spec)) }
    }

    /// Runs a statement that returns no rows, or whose rows nobody wants.
    ///
    /// # Errors
    ///
    /// As for a query. Dropping the future cancels the statement as far as the driver can do that.
    pub async fn execute(&self, sql: &str) -> Result<(), SourceError> {
        let (sessions, sql) = (Arc::clone(&self.sessions), sql.to_owned());
        worker::run(move |cancel| {
            let told = Told::of(&sessions, "running the statement");
            let mut session = sessions.connect()?;
            let mut statement = session.statement(&sql, cancel, &told)?;
            statement.execute_update().map_err(|error| told.query(&error))?;
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Source for AdbcSource {
    fn dialect(&self) -> Dialect {
        self.sessions.spec().dialect
    }

    async fn about(&self) -> Result<About, SourceError> {
        let sessions = Arc::clone(&self.sessions);
        worker::run(move |cancel| about::about(&sessions, cancel)).await
    }

    async fn describe(&self, model: &Model) -> Result<SchemaRef, SourceError> {
        let (sessions, model) = (Arc::clone(&self.sessions), model.clone());
        worker::run(move |cancel| describe::describe(&sessions, &model, cancel)).await
    }

    async fn open(&self, model: &Model) -> Result<Rows, SourceError> {
        rows::open(Arc::clone(&self.sessions), model.clone()).await
    }

    async fn unload(&self, model: &Model, into: &Staging) -> Result<Unload, SourceError> {
        unload::unload(&self.sessions, model, into).await
    }
}
