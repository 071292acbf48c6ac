//! A run without changes, whole: `cargo bench --bench unchanged` (`-- --rows 1000000` for fewer than ten million).
//!
//! Ten columns of Parquet are exported, fingerprinted and compared with the last index; nothing is sent to the target. The
//! baseline is a plain loop, in the same process image and the same minute, that reads the same Parquet and writes it again
//! with the same compression. Both are processes of their own, so that wall time, processor time and the peak of resident
//! memory are those of one piece of work.

// A bench prints what it measured.
#![allow(clippy::print_stdout)]

#[path = "support/measured.rs"]
#[allow(dead_code, reason = "another bench needs more of it")]
mod measured;

use arrow::{array::*, record_batch::RecordBatch};
use measured::{Measured, measured};
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use std::{
    fs::{self, File},
    path::Path,
    process::Command,
    sync::Arc,
};

const ROWS: i64 = 10_000_000;
const BATCH: i64 = 8_192;
/// The better of so many is taken: whatever else the machine does only ever adds time.
const ROUNDS: usize = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|a| a == "--plain-loop") {
        return rewrite(Path::new(&arguments[at + 1]), Path::new(&arguments[at + 2]));
    }
    let rows = arguments
        .iter()
        .position(|a| a == "--rows")
        .map_or(ROWS, |at| arguments[at + 1].parse().expect("--rows N"));

    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("accounts.parquet");
    generate(&source, rows);
    let size = fs::metadata(&source).expect("the file").len();
    println!("{rows} rows × 10 columns, {} MB of Parquet", size >> 20);
    fs::write(
        folder.path().join("hydrant.yml"),
        "store: ./store\n\
         sources:\n  lake: { type: files, tables: { accounts: accounts.parquet } }\n\
         targets:\n  app: { type: sqlite, path: app.db }\n\
         syncs:\n  accounts: { source: lake, model: SELECT * FROM accounts, key: id, target: app, table: accounts }\n",
    )
    .expect("a configuration");
    let hydrant = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hydrant"));
        command.current_dir(folder.path()).arg("run");
        measured(command)
    };
    let plain = || {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg("--plain-loop").arg(&source).arg(folder.path().join("again.parquet"));
        measured(command)
    };
    hydrant().show("hydrant, first load into SQLite");
    let (mut best, mut baseline) = (Measured::WORST, Measured::WORST);
    for _ in 0..ROUNDS {
        best = best.better(hydrant());
        baseline = baseline.better(plain());
    }
    best.show("hydrant, no changes");
    baseline.show("plain loop: read and write Parquet");
    println!("ratio of wall times: {:.2}", best.wall.as_secs_f64() / baseline.wall.as_secs_f64());
}

fn rewrite(from: &Path, to: &Path) {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(File::open(from).expect("the source")).expect("Parquet");
    let schema = reader.schema().clone();
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1).expect("a level"));
    let properties = WriterProperties::builder().set_compression(zstd).build();
    let mut writer =
        ArrowWriter::try_new(File::create(to).expect("a file"), schema, Some(properties)).expect("a writer");
    for batch in reader.with_batch_size(BATCH as usize).build().expect("a reader") {
        writer.write(&batch.expect("a batch")).expect("writing");
    }
    writer.close().expect("closing");
}

fn generate(path: &Path, rows: i64) {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1).expect("a level"));
    let properties = WriterProperties::builder().set_compression(zstd).build();
    let mut writer: Option<ArrowWriter<File>> = None;
    for first in (0..rows).step_by(BATCH as usize) {
        let batch = accounts(first..(first + BATCH).min(rows));
        let writer = writer.get_or_insert_with(|| {
            ArrowWriter::try_new(
                File::create(path).expect("a file"),
                batch.schema(),
                Some(properties.clone()),
            )
            .expect("a writer")
        });
        writer.write(&batch).expect("writing");
    }
    writer.expect("rows").close().expect("closing");
}

/// A number without a visible pattern, the same in every run.
fn mix(n: i64) -> i64 {
    let n = (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((n ^ (n >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 3) as i64
}

fn accounts(ids: std::ops::Range<i64>) -> RecordBatch {
    let ids = || ids.clone();
    let plans = ["free", "starter", "growth", "enterprise"];
    let decimals = Decimal128Array::from_iter_values(ids().map(|n| i128::from(mix(n) % 10_000_000)));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(ids()))),
        ("name", Arc::new(StringArray::from_iter_values(ids().map(|n| format!("account {:x}", mix(n)))))),
        ("seats", Arc::new(Int32Array::from_iter_values(ids().map(|n| (mix(n) % 500) as i32)))),
        ("events", Arc::new(Int64Array::from_iter_values(ids().map(|n| mix(n) % 1_000_000)))),
        ("mrr", Arc::new(decimals.with_precision_and_scale(12, 2).expect("a decimal"))),
        ("score", Arc::new(Float64Array::from_iter_values(ids().map(|n| mix(n) as f64 / 1e6)))),
        ("trial", Arc::new(BooleanArray::from_iter(ids().map(|n| Some(mix(n) % 7 == 0))))),
        (
            "seen_at",
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(
                    ids().map(|n| 1_790_000_000_000_000 + mix(n) % 10_000_000_000),
                )
                .with_timezone("UTC"),
            ),
        ),
        ("since", Arc::new(Date32Array::from_iter_values(ids().map(|n| 18_000 + (mix(n) % 2_000) as i32)))),
        (
            "plan",
            Arc::new(StringArray::from_iter(
                ids().map(|n| (mix(n) % 11 != 0).then(|| plans[(mix(n) % 4) as usize])),
            )),
        ),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}
