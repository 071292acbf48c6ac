//! What a warehouse says of the rows that it has unloaded.

use arrow::{
    array::{AsArray, RecordBatch},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Int64Type},
};
use serde::Deserialize;

/// How the number of rows that were written gets known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The statement returns it, in the column of this name.
    Column(&'static str),
    /// The statement writes an object of this name beside the files, which lists them with their rows.
    Manifest(&'static str),
    /// It does not get known.
    None,
}

/// The number in what a statement returned; `None` if it is not in there.
pub(super) fn of_column(batches: &[RecordBatch], name: &str) -> Option<u64> {
    let mut rows = None;
    for batch in batches {
        let at = batch.schema().fields().iter().position(|field| field.name().eq_ignore_ascii_case(name))?;
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let numbers = cast_with_options(batch.column(at), &DataType::Int64, &options).ok()?;
        for number in numbers.as_primitive::<Int64Type>().iter() {
            rows = Some(rows.unwrap_or(0) + u64::try_from(number?).ok()?);
        }
    }
    rows
}

/// What Amazon Redshift writes for `MANIFEST VERBOSE`.
#[derive(Deserialize)]
pub(super) struct Manifest {
    pub(super) entries: Vec<Entry>,
}

/// A file in there.
#[derive(Deserialize)]
pub(super) struct Entry {
    pub(super) url: String,
    meta: EntryMeta,
}

#[derive(Deserialize)]
struct EntryMeta {
    record_count: u64,
}

impl Manifest {
    pub(super) fn rows(&self) -> u64 {
        self.entries.iter().map(|entry| entry.meta.record_count).sum()
    }

    /// The names of the files, without the folder that they are in.
    pub(super) fn names(&self) -> Vec<&str> {
        let name = |entry: &'_ Entry| entry.url.rfind('/').map_or(0, |at| at + 1);
        let mut names: Vec<_> = self.entries.iter().map(|entry| &entry.url[name(entry)..]).collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Decimal128Array, Int64Array, StringArray};
    use std::sync::Arc;

    fn returned(name: &str, column: ArrayRef) -> RecordBatch {
        RecordBatch::try_from_iter([(name, column)]).unwrap()
    }

    #[test]
    fn the_number_is_found_whatever_its_type_and_the_case_of_its_column() {
        let integers = returned("Count", Arc::new(Int64Array::from(vec![7])));
        assert_eq!(of_column(std::slice::from_ref(&integers), "count"), Some(7));
        assert_eq!(of_column(&[integers.clone(), integers.clone()], "count"), Some(14));
        let decimal = Decimal128Array::from(vec![120]).with_precision_and_scale(38, 0).unwrap();
        assert_eq!(of_column(&[returned("rows_unloaded", Arc::new(decimal))], "ROWS_UNLOADED"), Some(120));
        let text = StringArray::from(vec!["12"]);
        assert_eq!(of_column(&[returned("rows_unloaded", Arc::new(text))], "rows_unloaded"), Some(12));
        assert_eq!(of_column(&[integers], "rows_unloaded"), None, "there is no such column");
        assert_eq!(of_column(&[], "count"), None, "nothing was returned");
        let null = Int64Array::from(vec![None]);
        assert_eq!(of_column(&[returned("count", Arc::new(null))], "count"), None);
        let negative = Int64Array::from(vec![-1]);
        assert_eq!(of_column(&[returned("count", Arc::new(negative))], "count"), None);
    }

    #[test]
    fn a_manifest_of_redshift_is_read() {
        let text = r#"{
          "entries": [
            {"url": "s3://acme/users/runs/00000001/unloaded/0001_part_00.parquet", "meta": {"content_length": 9, "record_count": 2}},
            {"url": "s3://acme/users/runs/00000001/unloaded/0000_part_00.parquet", "meta": {"content_length": 9, "record_count": 3}}
          ],
          "schema": {"elements": [{"name": "id", "type": {"base": "integer"}}]},
          "meta": {"content_length": 18, "record_count": 5},
          "author": {"name": "Amazon Redshift", "version": "1.0.0"}
        }"#;
        let manifest: Manifest = serde_json::from_str(text).unwrap();
        assert_eq!(manifest.rows(), 5);
        assert_eq!(manifest.names(), ["0000_part_00.parquet", "0001_part_00.parquet"]);
    }
}
