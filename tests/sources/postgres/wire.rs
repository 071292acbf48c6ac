//! A connection that breaks, a query that nobody wants any more.

use super::{
    harness::{eventually, psql},
    proxy::{Direction::Down, Fault, Proxy, Rule},
    server::{WAYS, address, database, first_column, model, read, source, url},
};
use futures::StreamExt;
use hydrant::source::{Source, SourceErrorKind};

const MANY: &str = "SELECT n, repeat('x', 100) AS filling FROM generate_series(1, 200000) AS n";

/// An end that is not the server's is never taken for the end of the rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_in_the_middle_is_an_error_and_the_next_one_is_whole() {
    let database = database("");
    for way in WAYS {
        for fault in [Fault::Cut, Fault::Reset, Fault::HalfClose] {
            // In the beginning, in the middle, and just before the end.
            for bytes in [30_000, 5_000_000, 22_000_000] {
                let proxy = Proxy::before(&address());
                proxy.inject(Rule::after(fault, Down, bytes));
                let source = source(&url(&proxy.address().to_string(), &database), way, None);
                let error = match read(&source, MANY).await {
                    Ok(batches) => {
                        let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
                        panic!("{fault:?} after {bytes} by {way:?} went unnoticed, with {rows} rows");
                    }
                    Err(error) => error,
                };
                assert_eq!(error.kind, SourceErrorKind::Unreachable, "{fault:?} by {way:?}: {error}");
                assert!(error.message.contains("reading the rows of the query on 127.0.0.1"), "{error}");
                proxy.heal();
                let rows: usize =
                    read(&source, MANY).await.unwrap().iter().map(|batch| batch.num_rows()).sum();
                assert_eq!(rows, 200_000);
            }
        }
    }
}

/// Sessions of sources in a database whose query sleeps. That they are active is not enough: a moment before, a statement of their
/// set-up was, too.
fn asleep(database: &str) -> Vec<String> {
    let asked = format!(
        "SELECT pid FROM pg_stat_activity WHERE datname = '{database}' AND application_name LIKE 'hydrant/%' AND wait_event = 'PgSleep'"
    );
    psql(&url(&address(), "postgres"), &asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_whose_rows_are_not_wanted_any_more_is_cancelled() {
    let database = database("");
    // One row, and then nothing for hours.
    let asked = "SELECT n, CASE WHEN n > 20000 THEN pg_sleep(7200)::text END AS waited FROM generate_series(1, 20001) AS n";
    for way in WAYS {
        let source = source(&url(&address(), &database), way, None);
        let mut rows = source.open(&model(asked)).await.unwrap();
        assert!(rows.batches.next().await.unwrap().is_ok());
        let waiting = tokio::spawn(async move { while rows.batches.next().await.is_some() {} });
        eventually("the query sleeps", || asleep(&database).len() == 1);
        waiting.abort();
        eventually("the query is cancelled", || asleep(&database).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_cancelled_by_somebody_else_says_so() {
    let database = database("");
    for way in WAYS {
        let source = source(&url(&address(), &database), way, None);
        let waiting = tokio::spawn(async move { read(&source, "SELECT pg_sleep(7200)::text AS v").await });
        eventually("the query sleeps", || asleep(&database).len() == 1);
        psql(&url(&address(), "postgres"), &format!("SELECT pg_cancel_backend({})", asleep(&database)[0]));
        let error = waiting.await.unwrap().unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Unreachable, "{error}");
        assert!(error.message.contains("canceling statement due to user request [57014]"), "{error}");
    }
}

/// What is waited for is the writer behind, not the server: the rows are there when they are wanted again.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_pauses_holds_the_server_up_and_loses_nothing() {
    let database = database("");
    for way in WAYS {
        let source = source(&url(&address(), &database), way, None);
        let mut rows = source.open(&model(MANY)).await.unwrap();
        let mut batches = vec![rows.batches.next().await.unwrap().unwrap()];
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        while let Some(batch) = rows.batches.next().await {
            batches.push(batch.unwrap());
        }
        let numbers = first_column(&batches);
        assert_eq!((numbers.len(), numbers[199_999].as_str()), (200_000, "200000"), "{way:?}");
    }
}
