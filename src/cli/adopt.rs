//! `hydrant adopt`

use super::{
    Exit, Global, Problem, env,
    output::{self, BOLD, DIM, GOOD, Output, WARN, count},
    progress::Progress,
    registry,
    verify::Paced,
};
use crate::engine::{self, AdoptReport};
use clap::Args;
use std::sync::Arc;
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
        let config = global.load()?;
        let syncs = super::Syncs { names: self.names, all: false };
        let registry = registry(&config)?;
        let mut outcomes = Vec::new();
        let mut exit = Exit::Done;
        for sync in syncs.choose(&config)? {
            if stop.is_cancelled() {
                exit = exit.and(Exit::Stopped);
                break;
            }
            let outcome = match env(&registry, &config, sync, stop.clone(), Arc::new(progress.clone())) {
                Ok(env) => engine::adopt(&env, sync, self.pace.pace).await,
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

fn text(report: &AdoptReport) {
    anstream::println!(
        "{BOLD}{}{BOLD:#} → {}: {GOOD}{} rows adopted{GOOD:#} as run {}, none written",
        report.sync,
        report.table,
        count(report.adopted),
        report.run,
    );
    if report.unreadable > 0 {
        anstream::println!(
            "  {WARN}{} more rows are known by their keys only{WARN:#}: they have values that the query's types cannot hold; a run that has their keys writes them",
            count(report.unreadable)
        );
    }
    match report.left_out {
        None | Some(0) => {}
        Some(rows) => anstream::println!(
            "  {WARN}{} rows left out{WARN:#}: they have keys that the query's types cannot hold; no run touches them",
            count(rows)
        ),
    }
    let command = format!("hydrant plan {}", report.sync);
    anstream::println!("{DIM}  what the next run will do:{DIM:#} {BOLD}{command}{BOLD:#}");
}
