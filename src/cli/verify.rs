//! `hydrant verify` and `hydrant repair`

use super::{
    Exit, Global, Problem, Syncs,
    each::{Told, each},
    output::{self, BOLD, DIM, GOOD, WARN, count, counted},
    progress::Progress,
    run,
};
use crate::{
    engine::{
        self, ColumnChange, Differing, DifferingKind, Env, Pace, RepairOptions, RepairReport, RunError,
        VerifyOptions, VerifyReport,
    },
    guard::Approvals,
    sync::SyncSpec,
};
use clap::Args;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    syncs: Syncs,
    #[command(flatten)]
    look: Look,
    /// Write the rows that are missing or changed again, from the last run's export; the same as `hydrant repair`.
    #[arg(long)]
    repair: bool,
    /// With --repair: delete rows that the query does not have, as the sync deletes rows.
    #[arg(long, requires = "repair")]
    delete_extra: bool,
    /// With --repair: let this pass the guard, as in `hydrant run`.
    #[arg(long, value_name = "RULE=N", requires = "repair")]
    approve: Vec<Approvals>,
}

#[derive(Debug, Args)]
pub(super) struct Repair {
    #[command(flatten)]
    syncs: Syncs,
    #[command(flatten)]
    look: Look,
    /// Delete rows that the query does not have, as the sync deletes rows.
    #[arg(long)]
    delete_extra: bool,
    /// Let this pass the guard, as in `hydrant run`.
    #[arg(long, value_name = "RULE=N")]
    approve: Vec<Approvals>,
}

#[derive(Clone, Copy, Debug, Args)]
struct Look {
    /// How many rows of each kind of difference are shown.
    #[arg(long, value_name = "N", default_value_t = 3)]
    samples: usize,
    #[command(flatten)]
    pace: Paced,
    /// Rows that the query does not have are no difference: the application has rows of its own in the table.
    #[arg(long)]
    ignore_extra: bool,
}

/// How fast a table is read.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Paced {
    /// In how many percent of the time the target is being asked, 1 to 100; it rests for the others.
    #[arg(long, value_name = "PERCENT", default_value = "50", value_parser = pace)]
    pub(super) pace: Pace,
}

fn pace(text: &str) -> Result<Pace, String> {
    text.parse().ok().and_then(Pace::percent).ok_or_else(|| "say a number from 1 to 100".to_owned())
}

/// What is done about the rows that are found.
struct Mend {
    delete_extra: bool,
    approve: Vec<Approvals>,
}

impl Verify {
    pub(super) async fn execute(
        self,
        global: &Global,
        stop: CancellationToken,
        progress: Progress,
    ) -> Result<Exit, Problem> {
        let mend = self.repair.then_some(Mend { delete_extra: self.delete_extra, approve: self.approve });
        execute(self.syncs, self.look, mend, global, stop, progress).await
    }
}

impl Repair {
    pub(super) async fn execute(
        self,
        global: &Global,
        stop: CancellationToken,
        progress: Progress,
    ) -> Result<Exit, Problem> {
        let mend = Mend { delete_extra: self.delete_extra, approve: self.approve };
        execute(self.syncs, self.look, Some(mend), global, stop, progress).await
    }
}

async fn execute(
    syncs: Syncs,
    look: Look,
    mend: Option<Mend>,
    global: &Global,
    stop: CancellationToken,
    progress: Progress,
) -> Result<Exit, Problem> {
    if let Some(mend) = &mend {
        // Which rows go, and how many, is a judgement about one table.
        let one = mend.delete_extra || !mend.approve.is_empty();
        if (one && syncs.names.len() != 1) || (syncs.names.is_empty() && !syncs.all) {
            return Err(Problem::Other {
                message: "a repair is for named syncs or --all, --delete-extra and --approve are for one"
                    .to_owned(),
                advice: "name it: `hydrant repair SYNC`".to_owned(),
                exit: Exit::Usage,
            });
        }
    }
    let verify = VerifyOptions { samples: look.samples, pace: look.pace.pace };
    let repair = mend.map(|mend| RepairOptions {
        verify,
        delete_extra: mend.delete_extra,
        approved: mend.approve.into_iter().fold(Approvals::default(), Approvals::and),
    });
    let work = async |env: &Env, sync: &SyncSpec| looked(env, sync, verify, repair.clone()).await;
    let exit = match look.ignore_extra {
        true => |looked: &Looked| looked.ending(false),
        false => |looked: &Looked| looked.ending(true),
    };
    each(&syncs, global, stop, progress, work, Told { text: Looked::text, exit }).await
}

