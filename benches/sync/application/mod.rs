//! The application beside the sync: it reads random rows and writes a column of its own, each at a fixed rate, and notes how
//! long it waited.
//!
//! What it asks for is due at moments that do not depend on the answers (a Poisson process, as independent users make it), and
//! every wait counts from that moment: a request that could not even be sent, since all connections wait for a lock, has waited
//! all the same. A loop that sends the next request when it has the last answer would ask least while the server is worst, and
//! would hide just what is looked for here. For the same reason the application is not cut off at its end: whatever was due
//! by then is answered first.
//!
//! Reads and writes have connections apart, so that reads do not queue behind writes that wait for a lock: what reads wait is
//! the server's doing. Postgres is asked by its own `pgbench`, the others by a loop of ours in a process of its own.

pub(crate) mod check;
mod mongodb;
mod mysql;
mod operation;
mod postgres;
mod process;
mod schedule;

use crate::servers::{Kind, Server};
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(crate) use operation::{Operation, Window, due_in, latencies};
pub(crate) use process::{ARGUMENT, serve};

/// The column of the table that is the application's own, an integer.
const COLUMN: &str = "app_note";
/// The longest that anything is waited for: an answer, and what was due by the end.
const WAIT_MAX: Duration = Duration::from_secs(120);
/// After how long our loop sends again what met another transaction.
const AGAIN: Duration = Duration::from_millis(5);

/// What the application asks for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) reads_per_second: f64,
    pub(crate) writes_per_second: f64,
    /// Connections that read, and as many that write: more than the rates need while the server answers in time.
    pub(crate) connections: u32,
}

impl Default for Load {
    fn default() -> Self {
        Self { reads_per_second: 200.0, writes_per_second: 100.0, connections: 8 }
    }
}

/// The table that the application works on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Table {
    /// As statements name it.
    pub(crate) name: String,
    /// Its rows: the key is called `id` (`_id` in MongoDB), and each of 1 to `rows` - 1 is there, more or less.
    pub(crate) rows: u64,
}

/// An application that runs. It ends when it is dropped; its figures are told by [`Application::stop`] only.
pub(crate) enum Application {
    Pgbench { reads: postgres::Pgbench, writes: postgres::Pgbench },
    Ours(process::Process),
}

impl Application {
    /// Starts it, and returns when it asks and is answered. An error says what it could not do.
    pub(crate) fn start(server: &Server, table: &Table, load: Load) -> Result<Self> {
        let product = match server.kind {
            Kind::Postgres => {
                let (mut reads, mut writes) =
                    (postgres::reads(&server.url, table, load)?, postgres::writes(&server.url, table, load)?);
                reads.wait_for_answers()?;
                writes.wait_for_answers()?;
                return Ok(Self::Pgbench { reads, writes });
            }
            Kind::Mysql => process::Product::Mysql,
            Kind::Mongodb => process::Product::Mongodb,
        };
        let request = process::Request { product, url: server.url.clone(), table: table.clone(), load };
        Ok(Self::Ours(process::Process::start(&request)?))
    }

    /// Ends it when all is answered that was due by now, and gives back everything that was due. An error says why that is
    /// not known: it was refused what it asked for, say, or the server did not answer for two minutes.
    pub(crate) fn stop(self) -> Result<Vec<Operation>> {
        match self {
            Self::Pgbench { reads, writes } => {
                let until = operation::now_us();
                let mut all = reads.stop(until)?;
                all.extend(writes.stop(until)?);
                Ok(all)
            }
            Self::Ours(process) => process.stop(),
        }
    }
}
