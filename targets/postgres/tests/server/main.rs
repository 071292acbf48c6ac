//! What only Postgres has: its ways in, its rights, its triggers, its types. Against a real server, like the suite.

mod ahead;
mod columns;
mod effects;
mod rebuild;
mod rights;
mod scan;
mod table;
mod ways_in;

use arrow::{
    array::{ArrayRef, Int64Array, StringArray},
    record_batch::RecordBatch,
};
use chrono::Utc;
use hydrant_conformance::program;
use hydrant_contract::{
    Applied, Batch, Checkpoint, Column, Deletes, Documents, Inspection, Integer, Mode, Result, Shape,
    TableName, TableSpec, Target, ValueType,
};
use hydrant_target_postgres::{PostgresTarget, Settings};
use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

const HOW: &str = "run ./test, which starts a server and sets HYDRANT_TEST_POSTGRES, HYDRANT_TEST_POSTGRES_SOCKET and HYDRANT_TEST_POSTGRES_CERTS";

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: {HOW}"))
}

fn url() -> String {
    setting("HYDRANT_TEST_POSTGRES")
}

/// The host and port in the URL.
fn address() -> (String, u16) {
    let url = url();
    let place = url.split('@').nth(1).and_then(|rest| rest.split('/').next()).expect("a host in the URL");
    let (host, port) = place.split_once(':').expect("a port in the URL");
    (host.to_owned(), port.parse().expect("a port"))
}

fn target(url: &str) -> PostgresTarget {
    PostgresTarget::new(Settings { url: url.into(), password: None }).expect("settings")
}

/// The superuser's way in with further parameters.
fn through(host: &str, parameters: &str) -> String {
    format!("postgres://postgres:secret@{host}:{}/postgres?{parameters}", address().1)
}

fn psql(sql: &str) -> String {
    let mut psql = Command::new("psql");
    psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", &url()])
        .env("PGOPTIONS", "-c client_min_messages=error");
    program::run(&mut psql, sql).trim().to_owned()
}

/// A name that no other test uses, now or in another run.
fn fresh(stem: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let micros = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_micros();
    format!("{stem}_{micros:x}_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// A role with a password and nothing else, and its way in.
fn role(stem: &str) -> (String, String) {
    let name = fresh(stem);
    psql(&format!("CREATE ROLE {name} LOGIN PASSWORD 'pw'"));
    let (host, port) = address();
    let way_in = format!("postgres://{name}:pw@{host}:{port}/postgres");
    (name, way_in)
}

/// A mirror of `id` and `name`.
fn spec(table: &str) -> TableSpec {
    let column = |name: &str, value| Column { name: name.into(), value };
    let columns = vec![column("id", ValueType::Integer(Integer::I64)), column("name", ValueType::Text)];
    TableSpec {
        table: TableName { schema: None, name: table.to_owned() },
        shape: Shape::new(columns, vec!["id".into()]).expect("a shape"),
        mode: Mode::Mirror,
        deletes: Deletes::Hard,
        documents: Documents::default(),
    }
}

fn rows(spec: &TableSpec, rows: &[(i64, Option<&str>)]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.0)));
    let names: ArrayRef = Arc::new(StringArray::from_iter(rows.iter().map(|r| r.1)));
    RecordBatch::try_new(spec.shape.schema(), vec![ids, names]).expect("rows")
}

fn keys(spec: &TableSpec, ids: &[i64]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
    RecordBatch::try_new(spec.shape.key_schema(), vec![ids]).expect("keys")
}

type Row<'a> = (i64, Option<&'a str>);

/// Claims a sync of its own and applies one batch.
async fn apply(
    target: &PostgresTarget,
    spec: &TableSpec,
    deletes: &[i64],
    inserts: &[Row<'_>],
    updates: &[Row<'_>],
) -> Result<Applied> {
    let sync = fresh("sync");
    target.claim(&sync, 1).await?;
    let checkpoint = Checkpoint { sync, run: 1, epoch: 1, batch: 1, first_change: 0, next_change: 1 };
    let mut batch = Batch::empty(Arc::new(spec.clone()), checkpoint, Utc::now());
    batch.deletes = keys(spec, deletes);
    batch.inserts = rows(spec, inserts);
    batch.updates = rows(spec, updates);
    target.apply(&batch).await
}

async fn mismatches(target: &PostgresTarget, spec: &TableSpec) -> Vec<String> {
    match target.inspect(spec).await.expect("an inspection") {
        Inspection::Present { mismatches, .. } => mismatches.iter().map(ToString::to_string).collect(),
        Inspection::Absent { .. } => panic!("the table is absent"),
    }
}
