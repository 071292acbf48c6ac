//! Sling. It reads Parquet by way of DuckDB.

use super::{Peer, Program, Work};
use crate::{model, servers::Kind};
use std::{path::Path, process::Command};

struct Sling {
    program: Program,
    duckdb: Program,
}

pub(super) fn ways(folder: &Path) -> Option<Box<dyn Peer>> {
    let (program, duckdb) = (Program::of(folder, "sling/sling")?, Program::of(folder, "duckdb/bin/duckdb")?);
    Some(Box::new(Sling { program, duckdb }))
}

impl Sling {
    fn command(&self, work: &Work<'_>, mode: &str) -> Option<Command> {
        if work.server.kind == Kind::Mongodb {
            return None;
        }
        let mut command = self.program.command();
        command
            .env("DUCKDB_PATH", &self.duckdb.path)
            .env("DUCKDB_VERSION", &self.duckdb.version)
            // It would add a column of its own to the table, and write it in every row.
            .env("SLING_LOADED_AT_COLUMN", "FALSE")
            .env("TARGET", &work.server.url)
            .args(["run", "--tgt-conn", "TARGET", "--mode", mode])
            .arg(format!("--src-stream=file://{}", work.parquet()))
            .arg(format!("--tgt-object={}", work.qualified()))
            .arg(format!("--primary-key={}", work.shape.key().join(",")));
        if work.server.kind == Kind::Mysql {
            // Its own choice for them is CHAR(5) with the words true and false. A merge of those into a BOOLEAN fails between
            // its DELETE and its INSERT, with the rows gone.
            let booleans =
                work.shape.columns().into_iter().filter(|column| column.kind == model::Kind::Boolean);
            let types: Vec<String> =
                booleans.map(|column| format!("\"{}\": \"integer\"", column.name)).collect();
            command.arg(format!("--columns={{{}}}", types.join(", ")));
        }
        Some(command)
    }
}

impl Peer for Sling {
    fn name(&self) -> String {
        format!("Sling {}", self.program.version)
    }

    fn cannot(&self, kind: Kind) -> &'static str {
        match kind {
            Kind::Postgres => {
                "does not know what changed: updates every row, in statements of the whole table; does not delete"
            }
            Kind::Mysql => {
                "does not know what changed: deletes every row of the file and inserts it again, so the application's own columns \
                 are lost, and a failure in between leaves the rows gone; does not delete what is gone from the file"
            }
            Kind::Mongodb => "cannot write to MongoDB",
        }
    }

    fn deletes(&self, _: Kind) -> bool {
        false
    }

    fn full(&self, work: &Work<'_>) -> Option<Command> {
        let mut command = self.command(work, "full-refresh")?;
        let key: Vec<String> = work.shape.key().iter().map(|name| format!("\"{name}\"")).collect();
        // Else the table would have no primary key.
        command.arg(format!("--tgt-options={{\"table_keys\": {{\"primary\": [{}]}}}}", key.join(", ")));
        Some(command)
    }

    fn merge(&self, work: &Work<'_>) -> Option<Command> {
        // Without an update key, which the file does not have, it takes all rows.
        self.command(work, "incremental")
    }
}
