//! `hydrant run`

use super::{
    Exit, Global, Problem, Syncs, env, findings,
    output::{self, BOLD, GOOD, Output, WARN, count},
    progress::Progress,
    registry,
};
use crate::engine::{self, RunError, RunOptions, RunReport};
use clap::Args;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    syncs: Syncs,
    /// Let up to this many deletes pass the guard in this run, for example deletes=1200; looked at again on fresh data.
    #[arg(long, value_name = "deletes=N", value_parser = approval)]
    approve: Option<u64>,
    /// Send every row again, whatever is believed to be in the target: after it was restored or replaced.
    #[arg(long)]
    resend: bool,
}

fn approval(text: &str) -> Result<u64, String> {
    let number = text.strip_prefix("deletes=").ok_or("say deletes=N")?;
    number.parse().map_err(|e| format!("{number:?} is not a number of rows: {e}"))
}

impl Run {
    pub(super) async fn execute(
        self,
        global: &Global,
        stop: CancellationToken,
        progress: Progress,
    ) -> Result<Exit, Problem> {
        // A number of deletes is a judgement about one table, and sending everything again is a load on it.
        let named = self.syncs.names.len();
        if (self.approve.is_some() && named != 1) || (self.resend && named == 0) {
            return Err(Problem::Other {
                message: "--approve is for one named sync, --resend for named syncs".to_owned(),
                advice: "name it: `hydrant run SYNC --approve deletes=N`, `hydrant run SYNC --resend`"
                    .to_owned(),
                exit: Exit::Usage,
            });
        }
        let config = global.load()?;
        let syncs = self.syncs.choose(&config)?;
        let registry = registry(&config)?;
        let approved = crate::guard::Approvals { deletes: self.approve.unwrap_or_default() };
        let options = RunOptions { approved, resend: self.resend };
        let mut outcomes = Vec::new();
        let mut exit = Exit::Done;
        for sync in syncs {
            if stop.is_cancelled() {
                exit = exit.and(Exit::Stopped);
                break;
            }
            let outcome = match env(&registry, &config, sync, stop.clone(), Arc::new(progress.clone())) {
                Ok(env) => engine::run(&env, sync, options.clone()).await,
                Err(error) => Err(error),
            };
            exit = exit.and(match &outcome {
                Ok(report) => Exit::of_report(report),
                Err(error) => Exit::of_failure(error.failure.kind()),
            });
            if let Err(error) = &outcome
                && global.output == Output::Text
            {
                progress.suspend(|| output::failure(error));
            }
            outcomes.push(outcome);
        }
        progress.clear();
        match global.output {
            Output::Text => text(&outcomes),
            Output::Json => output::outcomes(&outcomes),
        }
        Ok(exit)
    }
}

fn text(outcomes: &[Result<RunReport, RunError>]) {
    let header = ["sync", "table", "run", "rows", "inserted", "updated", "deleted", "unchanged", "seconds"];
    let mut table = output::table(&header, 2);
    for report in outcomes.iter().flatten().flat_map(|r| r.rolled_forward.as_deref().into_iter().chain([r])) {
        let c = &report.counts;
        let seconds: f64 = report.seconds.values().sum();
        let numbers = [report.run, c.exported, c.inserts, c.updates, c.deletes, c.unchanged].map(count);
        let mut row = vec![report.sync.clone(), report.table.clone()];
        row.extend(numbers);
        row.push(format!("{seconds:.1}"));
        table.add_row(row);
    }
    if table.row_count() > 0 {
        anstream::println!("{table}");
    }
    for report in outcomes.iter().flatten() {
        notes(report);
    }
    let (done, all) = (outcomes.iter().flatten().count(), outcomes.len());
    let style = if done == all { GOOD } else { WARN };
    anstream::println!("{style}{done} of {all} syncs published{style:#}");
}

fn notes(report: &RunReport) {
    let sync = &report.sync;
    if let Some(earlier) = &report.rolled_forward {
        anstream::println!(
            "{sync}: run {} was sealed by an earlier process and has been finished first",
            earlier.run
        );
        notes(earlier);
    }
    findings::show(sync, &report.counts, &report.findings, false);
    if report.counts.rejected > 0 {
        let rejected = count(report.counts.rejected);
        anstream::println!(
            "{WARN}{sync}: {rejected} rows rejected{WARN:#}, they are tried again in the next run:"
        );
        for reject in &report.rejects {
            let column = reject.column.as_ref().map_or_else(String::new, |c| format!(" {BOLD}{c}{BOLD:#}:"));
            anstream::println!("  {}{column} {}", reject.key, reject.reason);
        }
    }
    if report.counts.duplicates > 0 {
        anstream::println!(
            "{sync}: {} rows passed over, another one with the same key counts",
            count(report.counts.duplicates)
        );
    }
    if report.counts.absent > 0 {
        anstream::println!("{sync}: {} rows are not in the table to be updated", count(report.counts.absent));
    }
}
