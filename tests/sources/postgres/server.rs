//! A database of its own on the server that `./test` starts, and a source that reads it.

use super::harness::{postgres_server, psql};
use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::*,
    util::display::array_value_to_string,
};
use futures::TryStreamExt;
use hydrant::{
    config::{CopyMode, PostgresSpec},
    secret::Secret,
    source::{Model, Source, SourceError, postgres::PostgresSource},
};
use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// Both ways in which rows travel.
pub(crate) const WAYS: [CopyMode; 2] = [CopyMode::Binary, CopyMode::Never];

/// A name that no other test uses.
pub(crate) fn fresh(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let micros = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros();
    format!("{stem}_{micros:x}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Host and port of the server.
pub(crate) fn address() -> String {
    let server = postgres_server();
    server.split('@').nth(1).unwrap().split('/').next().unwrap().to_owned()
}

/// The superuser's way into a database, by this host and port.
pub(crate) fn url(address: &str, database: &str) -> String {
    let server = postgres_server();
    let account = server.split("://").nth(1).unwrap().split('@').next().unwrap();
    format!("postgres://{account}@{address}/{database}")
}

/// A new database, after these statements.
pub(crate) fn database(sql: &str) -> String {
    let name = fresh("source");
    psql(&postgres_server(), &format!("CREATE DATABASE {name}"));
    if !sql.is_empty() {
        psql(&url(&address(), &name), sql);
    }
    name
}

pub(crate) fn source(url: &str, copy: CopyMode, timeout: Option<Duration>) -> PostgresSource {
    let spec = PostgresSpec { url: Secret::new(url), password: None, statement_timeout: timeout, copy };
    PostgresSource::new("shop", &spec).unwrap()
}

pub(crate) fn model(sql: &str) -> Model {
    Model { sql: sql.to_owned(), ..Model::default() }
}

pub(crate) async fn read(source: &PostgresSource, sql: &str) -> Result<Vec<RecordBatch>, SourceError> {
    source.open(&model(sql)).await?.batches.try_collect().await
}

/// What reading says in the end.
pub(crate) async fn refused(source: &PostgresSource, sql: &str) -> SourceError {
    match read(source, sql).await {
        Ok(batches) => panic!("{sql} was read: {batches:?}"),
        Err(error) => error,
    }
}

/// A value in a form that the server can be asked for too: times as their numbers, bytes in hexadecimal, decimals without
/// zeros at their end.
pub(crate) fn shown(array: &dyn Array, row: usize) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let list = |items: &dyn Array| (0..items.len()).map(|at| shown(items, at)).collect::<Vec<_>>().join("|");
    if array.is_null(row) {
        return "NULL".to_owned();
    }
    match array.data_type() {
        DataType::Date32 => array.as_primitive::<Date32Type>().value(row).to_string(),
        DataType::Time64(_) => array.as_primitive::<Time64MicrosecondType>().value(row).to_string(),
        DataType::Timestamp(..) => array.as_primitive::<TimestampMicrosecondType>().value(row).to_string(),
        DataType::Binary => hex(array.as_binary::<i32>().value(row)),
        DataType::FixedSizeBinary(_) => hex(array.as_fixed_size_binary().value(row)),
        // By their bits: many texts are the same number.
        DataType::Float32 => format!("{:08x}", array.as_primitive::<Float32Type>().value(row).to_bits()),
        DataType::Float64 => format!("{:016x}", array.as_primitive::<Float64Type>().value(row).to_bits()),
        DataType::Decimal128(..) | DataType::Decimal256(..) => {
            let text = array_value_to_string(array, row).unwrap();
            match text.contains('.') {
                true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                // Units of a hundred, of which there are none.
                false if text.trim_start_matches('0').is_empty() => "0".to_owned(),
                false => text,
            }
        }
        DataType::List(_) => list(array.as_list::<i32>().value(row).as_ref()),
        DataType::FixedSizeList(..) => list(array.as_fixed_size_list().value(row).as_ref()),
        _ => array_value_to_string(array, row).unwrap(),
    }
}

/// The first column of all rows.
pub(crate) fn first_column(batches: &[RecordBatch]) -> Vec<String> {
    let of = |batch: &RecordBatch| {
        let column = batch.column(0).clone();
        (0..batch.num_rows()).map(move |row| shown(column.as_ref(), row)).collect::<Vec<_>>()
    };
    batches.iter().flat_map(of).collect()
}
