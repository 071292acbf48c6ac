//! Random Arrow types, and random values that they hold.

use super::{
    model::{V, canonical},
    physical::nanos_a_tick,
};
use arrow::datatypes::{DataType, Field, Fields, TimeUnit, i256};
use hydrant_contract::ValueType;
use proptest::{collection::vec, option, prelude::*, sample::select};
use std::sync::Arc;

/// A column as a source may deliver it: the first `rows` values are its content.
#[derive(Clone, Debug)]
pub(super) struct Physical {
    pub(super) field: Field,
    pub(super) values: Vec<V>,
}

/// A type of a key column.
pub(super) fn key_field() -> impl Strategy<Value = Field> {
    encoded(plain_leaf().prop_filter("no key", |field| {
        !matches!(ValueType::of(field), Ok(ValueType::Float32 | ValueType::Float64 | ValueType::Json))
    }))
}

/// Any type, nested ones too.
pub(super) fn field() -> impl Strategy<Value = Field> {
    encoded(plain_leaf()).prop_recursive(3, 12, 3, |inner| {
        let item = inner.clone().prop_map(|f| Arc::new(f.with_name("element")));
        prop_oneof![
            item.clone().prop_map(|f| Field::new("c", DataType::List(f), true)),
            item.clone().prop_map(|f| Field::new("c", DataType::LargeList(f), true)),
            item.clone().prop_map(|f| Field::new("c", DataType::ListView(f), true)),
            item.clone().prop_map(|f| Field::new("c", DataType::LargeListView(f), true)),
            (item, 1..4).prop_map(|(f, n)| Field::new("c", DataType::FixedSizeList(f, n), true)),
            vec(inner.clone(), 0..4).prop_map(|fields| {
                let names = ["b", "é", "", "a"];
                let fields: Fields =
                    fields.into_iter().zip(names).map(|(f, name)| f.with_name(name)).collect();
                Field::new("c", DataType::Struct(fields), true)
            }),
            (encoded(plain_leaf()), inner, any::<bool>()).prop_map(|(key, value, sorted)| {
                let parts: Fields =
                    [key.with_name("k").with_nullable(false), value.with_name("v")].into_iter().collect();
                let entries = Field::new("kv", DataType::Struct(parts), false);
                Field::new("c", DataType::Map(Arc::new(entries), sorted), true)
            }),
        ]
    })
}

/// Sometimes as a dictionary, sometimes run-end encoded.
fn encoded(leaf: impl Strategy<Value = Field> + Clone + 'static) -> impl Strategy<Value = Field> + Clone {
    use DataType as T;
    let keys = select(vec![T::Int8, T::Int16, T::Int32, T::Int64, T::UInt8, T::UInt16, T::UInt32, T::UInt64]);
    let ends = select(vec![T::Int16, T::Int32, T::Int64]);
    prop_oneof![
        3 => leaf.clone(),
        1 => (leaf.clone(), keys).prop_map(|(f, key)| {
            let encoded = T::Dictionary(Box::new(key), Box::new(f.data_type().clone()));
            f.with_data_type(encoded)
        }),
        1 => (leaf, ends).prop_map(|(f, ends)| {
            let ends = Arc::new(Field::new("run_ends", ends, false));
            Field::new("c", T::RunEndEncoded(ends, Arc::new(f.with_name("values"))), true)
        }),
    ]
}

fn plain_leaf() -> impl Strategy<Value = Field> + Clone {
    use DataType as T;
    let unit =
        || select(vec![TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond]);
    let zone = option::of(select(vec!["UTC", "Europe/Berlin", "-05:30"]));
    let plain = prop_oneof![
        select(vec![T::Boolean, T::Float16, T::Float32, T::Float64, T::Date32, T::Date64]),
        select(vec![T::Int8, T::Int16, T::Int32, T::Int64, T::UInt8, T::UInt16, T::UInt32, T::UInt64]),
        select(vec![T::Utf8, T::LargeUtf8, T::Utf8View, T::Binary, T::LargeBinary, T::BinaryView]),
        (1..4).prop_map(T::FixedSizeBinary),
        (-3_i8..=9).prop_map(|s| T::Decimal32(9, s)),
        (-3_i8..=18).prop_map(|s| T::Decimal64(18, s)),
        (-128_i8..=38).prop_map(|s| T::Decimal128(38, s)),
        (30_u8..=76, -9_i8..=30).prop_map(|(p, s)| T::Decimal256(p, s)),
        select(vec![T::Time32(TimeUnit::Second), T::Time32(TimeUnit::Millisecond)]),
        select(vec![T::Time64(TimeUnit::Microsecond), T::Time64(TimeUnit::Nanosecond)]),
        (unit(), zone).prop_map(|(unit, zone)| T::Timestamp(unit, zone.map(Into::into))),
    ];
    let extended = |data_type, name: &str| {
        let metadata = [("ARROW:extension:name".to_owned(), name.to_owned())];
        Field::new("c", data_type, true).with_metadata(metadata.into())
    };
    prop_oneof![
        12 => plain.prop_map(|data_type| Field::new("c", data_type, true)),
        1 => Just(extended(T::FixedSizeBinary(16), "arrow.uuid")),
        1 => select(vec![T::Utf8, T::LargeUtf8, T::Utf8View]).prop_map(move |t| extended(t, "arrow.json")),
    ]
    .boxed()
}

/// A value of the field's type, or NULL.
pub(super) fn value(field: &Field) -> BoxedStrategy<V> {
    prop_oneof![1 => Just(V::Null), 4 => present(field)].boxed()
}

