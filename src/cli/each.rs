//! One sync after the other: what every command does that is about several, however they end.

use super::{Exit, Global, Problem, Syncs, env, output, output::Output, progress::Progress, registry};
use crate::{
    engine::{Env, RunError},
    sync::SyncSpec,
};
use serde::Serialize;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// How a command says what came of one sync.
pub(super) struct Told<R> {
    /// For people.
    pub(super) text: fn(&R),
    /// By its exit code.
    pub(super) exit: fn(&R) -> Exit,
}

/// Does the same work for each of these syncs, tells at once how each went (as JSON: at the end), and goes on where one
/// failed.
pub(super) async fn each<R: Serialize>(
    syncs: &Syncs,
    global: &Global,
    stop: CancellationToken,
    progress: Progress,
    work: impl AsyncFn(&Env, &SyncSpec) -> Result<R, RunError>,
    told: Told<R>,
) -> Result<Exit, Problem> {
    let config = global.load()?;
    let syncs = syncs.choose(&config)?;
    let registry = registry(&config)?;
    let mut outcomes = Vec::new();
    let mut exit = Exit::Done;
    for sync in syncs {
        if stop.is_cancelled() {
            exit = exit.and(Exit::Stopped);
            break;
        }
        let outcome = match env(&registry, &config, sync, stop.clone(), Arc::new(progress.clone())) {
            Ok(env) => work(&env, sync).await,
            Err(error) => Err(error),
        };
        exit = exit.and(match &outcome {
            Ok(report) => (told.exit)(report),
            Err(error) => Exit::of_failure(error.failure.kind()),
        });
        if global.output == Output::Text {
            progress.suspend(|| match &outcome {
                Ok(report) => (told.text)(report),
                Err(error) => output::failure(error),
            });
        }
        outcomes.push(outcome);
    }
    progress.clear();
    if global.output == Output::Json {
        output::outcomes(&outcomes);
    }
    Ok(exit)
}
