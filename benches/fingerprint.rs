//! How fast rows are carried and fingerprinted, on one core: `cargo bench --bench fingerprint`
//! (`--no-default-features` builds sooner and measures the same).
//!
//! `carry` and `standard_rows` have one batch of the standard ten columns. `kinds` has one of 10,000 rows, each with a key of one
//! integer and ten columns of one kind of value: a hundredth of its microseconds is the nanoseconds of one value, its key's
//! share included. `key_alone` is the same batch without the ten columns.

#[path = "support/columns.rs"]
mod columns;
#[path = "support/standard.rs"]
mod standard;

use arrow::{
    array::RecordBatch,
    compute::cast,
    datatypes::{DataType, TimeUnit},
};
use columns::{KINDS, column};
use divan::{Bencher, counter::ItemsCount};
use hydrant::{
    carry::Carrier,
    fingerprint::{Fingerprinter, Fingerprints},
};
use hydrant_contract::{Column, Shape, ValueType};
use standard::BATCH_ROWS;

/// Of each kind there are so many columns and rows: a hundred thousand values in a batch.
const KIND_COLUMNS: i64 = 10;
const KIND_ROWS: i64 = 10_000;

fn main() {
    divan::main();
}

/// From the types that a Parquet reader and a warehouse deliver into carriers.
#[divan::bench]
fn carry(bencher: Bencher<'_, '_>) {
    let rows = standard::rows(0..BATCH_ROWS);
    let delivered = |name: &str| match name {
        "name" => Some(DataType::Utf8View),
        "seats" => Some(DataType::Int32),
        "seen_at" => Some(DataType::Timestamp(TimeUnit::Microsecond, Some("Europe/Berlin".into()))),
        "plan" => Some(DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))),
        _ => None,
    };
    let columns = rows.schema_ref().fields().iter().zip(rows.columns()).map(|(field, array)| {
        let array =
            delivered(field.name()).map_or_else(|| array.clone(), |to| cast(array, &to).expect("cast"));
        (field.name().clone(), array, true)
    });
    let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("a batch");
    let shape = Shape::of(&batch.schema(), vec!["id".to_owned()]).expect("a shape");
    let carrier = Carrier::new(&batch.schema(), &shape).expect("a carrier");
    let carried = carrier.carry(&batch).expect("carried").rows;
    assert_eq!(carried.columns(), rows.columns(), "what is carried are the standard rows");
    bencher
        .counter(ItemsCount::new(BATCH_ROWS as u64))
        .bench_local(|| carrier.carry(&batch).expect("carried"));
}

#[divan::bench]
fn standard_rows(bencher: Bencher<'_, '_>) {
    hash(bencher, &standard::shape(), &standard::rows(0..BATCH_ROWS), BATCH_ROWS);
}

#[divan::bench]
fn key_alone(bencher: Bencher<'_, '_>) {
    let (shape, batch) = beside_a_key(Vec::new());
    hash(bencher, &shape, &batch, KIND_ROWS);
}

#[divan::bench(args = KINDS)]
fn kinds(bencher: Bencher<'_, '_>, kind: &str) {
    let (shape, batch) = beside_a_key((0..KIND_COLUMNS).map(|salt| column(kind, KIND_ROWS, salt)).collect());
    hash(bencher, &shape, &batch, KIND_ROWS * KIND_COLUMNS);
}

/// Columns beside a key of one integer.
fn beside_a_key(columns: Vec<(ValueType, arrow::array::ArrayRef)>) -> (Shape, RecordBatch) {
    let key = column("integer", KIND_ROWS, -1);
    let (values, arrays): (Vec<_>, Vec<_>) = std::iter::once(key).chain(columns).unzip();
    let name = |at: usize| format!("c{at}");
    let columns =
        values.into_iter().enumerate().map(|(at, value)| Column { name: name(at), value }).collect();
    let shape = Shape::new(columns, vec![name(0)]).expect("a shape");
    let batch = RecordBatch::try_new(shape.schema(), arrays).expect("columns in their carriers");
    (shape, batch)
}

/// Fingerprints the batch again and again. `items` is what is counted of it: rows, or values.
fn hash(bencher: Bencher<'_, '_>, shape: &Shape, batch: &RecordBatch, items: i64) {
    let (mut fingerprinter, mut out) = (Fingerprinter::new(shape), Fingerprints::default());
    bencher
        .counter(ItemsCount::new(items as u64))
        .bench_local(|| fingerprinter.hash(batch, &mut out).expect("hashed"));
}
