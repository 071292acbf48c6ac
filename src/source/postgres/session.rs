//! A session that reads: one connection, one transaction, the settings that make its answers the same everywhere.

use super::{column::Column, error, product::Product, query::Query};
use crate::{
    config::PostgresSpec,
    source::{Model, SourceError, SourceErrorKind},
};
use hydrant_postgres::{Connection, Connector, Error};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_postgres::{Client, SimpleQueryMessage};

/// How long the answer to a statement that has nothing to do may take.
const TRIFLE: Duration = Duration::from_secs(10);
/// How long the server may take to understand a query, which waits for the locks of its tables.
const UNDERSTANDING: Duration = Duration::from_secs(90);
/// How much later than the server's own limit its answer may arrive.
const TRAVEL: Duration = Duration::from_secs(10);
/// How long a request to cancel may take on its way.
const CANCEL: Duration = Duration::from_secs(5);

/// The settings of a session of PostgreSQL: what text forms depend on, and brakes that hold where the account has none of
/// its own (a value of `0`). Settings that a version does not have are left out, and so is the one that only Linux has: there
/// the server looks every few seconds whether whoever asked is still there.
const SETTINGS: &str = "\
SELECT pg_catalog.set_config(s.name, v.value, true) \
FROM pg_catalog.pg_settings AS s \
JOIN (VALUES ('timezone', 'UTC', false), ('datestyle', 'ISO', false), ('intervalstyle', 'iso_8601', false), \
('bytea_output', 'hex', false), ('extra_float_digits', '3', false), ('cursor_tuple_fraction', '1', false), \
('lock_timeout', '60s', true), ('idle_in_transaction_session_timeout', '10min', true), \
('client_connection_check_interval', '10s', true)) AS v (name, value, is_brake) \
ON v.name = pg_catalog.lower(s.name) \
WHERE (s.setting = '0' OR NOT v.is_brake) \
AND (v.name <> 'client_connection_check_interval' OR pg_catalog.version() LIKE '%linux%')";

/// The same for servers that are not PostgreSQL, one by one: what one of them does not know, it refuses.
const SETTINGS_ELSEWHERE: [&str; 5] = [
    "SET timezone TO 'UTC'",
    "SET datestyle TO 'ISO'",
    "SET intervalstyle TO 'iso_8601'",
    "SET bytea_output TO 'hex'",
    "SET extra_float_digits TO 2",
];

/// An open session. Dropped without [`finish`](Session::finish), what it does is cancelled and its connection closed.
pub(super) struct Session {
    connection: Connection,
    product: Product,
    version: String,
    user: String,
    statement_timeout: Option<Duration>,
    runtime: Handle,
    is_over: bool,
}

impl Session {
    /// Connects, and on PostgreSQL begins a read-only transaction.
    pub(super) async fn begin(connector: &Connector, spec: &PostgresSpec) -> Result<Self, SourceError> {
        let connection = connector.open().await.map_err(error::plain)?;
        let mut session = Self {
            connection,
            product: Product::Postgres,
            version: String::new(),
            user: connector.config().user().to_owned(),
            statement_timeout: spec.statement_timeout,
            runtime: Handle::current(),
            is_over: false,
        };
        match session.set_up().await {
            Ok(()) => Ok(session),
            Err(failed) => session.finish(Err(error::plain(failed))).await,
        }
    }

    async fn set_up(&mut self) -> Result<(), Error> {
        const DOING: &str = "beginning to read";
        self.version = self.words("SELECT version()").await?.into_iter().flatten().next().unwrap_or_default();
        self.product = Product::of(&self.version);
        let timeout = self.statement_timeout.map(|timeout| timeout.as_millis());
        if self.product == Product::Postgres {
            let timeout =
                timeout.map(|ms| format!("SET LOCAL statement_timeout = {ms}; ")).unwrap_or_default();
            let begin = format!("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; {timeout}{SETTINGS}");
            return self.answer(DOING, Some(TRIFLE), self.client().batch_execute(&begin)).await;
        }
        for setting in SETTINGS_ELSEWHERE {
            match self.answer(DOING, Some(TRIFLE), self.client().batch_execute(setting)).await {
                Err(failed) if failed.server().is_none() => return Err(failed),
                Ok(()) | Err(_) => {}
            }
        }
        if let Some(ms) = timeout {
            let set = format!("SET statement_timeout TO {ms}");
            self.answer(DOING, Some(TRIFLE), self.client().batch_execute(&set)).await?;
        }
        Ok(())
    }

