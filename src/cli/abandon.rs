//! `hydrant abandon`

use super::{
    Exit, Global, Problem, env, named,
    output::{self, BOLD, Output, WARN, count},
    progress::Progress,
    registry,
};
use crate::engine::{self, AbandonReport};
use clap::Args;
use std::sync::Arc;
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
        let config = global.load()?;
        let sync = named(&config, &self.sync)?;
        let registry = registry(&config)?;
        let outcome = match env(&registry, &config, sync, stop, Arc::new(progress.clone())) {
            Ok(env) => engine::abandon(&env, sync, self.run).await,
            Err(error) => Err(error),
        };
        progress.clear();
        match (global.output, &outcome) {
            (Output::Json, _) => output::outcomes(std::slice::from_ref(&outcome)),
            (Output::Text, Ok(report)) => text(report),
            (Output::Text, Err(error)) => output::failure(error),
        }
        Ok(outcome.map_or_else(|error| Exit::of_failure(error.failure.kind()), |_| Exit::Done))
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
        let unknown = count(report.unknown);
        anstream::println!("  of {unknown} rows it is not known now whether run {run} has written them");
        anstream::println!("  the next run sends them again, or deletes them if they have left the query");
    }
}
