//! What goes wrong, said with place, cause and mend.

use super::fixture::{
    duckdb, error, flightsql, library, model, postgres, postgres_at, snowflake, source, sqlite,
};
use crate::support::required;
use hydrant::source::{Model, Source, SourceErrorKind as Kind};
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

#[tokio::test]
async fn an_error_in_a_query_is_shown_where_it_is() {
    let file = Some("models/items.sql".into());
    let model = Model {
        sql: "select id,\n\tnmae\nfrom range(3) t(id)".to_owned(),
        file: file.clone(),
        ..Model::default()
    };
    let source = duckdb("");
    for error in [source.open(&model).await.err().unwrap(), source.describe(&model).await.unwrap_err()] {
        assert_eq!(error.kind, Kind::Query);
        let (before, picture) = error.message.split_once('\n').unwrap();
        assert!(before.contains("Referenced column \"nmae\" not found"), "{error}");
        assert!(picture.contains(" --> models/items.sql:2:2\n  |\n2 | \tnmae\n  | \t^"), "{error}");
        assert_eq!(error.position, Some((file.clone(), 2, 2)));
    }
    let model = Model { sql: "select 1,\n  nmae".to_owned(), file: file.clone(), ..Model::default() };
    let error = postgres().open(&model).await.err().unwrap();
    assert_eq!((error.kind, error.position.clone()), (Kind::Query, Some((file, 2, 3))), "{error}");
    assert!(error.message.contains("column \"nmae\" does not exist (SQLSTATE 42703)"), "{error}");
    assert!(!error.message.contains("Query was"), "{error}");
}

#[tokio::test]
async fn a_table_that_is_not_there_is_missing_and_bad_sql_is_a_query() {
    for source in [duckdb(""), postgres(), sqlite(":memory:"), snowflake(), flightsql()] {
        let missing = error(&source, "select * from no_such_table").await;
        assert_eq!(missing.kind, Kind::Missing, "{missing}");
        assert!(missing.message.to_lowercase().contains("no_such_table"), "{missing}");
        let described = source.describe(&model("select * from no_such_table")).await.unwrap_err();
        assert_eq!(described.kind, Kind::Missing, "{described}");
        let wrong = error(&source, "selec 1").await;
        assert_eq!(wrong.kind, Kind::Query, "{wrong}");
    }
}

#[tokio::test]
async fn values_of_rows_are_not_shown() {
    for (source, sql) in [
        (duckdb(""), "select cast(x as int) as n from (values ('hunter2')) t (x)"),
        (postgres(), "select x::int as n from (values ('hunter2')) t (x)"),
    ] {
        let error = error(&source, sql).await;
        assert_eq!(error.kind, Kind::Data, "{error}");
        let (message, _) = error.message.split_once("\n").unwrap_or((&error.message, ""));
        assert!(!message.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn an_error_in_the_middle_of_the_rows_ends_the_stream() {
    // More rows than one batch before the one that fails.
    let sql = "select 1 / (300000 - range)::int as n, error(case when range = 300000 then 'no more' end) as e from range(400000)";
    let error = error(&duckdb(""), sql).await;
    assert!(error.message.contains("no more"), "{error}");
    let sql = "select 1 / (300000 - n) as n from generate_series(1, 400000) n";
    let error = super::fixture::error(&postgres(), sql).await;
    assert_eq!(error.kind, Kind::Data, "{error}");
    assert!(error.message.contains("division by zero"), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_denied_and_not_shown() {
    let url = required("HYDRANT_TEST_POSTGRES").replace(":secret@", ":hunter2@");
    assert!(url.contains("hunter2"));
    for error in [
        postgres_at(&url).about().await.unwrap_err(),
        postgres_at(&url).describe(&model("select 1 as id")).await.unwrap_err(),
        error(&postgres_at(&url), "select 1 as id").await,
    ] {
        assert_eq!(error.kind, Kind::Denied, "{error}");
        assert!(error.message.contains("password authentication failed"), "{error}");
        assert!(!error.message.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_unreachable() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error =
        error(&postgres_at(&format!("postgres://u:hunter2@127.0.0.1:{port}/db")), "select 1 as id").await;
    assert_eq!(error.kind, Kind::Unreachable, "{error}");
    assert!(error.message.starts_with("connecting to ADBC: "), "{error}");
    assert!(!error.message.contains("hunter2"), "{error}");
    let away = source(&format!(
        "{{ type: flightsql, driver: {}, url: \"grpc://127.0.0.1:{port}\" }}",
        library("adbc_driver_flightsql")
    ));
    let error = super::fixture::error(&away, "select 1 as id").await;
    assert_eq!(error.kind, Kind::Unreachable, "{error}");
}

#[tokio::test]
async fn options_that_a_driver_does_not_take_are_told() {
    let error = duckdb(", options: { no_such_option: 1 }").about().await.unwrap_err();
    assert_eq!(error.kind, Kind::Broken, "{error}");
    assert!(error.message.contains("no_such_option"), "{error}");
    let error = duckdb(", settings: { no_such_setting: 1 }").about().await.unwrap_err();
    assert!(error.message.contains("setting no_such_setting"), "{error}");
    let statement = source(&format!(
        "{{ type: adbc, driver: {}, options: {{ uri: \":memory:\" }}, statement: {{ no.such.option: 1 }} }}",
        library("adbc_driver_sqlite")
    ));
    let error = super::fixture::error(&statement, "select 1 as id").await;
    assert!(error.message.contains("the driver does not take its option no.such.option"), "{error}");
}

#[tokio::test]
async fn a_file_of_duckdb_that_is_not_there_or_is_taken_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.duckdb");
    let block = format!(", path: {}", path.display());
    let error = duckdb(&block).about().await.unwrap_err();
    assert_eq!(error.kind, Kind::Missing, "{error}");
    assert!(!path.exists(), "a source makes no file");

    duckdb(&format!("{block}, read_only: false")).execute("create table t (id int)").await.unwrap();
    // Another process writes; locks of the same process do not count.
    let hold = "import fcntl, sys, time; file = open(sys.argv[1], 'r+b'); fcntl.lockf(file, fcntl.LOCK_EX); \
                print('held', flush=True); time.sleep(60)";
    let mut writer =
        Command::new("python3").args(["-c", hold]).arg(&path).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(writer.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "held\n");
    let error = duckdb(&block).about().await.unwrap_err();
    writer.kill().unwrap();
    writer.wait().unwrap();
    assert_eq!(error.kind, Kind::Unreachable, "{error}");
    assert!(error.message.contains("lock"), "{error}");
    duckdb(&block).about().await.unwrap();
}
