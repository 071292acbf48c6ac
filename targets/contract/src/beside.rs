//! What a driver says of a column beside its Arrow type: extension types, and notes of its own.
//!
//! Where that changes what the values mean, it is known here. All other extension types are carried as what they are
//! stored in, which loses nothing: `geoarrow.wkb` is bytes, `geoarrow.wkt` text, a tensor its list of numbers.

use crate::{Resolution, ValueType};
use arrow::datatypes::{DataType, Field, Fields};
use serde::Deserialize;

/// Where Arrow keeps the name of an extension type (Arrow columnar format, "Extension Types"), and what belongs to it.
pub(crate) const EXTENSION: &str = "ARROW:extension:name";
const EXTENSION_METADATA: &str = "ARROW:extension:metadata";
pub(crate) const UUID: &str = "arrow.uuid";
pub(crate) const JSON: &str = "arrow.json";

/// The ADBC driver of Postgres notes here what type it made the column from.
const POSTGRES_TYPE: &str = "POSTGRESQL:type";
/// The one of Snowflake notes it here, with the rows and with the description of a query.
const SNOWFLAKE_TYPES: [&str; 2] = ["logicalType", "SNOWFLAKE_TYPE"];

const CAST: &str =
    "it arrives in a form of its own; cast it to text in the query, for example CAST(x AS VARCHAR)";

/// A type that cannot be carried: what it is called, and what to do.
pub(crate) type Refusal = (String, &'static str);

/// What the values are, if something beside the Arrow type says so.
pub(crate) fn said_of(field: &Field) -> Option<Result<ValueType, Refusal>> {
    let note = |key: &str| field.metadata().get(key).map(String::as_str);
    let is_text = matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    match (note(EXTENSION), field.data_type()) {
        (Some(UUID), DataType::FixedSizeBinary(16)) => return Some(Ok(ValueType::Uuid)),
        (Some(JSON), _) if is_text => return Some(Ok(ValueType::Json)),
        (Some("arrow.bool8"), DataType::Int8) => return Some(Ok(ValueType::Boolean)),
        (Some("arrow.timestamp_with_offset"), DataType::Struct(fields)) => {
            return with_offset(fields).map(Ok);
        }
        (Some("arrow.parquet.variant" | "parquet.variant"), _) => {
            return Some(Err(("Variant in its binary form".to_owned(), CAST)));
        }
        (Some("arrow.opaque"), storage) => return Some(opaque(note(EXTENSION_METADATA), storage, is_text)),
        _ => {}
    }
    match (note(POSTGRES_TYPE), field.data_type()) {
        (Some("money"), DataType::Int64) => {
            return Some(Err((
                "money as a number of cents".to_owned(),
                "cast it to a decimal in the query, for example CAST(x AS NUMERIC(19, 2))",
            )));
        }
        (Some("oid"), DataType::Int32) => {
            return Some(Err((
                "oid in 32 bits with a sign".to_owned(),
                "cast it in the query: CAST(x AS BIGINT)",
            )));
        }
        _ => {}
    }
    let is_document =
        |kind: &str| ["VARIANT", "OBJECT", "ARRAY"].iter().any(|k| k.eq_ignore_ascii_case(kind));
    (is_text && SNOWFLAKE_TYPES.iter().filter_map(|key| note(key)).any(is_document))
        .then_some(Ok(ValueType::Json))
}

/// The moment itself; where the clock stood that told it is dropped, as the zone of every instant is.
fn with_offset(fields: &Fields) -> Option<ValueType> {
    match fields.first().map(|field| field.data_type()) {
        Some(DataType::Timestamp(unit, Some(_))) => Some(ValueType::Instant(Resolution::of(*unit))),
        _ => None,
    }
}

/// A type that Arrow has none for, under the name that its vendor has for it.
fn opaque(metadata: Option<&str>, storage: &DataType, is_text: bool) -> Result<ValueType, Refusal> {
    #[derive(Deserialize)]
    struct Opaque<'a> {
        #[serde(borrow)]
        type_name: std::borrow::Cow<'a, str>,
        #[serde(borrow)]
        vendor_name: std::borrow::Cow<'a, str>,
    }
    let named = metadata.and_then(|metadata| serde_json::from_str::<Opaque<'_>>(metadata).ok());
    let (name, vendor) = named.as_ref().map_or(("an unnamed type", "an unnamed vendor"), |named| {
        (named.type_name.as_ref(), named.vendor_name.as_ref())
    });
    match (name, vendor, storage) {
        // Of any scale, in the same column: as many digits before the point as after it.
        ("numeric", "PostgreSQL", _) if is_text => Ok(ValueType::Decimal { precision: 76, scale: 38 }),
        // 39 digits at most, and 38 of them as DuckDB's own decimals have. What has more is refused, value by value.
        ("hugeint", "DuckDB", DataType::FixedSizeBinary(16)) => {
            Ok(ValueType::Decimal { precision: 38, scale: 0 })
        }
        ("uhugeint", "DuckDB", DataType::FixedSizeBinary(16)) => {
            Ok(ValueType::Decimal { precision: 39, scale: 0 })
        }
        _ if is_text => Ok(ValueType::Text),
        _ => Err((format!("{name} of {vendor} ({storage})"), CAST)),
    }
}
