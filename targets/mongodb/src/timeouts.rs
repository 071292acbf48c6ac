//! How long commands may take, and how long the server may be silent.

use std::time::Duration;

/// How long the server works at one command (`maxTimeMS`). Commands are cut to take far less; on a server without
/// transactions it is also how long a command of a writer that lost its lease can go on.
pub(crate) const COMMAND: Duration = Duration::from_secs(30);
/// How much later than the server's own limit its answer may arrive.
const TRAVEL: Duration = Duration::from_secs(10);
/// How long to wait for the answer to one command. The driver itself would wait for ever.
pub(crate) const ANSWER: Duration = COMMAND.saturating_add(TRAVEL);
/// How long a commit may take on the server, the majority's acknowledgement included.
pub(crate) const COMMIT: Duration = Duration::from_secs(30);
/// How long a batch is tried again because another transaction holds one of its documents. MongoDB has no queue for locks
/// of transactions: whoever comes second is turned away at once.
pub(crate) const LOCK: Duration = Duration::from_secs(5);
/// How long a claim waits for the transaction of a process that died: the server ends it after
/// `transactionLifetimeLimitSeconds`, 60 if nothing is set, and looks for such every half of that.
pub(crate) const ABANDONED: Duration = Duration::from_secs(100);
/// Between two claims meanwhile.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);
/// How long a call of many commands may take in all.
pub(crate) const CALL: Duration = Duration::from_secs(180);
/// How long to look for a server that can be written to. An election takes about twelve seconds; the engine tries again.
pub(crate) const SELECTION: Duration = Duration::from_secs(15);
/// How long one attempt to connect may take.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);

/// The same for the server.
pub(crate) fn command_millis() -> i64 {
    i64::try_from(COMMAND.as_millis()).unwrap_or(i64::MAX)
}
