//! How long statements may take, and how long the server may be silent.

use std::time::Duration;

/// How long a statement waits for a lock before it gives up. Others queue behind a waiting writer, so it is short.
const LOCK: Duration = Duration::from_secs(5);
/// How long a statement may run. Batches are sized to take a second or so; past this, something is wrong.
const STATEMENT: Duration = Duration::from_secs(60);
/// How much later than the server's own limit its answer may arrive.
const TRAVEL: Duration = Duration::from_secs(10);

/// Timeouts of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// `innodb_lock_wait_timeout` and `lock_wait_timeout` (locks of rows and of tables): whole seconds, at least one.
    pub(crate) lock: Duration,
    /// `max_statement_time` of MariaDB and `max_execution_time` of MySQL, which ends only what reads; what writes is
    /// ended from here. Zero is none.
    pub(crate) statement: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { lock: LOCK, statement: STATEMENT }
    }
}

impl Timeouts {
    /// How long to wait for the answer to one statement: by then the server has answered or ended it, or it is gone.
    pub(crate) fn answer(self) -> Option<Duration> {
        (!self.statement.is_zero()).then(|| self.statement + TRAVEL)
    }

    /// How long to wait for the answer to a statement that has nothing to do.
    pub(crate) fn trifle() -> Duration {
        TRAVEL
    }
}
