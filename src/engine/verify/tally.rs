//! All buckets of a table against all buckets of the index: counts, a few examples, and the keys that a repair is about.

use super::{
    expected::{Example, shown},
    merge::{Merged, Side, merge},
    reading::{hashed, in_memory},
    report::{Differing, DifferingKind},
};
use crate::{
    engine::{
        Failure, Held,
        agreement::wants_deletes,
        base::{Base, Room},
        export::in_background,
        origin::Unsure,
    },
    fingerprint::{Fingerprinter, UNKNOWN_ROW},
    spill::{Fingerprinted, NewBucket, Spill},
    store::{Bucket, Sealed, bucket_count},
};
use arrow::{
    array::{RecordBatch, RecordBatchOptions, UInt64Array, new_null_array},
    compute::take_record_batch,
    datatypes::{Schema, SchemaRef},
};
use hydrant_contract::{Deletes, Mode, Shape, TableSpec};
use std::sync::Arc;

/// The keys that a repair is about.
pub(super) struct Gathered {
    /// Those of missing and changed rows: their hashes are enough.
    differing: Spill,
    /// Those of rows that the query does not have, if they are wanted.
    extra: Option<Spill>,
}

impl Gathered {
    pub(super) fn new(keys: SchemaRef, room: Room<'_>, extra: bool) -> Self {
        let spill = |keys| Spill::new(keys, room.memory_bytes / 4, room.scratch);
        Self { differing: spill(Arc::new(Schema::empty())), extra: extra.then(|| spill(keys)) }
    }

    pub(super) fn finish(self) -> Result<Unsure, Failure> {
        let extra = self.extra.map(Spill::finish).transpose()?;
        Ok(Unsure { differing: self.differing.finish()?, extra })
    }

    fn differing(&mut self, hashes: &[u128]) -> Result<(), Failure> {
        let options = RecordBatchOptions::new().with_row_count(Some(hashes.len()));
        let none = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options);
        push(&mut self.differing, hashes, none.map_err(|e| in_memory(&e))?)
    }

    fn extra(&mut self, hashes: &[u128], keys: RecordBatch) -> Result<(), Failure> {
        self.extra.as_mut().map_or(Ok(()), |spill| push(spill, hashes, keys))
    }
}

fn push(spill: &mut Spill, hashes: &[u128], keys: RecordBatch) -> Result<(), Failure> {
    Ok(spill.push(hashes, &vec![UNKNOWN_ROW; hashes.len()], (0..).take(hashes.len()), keys)?)
}

/// How many rows differ.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) missing: u64,
    pub(super) changed: u64,
    pub(super) extra: u64,
    pub(super) unknown: u64,
}

