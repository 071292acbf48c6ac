//! Building any Arrow array, in any layout, from logical values.

use super::model::V;
use arrow::{
    array::*,
    buffer::{NullBuffer, OffsetBuffer, ScalarBuffer},
    compute::cast,
    datatypes::*,
};
use std::sync::Arc;

/// The values as an array of the field's type. Where a layout has a choice (garbage under NULL, NULL in a dictionary's
/// keys or in its values), the position decides, so that both occur.
pub(super) fn build(field: &Field, values: &[V]) -> ArrayRef {
    use DataType as T;
    let whole = |v: &V| match v {
        V::Null => None,
        V::Whole(n) => Some(*n),
        other => panic!("{other:?} is not whole"),
    };
    macro_rules! ints {
        ($t:ty) => {
            Arc::new(
                values
                    .iter()
                    .map(|v| whole(v).map(|n| n.try_into().unwrap()))
                    .collect::<PrimitiveArray<$t>>(),
            )
        };
    }
    macro_rules! texts {
        ($t:ty) => {
            Arc::new(values.iter().map(text).collect::<$t>())
        };
    }
    macro_rules! binaries {
        ($t:ty) => {
            Arc::new(values.iter().map(bytes).collect::<$t>())
        };
    }
    match field.data_type() {
        T::Boolean => Arc::new(
            values
                .iter()
                .map(|v| match v {
                    V::Bool(b) => Some(*b),
                    _ => None,
                })
                .collect::<BooleanArray>(),
        ),
        T::Int8 => ints!(Int8Type),
        T::Int16 => ints!(Int16Type),
        T::Int32 => ints!(Int32Type),
        T::Int64 => ints!(Int64Type),
        T::UInt8 => ints!(UInt8Type),
        T::UInt16 => ints!(UInt16Type),
        T::UInt32 => ints!(UInt32Type),
        T::UInt64 => ints!(UInt64Type),
        T::Float64 => Arc::new(values.iter().map(float).collect::<Float64Array>()),
        to @ (T::Float16 | T::Float32) => {
            cast(&values.iter().map(float).collect::<Float64Array>(), to).expect("a cast")
        }
        T::Decimal32(p, s) => {
            let a: Decimal32Array = values.iter().map(|v| unscaled(v).map(|n| n as i32)).collect();
            Arc::new(a.with_precision_and_scale(*p, *s).unwrap())
        }
        T::Decimal64(p, s) => {
            let a: Decimal64Array = values.iter().map(|v| unscaled(v).map(|n| n as i64)).collect();
            Arc::new(a.with_precision_and_scale(*p, *s).unwrap())
        }
        T::Decimal128(p, s) => {
            let a: Decimal128Array = values.iter().map(unscaled).collect();
            Arc::new(a.with_precision_and_scale(*p, *s).unwrap())
        }
        T::Decimal256(p, s) => {
            let wide = |v: &V| match v {
                V::Decimal(n, _) => Some(*n),
                _ => None,
            };
            let a: Decimal256Array = values.iter().map(wide).collect();
            Arc::new(a.with_precision_and_scale(*p, *s).unwrap())
        }
        T::Utf8 => texts!(StringArray),
        T::LargeUtf8 => texts!(LargeStringArray),
        T::Utf8View => texts!(StringViewArray),
        T::Binary => binaries!(BinaryArray),
        T::LargeBinary => binaries!(LargeBinaryArray),
        T::BinaryView => binaries!(BinaryViewArray),
        T::FixedSizeBinary(size) => {
            let mut array = FixedSizeBinaryBuilder::with_capacity(values.len(), *size);
            for v in values {
                match bytes(v) {
                    Some(bytes) => array.append_value(bytes).unwrap(),
                    None => array.append_null(),
                }
            }
            Arc::new(array.finish())
        }
        T::Date32 => Arc::new(values.iter().map(day).collect::<Date32Array>()),
        T::Date64 => Arc::new(
            values.iter().map(|v| day(v).map(|d| i64::from(d) * 86_400_000)).collect::<Date64Array>(),
        ),
        T::Time32(unit) | T::Time64(unit) => {
            let ticks: Int64Array = values.iter().map(|v| nanos(v, *unit)).collect();
            match field.data_type() {
                T::Time32(_) => cast(&cast(&ticks, &T::Int32).unwrap(), field.data_type()).unwrap(),
                _ => cast(&ticks, field.data_type()).unwrap(),
            }
        }
        T::Timestamp(unit, zone) => {
            let ticks = values.iter().map(|v| nanos(v, *unit));
            macro_rules! zoned {
                ($t:ty) => {
                    Arc::new(ticks.collect::<$t>().with_timezone_opt(zone.clone()))
                };
            }
            match unit {
                TimeUnit::Second => zoned!(TimestampSecondArray),
                TimeUnit::Millisecond => zoned!(TimestampMillisecondArray),
                TimeUnit::Microsecond => zoned!(TimestampMicrosecondArray),
                TimeUnit::Nanosecond => zoned!(TimestampNanosecondArray),
            }
        }
        T::Dictionary(key, value) => dictionary(key, &Field::new("", (**value).clone(), true), values),
        T::RunEndEncoded(ends, value) => {
            let array = runs(ends.data_type(), value, values).to_data().into_builder();
            // Arrow's constructor makes fields of its own, without the extension's name.
            make_array(array.data_type(field.data_type().clone()).build().expect("runs"))
        }
        T::Struct(fields) => {
            let part = |i: usize| -> Vec<V> {
                let of = |v: &V| match v {
                    V::Struct(parts) => parts[i].clone(),
                    _ => V::Null,
                };
                values.iter().map(of).collect()
            };
            let parts = fields.iter().enumerate().map(|(i, f)| build(f, &part(i))).collect();
            let array = StructArray::try_new_with_length(fields.clone(), parts, valid(values), values.len());
            Arc::new(array.expect("a struct"))
        }
        T::List(item) => {
            let (offsets, items) = laid_out(values, garbage);
            Arc::new(
                ListArray::try_new(item.clone(), offsets, build(item, &items), valid(values))
                    .expect("a list"),
            )
        }
        T::LargeList(item) => {
            let (offsets, items) = laid_out(values, garbage);
            let offsets = OffsetBuffer::new(offsets.iter().map(|&o| i64::from(o)).collect());
            let array = LargeListArray::try_new(item.clone(), offsets, build(item, &items), valid(values));
            Arc::new(array.expect("a list"))
        }
        T::ListView(item) => {
            let (offsets, sizes, items) = backwards(values);
            let items = build(item, &items);
            let array = ListViewArray::try_new(item.clone(), offsets, sizes, items, valid(values));
            Arc::new(array.expect("a list view"))
        }
        T::LargeListView(item) => {
            let (offsets, sizes, items) = backwards(values);
            let wide = |b: ScalarBuffer<i32>| b.iter().map(|&n| i64::from(n)).collect::<ScalarBuffer<i64>>();
            let items = build(item, &items);
            let array =
                LargeListViewArray::try_new(item.clone(), wide(offsets), wide(sizes), items, valid(values));
            Arc::new(array.expect("a list view"))
        }
        T::FixedSizeList(item, size) => {
            let (_, items) = laid_out(values, |_| vec![V::Null; size.unsigned_abs() as usize]);
            let (item, items) = (item.clone(), build(item, &items));
            let array =
                FixedSizeListArray::try_new_with_length(item, *size, items, valid(values), values.len());
            Arc::new(array.expect("a list"))
        }
        T::Map(entries, sorted) => {
            let T::Struct(parts) = entries.data_type() else { panic!("a map of {entries}") };
            let list = |pick: fn(&(V, V)) -> V| -> Vec<V> {
                let of = |v: &V| match v {
                    V::Map(entries) => V::List(entries.iter().map(pick).collect()),
                    _ => V::Null,
                };
                values.iter().map(of).collect()
            };
            let (offsets, keys) = laid_out(&list(|(k, _)| k.clone()), |_| vec![]);
            let (_, held) = laid_out(&list(|(_, v)| v.clone()), |_| vec![]);
            let parts_built = vec![build(&parts[0], &keys), build(&parts[1], &held)];
            let structs = StructArray::try_new(parts.clone(), parts_built, None).expect("entries");
            let array = MapArray::try_new(entries.clone(), offsets, structs, valid(values), *sorted);
            Arc::new(array.expect("a map"))
        }
        other => panic!("no values of {other}"),
    }
}

