//! Sources as a configuration declares them, so that the blocks are tested with what they become.

use crate::support::required;
use arrow::{
    array::{Array, RecordBatch},
    compute::concat_batches,
    datatypes::SchemaRef,
    util::display::{ArrayFormatter, FormatOptions},
};
use futures::StreamExt;
use hydrant::{
    config::{AdbcSpec, SourceSpec, load},
    source::{Model, Source, SourceError, adbc::AdbcSource},
};
use std::{env::VarError, fs};

/// What the configuration says below `sources: { warehouse: … }`, in the form of YAML's `{ }`.
pub(crate) fn spec(block: &str) -> AdbcSpec {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hydrant.yml");
    let text = format!(
        "store: ./store\nsources:\n  warehouse: {block}\ntargets:\n  app: {{ type: sqlite, path: app.db }}\nsyncs:\n  \
         s: {{ source: warehouse, model: select 1 as id, key: id, target: app, table: t }}\n"
    );
    fs::write(&path, text).unwrap();
    let environment = |name: &str| std::env::var(name).map_err(|_| VarError::NotPresent);
    let config = load(&path, &environment).unwrap_or_else(|errors| panic!("{block}\n{errors}"));
    match &config.sources["warehouse"] {
        SourceSpec::Adbc(spec) => spec.clone(),
        other => panic!("{block} is {other:?}"),
    }
}

pub(crate) fn source(block: &str) -> AdbcSource {
    AdbcSource::new(&spec(block))
}

/// The path of a driver's library.
pub(crate) fn library(name: &str) -> String {
    format!("{}/lib{name}.so", required("HYDRANT_TEST_ADBC"))
}

/// DuckDB with more keys.
pub(crate) fn duckdb(more: &str) -> AdbcSource {
    source(&format!("{{ type: duckdb, driver: {}, threads: 2{more} }}", library("duckdb")))
}

/// The test server of PostgreSQL, by its ADBC driver, at a URL.
pub(crate) fn postgres_at(url: &str) -> AdbcSource {
    source(&format!(
        "{{ type: adbc, driver: {}, dialect: postgres, options: {{ uri: \"{url}\" }} }}",
        library("adbc_driver_postgresql")
    ))
}

pub(crate) fn postgres() -> AdbcSource {
    postgres_at(&required("HYDRANT_TEST_POSTGRES"))
}

/// A SQLite file, or one in memory.
pub(crate) fn sqlite(uri: &str) -> AdbcSource {
    source(&format!(
        "{{ type: adbc, driver: {}, options: {{ uri: \"{uri}\" }} }}",
        library("adbc_driver_sqlite")
    ))
}

pub(crate) fn snowflake() -> AdbcSource {
    let server = required("HYDRANT_TEST_SNOWFLAKE");
    let (host, port) = server.split_once(':').unwrap();
    source(&format!(
        "{{ type: snowflake, driver: {}, account: acme, user: hydrant, password: secret, database: SHOP, schema: PUBLIC, \
         options: {{ adbc.snowflake.sql.uri.host: \"{host}\", adbc.snowflake.sql.uri.port: \"{port}\", \
         adbc.snowflake.sql.uri.protocol: http }} }}",
        library("adbc_driver_snowflake")
    ))
}

pub(crate) fn flightsql() -> AdbcSource {
    source(&format!(
        "{{ type: flightsql, driver: {}, url: \"grpc://{}\" }}",
        library("adbc_driver_flightsql"),
        required("HYDRANT_TEST_FLIGHTSQL")
    ))
}

pub(crate) fn model(sql: &str) -> Model {
    Model { sql: sql.to_owned(), ..Model::default() }
}

/// All rows of a query as one batch.
pub(crate) async fn try_all(source: &AdbcSource, sql: &str) -> Result<RecordBatch, SourceError> {
    let mut rows = source.open(&model(sql)).await?;
    let mut batches = Vec::new();
    while let Some(batch) = rows.batches.next().await {
        batches.push(batch?);
    }
    for batch in &batches {
        assert_eq!(batch.schema().fields(), rows.schema.fields(), "every batch has the announced columns");
    }
    Ok(concat_batches(&rows.schema, &batches).unwrap())
}

pub(crate) async fn all(source: &AdbcSource, sql: &str) -> RecordBatch {
    try_all(source, sql).await.unwrap_or_else(|error| panic!("{sql}\n{error}"))
}

/// The error of a query, wherever it comes.
pub(crate) async fn error(source: &AdbcSource, sql: &str) -> SourceError {
    match try_all(source, sql).await {
        Ok(rows) => panic!("{sql} has {} rows", rows.num_rows()),
        Err(error) => error,
    }
}

/// Each column as `name: type`, with the extension type if there is one.
pub(crate) fn shown_schema(schema: &SchemaRef) -> Vec<String> {
    let shown = schema.fields().iter().map(|field| {
        let extension = field.metadata().get("ARROW:extension:name");
        let about = field.metadata().get("ARROW:extension:metadata");
        let extension = extension.map(|name| format!(" {name}{}", about.map_or("", String::as_str)));
        format!("{}: {}{}", field.name(), field.data_type(), extension.unwrap_or_default())
    });
    shown.collect()
}

/// Rows as text, NULL as `∅`.
pub(crate) fn shown_rows(rows: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("∅");
    let columns: Vec<_> =
        rows.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    (0..rows.num_rows())
        .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|"))
        .collect()
}

/// Waits until something is so.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let since = std::time::Instant::now();
    while !is_so() {
        assert!(
            since.elapsed() < std::time::Duration::from_secs(20),
            "in 20 seconds {what} did not come true"
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// How many NULLs each column has.
pub(crate) fn nulls(rows: &RecordBatch) -> Vec<usize> {
    rows.columns().iter().map(|column| column.null_count()).collect()
}
