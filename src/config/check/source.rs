//! Sources.

use super::{each, options, warehouse};
use crate::config::{
    CopyMode, FileTable, FilesSpec, PostgresSpec, SourceSpec, location, raw,
    reader::{At, Reader},
    value::{Either, OneOf, Text},
};

pub(super) fn source(raw: At<raw::Source>, reader: &mut Reader<'_>) -> Option<SourceSpec> {
    match raw.value {
        raw::Source::Files(files) => {
            let tables = files.tables.given().map(|at| at.value);
            Some(SourceSpec::Files(FilesSpec {
                tables: each(tables, file_table, reader),
                options: options(files.options),
            }))
        }
        raw::Source::Duckdb(block) => warehouse::duckdb(block, reader).map(SourceSpec::Adbc),
        raw::Source::Snowflake(block) => warehouse::snowflake(block, &raw.span, reader).map(SourceSpec::Adbc),
        raw::Source::Bigquery(block) => warehouse::bigquery(block, reader).map(SourceSpec::Adbc),
        raw::Source::Databricks(block) => {
            warehouse::databricks(block, &raw.span, reader).map(SourceSpec::Adbc)
        }
        raw::Source::Redshift(block) => warehouse::redshift(block, &raw.span, reader).map(SourceSpec::Adbc),
        raw::Source::Flightsql(block) => warehouse::flightsql(block, reader).map(SourceSpec::Adbc),
        raw::Source::Adbc(block) => warehouse::adbc(block, reader).map(SourceSpec::Adbc),
        raw::Source::PostgresSource(block) => postgres(block, reader),
    }
}

/// What Postgres counts such times in: milliseconds in 31 bits.
const STATEMENT_TIMEOUT_MS_MAX: u128 = i32::MAX as u128;

fn postgres(raw: raw::PostgresSource, reader: &mut Reader<'_>) -> Option<SourceSpec> {
    let url = super::postgres_url(raw.url, reader);
    let password = raw.password.given().map(|at| at.value.0);
    let statement_timeout = match raw.statement_timeout.optional()? {
        Some(At { value, span }) if !(1..=STATEMENT_TIMEOUT_MS_MAX).contains(&value.0.as_millis()) => {
            let help = "give it at least 1ms, and at most 596h";
            reader.problem(&span, "Postgres has no such `statement_timeout`", help.to_owned());
            return None;
        }
        other => other.map(|at| at.value.0),
    };
    let copy = raw.copy.or(OneOf(CopyMode::Auto))?.0;
    Some(SourceSpec::Postgres(PostgresSpec { url: url?, password, statement_timeout, copy }))
}

fn file_table(raw: At<Either<Text, raw::FileTable>>, reader: &mut Reader<'_>) -> Option<FileTable> {
    let (path, format) = match raw.value {
        Either::Short(path) => (At { value: path, span: raw.span }, None),
        Either::Long(block) => (block.path.given()?, block.format.given().map(|at| at.value.0)),
    };
    Some(FileTable { location: location::location(&path, reader)?, format })
}
