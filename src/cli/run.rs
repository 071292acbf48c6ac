//! `hydrant run`

use super::{
    Exit, Global, Problem, Syncs,
    after_dbt::{AfterDbt, Sorted},
    cursor, env, findings, mended,
    output::{self, BOLD, DIM, GOOD, Output, WARN, count, counted},
    progress::Progress,
    registry, unload,
};
use crate::{
    engine::{self, RunError, RunOptions, RunReport},
    guard::Approvals,
    sync::in_order,
};
use clap::Args;
use std::{collections::BTreeMap, sync::Arc};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    syncs: Syncs,
    /// Let this pass the guard in this run: deletes=N, changes=N, rows=N, shrink=PERCENT, keys or schema, several with
    /// commas between or by saying it again. The numbers are limits, looked at again on fresh data.
    #[arg(long, value_name = "RULE=N")]
    approve: Vec<Approvals>,
    /// Send every row again, whatever is believed to be in the target: after it was restored or replaced.
    #[arg(long)]
    resend: bool,
    /// Ask the query for all rows, also where the sync has a `cursor`.
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    after_dbt: AfterDbt,
}

/// What became of a sync.
enum Outcome {
    Published(Box<RunReport>),
    Failed(RunError),
    /// It was not run, because one that it comes after was not published.
    Skipped {
        sync: String,
        because: String,
    },
    /// It was not run, because dbt did not build its model well.
    Refused {
        sync: String,
        because: String,
    },
    /// It was not asked for: it is about nothing that dbt has built.
    PassedOver {
        sync: String,
        because: String,
    },
}

impl Run {
    pub(super) async fn execute(
        self,
        global: &Global,
        stop: CancellationToken,
        progress: Progress,
    ) -> Result<Exit, Problem> {
        // What passes is a judgement about one table, and sending everything again is a load on it.
        let named = self.syncs.names.len();
        if (!self.approve.is_empty() && named != 1) || (self.resend && named == 0) {
            return Err(Problem::Other {
                message: "--approve is for one named sync, --resend for named syncs".to_owned(),
                advice: "name it: `hydrant run SYNC --approve deletes=N`, `hydrant run SYNC --resend`"
                    .to_owned(),
                exit: Exit::Usage,
            });
        }
        let config = global.load()?;
        let chosen = self.syncs.choose(&config)?;
        let Sorted { run, refused, passed_over } = self.after_dbt.sort(chosen, &self.syncs, &config)?;
        let syncs = in_order(&run);
        let registry = registry(&config)?;
        let approved = self.approve.into_iter().fold(Approvals::default(), Approvals::and);
        // Who sends every row again has asked for as many updates.
        let approved = if self.resend { approved.any_changes() } else { approved };
        let options = RunOptions { approved, resend: self.resend, full: self.full };
        let mut outcomes: Vec<Outcome> = Vec::new();
        // Those that were not published, and what became of them.
        let mut unpublished: BTreeMap<&str, &str> = BTreeMap::new();
        let mut exit = Exit::Done;
        for (sync, because) in passed_over {
            outcomes.push(Outcome::PassedOver { sync: sync.name.clone(), because });
        }
        for (sync, because) in refused {
            exit = exit.and(Exit::Data);
            unpublished.insert(&sync.name, "was refused");
            outcomes.push(Outcome::Refused { sync: sync.name.clone(), because });
        }
        for sync in syncs {
            if stop.is_cancelled() {
                exit = exit.and(Exit::Stopped);
                break;
            }
            let before = sync.after.iter().find_map(|name| unpublished.get_key_value(name.as_str()));
            if let Some((name, what)) = before {
                let because = format!("{name} {what}");
                outcomes.push(Outcome::Skipped { sync: sync.name.clone(), because });
                unpublished.insert(&sync.name, "was not run");
                continue;
            }
            let ran = match env(&registry, &config, sync, stop.clone(), Arc::new(progress.clone())) {
                Ok(env) => engine::run(&env, sync, options.clone()).await,
                Err(error) => Err(error),
            };
            outcomes.push(match ran {
                Ok(report) => {
                    exit = exit.and(Exit::of_report(&report));
                    Outcome::Published(Box::new(report))
                }
                Err(error) => {
                    exit = exit.and(Exit::of_failure(error.failure.kind()));
                    unpublished.insert(&sync.name, "failed");
                    if global.output == Output::Text {
                        progress.suspend(|| output::failure(&error));
                    }
                    Outcome::Failed(error)
                }
            });
        }
        progress.clear();
        match global.output {
            Output::Text => text(&outcomes),
            Output::Json => output::syncs(outcomes.iter().map(Outcome::for_programs)),
        }
        Ok(exit)
    }
}

