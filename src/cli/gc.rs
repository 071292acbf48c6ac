//! `hydrant gc`

use super::{
    Exit, Global, Problem, Syncs, env,
    output::{self, BOLD, Output, count},
    progress::Progress,
    registry,
};
use crate::engine::{self, GcReport, Reason};
use clap::Args;
use indicatif::HumanBytes;
use std::sync::Arc;
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
        let config = global.load()?;
        let syncs = self.syncs.choose(&config)?;
        let registry = registry(&config)?;
        let mut outcomes = Vec::new();
        let mut exit = Exit::Done;
        for sync in syncs {
            if stop.is_cancelled() {
                exit = exit.and(Exit::Stopped);
                break;
            }
            let outcome = match env(&registry, &config, sync, stop.clone(), Arc::new(progress.clone())) {
                Ok(env) => engine::gc(&env, sync, self.dry_run).await,
                Err(error) => Err(error),
            };
            if let Err(error) = &outcome {
                exit = exit.and(Exit::of_failure(error.failure.kind()));
            }
            if global.output == Output::Text {
                progress.suspend(|| match &outcome {
                    Ok(report) => text(report),
                    Err(error) => output::failure(error),
                });
            }
            outcomes.push(outcome);
        }
        progress.clear();
        if global.output == Output::Json {
            output::outcomes(&outcomes);
        }
        Ok(exit)
    }
}

fn text(report: &GcReport) {
    let done = if report.dry_run { "would be removed" } else { "removed" };
    let sync = &report.sync;
    anstream::println!(
        "{BOLD}{sync}{BOLD:#}: {} objects {done}, {}; {} published runs kept",
        count(report.objects),
        HumanBytes(report.bytes),
        count(report.published_kept),
    );
    for collected in &report.runs {
        let why = match collected.reason {
            Reason::Expired => "published, and older than `retain` keeps",
            Reason::Superseded => "sealed and not published, a later run was",
            Reason::Unsealed => "never came to its seal",
        };
        let (objects, bytes) = (count(collected.objects), HumanBytes(collected.bytes));
        anstream::println!("  run {}: {objects} objects, {bytes} ({why})", collected.run);
    }
    if report.leftovers > 0 {
        anstream::println!("  {} superseded leases and half-written files", count(report.leftovers));
    }
}
