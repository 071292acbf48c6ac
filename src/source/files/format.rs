//! How files are read.

use crate::config::FileFormat as Declared;
use datafusion::{
    config::{CsvOptions, TableParquetOptions},
    datasource::file_format::{
        FileFormat, csv::CsvFormat, file_compression_type::FileCompressionType, json::JsonFormat,
        parquet::ParquetFormat,
    },
};
use std::sync::Arc;

/// From how many records of each CSV or JSON file the types of its columns are guessed. Ten thousand records are read in
/// some milliseconds; a column that is empty or looks like a number for longer than that is rare, and a value that does
/// not fit later is an error, never a guess.
pub(super) const RECORDS_GUESSED_FROM: usize = 10_000;

/// A format and the compression around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    pub(super) format: Declared,
    pub(super) compression: FileCompressionType,
}

impl Encoding {
    /// What the ending of a file's name says; what is declared counts more.
    pub(super) fn of(name: &str, declared: Option<Declared>) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let (name, compression) = match name.rsplit_once('.') {
            Some((name, "gz" | "gzip")) => (name, FileCompressionType::GZIP),
            Some((name, "zst" | "zstd")) => (name, FileCompressionType::ZSTD),
            _ => (name.as_str(), FileCompressionType::UNCOMPRESSED),
        };
        let by_ending = match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("parquet" | "parq" | "pq") => Some(Declared::Parquet),
            Some("csv") => Some(Declared::Csv),
            Some("json" | "jsonl" | "ndjson") => Some(Declared::Json),
            _ => None,
        };
        let format = declared.or(by_ending)?;
        // Parquet compresses within; from outside it could not be read by ranges.
        (format != Declared::Parquet || !compression.is_compressed()).then_some(Self { format, compression })
    }

    /// In words, for messages.
    pub(super) fn shown(self) -> String {
        let format = match self.format {
            Declared::Parquet => "Parquet",
            Declared::Csv => "CSV",
            Declared::Json => "JSON",
        };
        match self.compression {
            FileCompressionType::UNCOMPRESSED => format.to_owned(),
            FileCompressionType::GZIP => format!("{format} in gzip"),
            _ => format!("{format} in zstd"),
        }
    }

    /// The reader.
    pub(super) fn reader(self) -> Arc<dyn FileFormat> {
        match self.format {
            Declared::Parquet => {
                let mut options = TableParquetOptions::default();
                // What a column means (UUID, JSON) stands in its metadata.
                options.global.skip_metadata = false;
                // Old writers' 96-bit timestamps: as instants, and in microseconds, since in the default nanoseconds
                // the year 9999, a favourite for "never", would silently wrap around.
                options.global.coerce_int96 = Some("us".to_owned());
                options.global.coerce_int96_tz = Some("UTC".to_owned());
                Arc::new(ParquetFormat::default().with_options(options))
            }
            Declared::Csv => {
                let options = CsvOptions::default().with_has_header(true).with_newlines_in_values(true);
                let format = CsvFormat::default().with_options(options);
                let format = format.with_schema_infer_max_rec(RECORDS_GUESSED_FROM);
                Arc::new(format.with_file_compression_type(self.compression))
            }
            Declared::Json => {
                let format = JsonFormat::default().with_schema_infer_max_rec(RECORDS_GUESSED_FROM);
                Arc::new(format.with_file_compression_type(self.compression))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_tell_format_and_compression() {
        for (name, expected) in [
            ("a.parquet", Some("Parquet")),
            ("A.PARQUET", Some("Parquet")),
            ("a.parquet.gz", None),
            ("a.csv", Some("CSV")),
            ("a.b.csv.gz", Some("CSV in gzip")),
            ("a.jsonl.zst", Some("JSON in zstd")),
            ("a.ndjson", Some("JSON")),
            ("README.md", None),
            ("a.gz", None),
            ("csv", None),
        ] {
            assert_eq!(Encoding::of(name, None).map(Encoding::shown).as_deref(), expected, "{name}");
        }
        assert_eq!(
            Encoding::of("part-0.gz", Some(Declared::Csv)).map(Encoding::shown).as_deref(),
            Some("CSV in gzip")
        );
    }
}
