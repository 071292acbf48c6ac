//! A running query: flat memory, rows as they come, spilling, and an end when nobody wants more.

use crate::fixture::{Fixture, integers, model, write_large_parquet};
use futures::StreamExt;
use hydrant::source::{Source, SourceErrorKind};
use std::time::Duration;

/// The most memory that this process ever used, in bytes.
fn peak_memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn three_million_rows_are_read_in_flat_memory() {
    let files = Fixture::new().table("t", "t.parquet");
    write_large_parquet(&files.path("t.parquet"), 3_000_000, 100_000);
    let before = peak_memory_bytes();
    let mut rows = files.source().open(&model("SELECT id, name FROM t")).await.unwrap();
    let (mut count, mut bytes, mut batches) = (0, 0, 0);
    while let Some(batch) = rows.batches.next().await {
        let batch = batch.unwrap();
        assert!(batch.num_rows() <= 8192);
        let ids = integers(std::slice::from_ref(&batch), "id");
        assert!(ids.iter().copied().eq(count..count + i64::try_from(batch.num_rows()).unwrap()));
        count += i64::try_from(batch.num_rows()).unwrap();
        bytes += batch.get_array_memory_size();
        batches += 1;
    }
    assert_eq!(count, 3_000_000);
    assert!(batches > 300, "{batches}");
    let grown = peak_memory_bytes().saturating_sub(before);
    assert!(bytes > 100 << 20, "too few to show anything: {bytes}");
    assert!(grown < 64 << 20, "{grown} bytes for {bytes} bytes of rows");
}

#[tokio::test]
async fn rows_come_before_the_end_is_reached() {
    let files = Fixture::new().table("t", "t");
    write_large_parquet(
        &{
            std::fs::create_dir(files.path("t")).unwrap();
            files.path("t/a.parquet")
        },
        100_000,
        10_000,
    );
    write_large_parquet(&files.path("t/b.parquet"), 100_000, 10_000);
    // The last file is broken where only the one who comes there sees it.
    let mut bytes = std::fs::read(files.path("t/b.parquet")).unwrap();
    let at = bytes.len() * 3 / 4;
    bytes[at..at + 5_000].fill(0xff);
    std::fs::write(files.path("t/b.parquet"), bytes).unwrap();
    let (error, rows) = files.failure("SELECT id, name FROM t").await;
    assert!((100_000..200_000).contains(&rows), "{rows}");
    assert_eq!(error.kind, SourceErrorKind::Data);
    assert!(error.message.contains("t/b.parquet: "), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sort_larger_than_its_memory_goes_to_disk_and_leaves_nothing_there() {
    let files = Fixture::new().table("t", "t.parquet");
    write_large_parquet(&files.path("t.parquet"), 1_000_000, 100_000);
    std::fs::create_dir(files.path("scratch")).unwrap();
    let source = files.source().memory_bytes(16 << 20).scratch(files.path("scratch"));
    let mut rows = source.open(&model("SELECT id, name FROM t ORDER BY name DESC, id")).await.unwrap();
    let first = rows.batches.next().await.unwrap().unwrap();
    assert_eq!(integers(std::slice::from_ref(&first), "id")[..2], [999_999, 999_998]);
    let spilled = std::fs::read_dir(files.path("scratch")).unwrap().count();
    assert!(spilled > 0, "nothing was spilled");
    let rest = rows.batches.fold(0, |sum, batch| async move { sum + batch.unwrap().num_rows() }).await;
    assert_eq!(first.num_rows() + rest, 1_000_000);
    assert_eq!(std::fs::read_dir(files.path("scratch")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_larger_than_its_memory_goes_to_disk() {
    let files = Fixture::new().table("t", "t.parquet");
    write_large_parquet(&files.path("t.parquet"), 400_000, 100_000);
    let source = files.source().memory_bytes(16 << 20);
    let rows = source.open(&model("SELECT name, COUNT(*) AS n FROM t GROUP BY name")).await.unwrap();
    let count = rows.batches.fold(0, |sum, batch| async move { sum + batch.unwrap().num_rows() }).await;
    assert_eq!(count, 400_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_little_memory_for_a_join_is_said() {
    let files = Fixture::new().table("t", "t.parquet");
    write_large_parquet(&files.path("t.parquet"), 400_000, 100_000);
    let source = files.source().memory_bytes(8 << 20);
    let mut rows = source.open(&model("SELECT a.id FROM t a JOIN t b ON a.name = b.name")).await.unwrap();
    let error = loop {
        match rows.batches.next().await.expect("an error before the end") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, SourceErrorKind::Broken);
    assert!(error.message.contains("needs more memory than it may use"), "{error}");
}

#[tokio::test]
async fn dropping_the_stream_stops_the_query() {
    let files = Fixture::new().table("t", "t.parquet");
    write_large_parquet(&files.path("t.parquet"), 3_000_000, 100_000);
    std::fs::create_dir(files.path("scratch")).unwrap();
    let source = files.source().memory_bytes(32 << 20).scratch(files.path("scratch"));
    let spilled = || std::fs::read_dir(files.path("scratch")).unwrap().count();
    let mut rows = source.open(&model("SELECT id, name FROM t ORDER BY name DESC")).await.unwrap();
    // Nothing comes before all is sorted, but the sort has begun when it spills.
    let begun = async {
        while spilled() == 0 {
            let waited = tokio::time::timeout(Duration::from_millis(5), rows.batches.next()).await;
            assert!(waited.is_err(), "sorted before it was looked at");
        }
    };
    tokio::time::timeout(Duration::from_secs(60), begun).await.expect("the sort does not begin");
    drop(rows);
    // What it put on disk is its own and goes with it.
    let stopped = async {
        while spilled() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), stopped).await.expect("the query runs on");
    assert_eq!(integers(&files.rows("SELECT id FROM t LIMIT 1").await.1, "id"), [0]);
}

/// On one thread, that a query took for itself would be missing for everything else.
#[tokio::test(flavor = "current_thread")]
async fn a_query_that_computes_without_end_keeps_nobody_waiting() {
    let files = Fixture::new().table("t", "t.parquet");
    write_large_parquet(&files.path("t.parquet"), 200_000, 50_000);
    // Forty thousand million pairs: this would run for hours.
    let sql = "SELECT COUNT(*) AS n FROM t a CROSS JOIN t b WHERE a.id + b.id = -1";
    let mut rows = files.source().open(&model(sql)).await.unwrap();
    for _ in 0..5 {
        let waited = tokio::time::timeout(Duration::from_millis(100), rows.batches.next()).await;
        assert!(waited.is_err(), "it still runs");
    }
    // Comes back at once, whatever the query does; the test ends although it still runs.
    drop(rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_nobody_reads_does_not_run_ahead() {
    let files = Fixture::new().table("t", "t.parquet");
    write_large_parquet(&files.path("t.parquet"), 1_000_000, 100_000);
    let rows = files.source().open(&model("SELECT id, name FROM t")).await.unwrap();
    let before = peak_memory_bytes();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let grown = peak_memory_bytes().saturating_sub(before);
    assert!(grown < 40 << 20, "{grown}");
    drop(rows);
}
