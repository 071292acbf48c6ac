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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn of(data_type: DataType, notes: &[(&str, &str)]) -> Result<String, String> {
        let metadata = notes.iter().map(|(key, note)| ((*key).to_owned(), (*note).to_owned())).collect();
        let field = Field::new("c", data_type, true).with_metadata(metadata);
        ValueType::of(&field).map(|value| value.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_opaque_type_is_text_or_is_refused_under_its_own_name() {
        let notes = |metadata| [(EXTENSION, "arrow.opaque"), (EXTENSION_METADATA, metadata)];
        let named = notes(r#"{"vendor_name": "DuckDB", "type_name": "bit"}"#);
        assert_eq!(of(DataType::LargeUtf8, &named).as_deref(), Ok("text"));
        let error = of(DataType::Binary, &named).unwrap_err();
        assert!(error.contains("bit of DuckDB (Binary)") && error.contains("CAST(x AS VARCHAR)"), "{error}");
        for broken in ["", "{}", "null", r#"{"type_name": 1, "vendor_name": 2}"#] {
            let error = of(DataType::Binary, &notes(broken)).unwrap_err();
            assert!(error.contains("an unnamed type of an unnamed vendor"), "{error}");
            assert_eq!(of(DataType::Utf8, &notes(broken)).as_deref(), Ok("text"));
        }
        // The same name of another vendor, or in another storage, says nothing of digits.
        let numeric = notes(r#"{"vendor_name": "Other", "type_name": "numeric"}"#);
        assert_eq!(of(DataType::Utf8, &numeric).as_deref(), Ok("text"));
        let hugeint = notes(r#"{"vendor_name": "DuckDB", "type_name": "hugeint"}"#);
        assert!(of(DataType::FixedSizeBinary(8), &hugeint).is_err());
    }

    #[test]
    fn what_is_said_of_dictionaries_and_runs_is_said_of_their_values() {
        let json = [(EXTENSION, JSON)];
        let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
        assert_eq!(of(dictionary, &json).as_deref(), Ok("json"));
        let ends = Arc::new(Field::new("run_ends", DataType::Int32, false));
        let values = Arc::new(Field::new("values", DataType::Utf8, true));
        assert_eq!(of(DataType::RunEndEncoded(ends, values), &json).as_deref(), Ok("json"));
    }

    #[test]
    fn notes_of_drivers_count_where_the_arrow_type_would_mislead() {
        for (data_type, note, word) in
            [(DataType::Int64, "money", "cents"), (DataType::Int32, "oid", "BIGINT")]
        {
            let error = of(data_type.clone(), &[(POSTGRES_TYPE, note)]).unwrap_err();
            assert!(error.contains(word), "{error}");
            assert!(of(data_type, &[(POSTGRES_TYPE, "int4")]).is_ok());
        }
        // The description of a query writes it in lower case, the rows in upper case.
        for (key, note) in
            [("logicalType", "VARIANT"), ("SNOWFLAKE_TYPE", "variant"), ("logicalType", "ARRAY")]
        {
            assert_eq!(of(DataType::Utf8, &[(key, note)]).as_deref(), Ok("json"));
        }
        assert_eq!(of(DataType::Utf8, &[("logicalType", "TEXT")]).as_deref(), Ok("text"));
        assert_eq!(of(DataType::Int64, &[("logicalType", "OBJECT")]).as_deref(), Ok("64-bit integer"));
    }

    #[test]
    fn a_moment_with_an_offset_must_have_the_moment_first() {
        let named = [(EXTENSION, "arrow.timestamp_with_offset")];
        let odd: Fields = vec![Field::new("offset_minutes", DataType::Int16, false)].into();
        assert_eq!(
            of(DataType::Struct(odd), &named).as_deref(),
            Ok("struct of offset_minutes 16-bit integer")
        );
    }
}
