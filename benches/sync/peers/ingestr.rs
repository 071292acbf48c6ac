//! ingestr. It reads Parquet on disk by way of DuckDB.

use super::{Peer, Program, Work};
use crate::servers::Kind;
use std::{path::Path, process::Command};

struct Ingestr {
    program: Program,
}

pub(super) fn ways(folder: &Path) -> Option<Box<dyn Peer>> {
    // DuckDB's driver comes with DuckDB.
    let duckdb = folder.join("duckdb/libduckdb.so").exists();
    let program = Program::of(folder, "ingestr/bin/ingestr").filter(|_| duckdb)?;
    Some(Box::new(Ingestr { program }))
}

impl Ingestr {
    fn command(&self, work: &Work<'_>, strategy: &str) -> Command {
        let mut command = self.program.command();
        command
            .args(["ingest", "--yes", "--progress", "log", "--incremental-strategy", strategy])
            // A database with nothing in it, for the engine.
            .arg(format!("--source-uri=duckdb:///{}", work.folder.join("ingestr.duckdb").display()))
            .arg(format!("--source-table=query:SELECT * FROM read_parquet('{}')", work.parquet()))
            .arg(format!("--dest-uri={}", work.server.url))
            .arg(format!("--dest-table={}", work.qualified()));
        command.args(work.shape.key().iter().map(|name| format!("--primary-key={name}")));
        command
    }
}

impl Peer for Ingestr {
    fn name(&self) -> String {
        format!("ingestr {}", self.program.version)
    }

    fn cannot(&self, kind: Kind) -> &'static str {
        match kind {
            Kind::Postgres => {
                "does not know what changed: stages and updates every row, in one statement; does not delete"
            }
            Kind::Mysql => {
                "does not know what changed: stages and updates every row, in statements of the whole table; does not delete; \
                 makes no primary key in a table of its own"
            }
            Kind::Mongodb => {
                "does not know what changed: replaces every document, so the application's own fields are lost; does not delete; \
                 makes no index on the key, without which a merge reads the whole collection for each of its documents"
            }
        }
    }

    fn deletes(&self, _: Kind) -> bool {
        false
    }

    fn full(&self, work: &Work<'_>) -> Option<Command> {
        Some(self.command(work, "replace"))
    }

    fn merge(&self, work: &Work<'_>) -> Option<Command> {
        Some(self.command(work, "merge"))
    }
}
