//! `hydrant rejects`

use super::{
    Exit, Global, Problem, Syncs, env,
    output::{self, BOLD, DIM, Output, WARN, count, counted},
    progress::Progress,
    registry, run,
};
use crate::{
    engine::{self, RejectsReport, RunError, RunReport, Step},
    store::RejectRecord,
};
use clap::Args;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub(super) struct Rejects {
    #[command(flatten)]
    syncs: Syncs,
    /// Show this many of each sync at the most.
    #[arg(long, value_name = "ROWS", conflicts_with = "retry")]
    limit: Option<usize>,
    /// Send those of one sync once more, from the last export: without running the query, and no other row.
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
        if self.retry && self.syncs.names.len() != 1 {
            return Err(Problem::Other {
                message: "--retry is for one named sync".to_owned(),
                advice: "name it: `hydrant rejects SYNC --retry`".to_owned(),
                exit: Exit::Usage,
            });
        }
        let config = global.load()?;
        let syncs = self.syncs.choose(&config)?;
        let registry = registry(&config)?;
        if let (true, [sync]) = (self.retry, &syncs[..]) {
            let retried = match env(&registry, &config, sync, stop, Arc::new(progress.clone())) {
                Ok(env) => engine::retry(&env, sync).await,
                Err(error) => Err(error),
            };
            progress.clear();
            return Ok(retried_as(retried, global.output));
        }
        let mut reports = Vec::new();
        for sync in syncs {
            let read = engine::rejects(&registry.store(&sync.name), sync, self.limit).await;
            reports.push(read.map_err(|error| RunError {
                sync: sync.name.clone(),
                run: None,
                step: Step::Start,
                failure: Box::new(error.into()),
            }));
        }
        let exit = reports
            .iter()
            .filter_map(|report| report.as_ref().err())
            .fold(Exit::Done, |exit, error| exit.and(Exit::of_failure(error.failure.kind())));
        match global.output {
            Output::Json => output::outcomes(&reports),
            Output::Text => reports.iter().for_each(|report| match report {
                Ok(report) => text(report),
                Err(error) => output::failure(error),
            }),
        }
        Ok(exit)
    }
}

fn retried_as(retried: Result<RunReport, RunError>, output: Output) -> Exit {
    let exit = match &retried {
        Ok(report) => Exit::of_report(report),
        Err(error) => Exit::of_failure(error.failure.kind()),
    };
    match (&retried, output) {
        (_, Output::Json) => output::outcomes(&[retried]),
        (Ok(report), Output::Text) => run::published(report, &format!("run {}", report.sync)),
        (Err(error), Output::Text) => output::failure(error),
    }
    exit
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
    anstream::println!("{WARN}{sync}: run {run} rejected {}{WARN:#}{more}", counted(all, "row"));
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
