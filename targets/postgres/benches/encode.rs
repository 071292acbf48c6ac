//! How fast rows become what binary COPY takes: `cargo bench -p hydrant-target-postgres --bench encode`.
//!
//! The standard ten columns in a batch of 8,192 rows, encoded column by column of a row as `copy` does it, in chunks of the
//! size that it sends; the chunks go nowhere. MB are those of the encoded rows.

// The encoder is no business of those who use this crate. Its sources are built into this program once more, so that nothing
// must be public for its sake.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "the bench needs a part of these modules")]

#[path = "../src/column_type.rs"]
mod column_type;
#[path = "../src/encode/mod.rs"]
mod encode;
#[path = "../src/name.rs"]
mod name;
#[path = "../../../benches/support/standard.rs"]
mod standard;

use arrow::array::RecordBatch;
use bytes::BufMut;
use column_type::{Kind, NumericLimit, TextLimit};
use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use encode::{Codec, Wire};
use hydrant_contract::{Integer, ValueType};

/// As `copy` sends them.
const CHUNK_BYTES: usize = 64 * 1024;

fn main() {
    divan::main();
}

/// Straight into the table.
#[divan::bench]
fn copy(bencher: Bencher<'_, '_>) {
    measure(bencher, Wire::Table);
}

/// Into the temporary table.
#[divan::bench]
fn stage(bencher: Bencher<'_, '_>) {
    measure(bencher, Wire::Travel);
}

fn measure(bencher: Bencher<'_, '_>, wire: Wire) {
    let shape = standard::shape();
    let codec = |value| {
        let kind = kind(value);
        let kind = if wire == Wire::Travel { kind.travel() } else { kind };
        Codec::new(value, &kind, wire).expect("a codec")
    };
    let codecs: Vec<_> = shape.columns().iter().map(|column| codec(&column.value)).collect();
    let batch = standard::rows(0..standard::BATCH_ROWS);
    let mut chunk = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8);
    let bytes = encode_all(&codecs, &batch, wire, &mut chunk);
    bencher
        .counter(BytesCount::new(bytes))
        .counter(ItemsCount::new(batch.num_rows()))
        .bench_local(|| encode_all(&codecs, &batch, wire, &mut chunk));
}

/// The kinds of the columns that `create` makes.
fn kind(value: &ValueType) -> Kind {
    match value {
        ValueType::Boolean => Kind::Bool,
        ValueType::Integer(Integer::I32) => Kind::Int4,
        ValueType::Integer(Integer::I64) => Kind::Int8,
        ValueType::Decimal { precision, scale } => {
            Kind::Numeric(Some(NumericLimit { precision: (*precision).into(), scale: (*scale).into() }))
        }
        ValueType::Float64 => Kind::Float8,
        ValueType::Text => Kind::Text(TextLimit::None),
        ValueType::Date => Kind::Date,
        ValueType::Instant(_) => Kind::Timestamptz(6),
        other => panic!("the standard columns have no {other}"),
    }
}

/// Encodes a batch, and returns how many bytes that were.
fn encode_all(codecs: &[Codec], batch: &RecordBatch, wire: Wire, chunk: &mut Vec<u8>) -> usize {
    let mut sent = 0;
    for row in 0..batch.num_rows() {
        match wire {
            Wire::Table => chunk.put_i16(codecs.len() as i16),
            Wire::Travel => {
                // The part of the batch, and the number of the row.
                chunk.put_i16(codecs.len() as i16 + 2);
                chunk.put_i32(2);
                chunk.put_i16(1);
                chunk.put_i32(4);
                chunk.put_i32(row as i32);
            }
        }
        for (codec, array) in codecs.iter().zip(batch.columns()) {
            codec.put(array.as_ref(), row, chunk).expect("a value that fits");
        }
        if chunk.len() >= CHUNK_BYTES {
            sent += chunk.len();
            chunk.clear();
        }
    }
    sent += chunk.len();
    chunk.clear();
    sent
}
