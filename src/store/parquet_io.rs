//! Parquet in and out, a part at a time.
//!
//! Parts are small enough (tens of megabytes) to be encoded in memory and written by one put. That is what makes an upload
//! repeatable, leaves no half-written objects behind, and lets every core encode a part of its own: writing Parquet is the
//! costliest thing that a run does.

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
};
use bytes::Bytes;
use parquet::{
    arrow::{
        ArrowSchemaConverter, ArrowWriter,
        arrow_reader::{
            ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
            ParquetRecordBatchReaderBuilder, RowSelection,
        },
        arrow_writer::{ArrowRowGroupWriterFactory, compute_leaves},
    },
    basic::{Compression, Encoding, ZstdLevel},
    errors::ParquetError,
    file::{
        metadata::PageIndexPolicy,
        properties::{EnabledStatistics, WriterProperties},
        writer::SerializedFileWriter,
    },
    schema::types::ColumnPath,
};
use std::sync::Arc;

use super::{KEY_HASH, ROW_HASH};

/// How a part is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Exported rows: zstd 1, which costs little more than Snappy for a quarter less of what travels; level 3 doubles the time
    /// for 1.5 % of the size.
    Rows,
    /// Fingerprints: hashes do not compress, so they are stored as they are; the keys beside them are compressed.
    Fingerprints,
}

/// Encodes batches of this schema as one Parquet file with one row group.
pub fn encode(schema: SchemaRef, batches: &[RecordBatch], codec: Codec) -> Result<Vec<u8>, ParquetError> {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1)?);
    // Nobody looks for rows by the ranges of their values: rows are picked by their positions.
    let properties = WriterProperties::builder()
        .set_statistics_enabled(EnabledStatistics::None)
        .set_created_by(concat!("hydrant ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(zstd);
    let properties = match codec {
        Codec::Rows => {
            let properties = whole_numbers(&schema).fold(properties, |properties, column| {
                properties.set_column_encoding(column, Encoding::DELTA_BINARY_PACKED)
            });
            many_values(&schema, batches).into_iter().fold(properties, |properties, column| {
                properties.set_column_dictionary_enabled(column, false)
            })
        }
        Codec::Fingerprints => [KEY_HASH, ROW_HASH]
            .into_iter()
            .map(ColumnPath::from)
            .fold(properties.set_dictionary_enabled(false), |properties, column| {
                properties.set_column_compression(column, Compression::UNCOMPRESSED)
            }),
    };
    let (mut file, _) = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties.build()))?
        .into_serialized_writer()?;
    let batches = || batches.iter().filter(|batch| batch.num_rows() > 0);
    if batches().next().is_some() {
        let properties = file.properties().clone();
        let mut group = file.next_row_group()?;
        // One column after the other, which the processor's caches like better than all columns of one batch after the other. Each
        // has its encoders made when it is its turn, as if it were alone in a file: they reserve up to a megabyte each.
        for (at, field) in schema.fields().iter().enumerate() {
            let alone = Arc::new(schema.project(&[at])?);
            let columns = ArrowSchemaConverter::new().convert(&alone)?;
            let nowhere =
                SerializedFileWriter::new(std::io::sink(), columns.root_schema_ptr(), properties.clone())?;
            let mut writers = ArrowRowGroupWriterFactory::new(&nowhere, alone).create_column_writers(0)?;
            for batch in batches() {
                let leaves = compute_leaves(field, batch.column(at))?;
                writers.iter_mut().zip(&leaves).try_for_each(|(writer, leaf)| writer.write(leaf))?;
            }
            for writer in writers {
                writer.close()?.append_to_row_group(&mut group)?;
            }
        }
        group.close()?;
    }
    file.into_inner()
}

/// The columns whose values Parquet keeps as integers. Where such a column has no dictionary, differences between its values leave
/// less to compress: of ten columns the file is 8 % smaller, and picking one row in a thousand takes a fifth less time.
fn whole_numbers(schema: &SchemaRef) -> impl Iterator<Item = ColumnPath> {
    let whole = |data_type: &DataType| match data_type {
        DataType::Date32 | DataType::Time32(_) | DataType::Time64(_) | DataType::Timestamp(_, _) => true,
        DataType::Decimal128(digits, _) => *digits <= 18,
        other => other.is_integer(),
    };
    let columns = schema.fields().iter().filter(move |field| whole(field.data_type()));
    columns.map(|field| ColumnPath::from(field.name().as_str()))
}

/// Rows that are looked at to tell whether a column's values repeat, and how few say nothing about that.
const SAMPLE_ROWS: usize = 4096;
const SAMPLE_ROWS_MIN: usize = 512;

