//! The table as it was before a run: a run of its own whose rows are an earlier export.

use super::{
    Env, Failure, Held, RunError, RunOptions, RunReport, drift::drift, origin::Origin, run::under_lease,
};
use crate::{
    fingerprint::Scheme,
    store::{Commit, History, Published, Sealed, SyncStore},
    sync::SyncSpec,
};

/// Undoes a run and all that came after it: the table goes back to what it held when the run before was published.
///
/// Rows that the guard withheld, or the target refused, in the run that is gone back to stay as they are now: what the
/// target held of them then is not in the store. The next run from the query applies its present rows again.
///
/// # Errors
///
/// [`Failure::NoWayBack`] if there is nothing to go back to, and all that a run can fail with.
pub async fn rollback(
    env: &Env,
    sync: &SyncSpec,
    run: u64,
    options: RunOptions,
) -> Result<RunReport, RunError> {
    under_lease(env, sync, options, move |held| Box::pin(held.rollback(run))).await
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
    let history = History::load(store).await?;
    let last = history.pending.or(history.published.map(|(sealed, _)| sealed));
    let last = last.ok_or(Failure::NothingPublished)?;
    let undone = match History::sealed(store, run).await? {
        Some(undone) => undone,
        None if run > last.run => {
            return Err(no(format!("there is no such run, the last one is {}", last.run)));
        }
        None => {
            return Err(no(
                "there was no such run, it failed before anything was written, or it is not kept any more (see `retain`)".to_owned(),
            ));
        }
    };
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
    if !sealed.export.is_full() {
        return Err(no(format!(
            "of run {base}, the one before it, only the rows that it changed are kept (`export: changes`); one can go back to runs \
             that were made with `export: full`, and to those in which all rows were changes"
        )));
    }
    let names = store.names().run(base);
    let parts = sealed.export.parts.iter().map(|part| names.export_part(part.number));
    for path in parts.chain(sealed.index.buckets.iter().map(|bucket| names.index_bucket(bucket.number))) {
        if !store.exists(&path).await? {
            return Err(gone());
        }
    }
    if sealed.spec.mode != sync.mode || sealed.spec.deletes != sync.deletes {
        return Err(no(format!(
            "run {base} was made in another `mode`, or with other `deletes`, than the sync has now"
        )));
    }
    // Its export has no values for columns that came later, and too many for those that went.
    let mut differences = drift(&sealed.spec.shape, last.columns());
    differences.extend(drift(sealed.columns(), &sealed.spec.shape));
    if !differences.is_empty() {
        let drift = differences.join("; ");
        return Err(no(format!("the query's columns have changed since run {base}: {drift}")));
    }
    if !sealed.scheme.same_rows(&Scheme::of(&sealed.spec.shape)) {
        return Err(no(format!(
            "run {base} was made by a hydrant whose fingerprints cannot be compared with those of this one"
        )));
    }
    Ok((sealed, published))
}
