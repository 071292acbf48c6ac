//! One call, one session; what is written is written in one transaction.

use crate::{
    classify::Failure,
    connect::{Connection, Connector},
    session::Server,
    timeouts::Timeouts,
};
use hydrant_contract::{ErrorKind, Result, TargetError};
use mysql_async::{Params, Row, Value, prelude::Queryable};
use std::{sync::Arc, time::Duration};

/// The result of a statement.
pub(crate) type Answered<T> = std::result::Result<T, Failure>;

/// What a statement that returns no rows did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// Rows that it found, inserted or deleted.
    pub(crate) rows: u64,
    pub(crate) warnings: u16,
}

/// A session for one call. Dropped without [`finish`](Session::finish), its connection is closed, and with that the
/// transaction is rolled back.
pub(crate) struct Session<'c> {
    connection: Connection,
    connector: &'c Connector,
    doing: String,
    in_transaction: bool,
    has_stage: bool,
    /// How long the server was silent, if that is why the connection was given up.
    silent: Option<Duration>,
}

impl<'c> Session<'c> {
    /// A session for the purpose that messages shall name.
    pub(crate) async fn open(connector: &'c Connector, doing: String) -> Result<Self> {
        let connection = connector.connection().await?;
        Ok(Self { connection, connector, doing, in_transaction: false, has_stage: false, silent: None })
    }

    /// Begins the transaction. A commit is as durable as the server is configured to make it.
    pub(crate) async fn begin(&mut self) -> Answered<()> {
        let begun =
            timed(Some(Timeouts::trifle()), self.connection.conn.query_drop("START TRANSACTION")).await;
        self.heard(begun)?;
        self.in_transaction = true;
        Ok(())
    }

    /// Commits or rolls back, as the outcome of the work says.
    pub(crate) async fn finish<T>(mut self, outcome: Result<T>) -> Result<T> {
        if let (Some(limit), Err(error)) = (self.silent, &outcome) {
            if error.kind() == ErrorKind::Unreachable && self.connector.end(self.connection.conn.id()).await {
                let message =
                    format!("not done within {} s; the session was ended and rolled back", limit.as_secs());
                return Err(self.fail(ErrorKind::Busy, message));
            }
            return outcome;
        }
        if self.in_transaction {
            // A commit may wait for a replica, which the server sets no limit to.
            let (end, limit) = match outcome {
                Ok(_) => ("COMMIT", self.connector.timeouts().answer()),
                Err(_) => ("ROLLBACK", Some(Timeouts::trifle())),
            };
            let ended = timed(limit, self.connection.conn.query_drop(end)).await;
            match (ended, &outcome) {
                (Ok(()), _) => {}
                (Err(_), Err(_)) => return outcome,
                // The answer may be lost and the work done: the same batch again finds that out.
                (Err(e), Ok(_)) => return Err(self.error(e)),
            }
        }
        // After a failure the next attempt opens another connection, and behind a load balancer perhaps to another
        // server: this one may have become read-only.
        let keeps = outcome.as_ref().map_or_else(|error| error.kind() == ErrorKind::Fenced, |_| true);
        if keeps && (!self.has_stage || self.drop_stage().await.is_ok()) {
            self.connector.put_idle(self.connection);
        }
        outcome
    }

    async fn drop_stage(&mut self) -> Answered<()> {
        let drop = crate::statement::drop_stage(&self.connector.config().database);
        timed(Some(Timeouts::trifle()), self.connection.conn.query_drop(drop)).await
    }

    /// Notes that the session has its temporary table.
    pub(crate) fn note_stage(&mut self) {
        self.has_stage = true;
    }

    /// The error of a statement, with what was going on and where.
    pub(crate) fn error(&self, failure: Failure) -> TargetError {
        failure.into_error(self.context())
    }

    /// An error of hydrant's own.
    pub(crate) fn fail(&self, kind: ErrorKind, message: impl Into<String>) -> TargetError {
        TargetError::new(kind, self.context(), message)
    }

