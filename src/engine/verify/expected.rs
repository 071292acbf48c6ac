//! A few differing rows with their values: what the last export has of them, and what the table holds.

use super::{
    reading::{hashed, in_memory},
    report::{Differing, DifferingKind},
};
use crate::{
    engine::{
        ColumnChange, Failure, Held,
        origin::kept,
        plan::{key_value, value},
    },
    fingerprint::Fingerprinter,
    store::Sealed,
};
use arrow::{
    array::{RecordBatch, UInt32Array},
    compute::{concat_batches, take_record_batch},
};
use futures::TryStreamExt;
use hydrant_contract::TableSpec;
use std::collections::HashMap;

/// A row that differs.
pub(super) struct Example {
    pub(super) kind: DifferingKind,
    pub(super) hash: u128,
    /// The row hash that was written.
    pub(super) expected: u64,
    pub(super) unreadable: bool,
    /// One row.
    pub(super) key: RecordBatch,
}

/// The examples with what is to be shown of them.
pub(super) async fn shown(
    held: &Held<'_>,
    sealed: &Sealed,
    spec: &TableSpec,
    examples: Vec<Example>,
) -> Result<Vec<Differing>, Failure> {
    let changed = || examples.iter().filter(|example| example.kind == DifferingKind::Changed);
    let exported = exported(held, sealed, changed().map(|e| (e.hash, e.expected)).collect()).await?;
    let readable: Vec<&RecordBatch> = changed().filter(|e| !e.unreadable).map(|e| &e.key).collect();
    let found = found(held, spec, &readable).await?;
    let shape = &spec.shape;
    let differing = examples.iter().map(|example| {
        let after = exported.get(&example.hash).filter(|_| example.kind == DifferingKind::Changed);
        let before = found.get(&example.hash);
        let columns = shape.value_columns().filter_map(|column| {
            let change = ColumnChange {
                column: column.name.clone(),
                before: before.and_then(|row| value(row, 0, column)),
                after: after.and_then(|row| value(row, 0, column)),
            };
            (change.before != change.after).then(|| change.shown(&held.sync.redact))
        });
        Differing {
            kind: example.kind,
            key: key_value(&example.key, 0, shape, &held.sync.redact),
            // One side alone would look as if every column differed.
            columns: if before.is_some() && after.is_some() { columns.collect() } else { Vec::new() },
            unreadable: example.unreadable,
        }
    });
    Ok(differing.collect())
}

/// The rows of the last export with these key hashes and row hashes, by key hash, as far as it has them. It is read from its
/// beginning until all are found: the index does not tell where they are.
async fn exported(
    held: &Held<'_>,
    sealed: &Sealed,
    mut wanted: HashMap<u128, u64>,
) -> Result<HashMap<u128, RecordBatch>, Failure> {
    let mut out = HashMap::new();
    let mut batches = kept(held.env, sealed).batches;
    let mut fingerprinter = Fingerprinter::new(&sealed.spec.shape);
    while !wanted.is_empty() {
        held.go_on()?;
        let Some(batch) = batches.try_next().await? else { break };
        let prints = hashed(&mut fingerprinter, &batch)?;
        for (at, (hash, row)) in (0_u32..).zip(prints.keys.iter().zip(&prints.rows)) {
            if wanted.get(hash) == Some(row) {
                wanted.remove(hash);
                // A copy of one row, so that the batch need not stay.
                let row = take_record_batch(&batch, &UInt32Array::from(vec![at]));
                out.insert(*hash, row.map_err(|e| in_memory(&e))?);
            }
        }
    }
    Ok(out)
}

/// What the table holds of these keys, by key hash.
async fn found(
    held: &Held<'_>,
    spec: &TableSpec,
    keys: &[&RecordBatch],
) -> Result<HashMap<u128, RecordBatch>, Failure> {
    let Some(first) = keys.first() else { return Ok(HashMap::new()) };
    let keys = concat_batches(&first.schema(), keys.iter().copied()).map_err(|e| in_memory(&e))?;
    let rows = held.target.read(spec, &keys).await?;
    let prints = hashed(&mut Fingerprinter::new(&spec.shape), &rows)?;
    Ok(prints.keys.iter().enumerate().map(|(row, hash)| (*hash, rows.slice(row, 1))).collect())
}
