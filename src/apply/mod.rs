//! The change set of a sealed run, written to the target batch by batch.
//!
//! The changes have one order, fixed by what was sealed: first the deletes, part by part, then inserted and updated rows in
//! export order. A checkpoint tells how far down that order the target has come, so another process can go on, with batches
//! of other sizes. It goes on with the *last* batch that was committed, once more: what a target refused of that batch may
//! not have been noted before the first process died, and writing the same rows twice leaves the same rows.

mod exceptions;
mod flight;
mod pieces;
mod preparing;
mod rebuild;
mod retrying;
mod rows;
mod settle;
pub(crate) mod shown;
mod sizing;
mod unit;
mod way;

pub use retrying::Retrying;
pub use rows::{Picked, pick, pick_all};
pub use way::Way;
pub(crate) use way::obstacle;

use crate::{
    plural::plural,
    point::Point,
    store::{Exceptions, RejectRecord, Sealed, StoreError, SyncStore, read_all},
    sync::{Redact, Rewrite},
};
use arrow::error::ArrowError;
use exceptions::ExceptionLog;
use flight::{Flights, Landed};
use futures::{StreamExt, TryStreamExt, stream};
use hydrant_contract::{Applied, Checkpoint, Freshness, Target, TargetError};
use pieces::{Piece, Pieces};
use preparing::Preparation;
use roaring::RoaringTreemap;
use sizing::Sizing;
use std::{collections::BTreeMap, sync::Arc};
use tokio_util::sync::CancellationToken;
use unit::Unit;

/// Why a change set was not written to its end. Whatever the reason, the run stays sealed and the next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The target failed.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// More rows were refused than the sync allows.
    #[error("{rejected} {} refused, the ceiling is {ceiling}; the first: {first}", plural(*.rejected, "row"))]
    TooManyRejects {
        /// Rows refused so far.
        rejected: u64,
        /// What the sync allows.
        ceiling: u64,
        /// The first of them, in words.
        first: String,
    },
    /// Somebody asked to stop.
    #[error("stopped on request")]
    Stopped,
    /// The lease is gone.
    #[error("the lease was lost")]
    LeaseLost,
    /// Arrow could not cut or join batches.
    #[error("arranging a batch: {0}")]
    Arrow(#[from] ArrowError),
}

/// What came of applying a change set.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Rows for which the new index does not tell what is in the target.
    pub exceptions: Exceptions,
    /// Number of batches, and the ways that their rows took.
    pub paths: BTreeMap<&'static str, u64>,
    /// The first rejects, to be shown.
    pub samples: Vec<RejectRecord>,
    /// Number of the last batch.
    pub last_batch: u64,
    /// How the changes were written, where building the table anew was asked for.
    pub way: Option<Way>,
}

/// All that applying a change set touches.
pub struct Job<'a> {
    /// State of the sync.
    pub store: &'a SyncStore,
    /// What to apply.
    pub sealed: &'a Sealed,
    /// Where to.
    pub target: &'a dyn Target,
    /// Epoch of the lease that is held.
    pub epoch: u64,
    /// How many rejects are allowed.
    pub reject_ceiling: u64,
    /// Whether the table may be built anew.
    pub rewrite: Rewrite,
    /// Whether the table was made for this run.
    pub absent: bool,
    /// The columns whose values are not shown.
    pub redact: &'a Redact,
    /// Asks to stop between batches.
    pub stop: &'a CancellationToken,
    /// Says that the lease is gone; stops at once.
    pub lease_lost: &'a CancellationToken,
    /// Is told how many of how many changes are done.
    pub progress: &'a (dyn Fn(u64, u64) + Send + Sync),
    /// Is told of moments at which this may be killed.
    pub reached: &'a (dyn Fn(Point) + Send + Sync),
}

