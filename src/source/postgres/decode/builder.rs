//! One column of a batch while its values arrive.

use super::{
    super::column::Kind,
    numeric,
    wire::{Read, Unfit, Units, Wire},
};
use arrow::{
    array::{
        ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder,
        FixedSizeBinaryBuilder, FixedSizeListArray, Float32Builder, Float64Builder, Int16Builder,
        Int32Builder, Int64Builder, ListArray, NullBufferBuilder, StringBuilder, Time64MicrosecondBuilder,
        TimestampMicrosecondBuilder, UInt32Builder,
    },
    buffer::OffsetBuffer,
    datatypes::i256,
    error::ArrowError,
};
use std::sync::Arc;

/// The values of one column that have arrived.
pub(super) enum Builder {
    Bool(BooleanBuilder),
    Int2(Int16Builder),
    Int4(Int32Builder),
    Int8(Int64Builder),
    Oid(UInt32Builder),
    Float4(Float32Builder),
    Float8(Float64Builder),
    Narrow { values: Decimal128Builder, limit: i128, precision: u8, scale: i8 },
    Wide { values: Decimal256Builder, limit: i256, precision: u8, scale: i8 },
    Text(StringBuilder),
    Bytea(BinaryBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Uuid(FixedSizeBinaryBuilder),
    Jsonb(StringBuilder),
    List { kind: Kind, items: Box<Builder>, lengths: Vec<usize>, nulls: NullBufferBuilder },
    Vector { kind: Kind, length: i32, values: Float32Builder, nulls: NullBufferBuilder },
}

impl Builder {
    /// Room for so many values of a kind.
    pub(super) fn new(kind: &Kind, rows: usize) -> Self {
        match kind {
            Kind::Bool => Self::Bool(BooleanBuilder::with_capacity(rows)),
            Kind::Int2 => Self::Int2(Int16Builder::with_capacity(rows)),
            Kind::Int4 => Self::Int4(Int32Builder::with_capacity(rows)),
            Kind::Int8 => Self::Int8(Int64Builder::with_capacity(rows)),
            Kind::Oid => Self::Oid(UInt32Builder::with_capacity(rows)),
            Kind::Float4 => Self::Float4(Float32Builder::with_capacity(rows)),
            Kind::Float8 => Self::Float8(Float64Builder::with_capacity(rows)),
            Kind::Numeric { precision, scale } => match numeric::power(u32::from(*precision)) {
                Some(limit) => Self::Narrow {
                    values: Decimal128Builder::with_capacity(rows)
                        .with_data_type(arrow::datatypes::DataType::Decimal128(*precision, *scale)),
                    limit,
                    precision: *precision,
                    scale: *scale,
                },
                None => Self::Wide {
                    values: Decimal256Builder::with_capacity(rows)
                        .with_data_type(arrow::datatypes::DataType::Decimal256(*precision, *scale)),
                    limit: i256::from_i128(10).checked_pow(u32::from(*precision)).unwrap_or(i256::MAX),
                    precision: *precision,
                    scale: *scale,
                },
            },
            Kind::Text | Kind::Json => Self::Text(StringBuilder::with_capacity(rows, 16 * rows)),
            Kind::Bytea => Self::Bytea(BinaryBuilder::with_capacity(rows, 16 * rows)),
            Kind::Date => Self::Date(Date32Builder::with_capacity(rows)),
            Kind::Time => Self::Time(Time64MicrosecondBuilder::with_capacity(rows)),
            Kind::Timestamp => Self::Timestamp(TimestampMicrosecondBuilder::with_capacity(rows)),
            Kind::Timestamptz => {
                Self::Timestamp(TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC"))
            }
            Kind::Uuid => Self::Uuid(FixedSizeBinaryBuilder::with_capacity(rows, 16)),
            Kind::Jsonb => Self::Jsonb(StringBuilder::with_capacity(rows, 16 * rows)),
            Kind::Array(item) => Self::List {
                items: Box::new(Self::new(item, rows)),
                kind: (**item).clone(),
                lengths: Vec::with_capacity(rows),
                nulls: NullBufferBuilder::new(rows),
            },
            Kind::Vector(length) => Self::Vector {
                kind: Kind::Float4,
                length: *length,
                values: Float32Builder::new(),
                nulls: NullBufferBuilder::new(rows),
            },
        }
    }

    /// Takes the next value, in this form of the protocol.
    pub(super) fn push<W: Wire>(&mut self, cell: Option<&[u8]>) -> Read<()> {
        let Some(cell) = cell else {
            self.push_null();
            return Ok(());
        };
        match self {
            Self::Bool(values) => values.append_value(W::bool(cell)?),
            Self::Int2(values) => values.append_value(W::int2(cell)?),
            Self::Int4(values) => values.append_value(W::int4(cell)?),
            Self::Int8(values) => values.append_value(W::int8(cell)?),
            Self::Oid(values) => values.append_value(W::oid(cell)?),
            Self::Float4(values) => values.append_value(W::float4(cell)?),
            Self::Float8(values) => values.append_value(W::float8(cell)?),
            Self::Narrow { values, limit, precision, scale } => {
                let units = W::numeric(cell, *scale)?.and_then(Units::narrow);
                // The smallest number of 128 bits has no positive twin, and is far beyond any limit.
                let units = units.filter(|units| *units < *limit && *units > -*limit);
                let (precision, scale) = (*precision, *scale);
                values.append_value(units.ok_or(Unfit::TooManyDigits { precision, scale })?);
            }
            Self::Wide { values, limit, precision, scale } => {
                let units = W::numeric(cell, *scale)?.map(Units::wide);
                let units = units.filter(|units| *units < *limit && *units > limit.wrapping_neg());
                let (precision, scale) = (*precision, *scale);
                values.append_value(units.ok_or(Unfit::TooManyDigits { precision, scale })?);
            }
            Self::Text(values) => values.append_value(utf8(cell)?),
            Self::Jsonb(values) => values.append_value(utf8(W::jsonb(cell)?)?),
            Self::Bytea(values) => values.append_value(W::bytea(cell)?),
            Self::Date(values) => values.append_value(W::date(cell)?),
            Self::Time(values) => values.append_value(W::time(cell)?),
            Self::Timestamp(values) => values.append_value(W::timestamp(cell)?),
            Self::Uuid(values) => values.append_value(W::uuid(cell)?).map_err(|_| Unfit::Malformed)?,
            Self::List { items, lengths, nulls, .. } => {
                let mut length = 0;
                W::items(cell, &mut |item| {
                    length += 1;
                    items.push::<W>(item)
                })?;
                lengths.push(length);
                nulls.append_non_null();
            }
            Self::Vector { length, values, nulls, .. } => {
                let before = arrow::array::ArrayBuilder::len(values);
                W::vector(cell, &mut |number| values.append_value(number))?;
                let found = arrow::array::ArrayBuilder::len(values) - before;
                if i32::try_from(found) != Ok(*length) {
                    return Err(Unfit::Length);
                }
                nulls.append_non_null();
            }
        }
        Ok(())
    }

    fn push_null(&mut self) {
        match self {
            Self::Bool(values) => values.append_null(),
            Self::Int2(values) => values.append_null(),
            Self::Int4(values) => values.append_null(),
            Self::Int8(values) => values.append_null(),
            Self::Oid(values) => values.append_null(),
            Self::Float4(values) => values.append_null(),
            Self::Float8(values) => values.append_null(),
            Self::Narrow { values, .. } => values.append_null(),
            Self::Wide { values, .. } => values.append_null(),
            Self::Text(values) | Self::Jsonb(values) => values.append_null(),
            Self::Bytea(values) => values.append_null(),
            Self::Date(values) => values.append_null(),
            Self::Time(values) => values.append_null(),
            Self::Timestamp(values) => values.append_null(),
            Self::Uuid(values) => values.append_null(),
            Self::List { lengths, nulls, .. } => {
                lengths.push(0);
                nulls.append_null();
            }
            Self::Vector { length, values, nulls, .. } => {
                values.append_nulls(usize::try_from(*length).unwrap_or_default());
                nulls.append_null();
            }
        }
    }

    /// What has arrived, as an array; it begins anew.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Bool(values) => Arc::new(values.finish()),
            Self::Int2(values) => Arc::new(values.finish()),
            Self::Int4(values) => Arc::new(values.finish()),
            Self::Int8(values) => Arc::new(values.finish()),
            Self::Oid(values) => Arc::new(values.finish()),
            Self::Float4(values) => Arc::new(values.finish()),
            Self::Float8(values) => Arc::new(values.finish()),
            Self::Narrow { values, .. } => Arc::new(values.finish()),
            Self::Wide { values, .. } => Arc::new(values.finish()),
            Self::Text(values) | Self::Jsonb(values) => Arc::new(values.finish()),
            Self::Bytea(values) => Arc::new(values.finish()),
            Self::Date(values) => Arc::new(values.finish()),
            Self::Time(values) => Arc::new(values.finish()),
            Self::Timestamp(values) => Arc::new(values.finish()),
            Self::Uuid(values) => Arc::new(values.finish()),
            Self::List { kind, items, lengths, nulls } => {
                let offsets = OffsetBuffer::from_lengths(lengths.drain(..));
                Arc::new(ListArray::try_new(kind.item(), offsets, items.finish()?, nulls.finish())?)
            }
            Self::Vector { kind, length, values, nulls } => {
                let values = Arc::new(values.finish());
                Arc::new(FixedSizeListArray::try_new(kind.item(), *length, values, nulls.finish())?)
            }
        })
    }
}

fn utf8(cell: &[u8]) -> Read<&str> {
    std::str::from_utf8(cell).map_err(|_| Unfit::NotUtf8)
}
