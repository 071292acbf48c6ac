//! `hydrant plan`

use super::{
    Exit, Global, Problem, Syncs, cursor,
    each::{Told, each},
    findings, mended,
    output::{self, BOLD, DIM, GOOD, WARN, count, counted},
    progress::Progress,
    unload,
};
use crate::{
    engine::{self, ChangeKind, Env, PlanOptions, PlanReport, Sample},
    sync::SyncSpec,
};
use clap::Args;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    syncs: Syncs,
    /// Exit with 2 if a run would write anything.
    #[arg(long)]
    detailed_exitcode: bool,
    /// How many changes of each kind are shown.
    #[arg(long, value_name = "N", default_value_t = 3)]
    samples: usize,
    /// Ask the query for all rows, also where the sync has a `cursor`.
    #[arg(long)]
    full: bool,
}

impl Plan {
    pub(super) async fn execute(
        self,
        global: &Global,
        stop: CancellationToken,
        progress: Progress,
    ) -> Result<Exit, Problem> {
        let options = PlanOptions { samples: self.samples, full: self.full };
        let work = async |env: &Env, sync: &SyncSpec| engine::plan(env, sync, options).await;
        let exit = match self.detailed_exitcode {
            true => |plan: &PlanReport| if plan.has_changes() { Exit::Changes } else { Exit::Done },
            false => |_: &PlanReport| Exit::Done,
        };
        let text = |plan: &PlanReport| text(plan, &format!("run {}", plan.sync));
        each(&self.syncs, global, stop, progress, work, Told { text, exit }).await
    }
}

/// Shows what `hydrant COMMAND` would do.
pub(super) fn text(plan: &PlanReport, command: &str) {
    let c = &plan.counts;
    anstream::println!("{BOLD}{}{BOLD:#} → {}", plan.sync, plan.table);
    if let Some(node) = &plan.dbt {
        anstream::println!("  {} is {}", node.reference, node.relation);
    }
    if let Some(back) = &plan.back_to {
        anstream::println!(
            "  back to what it held when run {} was published, {} (the query's rows as of {})",
            back.run,
            back.published_at.format("%F %T UTC"),
            back.as_of.format("%F %T UTC"),
        );
    }
    if let Some(run) = plan.pending {
        anstream::println!("  run {run} is sealed and would be finished first; this plan is for after that");
    }
    for statement in &plan.ddl {
        anstream::println!("  {GOOD}would run{GOOD:#}: {}", statement.replace('\n', "\n  "));
    }
    unload::plan(plan.unload.as_ref());
    anstream::println!(
        "  {}: {} to insert, {} to update, {} to delete, {} unchanged",
        counted(c.exported, "row"),
        count(c.inserts),
        count(c.updates),
        count(c.deletes),
        count(c.unchanged),
    );
    if let Some(way) = &plan.way {
        let what = if way.rebuild { "the table would be built anew" } else { "would be written in batches" };
        anstream::println!("  rewrite: {what}, because {}", way.because);
    }
    if let Some(asked) = &plan.cursor {
        cursor::show(&plan.sync, asked, true);
    }
    findings::show_for(command, &plan.sync, c, &plan.findings, true);
    mended::show(&plan.sync, &plan.mended, true);
    if c.rejected > 0 {
        anstream::println!(
            "  {WARN}{} would be rejected{WARN:#}, with NULL in the key or a value that nothing can carry",
            counted(c.rejected, "row")
        );
    }
    for sample in &plan.samples {
        show(sample);
    }
}

fn show(sample: &Sample) {
    let sign = match sample.change {
        ChangeKind::Insert => "+",
        ChangeKind::Update => "~",
        ChangeKind::Delete => "-",
    };
    match sample.withheld {
        true => anstream::println!("  {sign} {} {WARN}(withheld){WARN:#}", sample.key),
        false => anstream::println!("  {sign} {}", sample.key),
    }
    for column in &sample.columns {
        let value = |v: &Option<serde_json::Value>| {
            v.as_ref().map_or_else(|| "nothing".to_owned(), output::shortened)
        };
        match sample.change {
            ChangeKind::Insert => anstream::println!("      {}: {}", column.column, value(&column.after)),
            ChangeKind::Delete => {
                anstream::println!("      {DIM}{}: {}{DIM:#}", column.column, value(&column.before))
            }
            ChangeKind::Update => {
                anstream::println!(
                    "      {}: {} → {}",
                    column.column,
                    value(&column.before),
                    value(&column.after)
                );
            }
        }
    }
}
