//! How fast rows are carried and fingerprinted: `cargo bench --no-default-features --bench fingerprint`.
//!
//! One batch of 8,192 rows with ten columns, as a table of user attributes has them. The row count is a batch of
//! DataFusion's; the columns are the kinds that such tables mostly hold.

use arrow::{array::*, datatypes::*, record_batch::RecordBatch};
use divan::{Bencher, counter::ItemsCount};
use hydrant::{
    carry::Carrier,
    fingerprint::{Fingerprinter, Fingerprints},
};
use hydrant_contract::Shape;
use std::sync::Arc;

const ROWS: i64 = 8_192;

fn main() {
    divan::main();
}

/// Ten columns in the types that a Parquet reader delivers.
fn source() -> RecordBatch {
    let numbers = || 0..ROWS;
    let texts = |prefix: &'static str| -> ArrayRef {
        Arc::new(StringViewArray::from_iter_values(numbers().map(|n| format!("{prefix}-{:07}", n * 7_919))))
    };
    let plans = ["free", "team", "business", "enterprise"];
    let plan = DictionaryArray::<Int32Type>::from_iter(numbers().map(|n| plans[n as usize % 4]));
    let price = Decimal128Array::from_iter_values(numbers().map(|n| i128::from(n) * 12_345));
    let seen = TimestampMicrosecondArray::from_iter_values(numbers().map(|n| 1_795_234_500_000_000 + n * 61));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("account_id", Arc::new(Int64Array::from_iter_values(numbers().map(|n| n * 1_000_003)))),
        ("email", texts("someone@example.com")),
        ("name", texts("Name")),
        ("plan", Arc::new(plan)),
        ("seats", Arc::new(Int32Array::from_iter_values(numbers().map(|n| (n % 500) as i32)))),
        ("usage", Arc::new(Float64Array::from_iter_values(numbers().map(|n| n as f64 / 3.0)))),
        ("price", Arc::new(price.with_precision_and_scale(12, 2).expect("a decimal"))),
        ("active", Arc::new(BooleanArray::from_iter(numbers().map(|n| Some(n % 3 != 0))))),
        ("since", Arc::new(Date32Array::from_iter(numbers().map(|n| (n % 5 != 0).then_some(n as i32))))),
        ("seen_at", Arc::new(seen.with_timezone("Europe/Berlin"))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .expect("a batch")
}

fn carrier(batch: &RecordBatch) -> (Carrier, Shape) {
    let shape = Shape::of(&batch.schema(), vec!["account_id".to_owned()]).expect("a shape");
    (Carrier::new(&batch.schema(), &shape).expect("a carrier"), shape)
}

#[divan::bench]
fn carry(bencher: Bencher<'_, '_>) {
    let batch = source();
    let (carrier, _) = carrier(&batch);
    bencher.counter(ItemsCount::new(ROWS as u64)).bench_local(|| carrier.carry(&batch).expect("carried"));
}

#[divan::bench]
fn fingerprint(bencher: Bencher<'_, '_>) {
    let batch = source();
    let (carrier, shape) = carrier(&batch);
    let carried = carrier.carry(&batch).expect("carried").rows;
    let (mut fingerprinter, mut out) = (Fingerprinter::new(&shape), Fingerprints::default());
    bencher
        .counter(ItemsCount::new(ROWS as u64))
        .bench_local(|| fingerprinter.hash(&carried, &mut out).expect("hashed"));
}
