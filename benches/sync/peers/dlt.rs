//! dlt, by a program of the size that its documentation shows (`load.py`).

use super::{Peer, Program, Work};
use crate::servers::Kind;
use std::{path::Path, process::Command, thread};

const PROGRAM: &str = include_str!("load.py");
/// So that a table of some size is worked on by several processes, as dlt's documentation on performance has it.
const ROWS_OF_A_FILE: &str = "500000";

struct Dlt {
    program: Program,
    python: std::path::PathBuf,
    way: Way,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Updates every row. Where there is no such strategy, the usual one: deletes every row and inserts it again.
    Upsert,
    /// Stages every row, and updates and deletes where the table differs.
    Compare,
}

pub(super) fn ways(folder: &Path) -> Vec<Box<dyn Peer>> {
    let way = |way| -> Option<Box<dyn Peer>> {
        let program = Program::of(folder, "dlt/bin/dlt")?;
        Some(Box::new(Dlt { program, python: folder.join("dlt/bin/python"), way }))
    };
    [Way::Upsert, Way::Compare].into_iter().filter_map(way).collect()
}

impl Dlt {
    fn command(&self, work: &Work<'_>, way: &str) -> Command {
        let of_program = self.program.command();
        let mut command = Command::new(&self.python);
        command.envs(of_program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let workers = thread::available_parallelism().map_or(1, usize::from);
        command
            .env("NORMALIZE__WORKERS", workers.to_string())
            .env("DATA_WRITER__FILE_MAX_ITEMS", ROWS_OF_A_FILE)
            .env("DATABASE", &work.server.url)
            .args(["-c", PROGRAM, way, work.parquet(), work.table, &work.shape.key().join(",")])
            .arg(work.folder.join("dlt"));
        command
    }
}

impl Peer for Dlt {
    fn name(&self) -> String {
        let way = match self.way {
            Way::Upsert => "upsert",
            Way::Compare => "cdc, skipping unchanged rows",
        };
        format!("dlt {} ({way})", self.program.version)
    }

    fn cannot(&self, kind: Kind) -> &'static str {
        match (kind, self.way) {
            (Kind::Postgres, Way::Upsert) => {
                "does not know what changed: stages and updates every row, in one transaction; does not delete"
            }
            (Kind::Postgres, Way::Compare) => {
                "stages every row on the server, which compares it with the table; updates and deletes what differs in one \
                 transaction; no guard against an empty file"
            }
            (Kind::Mysql, Way::Upsert) => {
                "has no upsert here: deletes every row of the file and inserts it again, so the application's own columns are \
                 lost; does not delete what is gone from the file"
            }
            (Kind::Mysql, Way::Compare) => "has no such merge here",
            (Kind::Mongodb, _) => "cannot write to MongoDB",
        }
    }

    fn deletes(&self, _: Kind) -> bool {
        self.way == Way::Compare
    }

    fn full(&self, work: &Work<'_>) -> Option<Command> {
        let can = self.way == Way::Upsert && work.server.kind != Kind::Mongodb;
        can.then(|| self.command(work, "replace"))
    }

    fn merge(&self, work: &Work<'_>) -> Option<Command> {
        let way = match (work.server.kind, self.way) {
            (Kind::Postgres, Way::Upsert) => "upsert",
            (Kind::Postgres, Way::Compare) => "cdc",
            (Kind::Mysql, Way::Upsert) => "delete-insert",
            (Kind::Mysql, Way::Compare) | (Kind::Mongodb, _) => return None,
        };
        Some(self.command(work, way))
    }
}