impl Outcome {
    fn for_programs(&self) -> serde_json::Value {
        match self {
            Self::Published(report) => serde_json::json!(report),
            Self::Failed(error) => output::failed(error),
            Self::Skipped { sync, because } => {
                serde_json::json!({ "sync": sync, "run": null, "skipped": because })
            }
            Self::Refused { sync, because } => {
                serde_json::json!({ "sync": sync, "run": null, "refused": because })
            }
            Self::PassedOver { sync, because } => {
                serde_json::json!({ "sync": sync, "run": null, "passed_over": because })
            }
        }
    }

    fn report(&self) -> Option<&RunReport> {
        match self {
            Self::Published(report) => Some(report),
            Self::Failed(_) | Self::Skipped { .. } | Self::Refused { .. } | Self::PassedOver { .. } => None,
        }
    }
}

/// Shows one published run, and how `hydrant COMMAND` would let pass what the guard held back.
pub(super) fn published(report: &RunReport, command: &str) {
    figures(std::iter::once(report));
    notes(report, command);
}

fn figures<'a>(reports: impl Iterator<Item = &'a RunReport>) {
    let header = ["sync", "table", "run", "rows", "inserted", "updated", "deleted", "unchanged", "seconds"];
    let mut table = output::table(&header, 2);
    for report in reports.flat_map(|r| r.rolled_forward.as_deref().into_iter().chain([r])) {
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
}

fn text(outcomes: &[Outcome]) {
    let reports = || outcomes.iter().filter_map(Outcome::report);
    figures(reports());
    for outcome in outcomes {
        match outcome {
            Outcome::Published(report) => notes(report, &format!("run {}", report.sync)),
            // It was told when it happened.
            Outcome::Failed(_) => {}
            Outcome::Skipped { sync, because } => {
                anstream::println!(
                    "{WARN}{sync}: not run{WARN:#}, it comes after a sync that was not published: {because}"
                );
            }
            Outcome::Refused { sync, because } => {
                anstream::println!("{WARN}{sync}: refused{WARN:#}, dbt: {because}");
            }
            Outcome::PassedOver { sync, because } => {
                anstream::println!("{DIM}{sync}: not asked for, dbt: {because}{DIM:#}");
            }
        }
    }
    let asked = outcomes.iter().filter(|outcome| !matches!(outcome, Outcome::PassedOver { .. }));
    let (done, all) = (reports().count(), asked.count());
    let style = if done == all { GOOD } else { WARN };
    anstream::println!("{style}{done} of {all} syncs published{style:#}");
}

/// What is to be said of a published run besides its counts. `command` is what would approve of what was held.
pub(super) fn notes(report: &RunReport, command: &str) {
    let sync = &report.sync;
    if let Some(earlier) = &report.rolled_forward {
        anstream::println!(
            "{sync}: run {} was sealed by an earlier process and has been finished first",
            earlier.run
        );
        notes(earlier, &format!("run {sync}"));
    }
    unload::run(sync, report.unload.as_ref());
    if let Some(way) = &report.way {
        let what = if way.rebuild { "the table was built anew" } else { "written in batches" };
        anstream::println!("{sync}: rewrite: {what}, because {}", way.because);
    }
    if let Some(asked) = &report.cursor {
        cursor::show(sync, asked, false);
    }
    findings::show_for(command, sync, &report.counts, &report.findings, false);
    mended::show(sync, &report.mended, false);
    if report.counts.rejected > 0 {
        let rejected = counted(report.counts.rejected, "row");
        anstream::println!("{WARN}{sync}: {rejected} rejected{WARN:#}, to be tried again in the next run:");
        for reject in &report.rejects {
            let column = reject.column.as_ref().map_or_else(String::new, |c| format!(" {BOLD}{c}{BOLD:#}:"));
            anstream::println!("  {}{column} {}", reject.key, reject.reason);
        }
    }
    if report.counts.duplicates > 0 {
        anstream::println!(
            "{sync}: {} passed over, another one with the same key counts",
            counted(report.counts.duplicates, "row")
        );
    }
    if report.counts.absent > 0 {
        anstream::println!("{sync}: {} not in the table to be updated", counted(report.counts.absent, "row"));
    }
}