/// A value of the field's type that its layout can hold. Few different ones, so that they repeat.
fn present(field: &Field) -> BoxedStrategy<V> {
    use DataType as T;
    fn whole<N: Into<i128> + Copy + std::fmt::Debug + 'static>(least: N, most: N) -> BoxedStrategy<V> {
        let (least, most) = (least.into(), most.into());
        prop_oneof![select(vec![least, most, 0, 1, 100]), least..=most].prop_map(V::Whole).boxed()
    }
    let float = |f: BoxedStrategy<f64>| {
        prop_oneof![select(vec![0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, 1.5]), f].prop_map(V::Float)
    };
    match field.data_type() {
        T::Boolean => any::<bool>().prop_map(V::Bool).boxed(),
        T::Int8 => whole(i8::MIN, i8::MAX),
        T::Int16 => whole(i16::MIN, i16::MAX),
        T::Int32 => whole(i32::MIN, i32::MAX),
        T::Int64 => whole(i64::MIN, i64::MAX),
        T::UInt8 => whole(u8::MIN, u8::MAX),
        T::UInt16 => whole(u16::MIN, u16::MAX),
        T::UInt32 => whole(u32::MIN, u32::MAX),
        T::UInt64 => whole(u64::MIN, u64::MAX),
        T::Float16 => float((-2048..2048).prop_map(|n| f64::from(n) / 8.0).boxed()).boxed(),
        T::Float32 => float(any::<f32>().prop_map(f64::from).boxed()).boxed(),
        T::Float64 => float(any::<f64>().boxed()).boxed(),
        T::Decimal32(p, s) | T::Decimal64(p, s) | T::Decimal128(p, s) | T::Decimal256(p, s) => {
            let (p, s) = (usize::from(*p), *s);
            // Trailing zeros are where the canonical form has work to do.
            (any::<bool>(), "[0-9]{1,76}", 0_usize..20)
                .prop_map(move |(minus, digits, zeros)| {
                    let digits = format!("{}{}", &digits[..digits.len().min(p)], "0".repeat(zeros));
                    let digits = &digits[digits.len().saturating_sub(p)..];
                    let sign = if minus { "-" } else { "" };
                    V::Decimal(i256::from_string(&format!("{sign}{digits}")).expect("76 digits"), s)
                })
                .boxed()
        }
        T::Utf8 | T::LargeUtf8 | T::Utf8View => {
            prop_oneof!["[a-c]{0,2}", "\\PC{0,20}"].prop_map(V::Text).boxed()
        }
        T::Binary | T::LargeBinary | T::BinaryView => vec(any::<u8>(), 0..16).prop_map(V::Bytes).boxed(),
        T::FixedSizeBinary(16) => any::<[u8; 16]>().prop_map(V::Uuid).boxed(),
        T::FixedSizeBinary(n) => vec(any::<u8>(), n.unsigned_abs() as usize).prop_map(V::Bytes).boxed(),
        T::Date32 | T::Date64 => any::<i32>().prop_map(V::Day).boxed(),
        T::Time32(unit) | T::Time64(unit) => {
            let tick = nanos_a_tick(*unit);
            (0..=86_400_000_000_000 / tick).prop_map(move |n| V::Nanos(n * tick)).boxed()
        }
        T::Timestamp(unit, _) => {
            let tick = nanos_a_tick(*unit);
            // What 64 bits of the carrier hold.
            let carried = tick.min(1_000);
            let most = i128::from(i64::MAX) * carried / tick;
            prop_oneof![-2..2_i128, -most..=most].prop_map(move |n| V::Nanos(n * tick)).boxed()
        }
        T::Dictionary(_, values) => {
            present(&Field::new("", (**values).clone(), true).with_metadata(field.metadata().clone()))
        }
        T::RunEndEncoded(_, values) => present(values),
        T::List(item) | T::LargeList(item) | T::ListView(item) | T::LargeListView(item) => {
            vec(value(item), 0..4).prop_map(V::List).boxed()
        }
        T::FixedSizeList(item, n) => vec(value(item), n.unsigned_abs() as usize).prop_map(V::List).boxed(),
        T::Struct(fields) => fields.iter().map(|f| value(f)).collect::<Vec<_>>().prop_map(V::Struct).boxed(),
        T::Map(entries, _) => {
            let T::Struct(parts) = entries.data_type() else { panic!("a map of {entries}") };
            let key_type = ValueType::of(&parts[0]).expect("a type that is carried");
            vec((present(&parts[0]), value(&parts[1])), 0..4)
                .prop_map(move |mut entries| {
                    let mut seen = std::collections::HashSet::new();
                    entries.retain(|(key, _)| seen.insert(canonical(key, &key_type)));
                    V::Map(entries)
                })
                .boxed()
        }
        other => panic!("no values of {other}"),
    }
}

/// A table: key columns, other columns, and how many rows each has.
pub(super) fn table() -> impl Strategy<Value = Vec<Physical>> {
    (vec(key_field(), 1..3), vec(field(), 0..4), 0_usize..12).prop_flat_map(|(keys, others, rows)| {
        let keys = keys.into_iter().zip(["k2", "k1"]);
        let others = others.into_iter().zip(["v", "ü", "a"]);
        keys.chain(others).map(|(f, name)| column(f.with_name(name), rows)).collect::<Vec<_>>()
    })
}

fn column(field: Field, rows: usize) -> impl Strategy<Value = Physical> {
    vec(value(&field), rows).prop_map(move |values| Physical { field: field.clone(), values })
}
