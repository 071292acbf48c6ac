//! BSON values into Arrow carriers, if they are exactly that.

mod json;

use crate::encode::{self, BINARY_GENERIC, BINARY_UUID, DAY_MILLIS, decimal::Decimal};
use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
        FixedSizeBinaryBuilder, FixedSizeListArray, Float32Array, Float64Array, Int64Array, ListArray,
        MapArray, StringArray, StructArray, Time64MicrosecondArray, Time64NanosecondArray,
        TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::DataType,
};
use hydrant_contract::{Integer, Resolution, ValueType};
use mongodb::bson::{RawBsonRef, RawDocument};
use std::sync::Arc;

/// One value of a column: none at all, or what the document holds, which may be null.
pub(crate) type Cell<'d> = Option<RawBsonRef<'d>>;

/// These values in the carrier of `value`. What is absent is NULL.
///
/// `None` if one of them is not exactly a value of the type: then it was not written by hydrant.
pub(crate) fn column(value: &ValueType, cells: &[Cell<'_>]) -> Option<ArrayRef> {
    fn each<'d, T, A: FromIterator<Option<T>> + Array + 'static>(
        cells: &[Cell<'d>],
        of: impl Fn(RawBsonRef<'d>) -> Option<T>,
    ) -> Option<ArrayRef> {
        let one = |cell: &Cell<'d>| match present(*cell) {
            None => Some(None),
            Some(found) => of(found).map(Some),
        };
        let array: A = cells.iter().map(one).collect::<Option<Vec<_>>>()?.into_iter().collect();
        Some(Arc::new(array))
    }
    match value {
        ValueType::Boolean => each::<bool, BooleanArray>(cells, |found| found.as_bool()),
        ValueType::Integer(Integer::U64) => {
            each::<u64, UInt64Array>(cells, |found| u64::try_from(whole(found)?).ok())
        }
        ValueType::Integer(integer) => {
            let (low, high) = integer.range();
            each::<i64, Int64Array>(cells, |found| {
                let number = whole(found).filter(|number| (low..=high).contains(number))?;
                i64::try_from(number).ok()
            })
        }
        ValueType::Float32 => each::<f32, Float32Array>(cells, |found| {
            let double = double(found)?;
            // What does not come back the same was never of 32 bits.
            #[allow(clippy::cast_possible_truncation)]
            let float = double as f32;
            (f64::from(float) == double || double.is_nan()).then_some(float)
        }),
        ValueType::Float64 => each::<f64, Float64Array>(cells, double),
        ValueType::Decimal { precision, scale } if *precision <= 38 => {
            let limit = 10_u128.pow(u32::from(*precision));
            let array = each_of(cells, |found| {
                let unscaled = decimal(found)?.unscaled(*scale)?.to_i128()?;
                (unscaled.unsigned_abs() < limit).then_some(unscaled)
            })?;
            let array: Decimal128Array = array.into_iter().collect();
            Some(Arc::new(array.with_precision_and_scale(*precision, *scale).ok()?))
        }
        ValueType::Decimal { precision, scale } => {
            let array = each_of(cells, |found| {
                let unscaled = decimal(found)?.unscaled(*scale)?;
                let digits = unscaled.to_string().trim_start_matches('-').len();
                (digits <= usize::from(*precision)).then_some(unscaled)
            })?;
            let array: Decimal256Array = array.into_iter().collect();
            Some(Arc::new(array.with_precision_and_scale(*precision, *scale).ok()?))
        }
        ValueType::Text => each::<&str, StringArray>(cells, |found| found.as_str()),
        ValueType::Json => each::<String, StringArray>(cells, json::text),
        ValueType::Bytes => each::<&[u8], BinaryArray>(cells, |found| binary(found, BINARY_GENERIC)),
        ValueType::Uuid => uuids(cells),
        ValueType::Date => each::<i32, Date32Array>(cells, |found| {
            let millis = millis(found).filter(|millis| millis % DAY_MILLIS == 0)?;
            i32::try_from(millis / DAY_MILLIS).ok()
        }),
        ValueType::Time(Resolution::Micro) => each::<i64, Time64MicrosecondArray>(cells, |found| {
            time(found).filter(|nanos| nanos % 1000 == 0).map(|nanos| nanos / 1000)
        }),
        ValueType::Time(Resolution::Nano) => each::<i64, Time64NanosecondArray>(cells, time),
        ValueType::Timestamp(Resolution::Micro) => {
            each::<i64, TimestampMicrosecondArray>(cells, |found| millis(found)?.checked_mul(1000))
        }
        ValueType::Timestamp(Resolution::Nano) => {
            each::<i64, TimestampNanosecondArray>(cells, |found| millis(found)?.checked_mul(1_000_000))
        }
        ValueType::Instant(Resolution::Micro) => {
            let ticks = each_of(cells, |found| millis(found)?.checked_mul(1000))?;
            let array: TimestampMicrosecondArray = ticks.into_iter().collect();
            Some(Arc::new(array.with_timezone("UTC")))
        }
        ValueType::Instant(Resolution::Nano) => {
            let ticks = each_of(cells, |found| millis(found)?.checked_mul(1_000_000))?;
            let array: TimestampNanosecondArray = ticks.into_iter().collect();
            Some(Arc::new(array.with_timezone("UTC")))
        }
        ValueType::List(item) => lists(value, item, cells),
        ValueType::Vector(length) => vectors(value, *length, cells),
        ValueType::Struct(fields) => structs(value, fields, cells),
        ValueType::Map(key, item) => maps(value, key, item, cells),
    }
}

/// The same for JSON texts where NULL is no field: what is null there is the JSON null.
pub(crate) fn json_column(cells: &[Cell<'_>]) -> Option<ArrayRef> {
    let one = |cell: &Cell<'_>| match cell {
        None => Some(None),
        Some(found) => json::text(*found).map(Some),
    };
    let array: StringArray = cells.iter().map(one).collect::<Option<Vec<_>>>()?.into_iter().collect();
    Some(Arc::new(array))
}

/// The values, if all of them are what `of` takes.
fn each_of<'d, T>(cells: &[Cell<'d>], of: impl Fn(RawBsonRef<'d>) -> Option<T>) -> Option<Vec<Option<T>>> {
    let one = |cell: &Cell<'d>| match present(*cell) {
        None => Some(None),
        Some(found) => of(found).map(Some),
    };
    cells.iter().map(one).collect()
}