fn valid(values: &[V]) -> Option<NullBuffer> {
    let nulls: NullBuffer = values.iter().map(|v| *v != V::Null).collect();
    // An array without NULL may have a validity buffer or none.
    (nulls.null_count() > 0 || values.len().is_multiple_of(2)).then_some(nulls)
}

fn text(v: &V) -> Option<&str> {
    match v {
        V::Text(text) => Some(text),
        _ => None,
    }
}

fn bytes(v: &V) -> Option<&[u8]> {
    match v {
        V::Bytes(bytes) => Some(bytes),
        V::Uuid(bytes) => Some(bytes),
        _ => None,
    }
}

fn float(v: &V) -> Option<f64> {
    match v {
        V::Float(f) => Some(*f),
        _ => None,
    }
}

fn day(v: &V) -> Option<i32> {
    match v {
        V::Day(day) => Some(*day),
        _ => None,
    }
}

fn unscaled(v: &V) -> Option<i128> {
    match v {
        V::Decimal(n, _) => Some(n.to_i128().expect("128 bits")),
        _ => None,
    }
}

fn nanos(v: &V, unit: TimeUnit) -> Option<i64> {
    match v {
        V::Nanos(n) => Some(i64::try_from(n / nanos_a_tick(unit)).expect("64 bits of ticks")),
        _ => None,
    }
}

