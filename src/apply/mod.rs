//! The change set of a sealed run, written to the target batch by batch.
//!
//! The changes have one order, fixed by what was sealed: first the deletes, part by part, then inserted and updated rows in
//! export order. A checkpoint tells how far down that order the target has come, so another process can go on, with batches
//! of other sizes. It goes on with the *last* batch that was committed, once more: what a target refused of that batch may
//! not have been noted before the first process died, and writing the same rows twice leaves the same rows.

pub(crate) mod exceptions;
mod retrying;
mod rows;
mod sizing;

pub use retrying::Retrying;
pub use rows::{Picked, pick};

use crate::{
    fingerprint::{Fingerprinter, Fingerprints},
    store::{Exceptions, KEY_HASH, RejectRecord, Sealed, StoreError, SyncStore, hashes_of, read_all},
};
use arrow::{
    array::{AsArray, BooleanArray, RecordBatch},
    compute::{concat_batches, filter_record_batch, not},
    error::ArrowError,
};
use exceptions::ExceptionLog;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use hydrant_contract::{
    Applied, Batch, Checkpoint, ErrorKind, Freshness, Mode, Part, Shape, TableSpec, Target, TargetError,
};
use roaring::RoaringTreemap;
use sizing::Sizing;
use std::{collections::BTreeMap, pin::Pin, sync::Arc, time::Instant};
use tokio_util::sync::CancellationToken;

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
    #[error("{rejected} rows were refused, the ceiling is {ceiling}; the first: {first}")]
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
    /// Asks to stop between batches.
    pub stop: &'a CancellationToken,
    /// Says that the lease is gone; stops at once.
    pub lease_lost: &'a CancellationToken,
    /// Is told how many of how many changes are done.
    pub progress: &'a (dyn Fn(u64, u64) + Send + Sync),
}

/// Changes that stand next to each other in the change set.
enum Piece {
    /// Keys, with their hashes.
    Deletes(RecordBatch),
    /// Rows, and which of them are inserts.
    Rows(Picked, BooleanArray),
}

impl Piece {
    fn batch(&self) -> &RecordBatch {
        match self {
            Self::Deletes(batch) => batch,
            Self::Rows(picked, _) => &picked.rows,
        }
    }

    fn slice(&self, from: usize, len: usize) -> Self {
        match self {
            Self::Deletes(batch) => Self::Deletes(batch.slice(from, len)),
            Self::Rows(picked, inserts) => Self::Rows(
                Picked {
                    rows: picked.rows.slice(from, len),
                    positions: picked.positions[from..from + len].to_vec(),
                },
                inserts.slice(from, len),
            ),
        }
    }
}