/// A table that was looked at, and perhaps repaired.
#[derive(serde::Serialize)]
#[serde(untagged)]
enum Looked {
    Verified(Box<VerifyReport>),
    Repaired(Box<RepairReport>),
}

async fn looked(
    env: &Env,
    sync: &SyncSpec,
    verify: VerifyOptions,
    repair: Option<RepairOptions>,
) -> Result<Looked, RunError> {
    Ok(match repair {
        None => Looked::Verified(Box::new(engine::verify(env, sync, verify).await?)),
        Some(options) => Looked::Repaired(Box::new(engine::repair(env, sync, options).await?)),
    })
}

impl Looked {
    fn ending(&self, extra_counts: bool) -> Exit {
        let differs = |differs| if differs { Exit::Changes } else { Exit::Done };
        match self {
            Self::Verified(report) => differs(report.differs(extra_counts)),
            Self::Repaired(report) => {
                let written = report.repair.as_ref().map_or(Exit::Done, Exit::of_report);
                differs(extra_counts && report.left > 0).and(written)
            }
        }
    }

    fn text(&self) {
        match self {
            Self::Verified(report) => {
                found(report);
                if report.differs(false) {
                    let command = format!("hydrant repair {}", report.sync);
                    anstream::println!("{DIM}  write what was there again:{DIM:#} {BOLD}{command}{BOLD:#}");
                }
            }
            Self::Repaired(report) => {
                found(&report.found);
                match &report.repair {
                    Some(repair) => {
                        let c = &repair.counts;
                        anstream::println!(
                            "  {GOOD}{} written again, {} deleted{GOOD:#}, as run {}",
                            counted(c.inserts + c.updates, "row"),
                            count(c.deletes),
                            repair.run
                        );
                        run::notes(repair, &format!("repair {}", repair.sync));
                    }
                    None => anstream::println!("  {GOOD}nothing to repair{GOOD:#}"),
                }
                if report.left > 0 {
                    anstream::println!(
                        "  left alone: {} that the query does not have",
                        counted(report.left, "row")
                    );
                }
            }
        }
    }
}

fn found(report: &VerifyReport) {
    anstream::println!(
        "{BOLD}{}{BOLD:#} → {}: {} read in {:.1} s, compared with run {} as of {}",
        report.sync,
        report.table,
        counted(report.rows, "row"),
        report.seconds,
        report.run,
        report.as_of.format("%F %T UTC"),
    );
    if report.differs(true) {
        let kinds = [(report.missing, "missing"), (report.changed, "changed"), (report.extra, "extra")];
        let words: Vec<_> =
            kinds.iter().filter(|(n, _)| *n > 0).map(|(n, kind)| format!("{} {kind}", count(*n))).collect();
        anstream::println!("  {WARN}{}{WARN:#}", words.join(", "));
    } else {
        anstream::println!("  {GOOD}no difference{GOOD:#}");
    }
    if !report.values_compared {
        anstream::println!("  {DIM}in mode insert, values of rows that are there are not compared{DIM:#}");
    }
    if report.unknown > 0 {
        anstream::println!(
            "  not compared: {} refused, not there to be updated, or of an abandoned run",
            counted(report.unknown, "row")
        );
    }
    report.samples.iter().for_each(show);
}

fn show(row: &Differing) {
    let kind = match row.kind {
        DifferingKind::Missing => "missing",
        DifferingKind::Changed => "changed",
        DifferingKind::Extra => "extra",
    };
    let unreadable = if row.unreadable { ": a value that the query's type cannot hold" } else { "" };
    anstream::println!("  {kind} {}{unreadable}", row.key);
    for ColumnChange { column, before, after } in &row.columns {
        let value = |value: &Option<serde_json::Value>| {
            value.as_ref().map_or_else(|| "nothing".to_owned(), output::shortened)
        };
        anstream::println!("      {column}: {} instead of {}", value(before), value(after));
    }
}
