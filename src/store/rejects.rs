//! Rows that were refused, as they are kept in the store.

use super::{
    Codec, Commit, History, KEY_HASH, NoteNames, Published, RunNames, Sealed, StoreError, SyncStore, encode,
    hashes_of, read_all,
};
use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, RecordBatch, StringArray, UInt64Array,
    },
    compute::cast,
    datatypes::{DataType, UInt64Type},
    error::ArrowError,
};
use object_store::path::Path;
use serde::Serialize;
use std::{collections::HashMap, sync::Arc};

/// One refused row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RejectRecord {
    /// Hash of its key; none if the key is NULL, or cannot be carried.
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
    /// The value of that column as JSON, shortened; none where no column is named, or its values are hidden.
    pub value: Option<String>,
    /// The first run of those that refused it without a break; none if that is not known.
    pub first_run: Option<u64>,
    /// It may have been refused because of other rows of the same change set, which were not written yet.
    #[serde(skip)]
    pub may_settle: bool,
}

impl RejectRecord {
    /// One line about it.
    pub fn in_words(&self) -> String {
        let column = self.column.as_ref().map_or_else(String::new, |column| format!("{column}: "));
        format!("{column}{} ({})", self.reason, self.key)
    }

    /// The Parquet object for these records.
    pub fn encode(records: &[Self]) -> Result<Vec<u8>, ArrowError> {
        let hashes = records.iter().map(|r| r.hash.map(u128::to_be_bytes));
        let hash = FixedSizeBinaryArray::try_from_sparse_iter_with_size(hashes, 16)?;
        let text = |of: fn(&Self) -> Option<&str>| {
            Arc::new(records.iter().map(of).collect::<StringArray>()) as ArrayRef
        };
        let batch = RecordBatch::try_from_iter_with_nullable([
            (KEY_HASH, Arc::new(hash) as _, true),
            ("key", text(|r| Some(&r.key)), false),
            ("position", Arc::new(records.iter().map(|r| r.position).collect::<UInt64Array>()), true),
            ("column", text(|r| r.column.as_deref()), true),
            ("reason", text(|r| Some(&r.reason)), false),
            ("value", text(|r| r.value.as_deref()), true),
            ("first_run", Arc::new(records.iter().map(|r| r.first_run).collect::<UInt64Array>()), true),
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
        // Earlier versions did not have these.
        let may_settle = batch.column_by_name("may_settle").and_then(|c| c.as_boolean_opt().cloned());
        let values = batch.column_by_name("value").map(|_| column("value", &DataType::Utf8)).transpose()?;
        let first_runs =
            batch.column_by_name("first_run").and_then(|c| c.as_primitive_opt::<UInt64Type>().cloned());
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
                value: values.as_ref().filter(|v| v.is_valid(row)).map(|v| text(v, row)),
                first_run: first_runs.as_ref().filter(|r| r.is_valid(row)).map(|r| r.value(row)),
                may_settle: may_settle.as_ref().is_some_and(|column| column.value(row)),
            })
            .collect())
    }
}

/// The rejects of one published run, file by file: first those of its export.
#[derive(Clone, Debug)]
pub struct Refused {
    store: SyncStore,
    names: RunNames,
    notes: NoteNames,
    exported: bool,
    batches: std::vec::IntoIter<u64>,
}

impl Refused {
    /// All of them. Without `published` only those of the export.
    pub fn of(store: &SyncStore, sealed: &Sealed, published: Option<&Published>) -> Self {
        let batches = published.map_or_else(Vec::new, |published| published.exceptions.rejects.clone());
        let exported = sealed.refused > 0;
        let names = store.names().run(sealed.run);
        let notes = published.map_or_else(|| names.notes(sealed.run), |p| p.notes(store.names()));
        Self { store: store.clone(), names, notes, exported, batches: batches.into_iter() }
    }

    /// Those of the next file; none at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<RejectRecord>>, StoreError> {
        if std::mem::take(&mut self.exported) {
            return match self.read(&self.names.refused()).await {
                Err(error) if error.is_missing() => Ok(Some(self.read(&self.names.null_keys()).await?)),
                read => Ok(Some(read?)),
            };
        }
        match self.batches.next() {
            Some(first) => Ok(Some(self.read(&self.notes.rejects(first)).await?)),
            None => Ok(None),
        }
    }

    /// At most so many of those that are left.
    pub async fn take(&mut self, most: usize) -> Result<Vec<RejectRecord>, StoreError> {
        let mut all = Vec::new();
        while all.len() < most
            && let Some(records) = self.next().await?
        {
            all.extend(records);
        }
        all.truncate(most);
        Ok(all)
    }

    async fn read(&self, path: &Path) -> Result<Vec<RejectRecord>, StoreError> {
        let batch = read_all(self.store.get(path).await?).map_err(|e| StoreError::corrupt(path, e))?;
        RejectRecord::decode(&batch, path)
    }
}

/// Rows whose first run is remembered; of more than these it is not told since when they are rejects.
const SINCE_MAX: usize = 100_000;

/// Since which run rows are rejects. It is read when the first row is refused: a run without rejects pays nothing.
#[derive(Debug)]
pub struct Since {
    store: SyncStore,
    /// The run under way.
    run: u64,
    /// The published run before it.
    base: Option<u64>,
    /// The first run by key hash, and whether these are all.
    known: Option<(HashMap<u128, u64>, bool)>,
}

impl Since {
    /// For a run that was compared with this one.
    pub fn new(store: &SyncStore, run: u64, base: Option<u64>) -> Self {
        Self { store: store.clone(), run, base, known: None }
    }

    /// Notes for these rows, refused in this run, since when they are rejects. What the store says already stays.
    pub async fn note(&mut self, records: &mut [RejectRecord]) -> Result<(), StoreError> {
        let unknown = |record: &&mut RejectRecord| record.hash.is_some() && record.first_run.is_none();
        for record in records.iter_mut().filter(unknown) {
            let (known, all) = match &self.known {
                Some(known) => known,
                None => self.known.insert(self.read().await?),
            };
            let earlier = record.hash.and_then(|hash| known.get(&hash).copied());
            record.first_run = earlier.or(all.then_some(self.run));
        }
        Ok(())
    }

    async fn read(&self) -> Result<(HashMap<u128, u64>, bool), StoreError> {
        let mut known = HashMap::new();
        let Some(base) = self.base else { return Ok((known, true)) };
        let Some(sealed) = History::sealed(&self.store, base).await? else { return Ok((known, false)) };
        let published = self.store.read(&self.store.names().manifest(base, Commit::Published)).await;
        let published: Published = match published {
            Ok(published) => published,
            Err(error) if error.is_missing() => return Ok((known, false)),
            Err(error) => return Err(error),
        };
        let mut refused = Refused::of(&self.store, &sealed, Some(&published));
        while let Some(records) = refused.next().await? {
            if known.len() >= SINCE_MAX {
                return Ok((known, false));
            }
            // What an earlier version wrote does not tell.
            known.extend(records.iter().filter_map(|r| Some((r.hash?, r.first_run.unwrap_or(base)))));
        }
        Ok((known, true))
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
            value: hash.map(|_| "\"x\"".into()),
            first_run: hash.map(|_| 3),
            may_settle: hash.is_some(),
        };
        for records in [vec![record(Some(1 << 100)), record(None), record(Some(3))], vec![record(None)]] {
            let batch = crate::store::read_all(RejectRecord::encode(&records).unwrap().into()).unwrap();
            assert_eq!(RejectRecord::decode(&batch, &Path::from("x")).unwrap(), records);
        }
    }
}