/// The columns whose values hardly repeat: more than half of those in a sample are different ones. A dictionary of them is made in
/// vain, value by value, and given up when it is full: a quarter of the processor's time of a whole run was that.
fn many_values(schema: &SchemaRef, batches: &[RecordBatch]) -> Vec<ColumnPath> {
    let Some(middle) = batches.get(batches.len() / 2).filter(|batch| batch.num_rows() >= SAMPLE_ROWS_MIN)
    else {
        return Vec::new();
    };
    let hardly_repeats = |column: &ArrayRef| {
        let sample = column.slice(0, column.len().min(SAMPLE_ROWS));
        let of = DataType::Dictionary(Box::new(DataType::Int32), Box::new(column.data_type().clone()));
        // What cannot be cast so has a dictionary as ever.
        let different = cast(&sample, &of).ok().and_then(|d| Some(d.as_any_dictionary_opt()?.values().len()));
        different.is_some_and(|different| different * 2 > sample.len() - sample.null_count())
    };
    let columns = schema.fields().iter().zip(middle.columns());
    let flat = columns.filter(|(field, _)| !field.data_type().is_nested());
    flat.filter(|(_, column)| hardly_repeats(column))
        .map(|(field, _)| ColumnPath::from(field.name().as_str()))
        .collect()
}

/// Bytes that a decoded batch should have at most: rows of a kilobyte come a few thousand at a time, documents one by one.
const BATCH_BYTES: usize = 8 << 20;
const BATCH_ROWS: usize = 8192;

/// Reads a Parquet file, or the selected rows of it, in batches of a few megabytes at most.
pub fn decode(
    bytes: Bytes,
    selection: Option<RowSelection>,
) -> Result<ParquetRecordBatchReader, ParquetError> {
    let index = if selection.is_some() { PageIndexPolicy::Optional } else { PageIndexPolicy::Skip };
    let metadata =
        ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new().with_page_index_policy(index))?;
    let groups = metadata.metadata().row_groups();
    let total: usize = groups.iter().map(|g| usize::try_from(g.total_byte_size()).unwrap_or(0)).sum();
    let rows: usize = groups.iter().map(|g| usize::try_from(g.num_rows()).unwrap_or(0)).sum();
    let batch_rows = (BATCH_BYTES * rows.max(1) / total.max(1)).clamp(1, BATCH_ROWS);
    let builder =
        ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata).with_batch_size(batch_rows);
    match selection {
        Some(selection) => builder.with_row_selection(selection).build(),
        None => builder.build(),
    }
}

