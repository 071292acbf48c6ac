//! The second pass: rows that were refused because of other rows of the same change set.
//!
//! A value of a unique column that moves from one row to another, or a row that another one refers to, may lie in different
//! batches: then the first of them is refused, although all of the change set together would be fine. Such rows are sent
//! once more, together, when everything else is written, as long as that helps. Their notes stay until the run is published
//! without them, so whoever goes on after a kill or a fail-over sends them again, which changes nothing.

use super::{
    ApplyError, Job,
    exceptions::ExceptionLog,
    pieces::{Gathered, Piece},
    read_bitmap,
    rows::pick,
    unit::Unit,
};
use crate::{
    point::Point,
    store::{KEY_HASH, RejectRecord, StoreError, hashes_of, read_all},
};
use arrow::{
    array::{AsArray, BooleanArray, RecordBatch},
    compute::filter_record_batch,
};
use futures::{StreamExt, TryStreamExt, stream};
use hydrant_contract::{Applied, Checkpoint, Mode, Part, TableSpec};
use roaring::RoaringTreemap;
use std::{collections::HashSet, sync::Arc};

/// Rows that are sent at once: as many as possible, since they depend on each other, but few enough for one transaction in
/// which refused rows may have to be searched for.
const ROWS: usize = 5_000;
/// So many refused rows are held in memory, and waited for, beyond the ceiling for rejects: more of them are no accident of
/// the order of batches.
pub(super) const ROWS_MAX: u64 = 20_000;

impl Job<'_> {
    /// Sends what may settle until nothing more does. `number` is the last batch's, before and after. Returns the hashes of
    /// what has settled.
    pub(super) async fn settle(
        &self,
        log: &ExceptionLog<'_>,
        spec: &Arc<TableSpec>,
        number: &mut u64,
        total: u64,
    ) -> Result<HashSet<u128>, ApplyError> {
        let mut settled = HashSet::new();
        // So many were not refused for the order of batches. They are rejects; this may be a run that is finished for
        // another process, which has no ceiling.
        if log.waiting() > ROWS_MAX {
            return Ok(settled);
        }
        loop {
            let waiting = log.may_settle(&settled).await?;
            if waiting.is_empty() {
                return Ok(settled);
            }
            (self.reached)(Point::Settling);
            let before = settled.len();
            let mut pieces = Gathered::new(self.waiting(log, &waiting).await?);
            loop {
                if self.stop.is_cancelled() {
                    return Err(ApplyError::Stopped);
                }
                let gathered = pieces.next(ROWS).await?;
                if gathered.is_empty() {
                    break;
                }
                *number += 1;
                let checkpoint = Checkpoint {
                    sync: self.sealed.sync.clone(),
                    run: self.sealed.run,
                    epoch: self.epoch,
                    batch: *number,
                    first_change: total,
                    next_change: total,
                };
                let mut unit = Unit::new(spec, checkpoint, self.sealed.as_of, &gathered)?;
                if spec.mode == Mode::Update {
                    // What is gone by now was not written: it stays a reject, and is tried again by the next run.
                    unit.leave_out_absent(self.target).await?;
                }
                let applied = self.send(&unit).await?;
                settled.extend(unit.accepted(&applied));
            }
            if settled.len() == before {
                return Ok(settled);
            }
        }
    }

    /// The rows of these rejects, as changes: deletes first, then in export order.
    async fn waiting(
        &self,
        log: &ExceptionLog<'_>,
        waiting: &[RejectRecord],
    ) -> Result<super::pieces::Pieces, ApplyError> {
        let names = self.store.names().run(self.sealed.run);
        let deletes: HashSet<u128> =
            waiting.iter().filter(|r| r.position.is_none()).filter_map(|r| r.hash).collect();
        let mut keys = Vec::new();
        for first in log.carried().iter().filter(|_| !deletes.is_empty()) {
            let path = log.names().carried(*first);
            let batch = read_all(self.store.get(&path).await?).map_err(|e| StoreError::corrupt(&path, e))?;
            keys.push(Ok(Piece::Deletes(with_hashes(&batch, &deletes)?)));
        }
        let positions: RoaringTreemap = waiting.iter().filter_map(|r| r.position).collect();
        let inserts = read_bitmap(self.store, &names.inserts()).await?;
        let schema = self.sealed.spec.shape.schema();
        let rows =
            pick(self.store.clone(), names, &self.sealed.export, positions, schema).map_ok(move |picked| {
                let is_insert = picked.within(&inserts);
                Piece::Rows(picked, is_insert)
            });
        Ok(Box::pin(stream::iter(keys).chain(rows)))
    }
}

impl Unit {
    /// Hashes of the rows that a target did not refuse.
    fn accepted(&self, applied: &Applied) -> Vec<u128> {
        let refused: HashSet<(Part, usize)> = applied.rejects.iter().map(|r| (r.part, r.row)).collect();
        [Part::Deletes, Part::Inserts, Part::Updates]
            .into_iter()
            .flat_map(|part| {
                self.hashes(part).iter().enumerate().map(move |(row, hash)| ((part, row), *hash))
            })
            .filter(|(place, _)| !refused.contains(place))
            .map(|(_, hash)| hash)
            .collect()
    }
}

/// The keys with these hashes.
fn with_hashes(batch: &RecordBatch, wanted: &HashSet<u128>) -> Result<RecordBatch, ApplyError> {
    let hashes =
        batch.column_by_name(KEY_HASH).map(|c| hashes_of(c.as_fixed_size_binary())).unwrap_or_default();
    let chosen: BooleanArray = hashes.iter().map(|hash| Some(wanted.contains(hash))).collect();
    Ok(filter_record_batch(batch, &chosen)?)
}
