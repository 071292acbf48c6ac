//! The table as it was before a run: a run of its own whose rows are an earlier export.

use super::{Env, Failure, Held, RunError, RunOptions, RunReport, origin::Origin, run::under_lease};
use crate::{
    store::{Commit, History, Published, Sealed, SyncStore},
    sync::SyncSpec,
};

/// Undoes a run and all that came after it: the table goes back to what it held when the run before was published.
pub async fn rollback(
    env: &Env,
    sync: &SyncSpec,
    run: u64,
    options: RunOptions,
) -> Result<RunReport, RunError> {
    under_lease(env, sync, options, async |held| held.rollback(run).await).await
}

impl Held<'_> {
    async fn rollback(&mut self, run: u64) -> Result<RunReport, Failure> {
        // Looked at before anything is written, and again under what a sealed run leaves.
        before(&self.env.store, self.sync, run).await?;
        let rolled_forward = self.roll_forward().await?.map(Box::new);
        let earlier = before(&self.env.store, self.sync, run).await?;
        let mut report = self.advance(Origin::Earlier(Box::new(earlier))).await?;
        report.rolled_forward = rolled_forward;
        Ok(report)
    }
}

/// The run whose state a rollback of this one brings back.
pub(super) async fn before(
    store: &SyncStore,
    sync: &SyncSpec,
    run: u64,
) -> Result<(Sealed, Published), Failure> {
    let no = |reason: String| Failure::NoWayBack { run, reason };
    let undone = History::sealed(store, run).await?.ok_or_else(|| no("there is no such run".to_owned()))?;
    let base = undone
        .base
        .ok_or_else(|| no("it was the first one: there is nothing before it to go back to".to_owned()))?;
    let gone = || no(format!("run {base}, the one before it, is not kept any more (see `retain`)"));
    let sealed = History::sealed(store, base).await?.ok_or_else(gone)?;
    let published = match store.read(&store.names().manifest(base, Commit::Published)).await {
        Ok(published) => published,
        Err(error) if error.is_missing() => return Err(gone()),
        Err(error) => return Err(error.into()),
    };
    for part in &sealed.export.parts {
        let path = store.names().run(base).export_part(part.number);
        if !store.exists(&path).await? {
            return Err(gone());
        }
    }
    if sealed.spec.mode != sync.mode || sealed.spec.deletes != sync.deletes {
        return Err(no(format!(
            "run {base} was made in another `mode`, or with other `deletes`, than the sync has now"
        )));
    }
    Ok((sealed, published))
}
