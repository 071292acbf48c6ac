//! One batch, with the knowledge where its rows come from.

use super::{
    ApplyError,
    exceptions::{self, ExceptionLog},
    pieces::Piece,
    shown::{key_text, value_text, without_hidden},
};
use crate::{
    fingerprint::{Fingerprinter, Fingerprints},
    store::{KEY_HASH, RejectRecord, hashes_of},
    sync::Redact,
};
use arrow::{
    array::{AsArray, BooleanArray, RecordBatch},
    compute::{concat_batches, filter_record_batch, not},
    error::ArrowError,
};
use chrono::{DateTime, Utc};
use hydrant_contract::{
    Applied, Batch, Checkpoint, Column, ErrorKind, Part, Shape, TableSpec, Target, TargetError,
};
use std::sync::Arc;

/// A batch, and where its rows come from.
pub(super) struct Unit {
    pub(super) batch: Batch,
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
    pub(super) fn new(
        spec: &Arc<TableSpec>,
        checkpoint: Checkpoint,
        as_of: DateTime<Utc>,
        gathered: &[Piece],
    ) -> Result<Self, ArrowError> {
        let mut batch = Batch::empty(spec.clone(), checkpoint, as_of);
        let mut unit = [Origins::default(), Origins::default(), Origins::default()];
        let (mut deletes, mut inserts, mut updates) = (Vec::new(), Vec::new(), Vec::new());
        // Of a row only the hash of its key is wanted.
        let mut fingerprinter = Fingerprinter::new(&keys_only(&spec.shape)?);
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
                            .hash(&part.project(&spec.shape.key_positions())?, &mut prints)
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

    /// Hashes of the keys of a part.
    pub(super) fn hashes(&self, part: Part) -> &[u128] {
        &self.part(part).1.hashes
    }

    fn part(&self, part: Part) -> (&RecordBatch, &Origins) {
        match part {
            Part::Deletes => (&self.batch.deletes, &self.deletes),
            Part::Inserts => (&self.batch.inserts, &self.inserts),
            Part::Updates => (&self.batch.updates, &self.updates),
        }
    }

    /// An error about the whole batch, which may quote a trigger of the application, without hidden values of its rows.
    pub(super) fn without_hidden(&self, error: TargetError, redact: &Redact) -> TargetError {
        let hides = |column: &Column| redact.hides(&column.name);
        if error.kind() != ErrorKind::ValueRefused || !self.batch.spec.shape.columns().iter().any(hides) {
            return error;
        }
        let mut message = error.to_string();
        for (rows, _) in [Part::Deletes, Part::Inserts, Part::Updates].map(|part| self.part(part)) {
            for row in 0..rows.num_rows() {
                message = without_hidden(message, rows, row, &self.batch.spec.shape, redact);
            }
        }
        let (doing, what) = message.split_once(": ").unwrap_or(("writing rows", &message));
        TargetError::new(error.kind(), doing, what)
    }

    /// Mode `update` writes only rows that are there. One that is not may appear later, when its user signs up, and must be
    /// written then although it did not change in the warehouse: so what is absent now is noted, and sent again next time.
    /// Looking before the write errs on the safe side: a row that appears in between is written twice, never missed.
    pub(super) async fn leave_out_absent(&mut self, target: &dyn Target) -> Result<Vec<u128>, ApplyError> {
        let shape = &self.batch.spec.shape;
        let keys_only = keys_only(shape)?;
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

/// The key columns alone.
fn keys_only(shape: &Shape) -> Result<Shape, ArrowError> {
    Shape::new(shape.key_columns().cloned().collect(), shape.key().to_vec())
        .map_err(|e| ArrowError::SchemaError(e.to_string()))
}

impl ExceptionLog<'_> {
    /// Notes what a target refused, and what was not there, of the batch that began at this change.
    pub(super) async fn note(
        &mut self,
        first: u64,
        unit: &Unit,
        applied: &Applied,
        absent: &[u128],
        redact: &Redact,
    ) -> Result<(), ApplyError> {
        let shape = &unit.batch.spec.shape;
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
            let column = shape.columns().iter().find(|c| Some(&c.name) == reject.column.as_ref());
            records.push(RejectRecord {
                hash: origins.hashes.get(reject.row).copied(),
                key: key_text(rows, reject.row, shape, redact),
                position: origins.positions.get(reject.row).copied().flatten(),
                column: reject.column.clone(),
                reason: without_hidden(reject.reason.clone(), rows, reject.row, shape, redact),
                value: column.and_then(|column| value_text(rows, reject.row, column, redact)),
                first_run: None,
                may_settle: reject.may_settle,
            });
        }
        let carried = match carried.as_slice() {
            [] => None,
            rows => Some(exceptions::carried(&unit.batch.deletes, &unit.deletes.hashes, rows)?),
        };
        self.write(first, records, carried, absent).await
    }
}
