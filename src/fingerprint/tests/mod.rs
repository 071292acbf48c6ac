//! What the fingerprints must and must not depend on.

mod examples;
mod golden;
mod model;
mod physical;
mod properties;
mod strategy;

use super::{Block, Encoder, FingerprintError, Fingerprinter, Fingerprints, Row};
use crate::carry::Carrier;
use arrow::{array::Array, array::ArrayRef, datatypes::Field, datatypes::Schema, record_batch::RecordBatch};
use hydrant_contract::{Shape, ValueType};
use std::sync::Arc;

/// The canonical form of one value of a carrier array.
fn canonical(array: &dyn Array, value: &ValueType, row: usize) -> Vec<u8> {
    let columns = [Encoder::new(array, value).expect("an array in its carrier")];
    let alone = Row::default().write(&columns, row).to_vec();
    // The same in a block, where there is one.
    if let Some(mut forms) = Block::default().write(&columns, row..row + 1) {
        assert_eq!(forms.next(), Some(alone.as_slice()));
    }
    alone
}

fn batch(columns: Vec<(Field, ArrayRef)>) -> RecordBatch {
    let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("columns of one length")
}

/// Carries and fingerprints batches of one source, in order.
fn fingerprints(batches: &[RecordBatch], key: &[&str]) -> Result<Fingerprints, FingerprintError> {
    let schema = batches[0].schema();
    let shape = Shape::of(&schema, key.iter().map(|k| (*k).to_owned()).collect()).expect("a shape");
    let carrier = Carrier::new(&schema, &shape).expect("carried columns");
    let mut fingerprinter = Fingerprinter::new(&shape);
    let (mut all, mut one) = (Fingerprints::default(), Fingerprints::default());
    for batch in batches {
        let carried = carrier.carry(batch).expect("carried rows");
        assert_eq!(carried.rows.schema(), carrier.schema());
        fingerprinter.hash(&carried.rows, &mut one)?;
        let first = u32::try_from(all.keys.len()).unwrap();
        all.null_keys.extend(one.null_keys.iter().map(|row| first + row));
        all.keys.append(&mut one.keys);
        all.rows.append(&mut one.rows);
    }
    Ok(all)
}
