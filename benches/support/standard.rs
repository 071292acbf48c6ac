//! The standard ten columns, in their carriers: the kinds that tables of user attributes mostly hold.
//!
//! Used by the benches of several packages, which take this file in by its path. The same ids give the same rows.

use arrow::{array::*, record_batch::RecordBatch};
use hydrant_contract::{Column, Integer, Resolution, Shape, ValueType};
use std::{ops::Range, sync::Arc};

/// Rows of one batch: as many as DataFusion's have.
pub(crate) const BATCH_ROWS: i64 = 8_192;

/// The columns and their key, `id`.
pub(crate) fn shape() -> Shape {
    let columns = [
        ("id", ValueType::Integer(Integer::I64)),
        ("name", ValueType::Text),
        ("seats", ValueType::Integer(Integer::I32)),
        ("events", ValueType::Integer(Integer::I64)),
        ("mrr", ValueType::Decimal { precision: 12, scale: 2 }),
        ("score", ValueType::Float64),
        ("trial", ValueType::Boolean),
        ("seen_at", ValueType::Instant(Resolution::Micro)),
        ("since", ValueType::Date),
        ("plan", ValueType::Text),
    ];
    let columns = columns.map(|(name, value)| Column { name: name.to_owned(), value });
    Shape::new(columns.to_vec(), vec!["id".to_owned()]).expect("a shape")
}

/// The rows of these ids. One plan in eleven is NULL; instants are whole milliseconds, so that every target can hold them.
pub(crate) fn rows(ids: Range<i64>) -> RecordBatch {
    let ids = || ids.clone();
    let plans = ["free", "starter", "growth", "enterprise"];
    let mrr = Decimal128Array::from_iter_values(ids().map(|n| i128::from(mix(n) % 10_000_000)));
    let seen = ids().map(|n| (1_790_000_000_000 + mix(n) % 10_000_000) * 1_000);
    let plan = ids().map(|n| (mix(n) % 11 != 0).then(|| plans[(mix(n) % 4) as usize]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(ids())),
        Arc::new(StringArray::from_iter_values(ids().map(|n| format!("account {:x}", mix(n))))),
        Arc::new(Int64Array::from_iter_values(ids().map(|n| mix(n) % 500))),
        Arc::new(Int64Array::from_iter_values(ids().map(|n| mix(n) % 1_000_000))),
        Arc::new(mrr.with_precision_and_scale(12, 2).expect("a decimal")),
        Arc::new(Float64Array::from_iter_values(ids().map(|n| mix(n) as f64 / 1e6))),
        Arc::new(BooleanArray::from_iter(ids().map(|n| Some(mix(n) % 7 == 0)))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(seen).with_timezone("UTC")),
        Arc::new(Date32Array::from_iter_values(ids().map(|n| 18_000 + (mix(n) % 2_000) as i32))),
        Arc::new(StringArray::from_iter(plan)),
    ];
    RecordBatch::try_new(shape().schema(), columns).expect("columns in their carriers")
}

/// A number of 61 bits without a visible pattern, the same in every run.
pub(crate) fn mix(n: i64) -> i64 {
    let n = (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((n ^ (n >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 3) as i64
}
