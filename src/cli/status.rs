//! `hydrant status`

use super::{
    Exit, Global, Problem, Syncs, findings, mended,
    output::{self, BAD, DIM, Output, WARN, count, counted},
    registry,
};
use crate::{
    engine::{self, RunError, StatusReport, Step},
    store::LeaseTimes,
    sync::ExportKind,
};
use chrono::{DateTime, Utc};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    syncs: Syncs,
}

impl Status {
    pub(super) async fn execute(self, global: &Global) -> Result<Exit, Problem> {
        let config = global.load()?;
        let syncs = self.syncs.choose(&config)?;
        let registry = registry(&config)?;
        let now = Utc::now();
        let mut reports = Vec::new();
        let mut exit = Exit::Done;
        for sync in syncs {
            let store = registry.store(&sync.name);
            let status = engine::status(&store, &sync.name, LeaseTimes::default(), now).await;
            let report = status.map_err(|error| {
                let failure = Box::new(engine::Failure::from(error));
                RunError { sync: sync.name.clone(), run: None, step: Step::Start, failure }
            });
            if let Err(error) = &report {
                exit = exit.and(Exit::of_failure(error.failure.kind()));
                if global.output == Output::Text {
                    output::failure(error);
                }
            }
            reports.push(report);
        }
        match global.output {
            Output::Json => output::outcomes(&reports),
            Output::Text => text(&reports.into_iter().flatten().collect::<Vec<_>>(), now),
        }
        Ok(exit)
    }
}

fn text(reports: &[StatusReport], now: DateTime<Utc>) {
    let mut table = output::table(&["sync", "table", "as of", "age", "run", "rows", "changes"], 3);
    for report in reports {
        let row = match &report.published {
            Some(p) => {
                let c = &p.counts;
                let age = (now - p.as_of).to_std().unwrap_or_default();
                let (as_of, age) = match p.fresh {
                    true => {
                        (p.as_of.format("%F %T UTC").to_string(), indicatif::HumanDuration(age).to_string())
                    }
                    // The table is as it was adopted: how old that is, nobody knows.
                    false => ("not known".to_owned(), String::new()),
                };
                vec![
                    report.sync.clone(),
                    p.table.clone(),
                    as_of,
                    age,
                    p.run.to_string(),
                    count(c.exported),
                    format!("+{} ~{} -{}", count(c.inserts), count(c.updates), count(c.deletes)),
                ]
            }
            None => vec![report.sync.clone(), String::new(), "never published".to_owned()],
        };
        table.add_row(row);
    }
    anstream::println!("{table}");
    for report in reports {
        let sync = &report.sync;
        if let Some(lease) = &report.running {
            anstream::println!(
                "{sync}: running since {} ({})",
                lease.since.format("%F %T UTC"),
                lease.holder
            );
        }
        if let Some(run) = report.pending {
            anstream::println!(
                "{WARN}{sync}: run {run} is sealed and not finished{WARN:#}; the next run finishes it first"
            );
        }
        if let Some(failed) = &report.failed {
            let at = failed.at.format("%F %T UTC");
            anstream::println!(
                "{BAD}{sync}: run {} failed{BAD:#} at {at} ({}): {}",
                failed.run,
                failed.step,
                failed.message
            );
        }
        if let Some(published) = &report.published {
            findings::show(sync, &published.counts, &published.findings, false);
            mended::show(sync, &published.mended, false);
            if published.export == ExportKind::Changes {
                anstream::println!(
                    "{DIM}{sync}: of run {} only the rows that it changed are kept: one cannot go back to it{DIM:#}",
                    published.run
                );
            }
            if let Some(cursor) = published.cursor.as_ref().filter(|cursor| cursor.increments > 0) {
                anstream::println!(
                    "{sync}: {} since run {}, the last full one: rows that have left the query since are still there",
                    counted(cursor.increments.into(), "incremental run"),
                    cursor.last_full
                );
            }
            if published.counts.rejected > 0 {
                let rejected = counted(published.counts.rejected, "row");
                anstream::println!(
                    "{WARN}{sync}: {rejected} rejected{WARN:#} {DIM}(tried again in the next run; see them: hydrant rejects {sync}){DIM:#}"
                );
            }
        }
    }
}
