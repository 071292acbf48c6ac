//! `hydrant rejects`

use super::{
    Exit, Global, Problem, env, named,
    output::{self, BOLD, DIM, Output, WARN, count},
    progress::Progress,
    registry, run,
};
use crate::{
    engine::{self, Env, RejectsReport, RunError, Step},
    store::RejectRecord,
    sync::SyncSpec,
};
use clap::Args;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub(super) struct Rejects {
    /// Name of the sync.
    #[arg(value_name = "SYNC")]
    sync: String,
    /// Show this many at the most.
    #[arg(long, value_name = "ROWS", conflicts_with = "retry")]
    limit: Option<usize>,
    /// Send them once more, from the last export: without running the query, and no other row.
    #[arg(long)]
    retry: bool,
}

impl Rejects {
    pub(super) async fn execute(
        self,
        global: &Global,
        stop: CancellationToken,
        progress: Progress,
    ) -> Result<Exit, Problem> {
        let config = global.load()?;
        let sync = named(&config, &self.sync)?;
        let registry = registry(&config)?;
        let done = match self.retry {
            true => match env(&registry, &config, sync, stop, Arc::new(progress.clone())) {
                Ok(env) => retry(&env, sync, global.output, &progress).await,
                Err(error) => Err(error),
            },
            false => {
                let read = engine::rejects(&registry.store(&sync.name), sync, self.limit).await;
                read.map(|report| show(report, global.output)).map_err(|error| RunError {
                    sync: sync.name.clone(),
                    run: None,
                    step: Step::Start,
                    failure: Box::new(error.into()),
                })
            }
        };
        Ok(done.unwrap_or_else(|error| {
            progress.clear();
            let exit = Exit::of_failure(error.failure.kind());
            match global.output {
                Output::Text => output::failure(&error),
                Output::Json => output::outcomes::<RejectsReport>(&[Err(error)]),
            }
            exit
        }))
    }
}

async fn retry(env: &Env, sync: &SyncSpec, output: Output, progress: &Progress) -> Result<Exit, RunError> {
    let report = engine::retry(env, sync).await?;
    progress.clear();
    let exit = Exit::of_report(&report);
    match output {
        Output::Text => run::published(&report, &format!("run {}", sync.name)),
        Output::Json => output::outcomes(&[Ok(report)]),
    }
    Ok(exit)
}

fn show(report: RejectsReport, output: Output) -> Exit {
    match output {
        Output::Text => text(&report),
        Output::Json => output::outcomes(&[Ok(report)]),
    }
    Exit::Done
}

fn text(report: &RejectsReport) {
    let sync = &report.sync;
    let Some(run) = report.run else {
        anstream::println!("{sync}: no run is published yet");
        return;
    };
    if report.rejected == 0 {
        anstream::println!("{sync}: run {run} rejected no rows");
        return;
    }
    let mut table = output::table(&["key", "column", "value", "since run", "reason"], 5);
    for reject in &report.rejects {
        table.add_row(cells(reject));
    }
    if table.row_count() > 0 {
        anstream::println!("{table}");
    }
    let (shown, all) = (report.rejects.len() as u64, report.rejected);
    let more = if shown < all { format!(", the first {} shown", count(shown)) } else { String::new() };
    let rows = if all == 1 { "row" } else { "rows" };
    anstream::println!("{WARN}{sync}: run {run} rejected {} {rows}{WARN:#}{more}", count(all));
    anstream::println!(
        "{DIM}  every run tries them again; now:{DIM:#} {BOLD}hydrant rejects {sync} --retry{BOLD:#}"
    );
}

fn cells(reject: &RejectRecord) -> [String; 5] {
    let or_nothing = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        reject.key.clone(),
        or_nothing(&reject.column),
        or_nothing(&reject.value),
        reject.first_run.map_or_else(String::new, |run| run.to_string()),
        reject.reason.clone(),
    ]
}
