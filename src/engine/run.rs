//! A lease, the work that is done under it, and its release.

use super::{
    Env, FailedAttempt, Failure, RunError, RunOptions, RunReport, Step, held::Held, keeper::LAST_WORDS_MAX,
    origin::Origin,
};
use crate::{
    store::{FORMAT, LeaseError},
    sync::SyncSpec,
};
use futures::future::BoxFuture;

/// Runs a sync: finishes what an earlier process sealed, then brings the table to the query's present rows.
pub async fn run(env: &Env, sync: &SyncSpec, options: RunOptions) -> Result<RunReport, RunError> {
    under_lease(env, sync, options, |held| Box::pin(held.advance(Origin::Query))).await
}

/// Takes the lease of a sync, makes a run (boxed, so that all of it can be sent to another thread), and gives the lease back, however that ended. A failure is noted in the store.
pub(super) async fn under_lease<T>(
    env: &Env,
    sync: &SyncSpec,
    options: RunOptions,
    work: impl for<'h, 'e> FnOnce(&'h mut Held<'e>) -> BoxFuture<'h, Result<T, Failure>> + Send,
) -> Result<T, RunError> {
    leased(env, sync, options, work, true).await
}

/// The same for what is no run: that it failed says nothing about how fresh the table is.
pub(super) async fn aside<T>(
    env: &Env,
    sync: &SyncSpec,
    work: impl for<'h, 'e> FnOnce(&'h mut Held<'e>) -> BoxFuture<'h, Result<T, Failure>> + Send,
) -> Result<T, RunError> {
    leased(env, sync, RunOptions::default(), work, false).await
}

async fn leased<T>(
    env: &Env,
    sync: &SyncSpec,
    options: RunOptions,
    work: impl for<'h, 'e> FnOnce(&'h mut Held<'e>) -> BoxFuture<'h, Result<T, Failure>> + Send,
    noted: bool,
) -> Result<T, RunError> {
    env.observer.step(&sync.name, Step::Start);
    let mut held = Held::take(env, sync, options).await.map_err(|error| RunError {
        sync: sync.name.clone(),
        run: None,
        step: Step::Start,
        failure: Box::new(error.into()),
    })?;
    // Whatever it waits for (a store that does not answer, say): without the lease it ends, as by a kill. But what is done by
    // then is done.
    let lost = held.keeper.lost.clone();
    let outcome = tokio::select! {
        biased;
        outcome = work(&mut held) => outcome,
        () = lost.cancelled() => Err(Failure::Lease(LeaseError::Lost(0))),
    };
    // Only now that the outcome is fixed: a published run stays published, whatever becomes of the lease meanwhile.
    if outcome.is_ok() && held.collects {
        tokio::select! {
            biased;
            () = lost.cancelled() => {}
            () = held.collect_quietly() => {}
        }
    }
    let epoch = held.epoch();
    let outcome = match outcome {
        Err(failure) if held.may_be_anothers_doing(&failure).await => Err(LeaseError::Lost(epoch).into()),
        outcome => outcome,
    };
    let outcome = outcome.map_err(|failure| {
        // Who notices that it is lost need not know why.
        let failure = match failure {
            Failure::Lease(LeaseError::Lost(_)) => Failure::Lease(held.keeper.why_lost()),
            other => other,
        };
        RunError { sync: sync.name.clone(), run: Some(epoch), step: held.step(), failure: Box::new(failure) }
    });
    if let Err(error) = &outcome
        && !matches!(*error.failure, Failure::Lease(LeaseError::Unrenewed { .. }))
    {
        if tokio::time::timeout(LAST_WORDS_MAX, held.tidy()).await.is_err() {
            tracing::debug!("left behind: the store is slow");
        }
        if noted {
            note_failure(env, error, epoch).await;
        }
    }
    held.release(outcome.as_ref().err().map(|error| &*error.failure)).await;
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
    let noted = async {
        env.store.put(&names.run(run).report(), bytes).await?;
        // Only the last one is ever read: a sync that fails for a year leaves one, not thousands.
        env.store.delete(&names.run(run.saturating_sub(1)).report()).await
    };
    match tokio::time::timeout(LAST_WORDS_MAX, noted).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the failure could not be noted in the store"),
        Err(_) => tracing::warn!("the store does not answer: the failure could not be noted there"),
    }
}
