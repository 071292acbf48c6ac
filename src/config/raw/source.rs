//! Where rows come from.

use super::*;
use crate::config::FileFormat;

mod postgres;
pub(in crate::config) use postgres::*;

block_by_type! {
    /// Where rows come from.
    Source {
        /// SQL over Parquet, CSV and JSON files.
        "files" => Files,
        /// Postgres, or what speaks its protocol.
        "postgres" => PostgresSource,
        /// A DuckDB file, or DuckDB's own SQL over files, by its ADBC driver.
        "duckdb" => Duckdb,
        /// Snowflake, by its ADBC driver.
        "snowflake" => Snowflake,
        /// Google BigQuery, by its ADBC driver.
        "bigquery" => Bigquery,
        /// Databricks SQL, by its ADBC driver.
        "databricks" => Databricks,
        /// Amazon Redshift, by its ADBC driver.
        "redshift" => Redshift,
        /// Any server of Arrow Flight SQL, by its ADBC driver.
        "flightsql" => Flightsql,
        /// Anything else that has an ADBC driver.
        "adbc" => Adbc,
    }
}

block! {
    /// SQL over Parquet, CSV and JSON files.
    Files {
        /// The tables that queries can use, by name: a file, a folder or a glob, on disk or in object storage.
        tables: Names<Either<Text, FileTable>>,
        /// Options of the storage client, for tables in object storage.
        [default] options: Names<Setting>,
    }
}

block! {
    /// A table of files, with its format.
    FileTable {
        /// A file, a folder or a glob; a path or a URL.
        path: Text,
        /// How the files are read. Without it: by their ending.
        [default] format: OneOf<FileFormat>,
    }
}

words! {
    FileFormat {
        "parquet" => Self::Parquet, "Apache Parquet.";
        "csv" => Self::Csv, "Comma-separated values with a header line.";
        "json" => Self::Json, "One JSON object per line.";
    }
}