fn present(cell: Cell<'_>) -> Option<RawBsonRef<'_>> {
    cell.filter(|found| !matches!(found, RawBsonRef::Null))
}

/// A whole number of any of BSON's types for numbers: the server takes them for equal, also in keys.
pub(crate) fn whole(found: RawBsonRef<'_>) -> Option<i128> {
    /// Up to here every whole number is a double.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    match found {
        RawBsonRef::Int32(number) => Some(number.into()),
        RawBsonRef::Int64(number) => Some(number.into()),
        RawBsonRef::Double(number) if number.fract() == 0.0 && number.abs() <= EXACT_MAX => {
            // It is a whole number in that range.
            #[allow(clippy::cast_possible_truncation)]
            let number = number as i64;
            Some(number.into())
        }
        RawBsonRef::Decimal128(number) => Decimal::of_bytes(number.bytes())?.unscaled(0)?.to_i128(),
        _ => None,
    }
}

fn double(found: RawBsonRef<'_>) -> Option<f64> {
    match found {
        RawBsonRef::Double(number) => Some(number),
        RawBsonRef::Int32(number) => Some(number.into()),
        RawBsonRef::Int64(number) => {
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
            let exact = |number: i64| (number as f64 as i64 == number).then_some(number as f64);
            exact(number).filter(|_| number != i64::MAX)
        }
        _ => None,
    }
}

