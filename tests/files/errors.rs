//! What is said when a query or a file is wrong.

use crate::fixture::{Fixture, model, parquet_bytes, people};
use hydrant::source::{Model, Source, SourceErrorKind};

fn customers() -> Fixture {
    let files = Fixture::new().table("customers", "c.csv").table("orders", "c.csv");
    files.write("c.csv", "account_id,name,createdAt\n1,a,2024-01-01\n2,b,2024-01-02\n");
    files
}

#[tokio::test]
async fn an_error_in_the_query_is_shown_at_its_place() {
    let files = customers();
    for (name, sql) in [
        ("a typing error", "SELECT account_id\nFORM customers"),
        ("an end too early", "SELECT account_id,\nFROM"),
        ("an open quote", "SELECT 'abc FROM customers"),
        ("an unknown column", "SELECT c.account_id,\n\tc.nmae\nFROM customers c"),
        ("another case", "SELECT createdat FROM customers"),
        ("an unknown table", "SELECT *\nFROM custmers"),
        ("a table with a schema", "SELECT * FROM lake.customers"),
        ("an unknown function", "SELECT account_id, lowr(name) FROM customers"),
        ("a column of two tables", "SELECT account_id FROM customers CROSS JOIN orders"),
        ("a column that is not grouped", "SELECT name, count(*) FROM customers GROUP BY account_id"),
        ("types that do not fit", "SELECT account_id + name FROM customers WHERE sum(1) > 2"),
        ("wrong arguments", "SELECT substr(name) FROM customers"),
        ("a constant that cannot be cast", "SELECT CAST('abc' AS INT) AS n FROM customers"),
        ("two columns of one name", "SELECT account_id AS a, name AS a FROM customers"),
    ] {
        insta::assert_snapshot!(name, files.refusal(sql).await, sql);
    }
}

#[tokio::test]
async fn only_a_query_is_a_model() {
    let files = customers();
    for (name, sql) in [
        ("insert", "INSERT INTO customers VALUES (1)"),
        ("delete", "-- clean up\nDELETE FROM customers"),
        ("create", "CREATE TABLE x AS SELECT 1"),
        ("create external", "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'"),
        ("copy", "COPY customers TO '/tmp/x.csv'"),
        ("set", "SET datafusion.execution.batch_size = 1"),
        ("explain", "EXPLAIN SELECT 1"),
        ("select into", "SELECT * INTO x FROM customers"),
        ("two statements", "SELECT 1 AS a;\nDROP TABLE customers"),
        ("nothing", "  -- later\n"),
    ] {
        insta::assert_snapshot!(name, files.refusal(sql).await, sql);
    }
    files.show("SELECT account_id FROM customers;").await;
    files.show("VALUES (1, 'a')").await;
    files.show("WITH c AS (SELECT * FROM customers) SELECT * FROM c").await;
}

#[tokio::test]
async fn the_place_is_given_to_programs_too() {
    let sql = "SELECT account_id,\n  nmae FROM customers".to_owned();
    let in_file = Model { sql, file: Some("models/c.sql".into()), dbt: None };
    let error = customers().source().describe(&in_file).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Query);
    assert_eq!(error.position, Some((Some("models/c.sql".into()), 2, 3)));
    assert!(error.message.contains("--> models/c.sql:2:3"), "{error}");
}

#[tokio::test]
async fn a_broken_file_among_good_ones_is_named() {
    let files = Fixture::new().table("t", "t/*.parquet");
    files.parquet("t/a.parquet", &[people(0..10)]);
    files.write("t/b.parquet", "this is not Parquet, whatever its name says");
    files.parquet("t/c.parquet", &[people(10..20)]);
    insta::assert_snapshot!(files.refusal("SELECT id FROM t").await, @"Data: table t: t/b.parquet: Invalid Parquet file. Corrupt footer");
}

