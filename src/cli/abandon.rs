//! `hydrant abandon`

use super::{
    Exit, Global, Problem, Syncs,
    each::{Told, each},
    output::{BOLD, WARN, counted},
    progress::Progress,
};
use crate::{
    engine::{self, AbandonReport, Env},
    sync::SyncSpec,
};
use clap::Args;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub(super) struct Abandon {
    /// The sync.
    sync: String,
    /// The sealed run that will not be finished; `hydrant status` names it.
    run: u64,
}

impl Abandon {
    pub(super) async fn execute(
        self,
        global: &Global,
        stop: CancellationToken,
        progress: Progress,
    ) -> Result<Exit, Problem> {
        let syncs = Syncs { names: vec![self.sync], all: false };
        let work = async |env: &Env, sync: &SyncSpec| engine::abandon(env, sync, self.run).await;
        each(&syncs, global, stop, progress, work, Told { text, exit: |_| Exit::Done }).await
    }
}

fn text(report: &AbandonReport) {
    let AbandonReport { sync, run, .. } = report;
    anstream::println!("{BOLD}{sync}{BOLD:#}: run {run} is abandoned, nobody will finish it");
    let since = match report.published {
        Some(published) => format!("compares with run {published}, the last published one"),
        None => "is the first one, nothing was published before".to_owned(),
    };
    anstream::println!("  the next run {since}");
    if report.lost {
        anstream::println!(
            "  {WARN}the files of run {run} cannot be read, so what it has changed is not known{WARN:#}"
        );
        anstream::println!("  the next run sends every row again");
        anstream::println!(
            "  rows that run {run} inserted and that have left the query since stay in the table: `hydrant verify {sync}` finds them"
        );
    } else {
        let unknown = counted(report.unknown, "row");
        anstream::println!("  of {unknown} it is not known now whether run {run} has written them");
        anstream::println!("  the next run sends them again, or deletes them if they have left the query");
    }
}
