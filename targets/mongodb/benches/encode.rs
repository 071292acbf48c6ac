//! How fast rows become the operations of write commands: `cargo bench -p hydrant-target-mongodb --bench encode`.
//!
//! The standard ten columns in a batch of 8,192 rows, as new documents and as updates of those that are there; the commands go
//! nowhere. MB are those of the encoded BSON.

// The encoder is no business of those who use this crate. Its sources are built into this program once more, so that nothing
// must be public for its sake.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "the bench needs a part of these modules")]

#[path = "../src/encode/mod.rs"]
mod encode;
#[path = "../src/path.rs"]
mod path;
#[path = "../src/plan.rs"]
mod plan;
#[path = "../../../benches/support/standard.rs"]
mod standard;
#[path = "../src/statement.rs"]
mod statement;

use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use hydrant_contract::{Deletes, Documents, Mode, TableName, TableSpec};
use plan::{Plan, Rows};
use statement::{Statement, Way};

fn main() {
    divan::main();
}

/// Whole documents of rows that are believed absent.
#[divan::bench]
fn insert(bencher: Bencher<'_, '_>) {
    measure(bencher, Way::Insert);
}

/// The managed fields of documents that may be there.
#[divan::bench]
fn upsert(bencher: Bencher<'_, '_>) {
    measure(bencher, Way::Upsert);
}

fn measure(bencher: Bencher<'_, '_>, way: Way) {
    let spec = TableSpec {
        table: TableName { schema: None, name: "accounts".to_owned() },
        shape: standard::shape(),
        mode: Mode::Mirror,
        deletes: Deletes::Hard,
        documents: Documents::default(),
    };
    let plan = Plan::new(&spec, "app").expect("a plan");
    let statement = Statement { plan: &plan, way, as_of: 0 };
    let batch = standard::rows(0..standard::BATCH_ROWS);
    let rows = plan.rows(&batch, false);
    let mut command = Vec::new();
    let bytes = encode_all(&statement, &rows, &mut command);
    bencher
        .counter(BytesCount::new(bytes))
        .counter(ItemsCount::new(rows.count))
        .bench_local(|| encode_all(&statement, &rows, &mut command));
}

/// Encodes a batch, and returns how many bytes that were. All of it is less than one command may have.
fn encode_all(statement: &Statement<'_>, rows: &Rows<'_>, command: &mut Vec<u8>) -> usize {
    command.clear();
    for row in 0..rows.count {
        assert!(
            statement.operation(command, row, rows, row).expect("values that fit"),
            "something is written"
        );
    }
    command.len()
}
