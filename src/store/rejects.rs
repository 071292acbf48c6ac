//! Rows that were refused, as they are kept in the store.

use super::{Codec, KEY_HASH, StoreError, encode, hash_column, hashes_of};
use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, UInt64Array, new_null_array},
    compute::cast,
    datatypes::{DataType, UInt64Type},
    error::ArrowError,
};
use object_store::path::Path;
use serde::Serialize;
use std::sync::Arc;

/// One refused row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectRecord {
    /// Hash of its key; none if the key is NULL.
    #[serde(skip)]
    pub hash: Option<u128>,
    /// Its key as a JSON object.
    pub key: String,
    /// Its position in the export; none for a delete.
    pub position: Option<u64>,
    /// The column at fault, where one can be named.
    pub column: Option<String>,
    /// Why it was refused.
    pub reason: String,
    /// It may have been refused because of other rows of the same change set, which were not written yet.
    #[serde(skip)]
    pub may_settle: bool,
}

impl RejectRecord {
    /// The Parquet object for these records; either all or none of them have a hash.
    pub fn encode(records: &[Self]) -> Result<Vec<u8>, ArrowError> {
        let hashes: Vec<u128> = records.iter().filter_map(|r| r.hash).collect();
        let hash: ArrayRef = match hashes.len() == records.len() {
            true => Arc::new(hash_column(&hashes)),
            false => new_null_array(&DataType::FixedSizeBinary(16), records.len()),
        };
        let text = |of: fn(&Self) -> Option<&str>| {
            Arc::new(records.iter().map(of).collect::<StringArray>()) as ArrayRef
        };
        let batch = RecordBatch::try_from_iter_with_nullable([
            (KEY_HASH, hash, true),
            ("key", text(|r| Some(&r.key)), false),
            ("position", Arc::new(records.iter().map(|r| r.position).collect::<UInt64Array>()), true),
            ("column", text(|r| r.column.as_deref()), true),
            ("reason", text(|r| Some(&r.reason)), false),
            (
                "may_settle",
                Arc::new(records.iter().map(|r| Some(r.may_settle)).collect::<BooleanArray>()),
                false,
            ),
        ])?;
        Ok(encode(batch.schema(), &[batch], Codec::Rows)?)
    }

    /// Reads them back.
    pub fn decode(batch: &RecordBatch, path: &Path) -> Result<Vec<Self>, StoreError> {
        let column = |name: &str, as_type: &DataType| {
            let column = batch
                .column_by_name(name)
                .ok_or_else(|| StoreError::corrupt(path, format!("no column {name}")))?;
            cast(column, as_type).map_err(|e| StoreError::corrupt(path, e))
        };
        let (keys, reasons, columns) = (
            column("key", &DataType::Utf8)?,
            column("reason", &DataType::Utf8)?,
            column("column", &DataType::Utf8)?,
        );
        let positions = column("position", &DataType::UInt64)?;
        let positions = positions.as_primitive::<UInt64Type>();
        // Format 1 did not have it.
        let may_settle = batch.column_by_name("may_settle").and_then(|c| c.as_boolean_opt().cloned());
        let hashes = column(KEY_HASH, &DataType::FixedSizeBinary(16))?;
        let mut known = hashes_of(hashes.as_fixed_size_binary()).into_iter();
        let text = |array: &ArrayRef, row| array.as_string::<i32>().value(row).to_owned();
        Ok((0..batch.num_rows())
            .map(|row| Self {
                hash: if hashes.is_valid(row) { known.next() } else { None },
                key: text(&keys, row),
                position: positions.is_valid(row).then(|| positions.value(row)),
                column: columns.is_valid(row).then(|| text(&columns, row)),
                reason: text(&reasons, row),
                may_settle: may_settle.as_ref().is_some_and(|column| column.value(row)),
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_back() {
        let record = |hash| RejectRecord {
            hash,
            key: r#"{"id":1}"#.into(),
            position: hash.map(|_| 7),
            column: None,
            reason: "a NUL".into(),
            may_settle: hash.is_some(),
        };
        for records in [vec![record(Some(1 << 100)), record(Some(3))], vec![record(None)]] {
            let batch = crate::store::read_all(RejectRecord::encode(&records).unwrap().into()).unwrap();
            assert_eq!(RejectRecord::decode(&batch, &Path::from("x")).unwrap(), records);
        }
    }
}
