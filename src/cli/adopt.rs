//! `hydrant adopt`

use super::{
    Exit, Global, Problem, Syncs,
    each::{Told, each},
    output::{BOLD, DIM, GOOD, WARN, counted},
    progress::Progress,
    verify::Paced,
};
use crate::{
    engine::{self, AdoptReport, Env},
    sync::SyncSpec,
};
use clap::Args;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub(super) struct Adopt {
    /// The syncs whose tables are taken over.
    #[arg(value_name = "SYNC", required = true)]
    names: Vec<String>,
    #[command(flatten)]
    pace: Paced,
}

impl Adopt {
    pub(super) async fn execute(
        self,
        global: &Global,
        stop: CancellationToken,
        progress: Progress,
    ) -> Result<Exit, Problem> {
        let syncs = Syncs { names: self.names, all: false };
        let pace = self.pace.pace;
        let work = async |env: &Env, sync: &SyncSpec| engine::adopt(env, sync, pace).await;
        each(&syncs, global, stop, progress, work, Told { text, exit: |_| Exit::Done }).await
    }
}

fn text(report: &AdoptReport) {
    anstream::println!(
        "{BOLD}{}{BOLD:#} → {}: {GOOD}{} adopted{GOOD:#} as run {}, none written",
        report.sync,
        report.table,
        counted(report.adopted, "row"),
        report.run,
    );
    if report.unreadable > 0 {
        anstream::println!(
            "  {WARN}{} more, known by key only{WARN:#}: with values that the query's types cannot hold; a run that has these keys writes them",
            counted(report.unreadable, "row")
        );
    }
    match report.left_out {
        None | Some(0) => {}
        Some(rows) => anstream::println!(
            "  {WARN}{} left out{WARN:#}, with keys that the query's types cannot hold; no run touches them",
            counted(rows, "row")
        ),
    }
    let command = format!("hydrant plan {}", report.sync);
    anstream::println!("{DIM}  what the next run will do:{DIM:#} {BOLD}{command}{BOLD:#}");
}
