//! What the store knows of a sync, without touching source or target.

use super::{Counts, CursorStatus, FailedAttempt, PublishedStatus, StatusReport, place};
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
        fresh: sealed.fresh,
        published_at: published.published_at,
        table: place(&sealed.target, &sealed.spec),
        counts: Counts::of(&sealed, Some(&published)),
        export: sealed.export.kind(),
        cursor: sealed.cursor.as_ref().map(CursorStatus::from),
        findings: sealed.findings,
        mended: sealed.mended,
    });
    let last_attempt = lease.as_ref().map_or(0, |record| record.epoch);
    let since = published.as_ref().map_or(0, |published| published.run);
    let failed = last_failure(store, since, last_attempt).await?;
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

/// So many numbers are looked at for the last failure: those after it belong to attempts that were killed, or to `gc` and
/// `abandon`, which leave no word.
const ATTEMPTS_SEARCHED: usize = 16;

/// How the last attempt that left word of a failure ended, of those after a run.
async fn last_failure(store: &SyncStore, after: u64, last: u64) -> Result<Option<FailedAttempt>, StoreError> {
    for run in (after + 1..=last).rev().take(ATTEMPTS_SEARCHED) {
        match store.read(&store.names().run(run).report()).await {
            Ok(attempt) => return Ok(Some(attempt)),
            Err(error) if error.is_missing() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
