//! What the store knows of a sync, without touching source or target.

use super::{Counts, FailedAttempt, PublishedStatus, StatusReport, place};
use crate::store::{History, Lease, LeaseTimes, StoreError, SyncStore};
use chrono::{DateTime, Utc};

/// Reads the state of a sync.
pub async fn status(
    store: &SyncStore,
    sync: &str,
    times: LeaseTimes,
    now: DateTime<Utc>,
) -> Result<StatusReport, StoreError> {
    let history = History::load(store).await?;
    let lease = Lease::current(store).await?.map(|(_, record)| record);
    let published = history.published.map(|(sealed, published)| PublishedStatus {
        run: sealed.run,
        as_of: sealed.as_of,
        published_at: published.published_at,
        table: place(&sealed.target, &sealed.spec),
        counts: Counts::of(&sealed, Some(&published)),
        findings: sealed.findings,
    });
    let last_attempt = lease.as_ref().map_or(0, |record| record.epoch);
    let failed = match &published {
        Some(published) if published.run >= last_attempt => None,
        _ => failure(store, last_attempt).await?,
    };
    let running = lease
        .filter(|record| !record.released && now < record.expires + times.skew && !record.holder.is_dead());
    Ok(StatusReport {
        sync: sync.to_owned(),
        published,
        pending: history.pending.map(|s| s.run),
        running,
        failed,
    })
}

/// How an attempt failed, if it left word.
async fn failure(store: &SyncStore, run: u64) -> Result<Option<FailedAttempt>, StoreError> {
    match store.read(&store.names().run(run).report()).await {
        Ok(attempt) => Ok(Some(attempt)),
        Err(StoreError::Storage { source: object_store::Error::NotFound { .. }, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
