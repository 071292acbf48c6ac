//! Columns of one batch, looked at once, ready to write the canonical form of any row.

use super::{
    block::{Places, Slot},
    canonical::{self, DECIMAL_BYTES, Out, WIDE_DECIMAL_BYTES, tag},
};
use arrow::{
    array::{Array, ArrowPrimitiveType, AsArray, BinaryArray, FixedSizeBinaryArray, StringArray},
    buffer::{BooleanBuffer, NullBuffer},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int64Type,
        Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampNanosecondType,
        UInt64Type, i256,
    },
};
use hydrant_contract::{Integer, Resolution, ValueType};
use std::ops::Range;

/// The buffer that rows are written into, reused for all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    bytes: Vec<u8>,
    /// Entries of the maps that are being written, innermost last.
    entries: Vec<Entry>,
}

impl Row {
    /// The canonical forms of these columns at this row, one after the other.
    pub(super) fn write(&mut self, columns: &[Encoder<'_>], row: usize) -> &[u8] {
        self.bytes.clear();
        for column in columns {
            column.write(row, self);
        }
        &self.bytes
    }
}

/// Where an entry of a map stands in the row buffer.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: usize,
    key_end: usize,
    end: usize,
}

/// One column (or nested part of one) of a batch, in the carrier of its type.
pub(super) struct Encoder<'a> {
    /// Only where there is a NULL at all.
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Boolean(&'a BooleanBuffer),
    Integer(&'a [i64]),
    Unsigned(&'a [u64]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Decimal(&'a [i128], i16),
    WideDecimal(&'a [i256], i16),
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Date(&'a [i32]),
    Micros(u8, &'a [i64]),
    Nanos(u8, &'a [i64]),
    Uuid(&'a FixedSizeBinaryArray),
    List(&'a [i32], Box<Encoder<'a>>),
    Vector(usize, Box<Encoder<'a>>),
    /// By name.
    Struct(Vec<(&'a str, Encoder<'a>)>),
    Map(&'a [i32], Box<(Encoder<'a>, Encoder<'a>)>),
}

impl<'a> Encoder<'a> {
    /// An encoder of this array, or none if the array is not in the carrier of `value`.
    pub(super) fn new(array: &'a dyn Array, value: &'a ValueType) -> Option<Self> {
        let values = match value {
            ValueType::Boolean => Values::Boolean(array.as_boolean_opt()?.values()),
            ValueType::Integer(Integer::U64) => Values::Unsigned(primitive::<UInt64Type>(array)?),
            ValueType::Integer(_) => Values::Integer(primitive::<Int64Type>(array)?),
            ValueType::Float32 => Values::Float32(primitive::<Float32Type>(array)?),
            ValueType::Float64 => Values::Float64(primitive::<Float64Type>(array)?),
            ValueType::Decimal { scale, .. } => match array.data_type() {
                DataType::Decimal128(_, found) if found == scale => {
                    Values::Decimal(primitive::<Decimal128Type>(array)?, (*scale).into())
                }
                DataType::Decimal256(_, found) if found == scale => {
                    Values::WideDecimal(primitive::<Decimal256Type>(array)?, (*scale).into())
                }
                _ => return None,
            },
            ValueType::Text | ValueType::Json => Values::Text(array.as_string_opt::<i32>()?),
            ValueType::Bytes => Values::Bytes(array.as_binary_opt::<i32>()?),
            ValueType::Date => Values::Date(primitive::<Date32Type>(array)?),
            ValueType::Time(Resolution::Micro) => {
                Values::Micros(tag::TIME, primitive::<Time64MicrosecondType>(array)?)
            }
            ValueType::Time(Resolution::Nano) => {
                Values::Nanos(tag::TIME, primitive::<Time64NanosecondType>(array)?)
            }
            ValueType::Timestamp(resolution) => moment(tag::TIMESTAMP, *resolution, array, value)?,
            ValueType::Instant(resolution) => moment(tag::INSTANT, *resolution, array, value)?,
            ValueType::Uuid => {
                Values::Uuid(array.as_fixed_size_binary_opt().filter(|a| a.value_length() == 16)?)
            }
            ValueType::List(item) => {
                let list = array.as_list_opt::<i32>()?;
                Values::List(list.value_offsets(), Box::new(Self::new(list.values().as_ref(), item)?))
            }
            ValueType::Vector(len) => {
                let list = array.as_fixed_size_list_opt().filter(|list| list.value_length() == *len)?;
                let items = Self::new(list.values().as_ref(), &ValueType::Float32)?;
                Values::Vector(usize::try_from(*len).ok()?, Box::new(items))
            }
            ValueType::Struct(fields) => {
                let array = array.as_struct_opt().filter(|array| array.num_columns() == fields.len())?;
                let mut parts = fields
                    .iter()
                    .zip(array.columns())
                    .map(|((name, value), part)| Some((name.as_str(), Self::new(part.as_ref(), value)?)))
                    .collect::<Option<Vec<_>>>()?;
                parts.sort_by_key(|(name, _)| *name);
                Values::Struct(parts)
            }
            ValueType::Map(key, value) => {
                let map = array.as_map_opt()?;
                let keys = Self::new(map.keys().as_ref(), key)?;
                let values = Self::new(map.values().as_ref(), value)?;
                Values::Map(map.value_offsets(), Box::new((keys, values)))
            }
        };
        Some(Self { nulls: array.nulls().filter(|nulls| nulls.null_count() > 0), values })
    }

    pub(super) fn has_nulls(&self) -> bool {
        self.nulls.is_some()
    }

    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }

    /// How many bytes the canonical form of each of these rows takes at most; `None` for what is nested.
    pub(super) fn bytes_max(&self, rows: Range<usize>) -> Option<usize> {
        let longest = |offsets: &[i32]| {
            let lengths = offsets[rows.start..=rows.end].windows(2).map(|pair| pair[1] - pair[0]);
            5 + usize::try_from(lengths.max().unwrap_or(0)).unwrap_or(0)
        };
        Some(match &self.values {
            Values::Boolean(_) => 1,
            Values::Integer(_) | Values::Unsigned(_) | Values::Float32(_) | Values::Float64(_) => 9,
            Values::Decimal(..) => DECIMAL_BYTES,
            Values::WideDecimal(..) => WIDE_DECIMAL_BYTES,
            Values::Text(values) => longest(values.value_offsets()),
            Values::Bytes(values) => longest(values.value_offsets()),
            Values::Date(_) => 5,
            Values::Micros(..) | Values::Nanos(..) => 13,
            Values::Uuid(_) => 17,
            Values::List(..) | Values::Vector(..) | Values::Struct(_) | Values::Map(..) => return None,
        })
    }

    /// Appends the canonical forms of the values from this row on, each in its place. What is nested has no
    /// [`bytes_max`](Self::bytes_max) and is not written.
    pub(super) fn write_column(&self, first: usize, to: Places<'_>) {
        match &self.values {
            Values::Boolean(values) => {
                self.each(first, to, |out, row| canonical::boolean(out, values.value(row)));
            }
            Values::Integer(values) => self.each(first, to, |out, row| canonical::integer(out, values[row])),
            Values::Unsigned(values) => {
                self.each(first, to, |out, row| canonical::unsigned(out, values[row]))
            }
            Values::Float32(values) => {
                self.each(first, to, |out, row| canonical::float(out, values[row].into()));
            }
            Values::Float64(values) => self.each(first, to, |out, row| canonical::float(out, values[row])),
            Values::Decimal(values, scale) => {
                self.each(first, to, |out, row| canonical::decimal(out, values[row], *scale));
            }
            Values::WideDecimal(values, scale) => {
                self.each(first, to, |out, row| canonical::wide_decimal(out, values[row], *scale));
            }
            Values::Text(values) => {
                let (bytes, offsets) = (values.values().as_slice(), values.value_offsets());
                self.each(first, to, |out, row| canonical::bytes(out, tag::TEXT, bytes, span(offsets, row)));
            }
            Values::Bytes(values) => {
                let (bytes, offsets) = (values.values().as_slice(), values.value_offsets());
                self.each(first, to, |out, row| canonical::bytes(out, tag::BYTES, bytes, span(offsets, row)));
            }
            Values::Date(values) => self.each(first, to, |out, row| canonical::date(out, values[row])),
            Values::Micros(tag, values) => self.each(first, to, |out, row| {
                let (seconds, rest) = split::<1_000_000>(values[row]);
                canonical::moment(out, *tag, seconds, rest * 1_000);
            }),
            Values::Nanos(tag, values) => self.each(first, to, |out, row| {
                let (seconds, rest) = split::<1_000_000_000>(values[row]);
                canonical::moment(out, *tag, seconds, rest);
            }),
            Values::Uuid(values) => {
                self.each(first, to, |out, row| canonical::uuid(out, values.value(row)));
            }
            Values::List(..) | Values::Vector(..) | Values::Struct(_) | Values::Map(..) => {}
        }
    }

    #[inline(always)]
    fn each(&self, first: usize, to: Places<'_>, put: impl Fn(&mut Slot<'_>, usize)) {
        match self.nulls {
            None => to.each(first, put),
            Some(nulls) => to.each(first, |slot, row| match nulls.is_null(row) {
                true => slot.put([tag::NULL]),
                false => put(slot, row),
            }),
        }
    }

    /// Appends the canonical form of the value at this row.
    pub(super) fn write(&self, row: usize, to: &mut Row) {
        let out = &mut to.bytes;
        if self.is_null(row) {
            return out.push(tag::NULL);
        }
        match &self.values {
            Values::Boolean(values) => canonical::boolean(out, values.value(row)),
            Values::Integer(values) => canonical::integer(out, values[row]),
            Values::Unsigned(values) => canonical::unsigned(out, values[row]),
            Values::Float32(values) => canonical::float(out, values[row].into()),
            Values::Float64(values) => canonical::float(out, values[row]),
            Values::Decimal(values, scale) => canonical::decimal(out, values[row], *scale),
            Values::WideDecimal(values, scale) => canonical::wide_decimal(out, values[row], *scale),
            Values::Text(values) => {
                canonical::bytes(out, tag::TEXT, values.values(), span(values.value_offsets(), row))
            }
            Values::Bytes(values) => {
                canonical::bytes(out, tag::BYTES, values.values(), span(values.value_offsets(), row))
            }
            Values::Date(values) => canonical::date(out, values[row]),
            Values::Micros(tag, values) => {
                let (seconds, rest) = split::<1_000_000>(values[row]);
                canonical::moment(out, *tag, seconds, rest * 1_000);
            }
            Values::Nanos(tag, values) => {
                let (seconds, rest) = split::<1_000_000_000>(values[row]);
                canonical::moment(out, *tag, seconds, rest);
            }
            Values::Uuid(values) => canonical::uuid(out, values.value(row)),
            Values::List(offsets, items) => write_items(items, span(offsets, row), to),
            Values::Vector(len, items) => write_items(items, row * len..(row + 1) * len, to),
            Values::Struct(fields) => {
                canonical::counted(out, tag::STRUCT, fields.len());
                for (name, field) in fields {
                    canonical::name(&mut to.bytes, name);
                    field.write(row, to);
                }
            }
            Values::Map(offsets, parts) => write_map(&parts.0, &parts.1, span(offsets, row), to),
        }
    }
}

fn primitive<T: ArrowPrimitiveType>(array: &dyn Array) -> Option<&[T::Native]> {
    Some(array.as_primitive_opt::<T>()?.values())
}

fn moment<'a>(
    tag: u8,
    resolution: Resolution,
    array: &'a dyn Array,
    value: &ValueType,
) -> Option<Values<'a>> {
    // With a zone or without: the downcast alone does not tell, and the two are different values.
    if array.data_type() != &value.carrier() {
        return None;
    }
    Some(match resolution {
        Resolution::Micro => Values::Micros(tag, primitive::<TimestampMicrosecondType>(array)?),
        Resolution::Nano => Values::Nanos(tag, primitive::<TimestampNanosecondType>(array)?),
    })
}

/// Whole seconds, rounded down, and the ticks from there. At most a thousand million ticks make a second.
#[inline]
fn split<const TICKS_PER_SECOND: i64>(ticks: i64) -> (i64, u32) {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (ticks.div_euclid(TICKS_PER_SECOND), ticks.rem_euclid(TICKS_PER_SECOND) as u32)
}

/// Offsets of an Arrow array are never negative.
#[inline]
fn span(offsets: &[i32], row: usize) -> Range<usize> {
    #[allow(clippy::cast_sign_loss)]
    (offsets[row] as usize..offsets[row + 1] as usize)
}

fn write_items(items: &Encoder<'_>, range: Range<usize>, to: &mut Row) {
    canonical::counted(&mut to.bytes, tag::LIST, range.len());
    for item in range {
        items.write(item, to);
    }
}

/// A map has no order: its entries are written ordered by the canonical bytes of their keys. Entries with the same key
/// (Arrow does not forbid them) stay in their order, since which of them counts depends on it.
fn write_map(keys: &Encoder<'_>, values: &Encoder<'_>, range: Range<usize>, to: &mut Row) {
    canonical::counted(&mut to.bytes, tag::MAP, range.len());
    let (first, begin) = (to.entries.len(), to.bytes.len());
    for entry in range {
        let start = to.bytes.len();
        keys.write(entry, to);
        let key_end = to.bytes.len();
        values.write(entry, to);
        to.entries.push(Entry { start, key_end, end: to.bytes.len() });
    }
    let (bytes, entries) = (&mut to.bytes, &mut to.entries[first..]);
    let order = |a: &Entry, b: &Entry| {
        bytes[a.start..a.key_end].cmp(&bytes[b.start..b.key_end]).then(a.start.cmp(&b.start))
    };
    if !entries.is_sorted_by(|a, b| order(a, b).is_lt()) {
        // In place, as it allocates nothing; the position makes it as good as stable.
        entries.sort_unstable_by(order);
        let end = bytes.len();
        for entry in entries.iter() {
            bytes.extend_from_within(entry.start..entry.end);
        }
        bytes.copy_within(end.., begin);
        bytes.truncate(end);
    }
    to.entries.truncate(first);
}
