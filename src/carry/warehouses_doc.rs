//! `docs/types.md` lists types that only some warehouses have, and says of each what the code does with what arrives.

use super::types_doc::{arrow, beside, carried_as, opaque, stands};
use arrow::datatypes::{DataType as T, Field, Fields, IntervalUnit, TimeUnit, UnionFields, UnionMode};
use hydrant_contract::ValueType;
use std::{fmt::Write, sync::Arc};

/// A warehouse's type, as what its driver delivers it, and what to write in a query where that is refused (or worth
/// writing all the same).
type Row = (&'static str, &'static str, Field, &'static str);

fn plain(data_type: T) -> Field {
    Field::new("v", data_type, true)
}

fn noted(data_type: T, key: &str, note: &str) -> Field {
    plain(data_type).with_metadata([(key.to_owned(), note.to_owned())].into())
}

fn list(item: Field) -> Field {
    plain(T::List(Arc::new(item.with_name("item"))))
}

fn rows() -> Vec<Row> {
    let interval = || plain(T::Interval(IntervalUnit::MonthDayNano));
    let micros = |zone: Option<&str>| plain(T::Timestamp(TimeUnit::Microsecond, zone.map(Into::into)));
    let nanos = |zone: Option<&str>| plain(T::Timestamp(TimeUnit::Nanosecond, zone.map(Into::into)));
    let document = |kind| noted(T::Utf8, "logicalType", kind);
    let number = Arc::new(Field::new("num", T::Int32, true));
    let union = UnionFields::from_fields([number]);
    let range: Fields = ["start", "end"].map(|name| Field::new(name, T::Date32, true)).into_iter().collect();
    let variant: Fields = [Field::new("metadata", T::Binary, false), Field::new("value", T::Binary, true)]
        .into_iter()
        .collect();
    let utc = Some("UTC");
    vec![
        ("DuckDB", "BOOLEAN", beside(T::Int8, "arrow.bool8"), ""),
        ("DuckDB", "HUGEINT, SUM of whole numbers", opaque(T::FixedSizeBinary(16), "hugeint", "DuckDB"), ""),
        ("DuckDB", "UHUGEINT", opaque(T::FixedSizeBinary(16), "uhugeint", "DuckDB"), ""),
        ("DuckDB", "BIGNUM", opaque(T::Binary, "bignum", "DuckDB"), "CAST(x AS VARCHAR)"),
        ("DuckDB", "ENUM", plain(T::Dictionary(Box::new(T::UInt8), Box::new(T::Utf8))), ""),
        ("DuckDB", "UUID", beside(T::FixedSizeBinary(16), "arrow.uuid"), ""),
        ("DuckDB", "JSON", beside(T::Utf8, "arrow.json"), ""),
        ("DuckDB", "BIT", opaque(T::Binary, "bit", "DuckDB"), "CAST(x AS VARCHAR)"),
        ("DuckDB", "TIMETZ", opaque(T::FixedSizeBinary(8), "time_tz", "DuckDB"), "CAST(x AS VARCHAR)"),
        ("DuckDB", "TIME_NS", plain(T::Time64(TimeUnit::Nanosecond)), ""),
        ("DuckDB", "TIMESTAMP_NS", nanos(None), ""),
        ("DuckDB", "TIMESTAMPTZ", micros(Some("Europe/Berlin")), ""),
        ("DuckDB", "INTERVAL", interval(), "CAST(x AS VARCHAR) or epoch(x)"),
        (
            "DuckDB",
            "UNION",
            plain(T::Union(union, UnionMode::Sparse)),
            "union_extract(x, 'tag') or CAST(x AS VARCHAR)",
        ),
        ("DuckDB", "VARIANT", beside(T::Struct(variant), "arrow.parquet.variant"), "CAST(x AS JSON)"),
        ("DuckDB", "GEOMETRY", beside(T::Binary, "geoarrow.wkb"), "ST_AsText(x)"),
        ("Postgres (ADBC)", "NUMERIC of any scale", opaque(T::Utf8, "numeric", "PostgreSQL"), ""),
        ("Postgres (ADBC)", "NUMERIC[]", list(opaque(T::Utf8, "numeric", "PostgreSQL")), ""),
        ("Postgres (ADBC)", "JSON, JSONB", beside(T::Utf8, "arrow.json"), ""),
        ("Postgres (ADBC)", "MONEY", noted(T::Int64, "POSTGRESQL:type", "money"), "x::numeric"),
        ("Postgres (ADBC)", "OID", noted(T::Int32, "POSTGRESQL:type", "oid"), "x::bigint"),
        (
            "Postgres (ADBC)",
            "enums, TIMETZ, BIT, INET, ranges, TSVECTOR, GEOMETRY",
            opaque(T::Binary, "inet", "PostgreSQL"),
            "x::text",
        ),
        ("Postgres (ADBC)", "INTERVAL", interval(), "extract(epoch FROM x) or x::text"),
        ("Snowflake", "NUMBER(38, 0)", plain(T::Decimal128(38, 0)), ""),
        ("Snowflake", "VARIANT", document("VARIANT"), ""),
        ("Snowflake", "OBJECT", document("OBJECT"), ""),
        ("Snowflake", "ARRAY", document("ARRAY"), ""),
        ("Snowflake", "TIME", plain(T::Time64(TimeUnit::Nanosecond)), ""),
        ("Snowflake", "TIMESTAMP_NTZ", nanos(None), ""),
        ("Snowflake", "TIMESTAMP_LTZ", nanos(Some("Europe/Berlin")), ""),
        ("Snowflake", "TIMESTAMP_TZ", nanos(utc), ""),
        ("Snowflake", "GEOGRAPHY, GEOMETRY", plain(T::Utf8), "st_aswkt(x)"),
        ("BigQuery", "NUMERIC", plain(T::Decimal128(38, 9)), ""),
        ("BigQuery", "BIGNUMERIC", plain(T::Decimal256(76, 38)), ""),
        ("BigQuery", "DATETIME", micros(None), ""),
        ("BigQuery", "TIMESTAMP", micros(utc), ""),
        ("BigQuery", "JSON", beside(T::Utf8, "google:sqlType:json"), ""),
        ("BigQuery", "GEOGRAPHY", beside(T::Utf8, "geoarrow.wkt"), ""),
        ("BigQuery", "INTERVAL", interval(), "CAST(x AS STRING)"),
        ("BigQuery", "RANGE<DATE>", plain(T::Struct(range)), ""),
        ("Redshift (ADBC)", "SUPER", beside(T::Utf8, "arrow.json"), ""),
        ("Redshift (ADBC)", "GEOMETRY, GEOGRAPHY", beside(T::Binary, "geoarrow.wkb"), "ST_AsText(x)"),
        ("Redshift (ADBC)", "TIMETZ, HLLSKETCH", opaque(T::Utf8, "timetz", "Amazon Redshift"), ""),
        ("Redshift (ADBC)", "INTERVAL", interval(), "EXTRACT(EPOCH FROM x) or CAST(x AS VARCHAR)"),
        ("Databricks, Spark", "TIMESTAMP", micros(utc), ""),
        ("Databricks, Spark", "TIMESTAMP_NTZ", micros(None), ""),
        (
            "Databricks, Spark",
            "INTERVAL DAY TO SECOND",
            plain(T::Duration(TimeUnit::Microsecond)),
            "CAST(x AS STRING)",
        ),
        (
            "Databricks, Spark",
            "INTERVAL YEAR TO MONTH",
            plain(T::Interval(IntervalUnit::YearMonth)),
            "CAST(x AS STRING)",
        ),
    ]
}

#[test]
fn the_document_says_of_the_types_of_warehouses_what_the_code_does() {
    let mut table =
        "| warehouse | type | arrives as | value | in the query |\n|---|---|---|---|---|\n".to_owned();
    for (warehouse, name, field, mend) in rows() {
        let value = match ValueType::of(&field) {
            Ok(value) => {
                assert_eq!(carried_as(&field), value.carrier(), "{name}");
                value.to_string()
            }
            Err(_) => {
                assert!(!mend.is_empty(), "{name} of {warehouse} is refused: say what to write instead");
                "refused".to_owned()
            }
        };
        let mend = mend.split(" or ").filter(|mend| !mend.is_empty()).map(|mend| format!("`{mend}`"));
        let mend = mend.collect::<Vec<_>>().join(" or ");
        writeln!(table, "| {warehouse} | {name} | {} | {value} | {mend} |", arrow(&field)).unwrap();
    }
    stands(&table);
}
