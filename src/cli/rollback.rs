//! `hydrant rollback`

use super::{
    Exit, Global, Problem, env, named,
    output::{self, BOLD, DIM, Output, WARN},
    plan,
    progress::Progress,
    registry, run,
};
use crate::{
    engine::{self, Env, RunOptions},
    guard::Approvals,
    sync::SyncSpec,
};
use clap::Args;
use std::{
    io::{BufRead, IsTerminal, Write},
    sync::Arc,
};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub(super) struct Rollback {
    /// The sync.
    sync: String,
    /// The run to undo, and with it all that came after it; `hydrant status` names the last one.
    run: u64,
    /// Do it without asking. Without this, and without a terminal to ask on, the plan is shown and the exit code is 2.
    #[arg(long)]
    yes: bool,
    /// Let this pass the guard, as for `hydrant run`: deletes=N, changes=N, rows=N, shrink=PERCENT, keys or schema.
    #[arg(long, value_name = "RULE=N")]
    approve: Vec<Approvals>,
    /// How many changes of each kind the plan shows.
    #[arg(long, value_name = "N", default_value_t = 3)]
    samples: usize,
}

impl Rollback {
    pub(super) async fn execute(
        self,
        global: &Global,
        stop: CancellationToken,
        progress: Progress,
    ) -> Result<Exit, Problem> {
        let config = global.load()?;
        let sync = named(&config, &self.sync)?;
        let registry = registry(&config)?;
        let exit = match env(&registry, &config, sync, stop.clone(), Arc::new(progress.clone())) {
            Ok(env) => self.undo(&env, sync, global.output, &stop, &progress).await,
            Err(error) => Err(error),
        };
        progress.clear();
        Ok(exit.unwrap_or_else(|error| {
            let exit = Exit::of_failure(error.failure.kind());
            match global.output {
                Output::Text => output::failure(&error),
                Output::Json => output::outcomes::<()>(&[Err(error)]),
            }
            exit
        }))
    }

    async fn undo(
        &self,
        env: &Env,
        sync: &SyncSpec,
        output: Output,
        stop: &CancellationToken,
        progress: &Progress,
    ) -> Result<Exit, engine::RunError> {
        let approved = self.approve.iter().cloned().fold(Approvals::default(), Approvals::and);
        let options = RunOptions { approved, ..RunOptions::default() };
        let command = format!("rollback {} {}", sync.name, self.run);
        let plan = engine::plan_rollback(env, sync, self.run, &options.approved, self.samples).await?;
        progress.clear();
        if output == Output::Text {
            plan::text(&plan, &command);
            anstream::println!(
                "  {WARN}the next run applies the query's present rows again{WARN:#}: pause its schedule, or mend the query first"
            );
        }
        let may_ask =
            output == Output::Text && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if !self.yes && !may_ask {
            if output == Output::Json {
                output::outcomes::<_>(&[Ok(&plan)]);
            } else if plan.has_changes() {
                anstream::println!("{DIM}  nothing was written; to go on:{DIM:#} {BOLD}--yes{BOLD:#}");
            }
            return Ok(if plan.has_changes() { Exit::Changes } else { Exit::Done });
        }
        if !self.yes && !agreed("Go back? [y/N] ", stop).await {
            anstream::eprintln!("nothing was written");
            return Ok(if stop.is_cancelled() { Exit::Stopped } else { Exit::Changes });
        }
        let report = engine::rollback(env, sync, self.run, options).await?;
        progress.clear();
        let exit = Exit::of_report(&report);
        match output {
            Output::Text => run::published(&report, &command),
            Output::Json => output::outcomes(&[Ok(report)]),
        }
        Ok(exit)
    }
}

/// Asks on the terminal. A signal is no consent.
async fn agreed(question: &str, stop: &CancellationToken) -> bool {
    let mut terminal = anstream::stderr();
    if terminal.write_all(question.as_bytes()).and_then(|()| terminal.flush()).is_err() {
        return false;
    }
    let (send, answer) = tokio::sync::oneshot::channel();
    // A thread of its own: the runtime would wait for it at the end, and a person may never answer.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        let _ = send.send(read.is_ok() && is_yes(&line));
    });
    tokio::select! {
        answer = answer => answer.unwrap_or(false),
        () = stop.cancelled() => false,
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(["y\n", "Yes\n", " YES "].into_iter().all(is_yes));
        assert!(["", "\n", "n\n", "yeah\n", "go"].into_iter().all(|answer| !is_yes(answer)));
    }
}
