//! Many small batches in one file of the scratch folder, to be read again in any order.
//!
//! It is one file however many there are, since a process may have only so many open, and several large tables may be compared at
//! the same time. Whoever reads does not wait for others who do.

use arrow::{
    array::RecordBatch,
    buffer::{Buffer, MutableBuffer},
    datatypes::SchemaRef,
    error::ArrowError,
    ipc::{
        Block,
        reader::{FileDecoder, read_footer_length},
        root_as_footer,
        writer::FileWriter,
    },
};
use std::{fs::File, io::BufWriter, ops::Range, os::unix::fs::FileExt, path::Path};

/// Batches are small: written one by one, each would have the system clear the rest of a page.
const WRITE_BYTES: usize = 1 << 20;
/// What an Arrow IPC file ends with: the length of its footer, and six bytes that say what it is.
const TRAILER_BYTES: usize = 10;

/// Writes batches. The file is gone from its folder already: nothing stays behind, however the process ends.
pub(super) struct BlocksWriter {
    schema: SchemaRef,
    file: File,
    writer: FileWriter<BufWriter<File>>,
}

/// Batches that are written.
pub(super) struct Blocks {
    file: File,
    places: Vec<Block>,
    decoder: FileDecoder,
}

/// Batches that are next to each other, as bytes.
pub(super) struct Run<'a> {
    bytes: Buffer,
    places: &'a [Block],
    decoder: &'a FileDecoder,
}

impl BlocksWriter {
    pub(super) fn create(scratch: &Path, schema: &SchemaRef) -> Result<Self, ArrowError> {
        let file = tempfile::tempfile_in(scratch)?;
        let buffered = BufWriter::with_capacity(WRITE_BYTES, file.try_clone()?);
        Ok(Self { schema: schema.clone(), file, writer: FileWriter::try_new(buffered, schema)? })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        self.writer.write(batch)
    }

    pub(super) fn finish(mut self) -> Result<Blocks, ArrowError> {
        self.writer.finish()?;
        drop(self.writer);
        let trailer = self.file.metadata()?.len() - TRAILER_BYTES as u64;
        let mut bytes = [0; TRAILER_BYTES];
        self.file.read_exact_at(&mut bytes, trailer)?;
        let length = read_footer_length(bytes)?;
        let mut footer = vec![0; length];
        self.file.read_exact_at(&mut footer, trailer - length as u64)?;
        let footer = root_as_footer(&footer)
            .map_err(|e| ArrowError::IpcError(format!("the footer of what was written: {e}")))?;
        let places = footer.recordBatches().iter().flatten().copied().collect();
        Ok(Blocks { file: self.file, places, decoder: FileDecoder::new(self.schema, footer.version()) })
    }
}

impl Blocks {
    /// How many batches there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Reads some that were written one after the other, at least one.
    pub(super) fn read(&self, batches: Range<usize>) -> Result<Run<'_>, ArrowError> {
        let places = &self.places[batches];
        let start = places[0].offset();
        let end = places.iter().map(end).max().unwrap_or(start);
        let mut bytes = MutableBuffer::from_len_zeroed((end - start) as usize);
        self.file.read_exact_at(&mut bytes, start as u64)?;
        Ok(Run { bytes: bytes.into(), places, decoder: &self.decoder })
    }
}

impl Run<'_> {
    /// One of them, without a copy of its bytes.
    pub(super) fn batch(&self, at: usize) -> Result<RecordBatch, ArrowError> {
        let (place, start) = (&self.places[at], self.places[0].offset());
        let from = (place.offset() - start) as usize;
        let bytes = self.bytes.slice_with_length(from, (end(place) - place.offset()) as usize);
        let batch = self.decoder.read_record_batch(place, &bytes)?;
        batch.ok_or_else(|| ArrowError::IpcError("a block of what was written is no batch".to_owned()))
    }
}

fn end(place: &Block) -> i64 {
    place.offset() + i64::from(place.metaDataLength()) + place.bodyLength()
}
