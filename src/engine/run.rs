//! A lease, the work that is done under it, and its release.

use super::{Env, FailedAttempt, Failure, RunError, RunOptions, RunReport, Step, held::Held, origin::Origin};
use crate::{
    store::{FORMAT, LeaseError},
    sync::SyncSpec,
};

/// Runs a sync: finishes what an earlier process sealed, then brings the table to the query's present rows.
pub async fn run(env: &Env, sync: &SyncSpec, options: RunOptions) -> Result<RunReport, RunError> {
    under_lease(env, sync, options, async |held| held.advance(Origin::Query).await).await
}

/// Takes the lease of a sync, makes a run, and gives the lease back, however that ended. A failure is noted in the store.
pub(super) async fn under_lease<T>(
    env: &Env,
    sync: &SyncSpec,
    options: RunOptions,
    work: impl AsyncFnOnce(&mut Held<'_>) -> Result<T, Failure>,
) -> Result<T, RunError> {
    leased(env, sync, options, work, true).await
}

/// The same for what is no run: that it failed says nothing about how fresh the table is.
pub(super) async fn aside<T>(
    env: &Env,
    sync: &SyncSpec,
    work: impl AsyncFnOnce(&mut Held<'_>) -> Result<T, Failure>,
) -> Result<T, RunError> {
    leased(env, sync, RunOptions::default(), work, false).await
}

async fn leased<T>(
    env: &Env,
    sync: &SyncSpec,
    options: RunOptions,
    work: impl AsyncFnOnce(&mut Held<'_>) -> Result<T, Failure>,
    noted: bool,
) -> Result<T, RunError> {
    env.observer.step(&sync.name, Step::Start);
    let mut held = Held::take(env, sync, options).await.map_err(|error| RunError {
        sync: sync.name.clone(),
        run: None,
        step: Step::Start,
        failure: Box::new(error.into()),
    })?;
    let outcome = work(&mut held).await;
    let epoch = held.epoch();
    let outcome = outcome.map_err(|failure| {
        // The apply loop cannot know the epoch that was lost.
        let failure = match failure {
            Failure::Lease(LeaseError::Lost(_)) => Failure::Lease(LeaseError::Lost(epoch)),
            other => other,
        };
        RunError { sync: sync.name.clone(), run: Some(epoch), step: held.step(), failure: Box::new(failure) }
    });
    if let Err(error) = &outcome {
        held.tidy().await;
        if noted {
            note_failure(env, error, epoch).await;
        }
    }
    held.release().await;
    outcome
}

/// Leaves word of a failed attempt, for `hydrant status`. The failure itself is what matters: it is returned in any case.
async fn note_failure(env: &Env, error: &RunError, run: u64) {
    let attempt = FailedAttempt {
        format: FORMAT,
        run,
        at: env.clock.now(),
        step: error.step.to_string(),
        message: error.failure.to_string(),
    };
    let Ok(bytes) = serde_json::to_vec_pretty(&attempt) else { return };
    let names = env.store.names();
    if let Err(error) = env.store.put(&names.run(run).report(), bytes).await {
        return tracing::warn!(%error, "the failure could not be noted in the store");
    }
    // Only the last one is ever read: a sync that fails for a year leaves one, not thousands.
    if let Err(error) = env.store.delete(&names.run(run.saturating_sub(1)).report()).await {
        tracing::debug!(%error, "the note of the failure before this one was not removed");
    }
}