#[tokio::test]
async fn a_file_that_is_cut_off_is_named() {
    let files = Fixture::new().table("t", "t");
    let bytes = parquet_bytes(&[people(0..10_000)], 1_000);
    files.write("t/a.parquet", &bytes);
    files.write("t/b.parquet", &bytes[..bytes.len() / 2]);
    insta::assert_snapshot!(files.refusal("SELECT id FROM t").await, @"Data: table t: t/b.parquet: Invalid Parquet file. Corrupt footer");
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_found_by_its_record_and_not_shown() {
    let files = Fixture::new().table("csv", "a.csv").table("json", "a.json").table("short", "b.csv");
    let mut csv = "id,n\n".to_owned() + &(0..20_000).map(|id| format!("{id},{id}\n")).collect::<String>();
    let mut json: String = (0..20_000).map(|id| format!("{{\"id\":{id},\"at\":{{\"n\":{id}}}}}\n")).collect();
    csv.push_str("20000,secret\n");
    json.push_str("{\"id\":1,\"at\":{\"n\":\"secret\"}}\n");
    files.write("a.csv", &csv);
    files.write("a.json", json);
    files.write("b.csv", csv.replace("20000,secret", "20000"));
    insta::assert_snapshot!(files.refusal("SELECT n FROM csv").await, @"Data: table csv: a.csv: record 20001, column n: the value is not Int64, which the records before it are; hydrant guesses types from the first 10000 records");
    insta::assert_snapshot!(files.refusal("SELECT id, at['n'] AS n FROM json").await, @"Data: table json: a.json: field at.n: a value is not Int64");
    insta::assert_snapshot!(files.refusal("SELECT * FROM short").await, @"Data: table short: b.csv: incorrect number of fields for line 20002, expected 2 got 1");
}

#[tokio::test]
async fn a_value_that_cannot_be_computed_is_an_error_of_the_data() {
    let files = Fixture::new().table("t", "t.csv");
    files.write("t.csv", "id,name\n1,1\n2,secret\n0,3\n");
    insta::assert_snapshot!(files.refusal("SELECT CAST(name AS INT) AS n FROM t").await, @"Data: table t: t.csv: a text cannot be cast to Int32; find the rows with TRY_CAST, which gives NULL where CAST fails");
    insta::assert_snapshot!(files.refusal("SELECT 10 / id AS n FROM t").await, @"Data: table t: t.csv: division by zero");
}

#[tokio::test]
async fn a_file_that_may_not_be_read_is_denied() {
    use std::os::unix::fs::PermissionsExt;
    let files = Fixture::new().table("t", "t.csv");
    files.write("t.csv", "id\n1\n");
    let closed = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(files.path("t.csv"), closed).unwrap();
    if std::fs::read(files.path("t.csv")).is_ok() {
        // For root every file is open; a folder below a file is closed to root too, if not for want of rights.
        let files = Fixture::new().table("t", "t.csv/x.csv");
        files.write("t.csv", "id\n1\n");
        insta::assert_snapshot!(files.refusal("SELECT * FROM t").await, @"Missing: table t: looking for t.csv/x.csv: it is not there");
        return;
    }
    insta::assert_snapshot!(files.refusal("SELECT * FROM t").await, @"Denied: table t: looking for t.csv: Permission denied (os error 13)");
}

#[tokio::test]
async fn a_file_that_goes_away_while_it_is_waited_for_is_missing() {
    use futures::StreamExt;
    let files = Fixture::new().table("t", "t");
    // Far more batches than run ahead of a caller who does not take them.
    for part in 0..6 {
        files.parquet(&format!("t/{part}.parquet"), &[people(0..100_000)]);
    }
    let mut rows = files.source().open(&model("SELECT id FROM t")).await.unwrap();
    rows.batches.next().await.unwrap().unwrap();
    std::fs::remove_file(files.path("t/5.parquet")).unwrap();
    let last = rows.batches.fold(None, |_, batch| async move { Some(batch) }).await;
    let error = last.unwrap().unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Missing);
    assert_eq!(files.without_folder(&error.message), "table t: t/5.parquet: it is not there");
}
