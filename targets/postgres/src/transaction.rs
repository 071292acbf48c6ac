//! One call, one connection, one transaction; nothing outlives it, so that a pooler may stand in between.

use crate::{classify, connect::Connector, timeouts::Timeouts};
use hydrant_contract::{ErrorKind, Result, TargetError};
use hydrant_postgres::Connection;
use std::time::Duration;
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

/// How long the server keeps the locks of a transaction whose client fell silent (its machine died, say).
pub(crate) const IDLE_AS_USUAL: &str = "SET LOCAL idle_in_transaction_session_timeout = '60s'";

/// A parameter of a statement with its type, so that no statement needs to be prepared under a name.
pub(crate) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// An open transaction. Dropped without [`finish`](Transaction::finish), its connection is closed, and with that it is
/// rolled back.
pub(crate) struct Transaction<'c> {
    connection: Connection,
    connector: &'c Connector,
    doing: String,
}

impl<'c> Transaction<'c> {
    /// Begins one for the purpose that messages shall name. An idle connection that turns out to be broken is replaced.
    ///
    /// A commit must outlast a crash of the server, because the store counts on it: `synchronous_commit` is not left off.
    pub(crate) async fn begin(connector: &'c Connector, doing: String) -> Result<Self> {
        // With row security off, a policy that would hide rows is an error rather than a silent difference.
        let Timeouts { lock, statement } = connector.timeouts();
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; \
             SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {}; \
             {IDLE_AS_USUAL}; SET LOCAL row_security = off; \
             SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'; {PINNED}",
            lock.as_millis(),
            statement.as_millis(),
        );
        if let Some(connection) = connector.take_idle() {
            match begun(&connection, &begin).await {
                Ok(()) => return Ok(Self { connection, connector, doing }),
                Err(e) => {
                    let error = classify::error(connection.error(&doing, e));
                    // The server closed it, a restart or a failover say; what another one says counts.
                    if error.kind() != ErrorKind::Unreachable {
                        return Err(error);
                    }
                }
            }
        }
        let connection = connector.open().await?;
        match begun(&connection, &begin).await {
            Ok(()) => Ok(Self { connection, connector, doing }),
            Err(e) => Err(classify::error(connection.error(&doing, e))),
        }
    }

    /// Commits or rolls back, as the outcome of the work says.
    pub(crate) async fn finish<T>(self, outcome: Result<T>) -> Result<T> {
        // A commit may wait for a standby, which the server sets no limit to.
        let (end, limit) = match outcome {
            Ok(_) => ("COMMIT", self.connector.timeouts().answer()),
            Err(_) => ("ROLLBACK", Some(Timeouts::trifle())),
        };
        let ended = self.connection.answer(limit, self.connection.client.batch_execute(end)).await;
        match (ended, outcome) {
            (Ok(()), outcome) => {
                // After a failure the next attempt opens another connection, and with several hosts perhaps to another
                // server: this one may have become read-only.
                if outcome.as_ref().map_or_else(|error| error.kind() == ErrorKind::Fenced, |_| true) {
                    self.connector.put_idle(self.connection);
                }
                outcome
            }
            (Err(_), Err(first)) => Err(first),
            // The answer may be lost and the work done: the same batch again finds that out.
            (Err(e), Ok(_)) => Err(self.error(e)),
        }
    }

    /// The error of a statement, with what was going on and where.
    pub(crate) fn error(&self, error: tokio_postgres::Error) -> TargetError {
        classify::error(self.connection.error(&self.doing, error))
    }

    /// What is going on and where.
    pub(crate) fn context(&self) -> String {
        format!("{} on {}", self.doing, self.connection.place)
    }

    pub(crate) fn place(&self) -> &str {
        &self.connection.place
    }

    pub(crate) fn client(&self) -> &tokio_postgres::Client {
        &self.connection.client
    }

    /// Waits for an answer as long as a statement may take. Silence beyond that breaks the connection.
    pub(crate) async fn answer<T>(
        &self,
        call: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> std::result::Result<T, tokio_postgres::Error> {
        self.connection.answer(self.connector.timeouts().answer(), call).await
    }

    /// Runs statements that return nothing, in one round trip.
    pub(crate) async fn run(&self, sql: &str) -> std::result::Result<(), tokio_postgres::Error> {
        self.answer(self.connection.client.batch_execute(sql)).await
    }

    /// Runs a statement that returns nothing and may take this long, whatever limit the others have.
    pub(crate) async fn run_within(
        &self,
        sql: &str,
        limit: Duration,
    ) -> std::result::Result<(), tokio_postgres::Error> {
        // By itself: older servers measure the time of all statements that arrive together, by the limit from before.
        self.run(&format!("SET LOCAL statement_timeout = {}", limit.as_millis())).await?;
        self.connection.answer(Some(limit + Timeouts::trifle()), self.client().batch_execute(sql)).await?;
        let usual = self.connector.timeouts().statement.as_millis();
        self.run(&format!("SET LOCAL statement_timeout = {usual}")).await
    }

    /// Runs a query. It must return columns of built-in types only: for others the driver would prepare statements of
    /// its own under a name, which a pooler gives to somebody else.
    pub(crate) async fn query(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> std::result::Result<Vec<Row>, tokio_postgres::Error> {
        self.answer(self.connection.client.query_typed(sql, parameters)).await
    }

    /// Runs a statement and returns the number of rows it touched.
    pub(crate) async fn execute(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> std::result::Result<u64, tokio_postgres::Error> {
        self.answer(self.connection.client.execute_typed(sql, parameters)).await
    }
}

async fn begun(connection: &Connection, begin: &str) -> std::result::Result<(), tokio_postgres::Error> {
    connection.answer(Some(Timeouts::trifle()), connection.client.batch_execute(begin)).await
}

/// hydrant's own statements find nothing but the catalog: no function or operator of the same name can be put in front.
pub(crate) const PINNED: &str = "SET LOCAL search_path = pg_catalog, pg_temp";
/// While rows are written, the application's triggers run with the path that the account or database has configured, as
/// they do for the application. All names in statements that write rows are qualified.
pub(crate) const AS_CONFIGURED: &str = "SET LOCAL search_path TO DEFAULT";
