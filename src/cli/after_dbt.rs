//! `hydrant run --after-dbt`: which syncs an invocation of dbt lets run.

use super::{Exit, Problem, Syncs};
use crate::{
    config::Config,
    dbt::{ArtifactError, Invocations, Kind, Results, Verdict},
    sync::SyncSpec,
};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct AfterDbt {
    /// Run just the syncs whose models dbt has built in the invocation with these results (target/run_results.json), and
    /// whose tests passed. Several times where the models were built in one invocation and tested in another.
    #[arg(long, value_name = "RESULTS")]
    after_dbt: Vec<PathBuf>,
    /// With --after-dbt: tests that dbt did not run count as passed.
    #[arg(long, requires = "after_dbt")]
    allow_untested: bool,
}

/// Syncs, by whether they are run.
#[derive(Default)]
pub(super) struct Sorted<'a> {
    pub(super) run: Vec<&'a SyncSpec>,
    /// They were asked for and are not run, for these reasons.
    pub(super) refused: Vec<(&'a SyncSpec, String)>,
    /// They were not asked for, for these reasons.
    pub(super) passed_over: Vec<(&'a SyncSpec, String)>,
}

impl AfterDbt {
    /// Sorts the syncs that were chosen on the command line. Without the flag all of them are run.
    pub(super) fn sort<'a>(
        &self,
        chosen: Vec<&'a SyncSpec>,
        syncs: &Syncs,
        config: &Config,
    ) -> Result<Sorted<'a>, Problem> {
        if self.after_dbt.is_empty() {
            return Ok(Sorted { run: chosen, ..Sorted::default() });
        }
        let Some(manifest) = config.dbt.as_ref().and_then(|dbt| dbt.manifest.as_ref()) else {
            return Err(Problem::Other {
                message: "--after-dbt is for syncs of dbt's models, and the configuration has none"
                    .to_owned(),
                advice: "name models as `model: ref('…')`".to_owned(),
                exit: Exit::Usage,
            });
        };
        let results = self.after_dbt.iter().map(|file| Results::read(file));
        let results = results.collect::<Result<_, _>>().map_err(wrong)?;
        let invocations = Invocations::new(manifest, results, self.allow_untested).map_err(wrong)?;
        let mut sorted = Sorted::default();
        for sync in chosen {
            let verdict = match &sync.model.dbt {
                Some(node) => invocations.verdict(node),
                None => Verdict::NotBuilt("its model is none of dbt's".to_owned()),
            };
            match verdict {
                Verdict::Built => sorted.run.push(sync),
                Verdict::Refused(reason) => sorted.refused.push((sync, reason)),
                Verdict::NotBuilt(reason) => match asks_for(syncs, sync) {
                    true => sorted.refused.push((sync, reason)),
                    false => sorted.passed_over.push((sync, reason)),
                },
            }
        }
        Ok(sorted)
    }
}

/// Whether the command line asks for this sync: by its name, or by `--all` if dbt builds its model. Without names and without
/// `--all` it asks for what dbt has built.
fn asks_for(syncs: &Syncs, sync: &SyncSpec) -> bool {
    let is_built = || sync.model.dbt.as_ref().is_some_and(|node| node.kind != Kind::Source);
    !syncs.names.is_empty() || (syncs.all && is_built())
}

fn wrong(error: ArtifactError) -> Problem {
    Problem::Other { message: error.message, advice: error.help, exit: Exit::Wrong }
}