pub(super) fn nanos_a_tick(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// What a NULL list at this position spans.
fn garbage(position: usize) -> Vec<V> {
    vec![V::Null; position % 3]
}

fn laid_out(values: &[V], null: impl Fn(usize) -> Vec<V>) -> (OffsetBuffer<i32>, Vec<V>) {
    let (mut offsets, mut items) = (vec![0], Vec::new());
    for (i, v) in values.iter().enumerate() {
        match v {
            V::List(list) => items.extend(list.iter().cloned()),
            _ => items.extend(null(i)),
        }
        offsets.push(i32::try_from(items.len()).unwrap());
    }
    (OffsetBuffer::new(offsets.into()), items)
}

/// A list view may lay its lists out in any order: last first, with a gap between them.
fn backwards(values: &[V]) -> (ScalarBuffer<i32>, ScalarBuffer<i32>, Vec<V>) {
    let (mut offsets, mut sizes) = (vec![0; values.len()], vec![0; values.len()]);
    let mut items = Vec::new();
    for (i, v) in values.iter().enumerate().rev() {
        items.push(V::Null);
        offsets[i] = i32::try_from(items.len()).unwrap();
        if let V::List(list) = v {
            sizes[i] = i32::try_from(list.len()).unwrap();
            items.extend(list.iter().cloned());
        }
    }
    (offsets.into(), sizes.into(), items)
}

fn dictionary(key: &DataType, value: &Field, values: &[V]) -> ArrayRef {
    // The first entry is NULL: half of the NULLs refer to it, the others have no key.
    let mut held = vec![V::Null];
    let mut keys = Vec::new();
    for (i, v) in values.iter().enumerate() {
        keys.push(match held.iter().position(|h| h == v) {
            Some(0) if i % 2 == 0 => None,
            Some(at) => Some(at),
            None => {
                held.push(v.clone());
                Some(held.len() - 1)
            }
        });
    }
    let held = build(value, &held);
    macro_rules! keyed {
        ($t:ty) => {{
            let keys: PrimitiveArray<$t> = keys.iter().map(|k| k.map(|k| k.try_into().unwrap())).collect();
            Arc::new(DictionaryArray::try_new(keys, held).expect("a dictionary"))
        }};
    }
    match key {
        DataType::Int8 => keyed!(Int8Type),
        DataType::Int16 => keyed!(Int16Type),
        DataType::Int32 => keyed!(Int32Type),
        DataType::Int64 => keyed!(Int64Type),
        DataType::UInt8 => keyed!(UInt8Type),
        DataType::UInt16 => keyed!(UInt16Type),
        DataType::UInt32 => keyed!(UInt32Type),
        DataType::UInt64 => keyed!(UInt64Type),
        other => panic!("no dictionary has keys of {other}"),
    }
}

fn runs(ends_type: &DataType, value: &Field, values: &[V]) -> ArrayRef {
    let (mut ends, mut held): (Vec<usize>, Vec<V>) = (Vec::new(), Vec::new());
    for (i, v) in values.iter().enumerate() {
        match ends.last_mut() {
            Some(end) if held.last() == Some(v) => *end = i + 1,
            _ => {
                ends.push(i + 1);
                held.push(v.clone());
            }
        }
    }
    let held = build(value, &held);
    macro_rules! ended {
        ($t:ty) => {{
            let ends: PrimitiveArray<$t> = ends.iter().map(|e| Some((*e).try_into().unwrap())).collect();
            Arc::new(RunArray::try_new(&ends, &held).expect("runs"))
        }};
    }
    match ends_type {
        DataType::Int16 => ended!(Int16Type),
        DataType::Int32 => ended!(Int32Type),
        DataType::Int64 => ended!(Int64Type),
        other => panic!("no runs end at {other}"),
    }
}
