//! The first index, from a table that is there already: switching from another tool rewrites nothing.

use super::{
    Env, Failure, Held, RunError, RunOptions, RunReport,
    origin::Origin,
    run::under_lease,
    scan::{Pace, Scan},
    table_spec,
};
use crate::{
    source::{Rows, SourceError, SourceErrorKind},
    store::{History, Kind},
    sync::SyncSpec,
};
use arrow::datatypes::Schema;
use chrono::{DateTime, Utc};
use futures::StreamExt;
use hydrant_contract::Shape;
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
    /// Rows with values that the query's types cannot hold, keys included: the first run that has their keys writes them.
    /// Not known if an earlier process had read the table, and this one only finished its run.
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
                Ok(AdoptReport::of(finished.ok_or(Failure::NothingPublished)?, None))
            }
            Some(sealed) => Err(Failure::AlreadyKnown { run: sealed.run }),
            None => {
                let adopted =
                    Arc::new(Adopted { pace, left_out: AtomicU64::new(0), failure: Mutex::default() });
                match self.advance(Origin::Table(adopted.clone())).await {
                    Ok(run) => {
                        let left_out = adopted.left_out.load(Ordering::Relaxed);
                        Ok(AdoptReport::of(run, Some(left_out)))
                    }
                    Err(failure) => Err(adopted.take_failure().unwrap_or(failure)),
                }
            }
        }
    }
}

impl AdoptReport {
    fn of(run: RunReport, left_out: Option<u64>) -> Self {
        Self {
            sync: run.sync,
            run: run.run,
            table: run.table,
            adopted: run.counts.unchanged,
            left_out,
            published_at: run.published_at,
            seconds: run.seconds,
        }
    }
}

/// A table that is being read as if it were a source.
pub(super) struct Adopted {
    pace: Pace,
    left_out: AtomicU64,
    /// Why it could not be read on: a source could not say that.
    failure: Mutex<Option<Failure>>,
}

impl Adopted {
    /// The rows of the table. Those with values that the model's types cannot hold are left out.
    pub(super) fn rows(self: &Arc<Self>, held: &Held<'_>, shape: &Shape) -> Rows {
        let nullable: Vec<_> = shape.columns().iter().map(|c| c.value.field(&c.name, true)).collect();
        let scan = Scan::new(held, table_spec(held.sync, shape.clone()), self.pace);
        let adopted = self.clone();
        let batches = futures::stream::unfold(Some(scan), move |scan| {
            let adopted = adopted.clone();
            async move {
                let mut scan = scan?;
                match scan.next().await {
                    Ok(None) => None,
                    Ok(Some(scanned)) => {
                        let left_out = scanned.unreadable.num_rows() as u64 + scanned.foreign;
                        adopted.left_out.fetch_add(left_out, Ordering::Relaxed);
                        Some((Ok(scanned.rows), Some(scan)))
                    }
                    Err(failure) => {
                        let message = format!("reading the table: {failure}");
                        *adopted.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                        let kind = SourceErrorKind::Unreachable;
                        Some((Err(SourceError { kind, message, position: None }), None))
                    }
                }
            }
        });
        Rows { schema: Arc::new(Schema::new(nullable)), batches: batches.boxed() }
    }

    fn take_failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
