//! A driver that blocks keeps nobody from anything, and a query that is not wanted any more ends.

use super::fixture::{all, duckdb, flightsql, model, postgres, shown_rows, sqlite, until};
use crate::support::required;
use futures::StreamExt;
use hydrant::source::Source;
use std::{fs, process::Command, time::Duration};

/// Computes for hours before its first row.
const ENDLESS: &str = "select sum(a.range * b.range) as x from range(10000000) a, range(10000000) b";

/// The threads of this process that are in a driver, and those that a driver in C has made itself. (One in Go keeps its
/// threads for ever.)
pub(crate) fn threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| matches!(name.trim(), "hydrant-adbc" | "hydrant-cancel")).count()
}

/// How many statements with this text run on the server.
fn running(text: &str) -> usize {
    let sql = format!(
        "select count(*) from pg_stat_activity where state = 'active' and query like '%{text}%' and pid <> pg_backend_pid()"
    );
    let url = required("HYDRANT_TEST_POSTGRES");
    let output = Command::new("psql").args(["-qXAt", &url, "-c", &sql]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// One thread, which a driver must not have.
#[tokio::test(flavor = "current_thread")]
async fn the_runtime_goes_on_while_a_driver_blocks() {
    let source = duckdb("");
    let endless = model(ENDLESS);
    let opening = source.open(&endless);
    let mut ticks = 0;
    tokio::select! {
        _ = opening => panic!("it has ended"),
        () = async {
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                ticks += 1;
            }
        } => {}
    }
    assert_eq!(ticks, 20);
    until("the end of the driver's thread", || threads() == 0);
    // The source is as good as before.
    assert_eq!(shown_rows(&all(&source, "select 1 as id").await), ["1"]);
}

#[tokio::test]
async fn the_columns_are_known_without_running_the_query() {
    let numbers = "with recursive t(n) as (select 1 union all select n + 1 from t) select n from t";
    for (source, sql) in [
        (duckdb(""), ENDLESS),
        (postgres(), "select pg_sleep(600)::text as x"),
        (sqlite(":memory:"), numbers),
        (flightsql(), "select count(*) as x from range(1000000) a cross join range(1000000) b"),
    ] {
        let model = model(sql);
        let described = tokio::time::timeout(Duration::from_secs(20), source.describe(&model)).await;
        assert_eq!(described.expect("in time").unwrap().fields().len(), 1, "{sql}");
    }
}

#[tokio::test]
async fn a_query_that_is_not_waited_for_any_more_ends_on_the_server() {
    let source = postgres();
    let mark = format!("hydrant_wait_{}", std::process::id());
    let sql = format!("select pg_sleep(600)::text as {mark}");
    let waited = tokio::time::timeout(Duration::from_secs(1), source.open(&model(&sql))).await;
    assert!(waited.is_err(), "it has ended");
    until("the end of the query", || running(&mark) == 0);
    let statement = format!("select pg_sleep(600) as {mark}");
    let waited = tokio::time::timeout(Duration::from_secs(1), source.execute(&statement)).await;
    assert!(waited.is_err(), "it has ended");
    until("the end of the statement", || running(&mark) == 0);
    until("the end of the driver's threads", || threads() == 0);
}

#[tokio::test]
async fn a_stream_that_is_dropped_in_the_middle_ends_the_query_on_the_server() {
    let source = postgres();
    let mark = format!("hydrant_drop_{}", std::process::id());
    let sql = format!("select n as {mark}, repeat('x', 200) as x from generate_series(1, 100000000) n");
    let mut rows = source.open(&model(&sql)).await.unwrap();
    rows.batches.next().await.unwrap().unwrap();
    assert_eq!(running(&mark), 1);
    drop(rows);
    until("the end of the query", || running(&mark) == 0);
    until("the end of the driver's threads", || threads() == 0);
}
