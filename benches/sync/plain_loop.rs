//! The least that a run without changes can be: read the Parquet, write it again with the same compression.

use crate::files::properties;
use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};
use std::{fs::File, path::Path};

const BATCH: usize = 8_192;

pub(crate) fn rewrite(from: &Path, to: &Path) {
    let file = File::open(from).expect("the source");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
    let to = File::create(to).expect("a file");
    let mut writer = ArrowWriter::try_new(to, reader.schema().clone(), Some(properties())).expect("a writer");
    for batch in reader.with_batch_size(BATCH).build().expect("a reader") {
        writer.write(&batch.expect("a batch")).expect("writing");
    }
    writer.close().expect("closing");
}