impl Job<'_> {
    /// Applies the change set, from where `last` (the target's checkpoint) says that it stands.
    pub async fn apply(&self, last: Option<&Checkpoint>) -> Result<Outcome, ApplyError> {
        let total = self.sealed.changes.total();
        let here = last.filter(|checkpoint| checkpoint.run == self.sealed.run && checkpoint.batch > 0);
        let (last_batch, from) = here.map_or((0, 0), |c| (c.batch - 1, c.first_change));
        let mut log = ExceptionLog::resume(self.store, self.sealed, self.epoch, from).await?;
        let mut paths = BTreeMap::new();
        let spec = Arc::new(self.sealed.spec.clone());
        (self.progress)(from, total);
        // Once rows were written in batches, the rest goes the same way.
        let mut way = match from {
            0 => Way::choose(self.rewrite, self.target, &spec, &self.sealed.changes, self.absent).await?,
            _ => None,
        };
        if way.as_ref().is_some_and(|way| way.rebuild) {
            match self.rebuild(&spec).await? {
                Ok(()) => {
                    paths.insert("rebuild", 1);
                    let (exceptions, samples) = log.finish();
                    return Ok(Outcome { exceptions, paths, samples, last_batch: 1, way });
                }
                Err(because) => {
                    tracing::warn!(
                        sync = self.sealed.sync,
                        because,
                        "the table was not built anew: going on in batches"
                    );
                    way = Some(Way::batches(format!("building it anew failed: {because}")));
                    (self.progress)(from, total);
                }
            }
        }
        let mut sizing = Sizing::new(self.sealed.changes.deletes);
        let begun = Checkpoint {
            sync: self.sealed.sync.clone(),
            run: self.sealed.run,
            epoch: self.epoch,
            batch: last_batch,
            first_change: from,
            next_change: from,
        };
        let preparation = Preparation::new(self.pieces(from).await?, spec.clone(), self.sealed.as_of, begun);
        let mut under_way = Some(preparation.begin(sizing.changes(from)));
        let mut flights = Flights::new(self);
        loop {
            if self.stop.is_cancelled() {
                return Err(ApplyError::Stopped);
            }
            flights.next_turn();
            let landed = tokio::select! {
                biased;
                landed = flights.land(), if !flights.is_empty() => landed?,
                ready = flight::ready(&mut under_way), if under_way.is_some() && flights.have_room() => {
                    let (preparation, mut unit) = ready?;
                    let Checkpoint { first_change: first, next_change: done, .. } = unit.batch.checkpoint;
                    // The next one is read and put in order while the target writes this one.
                    let is_last = done >= total || done == first;
                    under_way = (!is_last).then(|| preparation.begin(sizing.changes(done)));
                    // An adopted table is as somebody else left it, and so is what goes back to one: of how fresh that is
                    // nothing is known, and a row that says so would be wrong.
                    if done == total && self.sealed.fresh {
                        let rows = self.sealed.export.rows();
                        unit.batch.freshness = Some(Freshness { as_of: self.sealed.as_of, rows });
                    }
                    flights.start(unit);
                    continue;
                }
            };
            let Landed { unit, applied, absent, took } = landed;
            let Checkpoint { batch: mut number, first_change: first, next_change: done, .. } =
                unit.batch.checkpoint;
            sizing.learn(first, done, took);
            if !unit.batch.is_empty() {
                *paths.entry(applied.path).or_default() += 1;
            }
            log.note(first, &unit, &applied, &absent, self.redact).await?;
            (self.reached)(Point::Noted);
            // What may settle is no reject yet, as long as it can be waited for.
            let waiting = log.waiting();
            let ceiling = self.reject_ceiling.saturating_add(waiting.min(settle::ROWS_MAX));
            self.not_too_many(&log, ceiling)?;
            (self.progress)(done, total);
            if done >= total {
                let before = number;
                let settled = self.settle(&log, &spec, &mut number, total).await?;
                if number > before {
                    paths.insert("settled", number - before);
                }
                log.without(&settled).await?;
                self.not_too_many(&log, self.reject_ceiling)?;
                let (exceptions, samples) = log.finish();
                return Ok(Outcome { exceptions, paths, samples, last_batch: number, way });
            }
            if done == first {
                let runs = self.store.names().manifest(self.sealed.run, crate::store::Commit::Sealed);
                let message = format!("it promises {total} changes, but its files hold {done}");
                return Err(StoreError::corrupt(&runs, message).into());
            }
        }
    }

    /// Sends a batch, unless the lease goes in the meantime.
    async fn send(&self, unit: &Unit) -> Result<Applied, ApplyError> {
        self.sent(unit, self.target.apply(&unit.batch)).await
    }

    /// Waits until a batch is sent in this way, unless the lease goes in the meantime.
    async fn sent(
        &self,
        unit: &Unit,
        way: impl Future<Output = hydrant_contract::Result<Applied>>,
    ) -> Result<Applied, ApplyError> {
        (self.reached)(Point::Sending);
        // In this order: a batch is not sent when it is known already that the lease is gone.
        let applied = tokio::select! {
            biased;
            () = self.lease_lost.cancelled() => return Err(ApplyError::LeaseLost),
            applied = way => applied.map_err(|error| unit.without_hidden(error, self.redact))?,
        };
        (self.reached)(Point::Committed);
        Ok(applied)
    }

    fn not_too_many(&self, log: &ExceptionLog<'_>, ceiling: u64) -> Result<(), ApplyError> {
        if log.rejected() <= ceiling {
            return Ok(());
        }
        let first = log.samples().first().map_or_else(String::new, RejectRecord::in_words);
        Err(ApplyError::TooManyRejects { rejected: log.rejected(), ceiling: self.reject_ceiling, first })
    }

    /// All changes from the given one on.
    async fn pieces(&self, from: u64) -> Result<Pieces, StoreError> {
        let names = self.store.names().run(self.sealed.run);
        let deletes = self.sealed.changes.deletes;
        let mut skip = from.min(deletes);
        let mut delete_parts = Vec::new();
        for part in &self.sealed.changes.deletes_parts {
            let skipped = skip.min(part.rows);
            skip -= skipped;
            delete_parts
                .push((names.deletes_part(part.number), usize::try_from(skipped).unwrap_or(usize::MAX)));
        }
        let store = self.store.clone();
        let delete_pieces = stream::iter(delete_parts).then(move |(path, skipped)| {
            let store = store.clone();
            async move {
                let batch = read_all(store.get(&path).await?).map_err(|e| StoreError::corrupt(&path, e))?;
                let skipped = skipped.min(batch.num_rows());
                Ok(Piece::Deletes(batch.slice(skipped, batch.num_rows() - skipped)))
            }
        });
        let inserts = read_bitmap(self.store, &names.inserts()).await?;
        let mut all = read_bitmap(self.store, &names.updates()).await? | &inserts;
        if let Some(done) = from.checked_sub(deletes).filter(|done| *done > 0) {
            match all.select(done) {
                Some(first) => drop(all.remove_range(0..first)),
                None => all.clear(),
            }
        }
        let schema = self.sealed.spec.shape.schema();
        let rows = pick(self.store.clone(), names, &self.sealed.export, all, schema).map_ok(move |picked| {
            let is_insert = picked.within(&inserts);
            Piece::Rows(picked, is_insert)
        });
        Ok(Box::pin(delete_pieces.chain(rows)))
    }
}

/// Reads a set of positions.
pub async fn read_bitmap(
    store: &SyncStore,
    path: &object_store::path::Path,
) -> Result<RoaringTreemap, StoreError> {
    let bytes = store.get(path).await?;
    RoaringTreemap::deserialize_from(bytes.as_ref()).map_err(|e| StoreError::corrupt(path, e))
}