fn decimal(found: RawBsonRef<'_>) -> Option<Decimal> {
    match found {
        RawBsonRef::Decimal128(number) => Decimal::of_bytes(number.bytes()),
        RawBsonRef::Int32(_) | RawBsonRef::Int64(_) | RawBsonRef::Double(_) => {
            Decimal::of_i128(whole(found)?, 0)
        }
        _ => None,
    }
}

fn binary(found: RawBsonRef<'_>, subtype: u8) -> Option<&[u8]> {
    match found {
        RawBsonRef::Binary(binary) if u8::from(binary.subtype) == subtype => Some(binary.bytes),
        _ => None,
    }
}

fn millis(found: RawBsonRef<'_>) -> Option<i64> {
    found.as_datetime().map(|at| at.timestamp_millis())
}

/// Nanoseconds since midnight of the one text that hydrant writes for them.
fn time(found: RawBsonRef<'_>) -> Option<i64> {
    let text = found.as_str()?;
    let time = chrono::NaiveTime::parse_from_str(text, "%H:%M:%S%.f").ok()?;
    let nanos = (time - chrono::NaiveTime::MIN).num_nanoseconds();
    nanos.filter(|_| encode::time_text(nanos).as_deref() == Some(text))
}

fn uuids(cells: &[Cell<'_>]) -> Option<ArrayRef> {
    let mut builder = FixedSizeBinaryBuilder::with_capacity(cells.len(), 16);
    for cell in cells {
        match present(*cell) {
            None => builder.append_null(),
            Some(found) => builder.append_value(binary(found, BINARY_UUID)?).ok()?,
        }
    }
    Some(Arc::new(builder.finish()))
}

fn validity(cells: &[Cell<'_>]) -> Option<NullBuffer> {
    Some(NullBuffer::from_iter(cells.iter().map(|cell| present(*cell).is_some())))
}

/// The items of an array, in order.
fn items(found: RawBsonRef<'_>) -> Option<Vec<Cell<'_>>> {
    found.as_array()?.into_iter().map(|item| item.ok().map(Some)).collect()
}

fn lists(value: &ValueType, item: &ValueType, cells: &[Cell<'_>]) -> Option<ArrayRef> {
    let DataType::List(field) = value.carrier() else { return None };
    let (mut all, mut lengths) = (Vec::new(), Vec::with_capacity(cells.len()));
    for cell in cells {
        let of_cell = present(*cell).map_or_else(|| Some(Vec::new()), items)?;
        lengths.push(of_cell.len());
        all.extend(of_cell);
    }
    let array =
        ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), column(item, &all)?, validity(cells));
    Some(Arc::new(array.ok()?))
}

fn vectors(value: &ValueType, length: i32, cells: &[Cell<'_>]) -> Option<ArrayRef> {
    let DataType::FixedSizeList(field, _) = value.carrier() else { return None };
    let width = usize::try_from(length).ok()?;
    let mut all = Vec::with_capacity(cells.len() * width);
    for cell in cells {
        match present(*cell) {
            None => all.extend(std::iter::repeat_n(None, width)),
            Some(found) => all.extend(items(found).filter(|items| items.len() == width)?),
        }
    }
    let values = column(&ValueType::Float32, &all)?;
    Some(Arc::new(FixedSizeListArray::try_new(field, length, values, validity(cells)).ok()?))
}

fn structs(value: &ValueType, fields: &[(String, ValueType)], cells: &[Cell<'_>]) -> Option<ArrayRef> {
    let DataType::Struct(arrow) = value.carrier() else { return None };
    let documents: Vec<Option<&RawDocument>> = each_of(cells, |found| found.as_document())?;
    // A field that the type does not know would be lost in silence.
    let known = |document: &&RawDocument| {
        document.iter().all(|field| {
            field.is_ok_and(|(name, _)| fields.iter().any(|(known, _)| known.as_str() == name.as_str()))
        })
    };
    if !documents.iter().flatten().all(known) {
        return None;
    }
    let child = |(name, value): &(String, ValueType)| {
        let field = |document: &Option<&'_ RawDocument>| -> Option<()> {
            document.map_or(Some(()), |document| document.get(name).is_ok().then_some(()))
        };
        documents.iter().try_for_each(field)?;
        let cells: Vec<_> = documents
            .iter()
            .map(|document| document.and_then(|document| document.get(name).ok().flatten()))
            .collect();
        column(value, &cells)
    };
    let children: Option<Vec<_>> = fields.iter().map(child).collect();
    let array = StructArray::try_new_with_length(arrow, children?, validity(cells), cells.len());
    Some(Arc::new(array.ok()?))
}

fn maps(value: &ValueType, key: &ValueType, item: &ValueType, cells: &[Cell<'_>]) -> Option<ArrayRef> {
    let DataType::Map(entries, _) = value.carrier() else { return None };
    let DataType::Struct(kv) = entries.data_type() else { return None };
    let (mut keys, mut values, mut lengths) = (Vec::new(), Vec::new(), Vec::with_capacity(cells.len()));
    for cell in cells {
        let mut length = 0;
        if let Some(found) = present(*cell) {
            for field in found.as_document()? {
                let (name, found) = field.ok()?;
                keys.push(name.as_str());
                values.push(Some(found));
                length += 1;
            }
        }
        lengths.push(length);
    }
    let pairs = vec![json::keys(key, &keys)?, column(item, &values)?];
    let kv = StructArray::try_new(kv.clone(), pairs, None).ok()?;
    let lengths = OffsetBuffer::from_lengths(lengths);
    Some(Arc::new(MapArray::try_new(entries, lengths, kv, validity(cells), false).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::{array::AsArray, datatypes::Int64Type};
    use mongodb::bson::{RawDocumentBuf, rawdoc};

    fn decoded(value: &ValueType, document: &RawDocumentBuf) -> Option<ArrayRef> {
        column(value, &[document.get("v").expect("BSON")])
    }

    #[test]
    fn whole_numbers_of_every_type_are_one() {
        let int = ValueType::Integer(Integer::I64);
        let ten: mongodb::bson::Decimal128 = "1.0E+1".parse().expect("a decimal");
        for document in
            [rawdoc! { "v": 10_i32 }, rawdoc! { "v": 10_i64 }, rawdoc! { "v": 10.0 }, rawdoc! { "v": ten }]
        {
            let array = decoded(&int, &document).expect("a whole number");
            assert_eq!(array.as_primitive::<Int64Type>().value(0), 10);
        }
        assert!(decoded(&int, &rawdoc! { "v": 10.5 }).is_none());
        assert!(decoded(&int, &rawdoc! { "v": "10" }).is_none());
        assert!(decoded(&ValueType::Integer(Integer::I8), &rawdoc! { "v": 128 }).is_none());
    }

    #[test]
    fn null_and_nothing_are_null() {
        for document in [rawdoc! { "v": null }, rawdoc! {}] {
            let array = decoded(&ValueType::Text, &document).expect("NULL");
            assert!(array.is_null(0));
        }
    }

    #[test]
    fn what_is_nearly_of_the_type_is_not() {
        assert!(decoded(&ValueType::Float32, &rawdoc! { "v": 0.1 }).is_none());
        assert!(decoded(&ValueType::Float32, &rawdoc! { "v": 0.5 }).is_some());
        let noon = mongodb::bson::DateTime::from_millis(43_200_000);
        assert!(decoded(&ValueType::Date, &rawdoc! { "v": noon }).is_none());
        assert!(decoded(&ValueType::Time(Resolution::Micro), &rawdoc! { "v": "12:00:00.10" }).is_none());
        let of = ValueType::Struct(vec![("a".to_owned(), ValueType::Text)]);
        assert!(decoded(&of, &rawdoc! { "v": { "a": "x", "b": 1 } }).is_none());
        assert!(decoded(&of, &rawdoc! { "v": {} }).is_some());
        assert!(decoded(&ValueType::Vector(2), &rawdoc! { "v": [1.0] }).is_none());
    }
}
