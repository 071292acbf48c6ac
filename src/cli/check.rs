//! `hydrant check`

use super::{
    Exit, Global, Problem, Syncs,
    each::{Told, each},
    output::{BOLD, GOOD, WARN},
    progress::Progress,
    unload,
};
use crate::{
    engine::{self, CheckReport, Env},
    sync::{ExportKind, SyncSpec},
};
use clap::Args;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    syncs: Syncs,
}

impl Check {
    pub(super) async fn execute(
        self,
        global: &Global,
        stop: CancellationToken,
        progress: Progress,
    ) -> Result<Exit, Problem> {
        let work = async |env: &Env, sync: &SyncSpec| engine::check(env, sync).await;
        each(&self.syncs, global, stop, progress, work, Told { text, exit: |_| Exit::Done }).await
    }
}

fn text(report: &CheckReport) {
    anstream::println!(
        "{GOOD}ok{GOOD:#} {BOLD}{}{BOLD:#} → {} ({})",
        report.sync,
        report.table,
        report.target
    );
    anstream::println!("   from {}", report.source);
    if let Some(node) = &report.dbt {
        anstream::println!("   {} is {} (dbt: {})", node.reference, node.relation, node.unique_id);
    }
    for note in &report.notes {
        anstream::println!("   note: {note}");
    }
    let columns: Vec<_> = report.columns.iter().map(|(name, value)| format!("{name} {value}")).collect();
    anstream::println!("   {}", columns.join(", "));
    unload::check(report.unload.as_ref());
    if let Some(obstacle) = &report.no_rewrite {
        anstream::println!("   {WARN}rewrite: runs write in batches{WARN:#}, because {obstacle}");
    }
    if report.export == ExportKind::Changes {
        anstream::println!(
            "   export: of each run only the rows that it changes are kept: no rollback to it, and `repair` and `retry` run the query"
        );
    }
    if !report.ddl.is_empty() {
        anstream::println!("   the table is absent, the first run creates it");
    }
}
