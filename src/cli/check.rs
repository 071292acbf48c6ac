//! `hydrant check`

use super::{
    Exit, Global, Problem, Syncs, env,
    output::{self, BOLD, GOOD, Output},
    registry,
};
use crate::engine::{self, CheckReport, RunError, Unobserved};
use clap::Args;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    syncs: Syncs,
}

impl Check {
    pub(super) async fn execute(self, global: &Global, stop: CancellationToken) -> Result<Exit, Problem> {
        let config = global.load()?;
        let syncs = self.syncs.choose(&config)?;
        let registry = registry(&config)?;
        let mut outcomes: Vec<Result<CheckReport, RunError>> = Vec::new();
        let mut exit = Exit::Done;
        for sync in syncs {
            let outcome = match env(&registry, &config, sync, stop.clone(), Arc::new(Unobserved)) {
                Ok(env) => engine::check(&env, sync).await,
                Err(error) => Err(error),
            };
            match &outcome {
                Ok(report) if global.output == Output::Text => text(report),
                Err(error) if global.output == Output::Text => output::failure(error),
                Ok(_) | Err(_) => {}
            }
            if let Err(error) = &outcome {
                exit = exit.and(Exit::of_failure(error.failure.kind()));
            }
            outcomes.push(outcome);
        }
        if global.output == Output::Json {
            output::outcomes(&outcomes);
        }
        Ok(exit)
    }
}

fn text(report: &CheckReport) {
    anstream::println!(
        "{GOOD}ok{GOOD:#} {BOLD}{}{BOLD:#} → {} ({})",
        report.sync,
        report.table,
        report.target
    );
    let columns: Vec<_> = report.columns.iter().map(|(name, value)| format!("{name} {value}")).collect();
    anstream::println!("   {}", columns.join(", "));
    if !report.ddl.is_empty() {
        anstream::println!("   the table is absent, the first run creates it");
    }
}
