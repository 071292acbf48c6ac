//! `docs/types.md` lists every Arrow type, and says of each what the code does.

use super::Carrier;
use crate::fingerprint::Class;
use arrow::{array::*, datatypes::*, record_batch::RecordBatch};
use hydrant_contract::{Shape, ValueType};
use std::{collections::BTreeSet, fmt::Write, sync::Arc};

const DOCUMENT: &str = include_str!("../../docs/types.md");

/// How many variants [`variant`] knows. Whoever adds one there adds an example below.
const VARIANTS: usize = 41;

/// The name of the variant. No wildcard: an Arrow type that is new to this program does not compile here.
fn variant(data_type: &DataType) -> &'static str {
    use DataType as T;
    match data_type {
        T::Null => "Null",
        T::Boolean => "Boolean",
        T::Int8 => "Int8",
        T::Int16 => "Int16",
        T::Int32 => "Int32",
        T::Int64 => "Int64",
        T::UInt8 => "UInt8",
        T::UInt16 => "UInt16",
        T::UInt32 => "UInt32",
        T::UInt64 => "UInt64",
        T::Float16 => "Float16",
        T::Float32 => "Float32",
        T::Float64 => "Float64",
        T::Timestamp(..) => "Timestamp",
        T::Date32 => "Date32",
        T::Date64 => "Date64",
        T::Time32(_) => "Time32",
        T::Time64(_) => "Time64",
        T::Duration(_) => "Duration",
        T::Interval(_) => "Interval",
        T::Binary => "Binary",
        T::FixedSizeBinary(_) => "FixedSizeBinary",
        T::LargeBinary => "LargeBinary",
        T::BinaryView => "BinaryView",
        T::Utf8 => "Utf8",
        T::LargeUtf8 => "LargeUtf8",
        T::Utf8View => "Utf8View",
        T::List(_) => "List",
        T::ListView(_) => "ListView",
        T::FixedSizeList(..) => "FixedSizeList",
        T::LargeList(_) => "LargeList",
        T::LargeListView(_) => "LargeListView",
        T::Struct(_) => "Struct",
        T::Union(..) => "Union",
        T::Dictionary(..) => "Dictionary",
        T::Decimal32(..) => "Decimal32",
        T::Decimal64(..) => "Decimal64",
        T::Decimal128(..) => "Decimal128",
        T::Decimal256(..) => "Decimal256",
        T::Map(..) => "Map",
        T::RunEndEncoded(..) => "RunEndEncoded",
    }
}

fn examples() -> Vec<Field> {
    use DataType as T;
    let item = |data_type| Arc::new(Field::new("item", data_type, true));
    let entries = T::Struct(
        [Field::new("key", T::Utf8View, false), Field::new("value", T::Int16, true)].into_iter().collect(),
    );
    let alternatives = UnionFields::from_fields(vec![Field::new("a", T::Int8, true)]);
    let plain = vec![
        T::Null,
        T::Boolean,
        T::Int8,
        T::Int16,
        T::Int32,
        T::Int64,
        T::UInt8,
        T::UInt16,
        T::UInt32,
        T::UInt64,
        T::Float16,
        T::Float32,
        T::Float64,
        T::Decimal32(9, 2),
        T::Decimal64(18, 2),
        T::Decimal128(38, 2),
        T::Decimal256(38, 2),
        T::Decimal256(76, 2),
        T::Utf8,
        T::LargeUtf8,
        T::Utf8View,
        T::Binary,
        T::LargeBinary,
        T::BinaryView,
        T::FixedSizeBinary(20),
        T::Date32,
        T::Date64,
        T::Time32(TimeUnit::Second),
        T::Time32(TimeUnit::Millisecond),
        T::Time64(TimeUnit::Microsecond),
        T::Time64(TimeUnit::Nanosecond),
        T::Timestamp(TimeUnit::Second, None),
        T::Timestamp(TimeUnit::Millisecond, None),
        T::Timestamp(TimeUnit::Microsecond, None),
        T::Timestamp(TimeUnit::Nanosecond, None),
        T::Timestamp(TimeUnit::Second, Some("Europe/Berlin".into())),
        T::Timestamp(TimeUnit::Millisecond, Some("Europe/Berlin".into())),
        T::Timestamp(TimeUnit::Microsecond, Some("Europe/Berlin".into())),
        T::Timestamp(TimeUnit::Nanosecond, Some("Europe/Berlin".into())),
        T::Duration(TimeUnit::Second),
        T::Interval(IntervalUnit::MonthDayNano),
        T::List(item(T::Int32)),
        T::LargeList(item(T::Int32)),
        T::ListView(item(T::Int32)),
        T::LargeListView(item(T::Int32)),
        T::FixedSizeList(item(T::Int32), 3),
        T::FixedSizeList(item(T::Float32), 3),
        T::Struct([Field::new("a", T::LargeUtf8, true)].into_iter().collect()),
        T::Map(Arc::new(Field::new("entries", entries, false)), false),
        T::Union(alternatives, UnionMode::Sparse),
        T::Dictionary(Box::new(T::Int32), Box::new(T::Utf8)),
        T::RunEndEncoded(
            Arc::new(Field::new("run_ends", T::Int32, false)),
            Arc::new(Field::new("values", T::Utf8, true)),
        ),
    ];
    let mut fields: Vec<_> = plain.into_iter().map(|data_type| Field::new("v", data_type, true)).collect();
    let moment = T::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let moment = [Field::new("timestamp", moment, false), Field::new("offset_minutes", T::Int16, false)];
    fields.extend([
        beside(T::FixedSizeBinary(16), "arrow.uuid"),
        beside(T::Utf8, "arrow.json"),
        beside(T::Int8, "arrow.bool8"),
        beside(T::Struct(moment.into_iter().collect()), "arrow.timestamp_with_offset"),
        opaque(T::Utf8, "numeric", "PostgreSQL"),
        opaque(T::FixedSizeBinary(16), "hugeint", "DuckDB"),
        opaque(T::FixedSizeBinary(16), "uhugeint", "DuckDB"),
        opaque(T::Utf8, "other", "Vendor"),
        opaque(T::Binary, "other", "Vendor"),
        beside(
            T::Struct([Field::new("value", T::Binary, true)].into_iter().collect()),
            "arrow.parquet.variant",
        ),
        beside(T::Binary, "geoarrow.wkb"),
    ]);
    fields
}

