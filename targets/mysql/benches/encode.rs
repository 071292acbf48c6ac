//! How fast rows become what `LOAD DATA` reads: `cargo bench -p hydrant-target-mysql --bench encode`.
//!
//! The standard ten columns in a batch of 8,192 rows, as lines for a table as `create` makes it, in chunks of the size that
//! `load` sends; the chunks go nowhere. MB are those of the lines. `local_infile` forbidden, rows travel as JSON in
//! parameters of statements: `json` is the same for that way.

// The encoder is no business of those who use this crate. Its sources are built into this program once more, so that nothing
// must be public for its sake.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "the bench needs a part of these modules")]

#[path = "../src/catalog.rs"]
mod catalog;
#[path = "../src/classify.rs"]
mod classify;
#[path = "../src/column_type.rs"]
mod column_type;
#[path = "../src/config.rs"]
mod config;
#[path = "../src/connect.rs"]
mod connect;
#[path = "../src/encode/mod.rs"]
mod encode;
#[path = "../src/limits.rs"]
mod limits;
#[path = "../src/name.rs"]
mod name;
#[path = "../src/plan.rs"]
mod plan;
#[path = "../src/rows.rs"]
mod rows;
#[path = "../src/session.rs"]
mod session;
#[path = "../../../benches/support/standard.rs"]
mod standard;
#[path = "../src/statement.rs"]
mod statement;
#[path = "../src/timeouts.rs"]
mod timeouts;
#[path = "../src/transaction.rs"]
mod transaction;
#[path = "../src/unique.rs"]
mod unique;

use catalog::{Table, TableColumn, UniqueIndex};
use column_type::{KeyRoom, created};
use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use hydrant_contract::{Batch, Checkpoint, Column, Deletes, Documents, Mode, Part, TableName, TableSpec};
use plan::Plan;
use rows::Rows;
use session::{Product, Server};
use std::sync::Arc;

/// As `load` sends them.
const CHUNK_BYTES: usize = 128 * 1024;

fn main() {
    divan::main();
}

#[divan::bench]
fn line(bencher: Bencher<'_, '_>) {
    measure(bencher, |rows, row, out| {
        rows.put_line((Part::Inserts, row), out).expect("values that fit");
        out.push(b'\n');
    });
}

#[divan::bench]
fn json(bencher: Bencher<'_, '_>) {
    let columns: Vec<usize> = (0..standard::shape().columns().len()).collect();
    measure(bencher, move |rows, row, out| {
        rows.put_json((Part::Inserts, row), &columns, out).expect("values that fit");
    });
}

fn measure(bencher: Bencher<'_, '_>, put: impl Fn(&Rows, u32, &mut Vec<u8>)) {
    let rows = rows_of_a_batch();
    let count = rows.count(Part::Inserts) as u32;
    let mut chunk = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8);
    let mut encode_all = || {
        let mut sent = 0;
        for row in 0..count {
            put(&rows, row, &mut chunk);
            if chunk.len() >= CHUNK_BYTES {
                sent += chunk.len();
                chunk.clear();
            }
        }
        sent += chunk.len();
        chunk.clear();
        sent
    };
    let bytes = encode_all();
    bencher.counter(BytesCount::new(bytes)).counter(ItemsCount::new(count)).bench_local(encode_all);
}

/// The standard rows as inserts, with the plan for the table that `create` makes.
fn rows_of_a_batch() -> Rows {
    let spec = Arc::new(TableSpec {
        table: TableName { schema: None, name: "accounts".to_owned() },
        shape: standard::shape(),
        mode: Mode::Mirror,
        deletes: Deletes::Hard,
        documents: Documents::default(),
    });
    let server = Server {
        product: Product::MySql,
        version: "9.7.4".to_owned(),
        packet_bytes_max: 64 << 20,
        local_infile: true,
        folds_tables: false,
        account: "'hydrant'@'%'".to_owned(),
        innodb_page_bytes: 16 << 10,
    };
    let plan = Plan::new(&spec, table(&spec, &server), &server).expect("a plan");
    let checkpoint = Checkpoint {
        sync: "accounts".to_owned(),
        run: 1,
        epoch: 1,
        batch: 1,
        first_change: 0,
        next_change: 1,
    };
    let mut batch = Batch::empty(spec, checkpoint, chrono::DateTime::UNIX_EPOCH);
    batch.inserts = standard::rows(0..standard::BATCH_ROWS);
    Rows::new(&plan, &batch)
}

/// What the catalog would say of it.
fn table(spec: &TableSpec, server: &Server) -> Table {
    let room = KeyRoom::new(spec.shape.key_columns().map(|column| &column.value), server);
    let column = |column: &Column| {
        let is_key = spec.shape.is_key(&column.name);
        let kind = created(&column.value, is_key.then_some(&room), server.product).expect("a column");
        let text = |value: &str| kind.is_text().then(|| value.to_owned());
        TableColumn {
            name: column.name.clone(),
            shown: String::new(),
            charset: text("utf8mb4"),
            collation: text("utf8mb4_0900_ai_ci"),
            kind: kind.clone(),
            not_null: is_key,
            has_default: false,
            generated: false,
            rights: Vec::new(),
        }
    };
    Table {
        database: "app".to_owned(),
        name: spec.table.name.clone(),
        quoted: name::qualified("app", &spec.table.name),
        relation: "BASE TABLE".to_owned(),
        engine: Some("InnoDB".to_owned()),
        columns: spec.shape.columns().iter().map(column).collect(),
        indexes: vec![UniqueIndex {
            name: "PRIMARY".to_owned(),
            columns: spec.shape.key().iter().cloned().map(Some).collect(),
            descending: vec![false; spec.shape.key().len()],
            whole: true,
        }],
    }
}
