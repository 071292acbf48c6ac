//! The first index, from a table that is there already: switching from another tool rewrites nothing.

use super::{
    Env, Failure, Held, RunError, RunOptions, RunReport,
    origin::Origin,
    run::under_lease,
    scan::{Pace, Scan},
    table_spec,
    unreadable::Unreadable,
};
use crate::{
    source::{Rows, SourceError, SourceErrorKind},
    store::{History, Kind, StoreError},
    sync::SyncSpec,
};
use arrow::{
    array::{RecordBatch, new_null_array},
    compute::concat_batches,
    datatypes::{Schema, SchemaRef},
    error::ArrowError,
};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use hydrant_contract::{Scanned, Shape};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// A table that was taken over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AdoptReport {
    /// The sync.
    pub sync: String,
    /// The run that the table became the index of.
    pub run: u64,
    /// Where the rows are kept: target and table.
    pub table: String,
    /// Rows that are known now as they are.
    pub adopted: u64,
    /// Rows with values that the query's types cannot hold: taken over too, but only their keys are known. The first run
    /// that has their keys writes them; no repair and no rollback does.
    pub unreadable: u64,
    /// Rows whose key the query's types cannot hold: nothing is known of them, and no run touches them. Not known if an
    /// earlier process had read the table, and this one only finished its run.
    pub left_out: Option<u64>,
    /// When.
    pub published_at: DateTime<Utc>,
    /// Seconds that each step took.
    pub seconds: BTreeMap<&'static str, f64>,
}

/// Takes the table as it is for what hydrant has written. No row of it is written, nor how fresh it is; the next run sends
/// what differs from the query, and deletes (if the sync does, and the guard lets it) what the query does not have. Of the
/// query only the columns are asked for.
///
/// # Errors
///
/// Besides those of a run: if the sync has run or adopted before, or if there is no table.
pub async fn adopt(env: &Env, sync: &SyncSpec, pace: Pace) -> Result<AdoptReport, RunError> {
    under_lease(env, sync, RunOptions::default(), |held| Box::pin(held.adopt(pace))).await
}

impl Held<'_> {
    async fn adopt(&mut self, pace: Pace) -> Result<AdoptReport, Failure> {
        let history = History::load(&self.env.store).await?;
        if let Some((sealed, _)) = history.published {
            return Err(Failure::AlreadyKnown { run: sealed.run });
        }
        match history.pending {
            Some(sealed) if sealed.kind == Kind::Adopt => {
                let finished = self.roll_forward().await?;
                Ok(AdoptReport::of(finished.ok_or(Failure::NothingPublished)?, sealed.unreadable, None))
            }
            Some(sealed) => Err(Failure::AlreadyKnown { run: sealed.run }),
            None => {
                let adopted = Arc::new(Adopted {
                    pace,
                    unreadable: Unreadable::default(),
                    left_out: AtomicU64::new(0),
                    failure: Mutex::default(),
                });
                match self.advance(Origin::Table(adopted.clone())).await {
                    Ok(run) => {
                        let left_out = adopted.left_out.load(Ordering::Relaxed);
                        Ok(AdoptReport::of(run, adopted.unreadable.count(), Some(left_out)))
                    }
                    Err(failure) => Err(adopted.take_failure().unwrap_or(failure)),
                }
            }
        }
    }
}

impl AdoptReport {
    fn of(run: RunReport, unreadable: u64, left_out: Option<u64>) -> Self {
        Self {
            sync: run.sync,
            run: run.run,
            table: run.table,
            adopted: run.counts.unchanged.saturating_sub(unreadable),
            unreadable,
            left_out,
            published_at: run.published_at,
            seconds: run.seconds,
        }
    }
}

/// A table that is being read as if it were a source.
pub(super) struct Adopted {
    pace: Pace,
    /// Rows with values that the model's types cannot hold.
    pub(super) unreadable: Unreadable,
    left_out: AtomicU64,
    /// Why it could not be read on: a source could not say that.
    failure: Mutex<Option<Failure>>,
}

impl Adopted {
    /// The rows of the table. Of those with values that the model's types cannot hold the key, and NULL for all else; those
    /// with such a key are left out.
    pub(super) fn rows(self: &Arc<Self>, held: &Held<'_>, shape: &Shape) -> Rows {
        let nullable: Vec<_> = shape.columns().iter().map(|c| c.value.field(&c.name, true)).collect();
        let scan = Scan::new(held, table_spec(held.sync, shape.clone()), self.pace);
        let schema = Arc::new(Schema::new(nullable));
        let (adopted, all) = (self.clone(), schema.clone());
        let batches = futures::stream::unfold((Some(scan), 0), move |(scan, seen)| {
            let (adopted, schema) = (adopted.clone(), all.clone());
            async move {
                let mut scan = scan?;
                let scanned = scan.next().await.and_then(|scanned| match scanned {
                    Some(scanned) => Ok(Some(adopted.take(&scanned, &schema, seen)?)),
                    None => Ok(None),
                });
                match scanned {
                    Ok(None) => None,
                    Ok(Some(rows)) => {
                        let seen = seen + rows.num_rows() as u64;
                        Some((Ok(rows), (Some(scan), seen)))
                    }
                    Err(failure) => {
                        let message = format!("reading the table: {failure}");
                        *adopted.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                        let kind = SourceErrorKind::Unreachable;
                        Some((Err(SourceError { kind, message, position: None }), (None, seen)))
                    }
                }
            }
        });
        Rows { schema, batches: batches.boxed() }
    }

    /// What was read, after `seen` rows: first the rows that are known, then those of which only the key is.
    fn take(&self, scanned: &Scanned, schema: &SchemaRef, seen: u64) -> Result<RecordBatch, StoreError> {
        self.left_out.fetch_add(scanned.foreign, Ordering::Relaxed);
        let rows = RecordBatch::try_new(schema.clone(), scanned.rows.columns().to_vec())
            .map_err(StoreError::memory)?;
        let unreadable = &scanned.unreadable;
        if unreadable.num_rows() == 0 {
            return Ok(rows);
        }
        let from = seen + rows.num_rows() as u64;
        self.unreadable.add(from..from + unreadable.num_rows() as u64);
        let stand_in = keys_only(unreadable, schema).map_err(StoreError::memory)?;
        concat_batches(schema, [&rows, &stand_in]).map_err(StoreError::memory)
    }

    fn take_failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// These keys as rows with NULL for all that is no key.
fn keys_only(keys: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = schema.fields().iter().map(|field| match keys.column_by_name(field.name()) {
        Some(key) => key.clone(),
        None => new_null_array(field.data_type(), keys.num_rows()),
    });
    RecordBatch::try_new(schema.clone(), columns.collect())
}