/// What was found so far.
pub(super) struct Tally<'a> {
    pub(super) counts: Counts,
    spec: &'a TableSpec,
    samples: usize,
    examples: Vec<Example>,
    gathered: Option<Gathered>,
    values: bool,
    extras: bool,
    /// The row hash of a row whose managed columns were emptied, where that is how rows are deleted.
    emptied: Option<u64>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(
        spec: &'a TableSpec,
        samples: usize,
        gathered: Option<Gathered>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            counts: Counts::default(),
            spec,
            samples,
            examples: Vec::new(),
            gathered,
            values: spec.mode != Mode::Insert,
            extras: wants_deletes(spec),
            emptied: match &spec.deletes {
                Deletes::NullOut => Some(emptied(&spec.shape)?),
                Deletes::Hard | Deletes::Soft { .. } | Deletes::Ignore => None,
            },
        })
    }

    /// Compares bucket by bucket: as many as the larger of the two needs, so that neither the application's own rows nor
    /// the keys that an abandoned run left, however many, make a large one.
    pub(super) async fn compare(
        &mut self,
        held: &Held<'_>,
        base: &Base,
        found: Fingerprinted,
    ) -> Result<(), Failure> {
        let fine = bucket_count(found.rows().max(base.rows()));
        let (of, found) = (fine.max(base.buckets().unwrap_or(fine)), Arc::new(found));
        for number in 0..of {
            held.go_on()?;
            let expected = base.bucket(number, of).await?;
            let found = found.clone();
            let path = held.env.store.names().runs();
            let found = in_background(&path, move || found.bucket(number, of)).await?;
            let merged = merge(
                Side { hashes: &expected.hashes, rows: &expected.rows },
                Side { hashes: &found.hashes, rows: &found.rows },
            );
            self.take(&expected, &found, merged)?;
        }
        Ok(())
    }

    fn take(&mut self, expected: &Bucket, found: &NewBucket, mut merged: Merged) -> Result<(), Failure> {
        if !self.values {
            merged.changed.clear();
        }
        if !self.extras {
            merged.extra.clear();
        }
        if let Some(emptied) = self.emptied {
            merged.extra.retain(|f| found.rows[*f] != emptied);
        }
        self.counts.missing += merged.missing.len() as u64;
        self.counts.changed += merged.changed.len() as u64;
        self.counts.extra += merged.extra.len() as u64;
        self.counts.unknown += merged.unknown;

        let missing: Vec<_> = merged.missing.iter().map(|e| (*e, expected.rows[*e], false)).collect();
        let changed: Vec<_> = merged
            .changed
            .iter()
            .map(|(e, f)| (*e, expected.rows[*e], found.rows[*f] == UNKNOWN_ROW))
            .collect();
        let extra: Vec<_> =
            merged.extra.iter().map(|f| (*f, UNKNOWN_ROW, found.rows[*f] == UNKNOWN_ROW)).collect();
        let expected_keys = (&expected.hashes[..], &expected.keys);
        self.note(DifferingKind::Missing, expected_keys, &missing)?;
        self.note(DifferingKind::Changed, expected_keys, &changed)?;
        self.note(DifferingKind::Extra, (&found.hashes, &found.keys), &extra)
    }

    /// Rows of one kind: where their keys are, the row hash that is expected, and whether what was found is unreadable.
    fn note(
        &mut self,
        kind: DifferingKind,
        (hashes, keys): (&[u128], &RecordBatch),
        rows: &[(usize, u64, bool)],
    ) -> Result<(), Failure> {
        let pick = |rows: &[(usize, u64, bool)]| {
            let at = UInt64Array::from_iter_values(rows.iter().map(|(at, ..)| *at as u64));
            take_record_batch(keys, &at).map_err(|e| in_memory(&e))
        };
        let shown = self.examples.iter().filter(|example| example.kind == kind).count();
        for row in rows.iter().take(self.samples.saturating_sub(shown)) {
            let key = pick(std::slice::from_ref(row))?;
            let (at, expected, unreadable) = *row;
            self.examples.push(Example { kind, hash: hashes[at], expected, unreadable, key });
        }
        let Some(gathered) = &mut self.gathered else { return Ok(()) };
        let hashes: Vec<_> = rows.iter().map(|(at, ..)| hashes[*at]).collect();
        match kind {
            DifferingKind::Missing | DifferingKind::Changed => gathered.differing(&hashes),
            DifferingKind::Extra => gathered.extra(&hashes, pick(rows)?),
        }
    }

    /// The examples, with the values that differ, and what was gathered.
    pub(super) async fn finish(
        mut self,
        held: &Held<'_>,
        sealed: &Sealed,
    ) -> Result<(Vec<Differing>, Option<Gathered>), Failure> {
        self.examples.sort_by_key(|example| example.kind as u8);
        let samples = shown(held, sealed, self.spec, self.examples).await?;
        Ok((samples, self.gathered))
    }
}

/// The row hash of a row without values.
fn emptied(shape: &Shape) -> Result<u64, Failure> {
    let fields: Vec<_> = shape.columns().iter().map(|c| c.value.field(&c.name, true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let nulls = schema.fields().iter().map(|field| new_null_array(field.data_type(), 1)).collect();
    let row = RecordBatch::try_new(schema, nulls).map_err(|e| in_memory(&e))?;
    Ok(hashed(&mut Fingerprinter::new(shape), &row)?.rows[0])
}
