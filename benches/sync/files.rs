//! The model written down: Parquet for hydrant and its peers, text for what is done by hand.

use crate::{
    day::{Day, Row},
    model::{Checksum, Column, Shape, batch},
};
use arrow::record_batch::RecordBatch;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    sync::mpsc::sync_channel,
    thread,
};

const BATCH: usize = 8_192;

/// How Parquet is written here, and by the plain loop that hydrant is compared with.
pub(crate) fn properties() -> WriterProperties {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1).expect("a level"));
    WriterProperties::builder().set_compression(zstd).build()
}

/// Writes the rows of a day, and says what a table with them holds.
pub(crate) fn write_parquet(path: &Path, shape: Shape, day: Day) -> Checksum {
    let columns = shape.columns();
    let mut checksum = Checksum::default();
    let schema = batch(shape, &columns, &[], &mut Checksum::default()).schema();
    let file = File::create(path).expect("a Parquet file");
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties())).expect("a writer");
    // One core makes the rows, another compresses them.
    let (sender, receiver) = sync_channel::<RecordBatch>(16);
    thread::scope(|scope| {
        scope.spawn(move || {
            for batch in receiver {
                writer.write(&batch).expect("writing");
            }
            writer.close().expect("closing");
        });
        let mut rows = Vec::with_capacity(BATCH);
        let mut all = day.rows();
        loop {
            rows.clear();
            rows.extend(all.by_ref().take(BATCH));
            if rows.is_empty() {
                break;
            }
            sender.send(batch(shape, &columns, &rows, &mut checksum)).expect("the writer lives");
        }
        drop(sender);
    });
    checksum
}

/// Writes rows as the text formats of `COPY` and `LOAD DATA` have them: parted by tabs, `\N` for NULL.
pub(crate) fn write_text(path: &Path, columns: &[Column], rows: impl Iterator<Item = Row>) {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).expect("a file"));
    let mut line = String::new();
    for row in rows {
        line.clear();
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                line.push('\t');
            }
            column.text(column.number(row), &mut line);
        }
        line.push('\n');
        file.write_all(line.as_bytes()).expect("writing");
    }
    file.flush().expect("writing");
}
