//! How fast the last index and new fingerprints are compared, on one core, and how large the index is on the store:
//! `cargo bench --bench diff` (`--no-default-features` builds sooner and measures the same).
//!
//! The buckets of an index are compared with the fingerprints of the next run, once without changes and once with 1 % of
//! the rows changed (updates, deletes and inserts as 8 : 1 : 1, spread evenly), step by step as the engine's compare takes them:
//!
//! - `diff_alone`: what is in memory is merged;
//! - `index_read`: the buckets of the last index are fetched from a store on the local disk, and decoded;
//! - `new_gathered`: the buckets of the new fingerprints are collected from what the export left, and put in order;
//! - `compared`: all three, and the new index is encoded and put into the store.

// A bench prints what it measured.
#![allow(clippy::print_stdout)]

#[path = "support/standard.rs"]
#[allow(dead_code, reason = "other benches need more of it")]
mod standard;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use divan::{Bencher, counter::ItemsCount};
use hydrant::{
    diff::{BucketDiff, New, Old, Rules, Scope, diff},
    fingerprint::{Fingerprinter, Fingerprints},
    guard::Hold,
    spill::{Fingerprinted, NewBucket, Spill},
    store::{Bucket, KEY_HASH, ROW_HASH, RunNames, SyncStore, bucket_count, read_all},
    sync::DuplicateKeys,
};
use hydrant_contract::{Column, Integer, Shape, ValueType};
use object_store::{local::LocalFileSystem, path::Path};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use standard::{BATCH_ROWS, mix};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// Two full buckets.
const ROWS: i64 = 524_288;
/// Memory for fingerprints: as in a run, most of them are moved to local disk.
const SPILL_BYTES: usize = 64 << 20;
/// Bytes of a row's index on the store, beside its key, that we aim at.
const AIM_BYTES: f64 = 26.0;

fn main() {
    if !std::env::args().any(|argument| argument == "--list") {
        show_size(Key::Integer);
        show_size(Key::Text);
    }
    divan::main();
}

#[derive(Clone, Copy, Debug)]
enum Key {
    /// One column of 64-bit integers.
    Integer,
    /// One column of about 24 characters.
    Text,
}

/// What the next run finds.
#[derive(Clone, Copy, Debug)]
enum Next {
    Unchanged,
    OnePercentChanged,
}

const NEXT: [Next; 2] = [Next::Unchanged, Next::OnePercentChanged];

impl Next {
    /// The ids that it finds, and with which value.
    fn rows(self) -> Vec<(i64, i64)> {
        match self {
            Self::Unchanged => (0..ROWS).map(|id| (id, 0)).collect(),
            Self::OnePercentChanged => {
                let stay = (0..ROWS).filter(|id| id % 1_000 != 7);
                let new = ROWS..ROWS + ROWS / 1_000;
                stay.map(|id| (id, i64::from(id % 125 == 3))).chain(new.map(|id| (id, 0))).collect()
            }
        }
    }
}