/// A field of an extension type.
pub(super) fn beside(data_type: DataType, extension: &str) -> Field {
    let metadata = [("ARROW:extension:name".to_owned(), extension.to_owned())];
    Field::new("v", data_type, true).with_metadata(metadata.into())
}

/// A field of a type that only one vendor has.
pub(super) fn opaque(data_type: DataType, name: &str, vendor: &str) -> Field {
    let mut field = beside(data_type, "arrow.opaque");
    let named = serde_json::json!({ "type_name": name, "vendor_name": vendor }).to_string();
    field.metadata_mut().insert("ARROW:extension:metadata".to_owned(), named);
    field
}

/// How the document writes what arrives.
pub(super) fn arrow(field: &Field) -> String {
    if let DataType::List(item) = field.data_type()
        && !item.metadata().is_empty()
    {
        return format!("`List` of {}", arrow(item));
    }
    let note = |key: &str| field.metadata().get(key);
    let named: Option<serde_json::Value> =
        note("ARROW:extension:metadata").and_then(|named| serde_json::from_str(named).ok());
    let named = named.map_or_else(String::new, |named| {
        let word = |key: &str| named[key].as_str().unwrap_or_default().to_owned();
        format!(" ({} of {})", word("type_name"), word("vendor_name"))
    });
    let extension = note("ARROW:extension:name").map_or_else(String::new, |name| format!(" as `{name}`"));
    let others = field.metadata().iter().filter(|(key, _)| !key.starts_with("ARROW:"));
    let others: String = others.map(|(key, note)| format!(" with `{key}: {note}`")).collect();
    format!("`{}`{extension}{named}{others}", field.data_type())
}

#[test]
fn every_arrow_type_has_an_example() {
    let seen: BTreeSet<_> = examples().iter().map(|field| variant(field.data_type())).collect();
    assert_eq!(seen.len(), VARIANTS, "{seen:?}");
}

#[test]
fn the_document_says_of_every_arrow_type_what_the_code_does() {
    let mut table = "| Arrow | value | carrier | canonical form |\n|---|---|---|---|\n".to_owned();
    for field in examples() {
        let arrow = arrow(&field);
        match ValueType::of(&field) {
            Ok(value) => {
                let carrier = carried_as(&field);
                assert_eq!(carrier, value.carrier());
                writeln!(table, "| {arrow} | {value} | `{carrier}` | {} |", Class::of(&value)).unwrap();
            }
            Err(unsupported) => {
                writeln!(table, "| {arrow} | refused: {} | | |", unsupported.mend).unwrap();
            }
        }
    }
    stands(&table);
}

/// The table stands in the document. `BLESS=1` writes it there.
pub(super) fn stands(table: &str) {
    if DOCUMENT.contains(table) {
        return;
    }
    assert!(
        std::env::var_os("BLESS").is_some(),
        "docs/types.md says something else; run this with BLESS=1:\n{table}"
    );
    let path = "docs/types.md";
    let document = std::fs::read_to_string(path).unwrap();
    let head = table.lines().next().unwrap();
    let start = document.find(head).expect("the head of the table");
    let end = document[start..].find("\n\n").map_or(document.len(), |at| start + at + 1);
    std::fs::write(path, format!("{}{table}{}", &document[..start], &document[end..])).unwrap();
}

/// The type that a column comes out with.
pub(super) fn carried_as(field: &Field) -> DataType {
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int8, false), field.clone()]));
    let shape = Shape::of(&schema, vec!["id".into()]).unwrap();
    let ids: ArrayRef = Arc::new(Int8Array::from(vec![1, 2]));
    let rows = RecordBatch::try_new(schema.clone(), vec![ids, new_null_array(field.data_type(), 2)]).unwrap();
    let carried = Carrier::new(&schema, &shape).unwrap().carry(&rows).unwrap().rows;
    assert_eq!(carried.column(1).logical_null_count(), 2);
    carried.column(1).data_type().clone()
}
