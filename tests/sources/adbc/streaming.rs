//! Large results: streamed, in batches of a bounded size, never held.

use super::fixture::{duckdb, flightsql, model, postgres, sqlite, until};
use futures::StreamExt;
use hydrant::source::{Source, adbc::AdbcSource};
use std::{fs, time::Duration};

/// More than this no batch has.
const BATCH_ROWS_MAX: usize = 16_384;

async fn rows(source: &AdbcSource, sql: &str) -> usize {
    let mut rows = source.open(&model(sql)).await.unwrap_or_else(|error| panic!("{error}"));
    let mut count = 0;
    while let Some(batch) = rows.batches.next().await {
        let batch = batch.unwrap_or_else(|error| panic!("{error}"));
        assert!((1..=BATCH_ROWS_MAX).contains(&batch.num_rows()), "a batch of {} rows", batch.num_rows());
        count += batch.num_rows();
    }
    count
}

#[tokio::test]
async fn a_million_rows_arrive_in_batches_of_a_bounded_size() {
    assert_eq!(
        rows(&duckdb(""), "select range as id, 'name ' || range as name from range(1000000)").await,
        1_000_000
    );
    let sql = "select n as id, 'name ' || n as name from generate_series(1, 1000000) n";
    assert_eq!(rows(&postgres(), sql).await, 1_000_000);
    let sql =
        "with recursive t(n) as (select 1 union all select n + 1 from t where n < 200000) select n from t";
    assert_eq!(rows(&sqlite(":memory:"), sql).await, 200_000);
    assert_eq!(
        rows(&flightsql(), "select id, concat('name ', id) as name from range(1000000)").await,
        1_000_000
    );
}

/// Memory of this process, in megabytes.
fn memory_mb() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096 / 1_000_000
}

#[tokio::test]
async fn a_driver_is_held_up_by_whoever_takes_the_rows() {
    for (source, sql) in [
        // 8 GB of text.
        (duckdb(""), "select range as id, repeat('x', 80) as a, repeat('y', 80) as b from range(50000000)"),
        (
            postgres(),
            "select n as id, repeat('x', 80) as a, repeat('y', 80) as b from generate_series(1, 50000000) n",
        ),
    ] {
        let mut rows = source.open(&model(sql)).await.unwrap();
        rows.batches.next().await.unwrap().unwrap();
        let before = memory_mb();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let more = memory_mb().saturating_sub(before);
        assert!(more < 150, "while nobody took a row, {more} MB were read ahead");
        drop(rows);
        until("the end of the driver's thread", || super::blocking::threads() == 0);
    }
}

#[tokio::test]
async fn two_queries_at_a_time_share_a_file_and_nobody_holds_it_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.duckdb");
    let shown = path.display();
    let writer = duckdb(&format!(", path: {shown}, read_only: false"));
    writer.execute("create table items as select range as id from range(100000)").await.unwrap();
    let reader = duckdb(&format!(", path: {shown}"));
    let (one, two) =
        tokio::join!(rows(&reader, "select id from items"), rows(&reader, "select id from items"));
    assert_eq!((one, two), (100_000, 100_000));
    until("the end of the driver's threads", || super::blocking::threads() == 0);
    writer.execute("insert into items select range from range(5)").await.unwrap();
    assert_eq!(rows(&reader, "select id from items").await, 100_005);
    let error = reader.execute("delete from items").await.unwrap_err();
    assert!(error.message.contains("read-only"), "{error}");
}