#[divan::bench(args = NEXT, sample_count = 20, sample_size = 1)]
fn diff_alone(bencher: Bencher<'_, '_>, next: Next) {
    let runs = Runs::new(next);
    let pairs: Vec<_> = (0..runs.buckets).map(|at| (runs.last(at), runs.next(at))).collect();
    let count = |of: fn(&BucketDiff) -> usize| pairs.iter().map(|(old, new)| of(&compare(old, new))).sum();
    let found: [usize; 3] =
        [count(|d| d.updates.len()), count(|d| d.deletes.len()), count(|d| d.inserts.len())];
    let expected = match next {
        Next::Unchanged => [0; 3],
        Next::OnePercentChanged => [4_195, 525, 524],
    };
    assert_eq!(found, expected, "updates, deletes and inserts");
    bencher
        .counter(runs.keys())
        .bench_local(|| pairs.iter().map(|(old, new)| compare(old, new)).collect::<Vec<_>>());
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn index_read(bencher: Bencher<'_, '_>) {
    let runs = Runs::new(Next::Unchanged);
    bencher
        .counter(runs.keys())
        .bench_local(|| (0..runs.buckets).map(|at| runs.last(at).hashes.len()).sum::<usize>());
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn new_gathered(bencher: Bencher<'_, '_>) {
    let runs = Runs::new(Next::Unchanged);
    bencher
        .counter(runs.keys())
        .bench_local(|| (0..runs.buckets).map(|at| runs.next(at).hashes.len()).sum::<usize>());
}

#[divan::bench(args = NEXT, sample_count = 20, sample_size = 1)]
fn compared(bencher: Bencher<'_, '_>, next: Next) {
    let runs = Runs::new(next);
    bencher.counter(runs.keys()).bench_local(|| {
        for at in 0..runs.buckets {
            let (old, new) = (runs.last(at), runs.next(at));
            let kept = compare(&old, &new).kept;
            let is_whole = kept.len() == new.hashes.len();
            let index = bucket(new);
            let index = if is_whole { index } else { index.select(&kept).expect("rows that are there") };
            runs.write(at, &index, &runs.names(2));
        }
    });
}

/// By the rules of a sync whose rows nothing holds back.
fn compare(old: &Bucket, new: &NewBucket) -> BucketDiff {
    diff(
        Old { hashes: &old.hashes, rows: &old.rows },
        New { hashes: &new.hashes, rows: &new.rows, positions: &new.positions },
        Rules {
            duplicate_keys: DuplicateKeys::Error,
            deletes: true,
            hold: Hold::default(),
            scope: Scope::All,
        },
    )
}

/// The index of a first run in a store on the local disk, and the fingerprints of the run after it.
struct Runs {
    buckets: usize,
    store: SyncStore,
    next: Fingerprinted,
    keys: arrow::datatypes::SchemaRef,
    runtime: Runtime,
    _folder: TempDir,
}

impl Runs {
    fn new(next: Next) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let objects = LocalFileSystem::new_with_prefix(folder.path()).expect("a store");
        let runs = Self {
            buckets: bucket_count(ROWS as u64),
            store: SyncStore::new(Arc::new(objects), &Path::default(), "accounts"),
            next: fingerprints(Key::Integer, &next.rows()),
            keys: shape(Key::Integer).key_schema(),
            runtime: Builder::new_current_thread().enable_all().build().expect("a runtime"),
            _folder: folder,
        };
        let first = fingerprints(Key::Integer, &Next::Unchanged.rows());
        for at in 0..runs.buckets {
            let new = first.bucket(at, runs.buckets).expect("fingerprints");
            runs.write(at, &bucket(new), &runs.names(1));
        }
        runs
    }

    fn names(&self, run: u64) -> RunNames {
        self.store.names().run(run)
    }

    fn keys(&self) -> ItemsCount {
        ItemsCount::new(self.next.rows())
    }

    fn write(&self, at: usize, bucket: &Bucket, names: &RunNames) {
        let bytes = bucket.encode().expect("Parquet");
        self.runtime.block_on(self.store.put(&names.index_bucket(at), bytes)).expect("written");
    }

    /// A bucket of the index, out of the store.
    fn last(&self, at: usize) -> Bucket {
        let path = self.names(1).index_bucket(at);
        let bytes = self.runtime.block_on(self.store.get(&path)).expect("the bucket");
        Bucket::from_batch(&read_all(bytes).expect("Parquet"), &self.keys, &path).expect("an index")
    }

    fn next(&self, at: usize) -> NewBucket {
        self.next.bucket(at, self.buckets).expect("fingerprints")
    }
}

fn bucket(new: NewBucket) -> Bucket {
    Bucket { hashes: new.hashes, rows: new.rows, keys: new.keys }
}

fn shape(key: Key) -> Shape {
    let key = match key {
        Key::Integer => ValueType::Integer(Integer::I64),
        Key::Text => ValueType::Text,
    };
    let columns = [("id", key), ("value", ValueType::Integer(Integer::I64))];
    let columns = columns.map(|(name, value)| Column { name: name.to_owned(), value });
    Shape::new(columns.to_vec(), vec!["id".to_owned()]).expect("a shape")
}

/// The fingerprints of these rows, as the export leaves them.
fn fingerprints(key: Key, rows: &[(i64, i64)]) -> Fingerprinted {
    let shape = shape(key);
    let scratch = tempfile::tempdir().expect("a folder");
    let mut spill = Spill::new(shape.key_schema(), SPILL_BYTES, scratch.path());
    let (mut fingerprinter, mut out) = (Fingerprinter::new(&shape), Fingerprints::default());
    let mut position = 0;
    for rows in rows.chunks(BATCH_ROWS as usize) {
        let ids = rows.iter().map(|(id, _)| *id);
        let ids: ArrayRef = match key {
            Key::Integer => Arc::new(Int64Array::from_iter_values(ids)),
            Key::Text => {
                Arc::new(StringArray::from_iter_values(ids.map(|id| format!("account {:016x}", mix(id)))))
            }
        };
        let values = Int64Array::from_iter_values(rows.iter().map(|(_, value)| *value));
        let batch = RecordBatch::try_new(shape.schema(), vec![ids, Arc::new(values)]).expect("rows");
        fingerprinter.hash(&batch, &mut out).expect("hashed");
        let keys = batch.project(&[0]).expect("the key").with_schema(shape.key_schema()).expect("the key");
        let positions = position..position + rows.len() as u64;
        position = positions.end;
        spill.push(&out.keys, &out.rows, positions, keys).expect("gathered");
    }
    spill.finish().expect("fingerprints")
}

/// Says how many bytes of index a row has on the store.
fn show_size(key: Key) {
    let fingerprints = fingerprints(key, &Next::Unchanged.rows());
    let buckets = bucket_count(ROWS as u64);
    let (mut hashes, mut keys, mut all) = (0, 0, 0);
    for at in 0..buckets {
        let bucket = bucket(fingerprints.bucket(at, buckets).expect("fingerprints"));
        let bytes = bytes::Bytes::from(bucket.encode().expect("Parquet"));
        all += bytes.len();
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).expect("Parquet");
        for column in reader.metadata().row_groups().iter().flat_map(|group| group.columns()) {
            let is_hash = [KEY_HASH, ROW_HASH].contains(&column.column_path().string().as_str());
            *(if is_hash { &mut hashes } else { &mut keys }) += column.compressed_size() as usize;
        }
    }
    let each = |bytes: usize| bytes as f64 / ROWS as f64;
    println!(
        "index of {ROWS} rows, {key:?} key: {:.2} bytes a row: {:.2} hashes, {:.2} key, {:.2} else; \
         {:.2} beside the key (aim: {AIM_BYTES} at most)",
        each(all),
        each(hashes),
        each(keys),
        each(all - hashes - keys),
        each(all - keys),
    );
}