impl Job<'_> {
    /// Applies the change set, from where `last` (the target's checkpoint) says that it stands.
    pub async fn apply(&self, last: Option<&Checkpoint>) -> Result<Outcome, ApplyError> {
        let total = self.sealed.changes.applied(self.sealed.withheld.is_some());
        let here = last.filter(|checkpoint| checkpoint.run == self.sealed.run && checkpoint.batch > 0);
        let (mut number, mut done) = here.map_or((0, 0), |c| (c.batch - 1, c.first_change));
        let mut log = ExceptionLog::resume(self.store, self.sealed, done).await?;
        let mut paths = BTreeMap::new();
        let mut sizing = Sizing::new();
        let mut pieces = Gathered::new(self.pieces(done).await?);
        let spec = Arc::new(self.sealed.spec.clone());
        (self.progress)(done, total);
        loop {
            if self.stop.is_cancelled() {
                return Err(ApplyError::Stopped);
            }
            let gathered = pieces.next(sizing.rows()).await?;
            let rows: usize = gathered.iter().map(|p| p.batch().num_rows()).sum();
            let (first, next) = (done, done + rows as u64);
            number += 1;
            let checkpoint = Checkpoint {
                sync: self.sealed.sync.clone(),
                run: self.sealed.run,
                epoch: self.epoch,
                batch: number,
                first_change: first,
                next_change: next,
            };
            let mut unit = Unit::new(&spec, checkpoint, self.sealed, &gathered)?;
            if next == total {
                let rows = self.sealed.export.rows();
                unit.batch.freshness = Some(Freshness { as_of: self.sealed.as_of, rows });
            }
            let absent = match spec.mode {
                Mode::Update => unit.leave_out_absent(self.target).await?,
                Mode::Mirror | Mode::Upsert | Mode::Insert => Vec::new(),
            };
            let started = Instant::now();
            let applied = tokio::select! {
                applied = self.target.apply(&unit.batch) => applied?,
                () = self.lease_lost.cancelled() => return Err(ApplyError::LeaseLost),
            };
            sizing.learn(rows, started.elapsed());
            if !unit.batch.is_empty() {
                *paths.entry(applied.path).or_default() += 1;
            }
            log.note(first, &unit, &applied, &absent).await?;
            if log.rejected() > self.reject_ceiling {
                let first =
                    log.samples().first().map_or_else(String::new, |r| format!("{} ({})", r.reason, r.key));
                return Err(ApplyError::TooManyRejects {
                    rejected: log.rejected(),
                    ceiling: self.reject_ceiling,
                    first,
                });
            }
            done = next;
            (self.progress)(done, total);
            if done >= total {
                let (exceptions, samples) = log.finish();
                return Ok(Outcome { exceptions, paths, samples });
            }
            if rows == 0 {
                let runs = self.store.names().manifest(self.sealed.run, crate::store::Commit::Sealed);
                let message = format!("it promises {total} changes, but its files hold {done}");
                return Err(StoreError::corrupt(&runs, message).into());
            }
        }
    }

    /// All changes from the given one on.
    async fn pieces(
        &self,
        from: u64,
    ) -> Result<Pin<Box<dyn Stream<Item = Result<Piece, StoreError>> + Send>>, StoreError> {
        let names = self.store.names().run(self.sealed.run);
        let deletes = if self.sealed.withheld.is_some() { 0 } else { self.sealed.changes.deletes };
        let mut skip = from.min(deletes);
        let mut delete_parts = Vec::new();
        for part in self.sealed.changes.deletes_parts.iter().filter(|_| deletes > 0) {
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

/// Pieces, joined and cut to the size of a batch.
struct Gathered {
    pieces: Pin<Box<dyn Stream<Item = Result<Piece, StoreError>> + Send>>,
    rest: Option<Piece>,
}

impl Gathered {
    fn new(pieces: Pin<Box<dyn Stream<Item = Result<Piece, StoreError>> + Send>>) -> Self {
        Self { pieces, rest: None }
    }

    /// The next changes, at most so many; none at the end.
    async fn next(&mut self, rows: usize) -> Result<Vec<Piece>, StoreError> {
        let (mut gathered, mut count, mut bytes) = (Vec::new(), 0, 0);
        while count < rows && bytes < sizing::BYTES_MAX {
            let piece = match self.rest.take() {
                Some(rest) => rest,
                None => match self.pieces.try_next().await? {
                    Some(piece) => piece,
                    None => break,
                },
            };
            let (len, size) = (piece.batch().num_rows(), piece.batch().get_array_memory_size());
            if len == 0 {
                continue;
            }
            // Of large rows, only as many as fit.
            let fitting = (sizing::BYTES_MAX - bytes) / (size / len).max(1);
            let taken = len.min(rows - count).min(fitting.max(1));
            gathered.push(piece.slice(0, taken));
            if taken < len {
                self.rest = Some(piece.slice(taken, len - taken));
            }
            count += taken;
            bytes += size / len * taken;
        }
        Ok(gathered)
    }
}

/// A batch, and where its rows come from.
struct Unit {
    batch: Batch,
    deletes: Origins,
    inserts: Origins,
    updates: Origins,
}

/// Of each row of a part: the hash of its key, and its position in the export.
#[derive(Clone, Debug, Default)]
struct Origins {
    hashes: Vec<u128>,
    positions: Vec<Option<u64>>,
}

impl Unit {
    fn new(
        spec: &Arc<TableSpec>,
        checkpoint: Checkpoint,
        sealed: &Sealed,
        gathered: &[Piece],
    ) -> Result<Self, ArrowError> {
        let mut batch = Batch::empty(spec.clone(), checkpoint, sealed.as_of);
        let mut unit = [Origins::default(), Origins::default(), Origins::default()];
        let (mut deletes, mut inserts, mut updates) = (Vec::new(), Vec::new(), Vec::new());
        let mut fingerprinter = Fingerprinter::new(&spec.shape);
        for piece in gathered {
            match piece {
                Piece::Deletes(keys) => {
                    let hashes = keys.column_by_name(KEY_HASH).map(|c| hashes_of(c.as_fixed_size_binary()));
                    unit[0].positions.extend((0..keys.num_rows()).map(|_| None));
                    unit[0].hashes.extend(hashes.into_iter().flatten());
                    let schema = spec.shape.key_schema();
                    let columns = schema.fields().iter().map(|f| match keys.column_by_name(f.name()) {
                        Some(column) => arrow::compute::cast(column, f.data_type()),
                        None => Err(ArrowError::SchemaError(format!("no key column {}", f.name()))),
                    });
                    deletes.push(RecordBatch::try_new(schema.clone(), columns.collect::<Result<_, _>>()?)?);
                }
                Piece::Rows(picked, is_insert) => {
                    for (kind, wanted, rows) in
                        [(1, is_insert.clone(), &mut inserts), (2, not(is_insert)?, &mut updates)]
                    {
                        let part = filter_record_batch(&picked.rows, &wanted)?;
                        let mut prints = Fingerprints::default();
                        fingerprinter
                            .hash(&part, &mut prints)
                            .map_err(|e| ArrowError::ComputeError(e.to_string()))?;
                        unit[kind].hashes.extend(prints.keys);
                        let chosen = picked.positions.iter().zip(wanted.values().iter()).filter(|(_, w)| *w);
                        unit[kind].positions.extend(chosen.map(|(p, _)| Some(*p)));
                        rows.push(part);
                    }
                }
            }
        }
        batch.deletes = concat_batches(&spec.shape.key_schema(), &deletes)?;
        batch.inserts = concat_batches(&spec.shape.schema(), &inserts)?;
        batch.updates = concat_batches(&spec.shape.schema(), &updates)?;
        let [deletes, inserts, updates] = unit;
        Ok(Self { batch, deletes, inserts, updates })
    }

    fn part(&self, part: Part) -> (&RecordBatch, &Origins) {
        match part {
            Part::Deletes => (&self.batch.deletes, &self.deletes),
            Part::Inserts => (&self.batch.inserts, &self.inserts),
            Part::Updates => (&self.batch.updates, &self.updates),
        }
    }

    /// Mode `update` writes only rows that are there. One that is not may appear later, when its user signs up, and must be
    /// written then although it did not change in the warehouse: so what is absent now is noted, and sent again next time.
    /// Looking before the write errs on the safe side: a row that appears in between is written twice, never missed.
    async fn leave_out_absent(&mut self, target: &dyn Target) -> Result<Vec<u128>, ApplyError> {
        let shape = &self.batch.spec.shape;
        let keys_only = Shape::new(shape.key_columns().cloned().collect(), shape.key().to_vec())
            .map_err(|e| ArrowError::SchemaError(e.to_string()))?;
        let probe = TableSpec { shape: keys_only.clone(), ..(*self.batch.spec).clone() };
        let mut fingerprinter = Fingerprinter::new(&keys_only);
        let mut absent = Vec::new();
        for (rows, origins) in
            [(&mut self.batch.inserts, &mut self.inserts), (&mut self.batch.updates, &mut self.updates)]
        {
            if rows.num_rows() == 0 {
                continue;
            }
            let keys = rows.project(&shape.key_positions())?;
            let mut found = Fingerprints::default();
            let present = target.read(&probe, &keys).await?;
            fingerprinter.hash(&present, &mut found).map_err(|e| ArrowError::ComputeError(e.to_string()))?;
            let found: std::collections::HashSet<u128> = found.keys.into_iter().collect();
            let there: BooleanArray = origins.hashes.iter().map(|h| Some(found.contains(h))).collect();
            absent.extend(origins.hashes.iter().filter(|h| !found.contains(h)));
            *rows = filter_record_batch(rows, &there)?;
            let mut keep = there.values().iter();
            origins.positions.retain(|_| keep.next() == Some(true));
            origins.hashes.retain(|h| found.contains(h));
        }
        Ok(absent)
    }
}

impl ExceptionLog<'_> {
    /// Notes what a target refused, and what was not there, of the batch that began at this change.
    async fn note(
        &mut self,
        first: u64,
        unit: &Unit,
        applied: &Applied,
        absent: &[u128],
    ) -> Result<(), ApplyError> {
        let mut records = Vec::new();
        let mut carried = Vec::new();
        for reject in &applied.rejects {
            let (rows, origins) = unit.part(reject.part);
            if reject.row >= rows.num_rows() {
                let message = format!("it rejected row {} of {}", reject.row, rows.num_rows());
                return Err(
                    TargetError::new(ErrorKind::Broken, "reading what the target refused", message).into()
                );
            }
            if reject.part == Part::Deletes {
                carried.push(reject.row);
            }
            records.push(RejectRecord {
                hash: origins.hashes.get(reject.row).copied(),
                key: exceptions::key_text(rows, reject.row, &unit.batch.spec.shape),
                position: origins.positions.get(reject.row).copied().flatten(),
                column: reject.column.clone(),
                reason: reject.reason.clone(),
            });
        }
        let carried = match carried.as_slice() {
            [] => None,
            rows => Some(exceptions::carried(&unit.batch.deletes, &unit.deletes.hashes, rows)?),
        };
        self.write(first, &records, carried, absent).await
    }
}