/// Reads a whole Parquet file as one batch.
pub fn read_all(bytes: Bytes) -> Result<RecordBatch, ArrowError> {
    let reader = decode(bytes, None)?;
    let schema = arrow::array::RecordBatchReader::schema(&reader);
    let batches = reader.collect::<Result<Vec<_>, _>>()?;
    match batches.as_slice() {
        [only] => Ok(only.clone()),
        many => arrow::compute::concat_batches(&schema, many),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::{
        array::{
            Decimal128Array, Int32Array, Int64Array, ListArray, StringArray, StructArray, UInt32Array,
            UInt64Array,
        },
        buffer::OffsetBuffer,
        datatypes::{Field, Int64Type, TimeUnit},
    };
    use parquet::arrow::arrow_reader::RowSelector;

    #[test]
    fn only_values_that_repeat_have_a_dictionary() {
        let n = 0..5000;
        let columns: [(&str, ArrayRef); 6] = [
            ("id", Arc::new(Int64Array::from_iter_values(n.clone()))),
            ("few", Arc::new(Int64Array::from_iter_values(n.clone().map(|n| n % 500)))),
            ("name.full", Arc::new(StringArray::from_iter_values(n.clone().map(|n| format!("name {n}"))))),
            ("plan", Arc::new(StringArray::from_iter(n.clone().map(|n| (n % 9 > 0).then_some("free"))))),
            ("price", Arc::new(Decimal128Array::from_iter_values(n.clone().map(i128::from)))),
            ("none", Arc::new(Int64Array::from_iter(n.clone().map(|_| None::<i64>)))),
        ];
        let batch =
            RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)));
        let batch = batch.unwrap();
        let bytes = Bytes::from(encode(batch.schema(), std::slice::from_ref(&batch), Codec::Rows).unwrap());
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).unwrap();
        let has: Vec<bool> = reader
            .metadata()
            .row_group(0)
            .columns()
            .iter()
            .map(|column| column.dictionary_page_offset().is_some())
            .collect();
        assert_eq!(has, [false, true, false, true, false, true]);
        assert_eq!(read_all(bytes).unwrap(), batch);
    }

    /// Every bit is used, and differences do not fit the type.
    #[test]
    fn whole_numbers_are_stored_as_differences_and_come_back() {
        let values = || {
            let mixed = (0..5000_i64).map(|n| n.wrapping_mul(-0x61C8_8646_80B5_83EB));
            mixed.map(|value| (value % 7 != 0).then_some(value))
        };
        let of_64: ArrayRef = Arc::new(Int64Array::from_iter(values()));
        let of_32: ArrayRef = Arc::new(Int32Array::from_iter(values().map(|v| Some(v? as i32))));
        let unsigned: ArrayRef = Arc::new(UInt64Array::from_iter(values().map(|v| Some(v? as u64))));
        let unsigned_32: ArrayRef = Arc::new(UInt32Array::from_iter(values().map(|v| Some(v? as u32))));
        let digits =
            |below: i128| values().map(move |v| Some(i128::from(v?) % below)).collect::<Decimal128Array>();
        let decimal = |digits_max, below| -> ArrayRef {
            Arc::new(digits(below).with_precision_and_scale(digits_max, 2).unwrap())
        };
        let columns = [
            (cast(&of_64, &DataType::Time64(TimeUnit::Microsecond)).unwrap(), true),
            (cast(&of_64, &DataType::Timestamp(TimeUnit::Microsecond, None)).unwrap(), true),
            (cast(&of_64, &DataType::Float64).unwrap(), false),
            (of_64, true),
            (cast(&of_32, &DataType::Date32).unwrap(), true),
            (cast(&of_32, &DataType::Time32(TimeUnit::Millisecond)).unwrap(), true),
            (of_32, true),
            (unsigned, true),
            (unsigned_32, true),
            (decimal(9, 1_000_000_000), true),
            (decimal(18, 1_000_000_000_000_000_000), true),
            (decimal(38, i128::MAX), false),
        ];
        let named =
            columns.iter().enumerate().map(|(at, (column, _))| (format!("c{at}"), column.clone(), true));
        let batch = RecordBatch::try_from_iter_with_nullable(named).unwrap();
        let bytes = Bytes::from(encode(batch.schema(), std::slice::from_ref(&batch), Codec::Rows).unwrap());
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).unwrap();
        for (column, (array, differences)) in reader.metadata().row_group(0).columns().iter().zip(&columns) {
            let is = column.encodings().any(|encoding| encoding == Encoding::DELTA_BINARY_PACKED);
            assert_eq!(is, *differences, "{}", array.data_type());
        }
        assert_eq!(read_all(bytes).unwrap(), batch);
    }

    #[test]
    fn selected_rows_are_read_in_order() {
        let rows: Vec<i64> = (0..100_000).collect();
        let batch = RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(rows)) as _)]).unwrap();
        let bytes = Bytes::from(encode(batch.schema(), &[batch], Codec::Rows).unwrap());
        let selection = RowSelection::from(vec![
            RowSelector::skip(99_000),
            RowSelector::select(2),
            RowSelector::skip(998),
        ]);
        let read: Vec<_> = decode(bytes.clone(), Some(selection)).unwrap().map(Result::unwrap).collect();
        assert_eq!(read[0].column(0).as_primitive::<Int64Type>().values(), &[99_000, 99_001]);
        assert_eq!(read_all(bytes).unwrap().num_rows(), 100_000);
    }

    /// A nested column is written as several, and a batch without rows, or no batch at all, as nothing.
    #[test]
    fn columns_within_columns_and_batches_without_rows_come_back() {
        let places = |ids: std::ops::Range<i32>| {
            let names: ArrayRef =
                Arc::new(StringArray::from_iter_values(ids.clone().map(|id| format!("at {id}"))));
            let numbers: ArrayRef = Arc::new(Int32Array::from_iter(ids.map(|id| (id % 3 > 0).then_some(id))));
            StructArray::from(vec![
                (Arc::new(Field::new("name", DataType::Utf8, false)), names),
                (Arc::new(Field::new("number", DataType::Int32, true)), numbers),
            ])
        };
        let batch = |ids: std::ops::Range<i32>| {
            let item = Arc::new(Field::new("item", places(0..0).data_type().clone(), true));
            let lengths = OffsetBuffer::from_lengths(ids.clone().map(|id| usize::from(id % 2 == 0)));
            let nested =
                ListArray::new(item, lengths, Arc::new(places(0..ids.len().div_ceil(2) as i32)), None);
            let ids: ArrayRef = Arc::new(Int32Array::from_iter_values(ids));
            RecordBatch::try_from_iter([("places", Arc::new(nested) as ArrayRef), ("id", ids)]).unwrap()
        };
        let (none, some, more) = (batch(0..0), batch(0..600), batch(600..1000));
        let read = |batches: &[RecordBatch]| {
            read_all(Bytes::from(encode(none.schema(), batches, Codec::Rows).unwrap())).unwrap()
        };
        let all = arrow::compute::concat_batches(&none.schema(), [&some, &more]).unwrap();
        assert_eq!(read(&[none.clone(), some, none.clone(), more]), all);
        assert_eq!(read(std::slice::from_ref(&none)), none);
        assert_eq!(read(&[]), none);
    }
}
