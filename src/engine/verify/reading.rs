//! The rows of a table, as fingerprints.

use crate::{
    engine::{
        Failure, Held,
        scan::{Pace, Scan},
    },
    fingerprint::{Fingerprinter, Fingerprints, UNKNOWN_ROW},
    spill::{Fingerprinted, Spill},
    store::StoreError,
};
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use hydrant_contract::{Scanned, Shape, TableSpec};

/// A table that was read to its end.
pub(super) struct Reading {
    pub(super) fingerprints: Fingerprinted,
    /// Rows that were read, foreign ones included.
    pub(super) rows: u64,
    /// Rows whose key cannot be one of hydrant's.
    pub(super) foreign: u64,
}

impl Reading {
    /// Reads the table; about `expected` rows, for the progress.
    pub(super) async fn of_table(
        held: &Held<'_>,
        spec: &TableSpec,
        pace: Pace,
        expected: u64,
    ) -> Result<Self, Failure> {
        let shape = &spec.shape;
        let keys_only = Shape::new(shape.key_columns().cloned().collect(), shape.key().to_vec())?;
        let mut prints = Prints {
            rows: Fingerprinter::new(shape),
            keys: Fingerprinter::new(&keys_only),
            positions: shape.key_positions(),
            schema: shape.key_schema(),
            // Half of the memory: what is known on top of the index takes up to the other half.
            spill: Spill::new(shape.key_schema(), held.env.memory_bytes / 2, &held.env.scratch),
            seen: 0,
        };
        let mut foreign = 0;
        let mut scan = Scan::new(held, spec.clone(), pace);
        while let Some(scanned) = scan.next().await? {
            prints.add(&scanned)?;
            foreign += scanned.foreign;
            held.env.observer.compared(&held.sync.name, prints.seen, expected.max(prints.seen));
        }
        let rows = prints.seen + foreign;
        Ok(Self { fingerprints: prints.spill.finish()?, rows, foreign })
    }
}

struct Prints {
    rows: Fingerprinter,
    keys: Fingerprinter,
    positions: Vec<usize>,
    schema: SchemaRef,
    spill: Spill,
    seen: u64,
}

impl Prints {
    fn add(&mut self, scanned: &Scanned) -> Result<(), Failure> {
        let keys = project(&scanned.rows, &self.positions, &self.schema)?;
        let prints = hashed(&mut self.rows, &scanned.rows)?;
        self.push(&prints, keys)?;
        if scanned.unreadable.num_rows() > 0 {
            let mut prints = hashed(&mut self.keys, &scanned.unreadable)?;
            // Other than every row that was written.
            prints.rows.fill(UNKNOWN_ROW);
            self.push(&prints, scanned.unreadable.clone())?;
        }
        Ok(())
    }

    fn push(&mut self, prints: &Fingerprints, keys: RecordBatch) -> Result<(), Failure> {
        let first = self.seen;
        self.seen += prints.keys.len() as u64;
        Ok(self.spill.push(&prints.keys, &prints.rows, first..self.seen, keys)?)
    }
}

/// The fingerprints of a batch.
pub(super) fn hashed(of: &mut Fingerprinter, batch: &RecordBatch) -> Result<Fingerprints, Failure> {
    let mut prints = Fingerprints::default();
    of.hash(batch, &mut prints).map_err(|e| in_memory(&e))?;
    Ok(prints)
}

/// The keys of whole rows.
pub(super) fn project(
    rows: &RecordBatch,
    positions: &[usize],
    schema: &SchemaRef,
) -> Result<RecordBatch, Failure> {
    let keys = rows.project(positions).map_err(|e| in_memory(&e))?;
    let keys = RecordBatch::try_new(schema.clone(), keys.columns().to_vec());
    Ok(keys.map_err(|e| in_memory(&e))?)
}

/// What happens to batches that are already here.
pub(super) fn in_memory(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Scratch { place: "memory".to_owned(), message: error.to_string() }
}