    /// What is going on and where.
    pub(crate) fn context(&self) -> String {
        format!("{} on {}", self.doing, self.connection.place)
    }

    pub(crate) fn place(&self) -> &str {
        &self.connection.place
    }

    pub(crate) fn server(&self) -> Arc<Server> {
        Arc::clone(&self.connection.server)
    }

    pub(crate) fn connector(&self) -> &'c Connector {
        self.connector
    }

    pub(crate) fn database(&self) -> &'c str {
        &self.connector.config().database
    }

    /// Whether rows may go by `LOAD DATA LOCAL INFILE`.
    pub(crate) fn may_load(&self) -> bool {
        self.connector.may_load(&self.connection.server)
    }

    /// Runs statements that return nothing, in one round trip; what the last of them did.
    pub(crate) async fn run(&mut self, sql: &str) -> Answered<Done> {
        let limit = self.connector.timeouts().answer();
        let answer = timed(limit, self.connection.conn.query_drop(sql)).await;
        self.heard(answer)?;
        Ok(self.done())
    }

    /// Runs a statement with parameters that returns nothing.
    pub(crate) async fn execute(&mut self, sql: &str, parameters: Vec<Value>) -> Answered<Done> {
        let limit = self.connector.timeouts().answer();
        let answer = timed(limit, self.connection.conn.exec_drop(sql, positional(parameters))).await;
        self.heard(answer)?;
        Ok(self.done())
    }

    /// Runs a query. Its values come in the types of its columns.
    pub(crate) async fn query(&mut self, sql: &str, parameters: Vec<Value>) -> Answered<Vec<Row>> {
        let limit = self.connector.timeouts().answer();
        let answer = timed(limit, self.connection.conn.exec(sql, positional(parameters))).await;
        self.heard(answer)
    }

    /// Runs a query that cannot be prepared. Its values come as texts.
    pub(crate) async fn query_text(&mut self, sql: &str) -> Answered<Vec<Row>> {
        let limit = self.connector.timeouts().answer();
        let answer = timed(limit, self.connection.conn.query(sql)).await;
        self.heard(answer)
    }

    /// Runs a `LOAD DATA LOCAL INFILE` whose file is this stream.
    pub(crate) async fn load(&mut self, sql: &str, file: mysql_async::InfileData) -> Answered<Done> {
        let limit = self.connector.timeouts().answer();
        // The driver wants a future that may be shared between threads, which a stream is not; nobody shares it.
        let file = std::sync::Mutex::new(Some(file));
        self.connection.conn.set_infile_handler(async move {
            let file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            file.ok_or_else(|| mysql_async::DriverError::ConnectionClosed.into())
        });
        let loaded = timed(limit, self.connection.conn.query_drop(sql)).await;
        if loaded.is_err() {
            // The server may have refused before it asked for the file: let go of it, so that its writer ends.
            self.connection
                .conn
                .set_infile_handler(async { Err(mysql_async::DriverError::ConnectionClosed.into()) });
        }
        self.heard(loaded)?;
        Ok(self.done())
    }

    /// Notes that nothing was heard of the server. Nothing more is asked over this connection then.
    fn heard<T>(&mut self, answer: Answered<T>) -> Answered<T> {
        if let Err(Failure::Silent(limit)) = &answer {
            self.silent = Some(*limit);
        }
        answer
    }

    fn done(&self) -> Done {
        let conn = &self.connection.conn;
        Done { rows: conn.affected_rows(), warnings: conn.get_warnings() }
    }
}

/// Waits for an answer, at most so long. After that the connection is not used again: nobody knows what it would answer
/// next.
async fn timed<T>(
    limit: Option<Duration>,
    call: impl Future<Output = std::result::Result<T, mysql_async::Error>>,
) -> Answered<T> {
    match limit {
        None => Ok(call.await?),
        Some(limit) => match tokio::time::timeout(limit, call).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Failure::Silent(limit)),
        },
    }
}

fn positional(parameters: Vec<Value>) -> Params {
    if parameters.is_empty() { Params::Empty } else { Params::Positional(parameters) }
}
