//! DuckDB, against its own `COPY … TO` a Parquet file.

use crate::{
    ROUNDS, again, compare,
    measured::{Measured, measured},
    run,
};
use hydrant::{
    config::{SourceSpec, load, process_environment},
    source::adbc::AdbcSource,
};
use std::{fs, path::Path};

const CONFIGURATION: &str = "\
store: ./store
memory: 64MiB
sources:
  warehouse: { type: duckdb, driver: \"${HYDRANT_TEST_ADBC}/libduckdb.so\", path: warehouse.duckdb, threads: 1, memory: 64MiB }
  writable: { type: duckdb, driver: \"${HYDRANT_TEST_ADBC}/libduckdb.so\", path: warehouse.duckdb, read_only: false }
targets:
  app: { type: sqlite, path: app.db }
syncs:
  accounts: { source: warehouse, model: SELECT * FROM accounts, key: id, target: app, table: accounts }
";

pub(crate) fn bench(rows: u64) {
    println!("DuckDB through ADBC");
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("hydrant.yml"), CONFIGURATION).expect("a configuration");
    let execute = |sql: &str| {
        let mut command = again(&["--duckdb-execute", sql]);
        command.current_dir(folder.path());
        measured(command)
    };
    execute(&format!(
        "CREATE TABLE accounts AS SELECT n AS id, format('account {{:x}}', hash(n)) AS name, (n * 31 % 500)::int AS seats, \
         n * 7919 % 1000000 AS events, (n * 104729 % 10000000 / 100.0)::decimal(12,2) AS mrr, \
         (n * 15485863 % 1000003 / 1e3)::double AS score, n % 7 = 0 AS trial, \
         timestamptz '2026-01-01 00:00:00+00' + to_microseconds(n * 1000001) AS seen_at, \
         date '2019-04-14' + (n * 31 % 2000)::int AS since, \
         CASE WHEN n % 11 <> 0 THEN ['free', 'starter', 'growth', 'enterprise'][1 + n % 4] END AS plan \
         FROM range(1, {rows} + 1) AS t(n)"
    ));
    let copy = |options: &str| {
        let copy = format!("COPY (SELECT * FROM accounts) TO 'copy.parquet' (FORMAT parquet{options})");
        execute(&copy)
    };
    run(folder.path())[0].show("hydrant, first load into SQLite");
    let mut best = [Measured::WORST; 4];
    for _ in 0..ROUNDS {
        let [whole, export] = run(folder.path());
        let now = [copy(""), copy(", COMPRESSION zstd"), export, whole];
        best = std::array::from_fn(|at| best[at].better(now[at]));
    }
    let words = ["DuckDB, COPY TO", "DuckDB, COPY TO with zstd", "hydrant, export", "hydrant, no changes"];
    compare(rows, &std::array::from_fn::<_, 4, _>(|at| (words[at], best[at])));
}

/// Runs one statement on the database in the working folder.
#[tokio::main]
pub(crate) async fn execute(sql: &str) {
    let config = load(Path::new("hydrant.yml"), &process_environment).expect("the configuration");
    let SourceSpec::Adbc(spec) = &config.sources["writable"] else { unreachable!("it is DuckDB") };
    AdbcSource::new(spec).execute(sql).await.expect("the statement");
}