    /// Begins the transaction of a server that is not PostgreSQL, which a cursor lives in. It comes after the model has been
    /// understood: the driver asks such servers for types in more than one way, and the first that fails would end it.
    pub(super) async fn begin_elsewhere(&self) -> Result<(), SourceError> {
        if self.product == Product::Postgres {
            return Ok(());
        }
        let begun =
            self.answer("beginning to read", Some(TRIFLE), self.client().batch_execute("BEGIN READ ONLY"));
        begun.await.map_err(error::plain)
    }

    pub(super) fn product(&self) -> Product {
        self.product
    }

    /// What `version()` says.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Which host was reached, as messages name it.
    pub(super) fn place(&self) -> &str {
        &self.connection.place
    }

    pub(super) fn client(&self) -> &Client {
        &self.connection.client
    }

    async fn answer<T>(
        &self,
        doing: &str,
        limit: Option<Duration>,
        call: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Error> {
        self.connection.answer(limit, call).await.map_err(|failed| self.connection.error(doing, failed))
    }

    /// The one row of a query of hydrant's own, as text.
    pub(super) async fn words(&self, sql: &str) -> Result<Vec<Option<String>>, Error> {
        let messages =
            self.answer("asking the server about itself", Some(TRIFLE), self.client().simple_query(sql));
        let rows = messages.await?.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
            }
            _ => None,
        });
        Ok(rows.last().unwrap_or_default())
    }

    /// The columns of a model, as the server understands it, after seeing that hydrant can ask for them.
    pub(super) async fn describe(&self, model: &Model) -> Result<Vec<Column>, SourceError> {
        let asked = Query::select(model, &[]);
        let statement = self.understood(model, &asked).await?;
        if !statement.params().is_empty() {
            let message = "the query has parameters ($1 …), and there is nothing to put into them";
            return Err(crate::source::excerpt::query_error(
                SourceErrorKind::Query,
                model,
                message,
                None,
                &[],
            ));
        }
        let mut columns = super::column::columns(&statement);
        if columns.is_empty() {
            let message = "the query returns no columns";
            let help = ["a model is one SELECT, WITH … SELECT, VALUES or TABLE".to_owned()];
            return Err(crate::source::excerpt::query_error(
                SourceErrorKind::Query,
                model,
                message,
                None,
                &help,
            ));
        }
        if !self.product.casts_to_text() {
            columns.iter_mut().for_each(|column| column.cast = None);
        }
        let wrapped = Query::select(model, &columns);
        if wrapped != asked {
            drop(self.understood(model, &wrapped).await?);
        }
        Ok(columns)
    }

    async fn understood(
        &self,
        model: &Model,
        query: &Query,
    ) -> Result<tokio_postgres::Statement, SourceError> {
        self.of_model(
            model,
            query,
            "understanding the query",
            Some(UNDERSTANDING),
            self.client().prepare(&query.sql),
        )
        .await
    }

    /// Waits for the answer to a statement that a model became, at most so long.
    pub(super) async fn of_model<T>(
        &self,
        model: &Model,
        query: &Query,
        doing: &str,
        limit: Option<Duration>,
        call: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, SourceError> {
        self.answer(doing, limit, call)
            .await
            .map_err(|failed| error::of_query(model, query, &self.user, failed))
    }

    /// How long the server may be silent while it runs the model: without a limit of its own, for ever. Whether it is there
    /// at all, TCP finds out.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.statement_timeout.map(|timeout| timeout + TRAVEL)
    }

    /// Ends the transaction.
    pub(super) async fn finish<T>(mut self, outcome: Result<T, SourceError>) -> Result<T, SourceError> {
        // Nothing was written; this is for those who watch how many transactions fail.
        let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = self.answer("ending", Some(TRIFLE), self.client().batch_execute(end)).await;
        self.is_over = ended.is_ok();
        outcome
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        if self.connection.client.is_closed() {
            return;
        }
        self.connection.close();
        // The server notices a closed connection only when it has rows to send, which may be hours away.
        let canceller = self.connection.canceller();
        drop(self.runtime.spawn(async move { tokio::time::timeout(CANCEL, canceller.cancel()).await }));
    }
}
