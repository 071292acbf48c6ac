//! Postgres, against what its own program needs to throw the same rows away: `\copy (query) to /dev/null (format binary)`.

use crate::{
    ROUNDS, again, compare,
    measured::{Measured, measured},
    run,
};
use futures::TryStreamExt;
use hydrant::{
    config::{CopyMode, PostgresSpec},
    secret::Secret,
    source::{Model, Source, postgres::PostgresSource},
};
use std::{fs, process::Command};

const QUERY: &str = "SELECT * FROM bench_accounts";

fn url() -> String {
    std::env::var("HYDRANT_TEST_POSTGRES").expect("HYDRANT_TEST_POSTGRES; see scripts/servers")
}

pub(crate) fn bench(rows: u64) {
    println!("Postgres");
    let url = url();
    generate(&url, rows);
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(
        folder.path().join("hydrant.yml"),
        format!(
            "store: ./store\nmemory: 64MiB\n\
             sources:\n  shop: {{ type: postgres, url: \"${{HYDRANT_TEST_POSTGRES}}\" }}\n\
             targets:\n  app: {{ type: sqlite, path: app.db }}\n\
             syncs:\n  accounts: {{ source: shop, model: {QUERY}, key: id, target: app, table: accounts }}\n"
        ),
    )
    .expect("a configuration");
    let psql = || {
        let copy = format!("\\copy ({QUERY}) to /dev/null (format binary)");
        let mut command = Command::new("psql");
        command.args(["-XqAt", "-d", &url, "-c", &copy]);
        measured(command)
    };
    run(folder.path())[0].show("hydrant, first load into SQLite");
    let mut best = [Measured::WORST; 4];
    for _ in 0..ROUNDS {
        let [whole, export] = run(folder.path());
        let now = [psql(), measured(again(&["--postgres-decode"])), export, whole];
        best = std::array::from_fn(|at| best[at].better(now[at]));
    }
    let words = ["psql, into /dev/null", "decoded into Arrow", "hydrant, export", "hydrant, no changes"];
    compare(rows, &std::array::from_fn::<_, 4, _>(|at| (words[at], best[at])));
    sql(&url, "DROP TABLE bench_accounts");
}

fn sql(url: &str, sql: &str) {
    let status = Command::new("psql").args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql]).status();
    assert!(status.expect("psql").success(), "{sql}");
}

fn generate(url: &str, rows: u64) {
    sql(
        url,
        &format!(
            "DROP TABLE IF EXISTS bench_accounts; \
             CREATE UNLOGGED TABLE bench_accounts AS SELECT n AS id, 'account ' || to_hex(n * 2654435761 % 4294967296) AS name, \
             (n * 31 % 500)::int AS seats, n * 7919 % 1000000 AS events, (n * 104729 % 10000000 / 100.0)::numeric(12,2) AS mrr, \
             (n * 15485863 % 1000003 / 1e3)::float8 AS score, n % 7 = 0 AS trial, \
             timestamptz '2026-01-01 00:00:00+00' + n * interval '1.000001 s' AS seen_at, date '2019-04-14' + (n * 31 % 2000)::int AS since, \
             CASE WHEN n % 11 <> 0 THEN (ARRAY['free', 'starter', 'growth', 'enterprise'])[1 + n % 4] END AS plan \
             FROM generate_series(1::bigint, {rows}) AS n"
        ),
    );
    sql(url, "VACUUM (FREEZE, ANALYZE) bench_accounts");
}

/// Reads all rows, and does nothing with them.
#[tokio::main]
pub(crate) async fn decode() {
    let url = url();
    let spec = PostgresSpec {
        url: Secret::new(&url),
        password: None,
        statement_timeout: None,
        copy: CopyMode::Auto,
    };
    let source = PostgresSource::new("bench", &spec).expect("a source");
    let model = Model { sql: QUERY.to_owned(), ..Model::default() };
    let mut batches = source.open(&model).await.expect("a query").batches;
    let mut rows = 0;
    while let Some(batch) = batches.try_next().await.expect("a batch") {
        rows += batch.num_rows();
    }
    assert!(rows > 0);
}
