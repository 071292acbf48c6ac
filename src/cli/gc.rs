//! `hydrant gc`

use super::{
    Exit, Global, Problem, Syncs,
    each::{Told, each},
    output::{BOLD, count, counted},
    progress::Progress,
};
use crate::{
    engine::{self, Env, GcReport, Reason},
    sync::SyncSpec,
};
use clap::Args;
use indicatif::HumanBytes;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub(super) struct Gc {
    #[command(flatten)]
    syncs: Syncs,
    /// Show what would be removed, and remove nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Gc {
    pub(super) async fn execute(
        self,
        global: &Global,
        stop: CancellationToken,
        progress: Progress,
    ) -> Result<Exit, Problem> {
        let work = async |env: &Env, sync: &SyncSpec| engine::gc(env, sync, self.dry_run).await;
        each(&self.syncs, global, stop, progress, work, Told { text, exit: |_| Exit::Done }).await
    }
}

fn text(report: &GcReport) {
    let done = if report.dry_run { "would be removed" } else { "removed" };
    let sync = &report.sync;
    anstream::println!(
        "{BOLD}{sync}{BOLD:#}: {} {done}, {}; {} kept",
        counted(report.objects, "object"),
        HumanBytes(report.bytes),
        counted(report.published_kept, "published run"),
    );
    for collected in &report.runs {
        let why = match collected.reason {
            Reason::Expired => "published, and older than `retain` keeps",
            Reason::Superseded => "sealed and not published, a later run was",
            Reason::Unsealed => "never came to its seal",
        };
        let (objects, bytes) = (counted(collected.objects, "object"), HumanBytes(collected.bytes));
        anstream::println!("  run {}: {objects}, {bytes} ({why})", collected.run);
    }
    if report.leftovers > 0 {
        anstream::println!("  superseded leases and half-written files: {}", count(report.leftovers));
    }
}
