//! What arrives: types and values, NULLs, and results without rows.

use super::fixture::{
    all, duckdb, flightsql, model, nulls, postgres, shown_rows, shown_schema, snowflake, source, sqlite,
};
use hydrant::source::{Source, adbc::AdbcSource};

/// The columns that `describe` announces are those that come.
async fn described(source: &AdbcSource, sql: &str) -> Vec<String> {
    let described = source.describe(&model(sql)).await.unwrap_or_else(|error| panic!("{sql}\n{error}"));
    let rows = all(source, sql).await;
    assert_eq!(shown_schema(&described), shown_schema(&rows.schema()), "{sql}");
    shown_schema(&described)
}

#[tokio::test]
async fn duckdb_loses_nothing() {
    let source = duckdb("");
    let opaque = |kind: &str, size: &str| {
        format!(" arrow.opaque{{\"type_name\":\"{kind}\",\"vendor_name\":\"DuckDB\"}}: {size}")
    };
    for (sql, wanted, value) in [
        (
            "'-170141183460469231731687303715884105728'::hugeint",
            opaque("hugeint", "FixedSizeBinary(16)"),
            None,
        ),
        ("sum(1::bigint)", opaque("hugeint", "FixedSizeBinary(16)"), None),
        (
            "'340282366920938463463374607431768211455'::uhugeint",
            opaque("uhugeint", "FixedSizeBinary(16)"),
            None,
        ),
        ("'12:34:56+02'::timetz", opaque("time_tz", "FixedSizeBinary(8)"), None),
        ("'0101'::bit", opaque("bit", "Binary"), None),
        ("18446744073709551615::ubigint", ": UInt64".to_owned(), Some("18446744073709551615")),
        ("1.25::decimal(38,10)", ": Decimal128(38, 10)".to_owned(), Some("1.2500000000")),
        ("'ü'::varchar", ": Utf8".to_owned(), Some("ü")),
        ("'x'::enum('x', 'y')", ": Dictionary(UInt8, Utf8)".to_owned(), Some("x")),
        ("date '2020-02-29'", ": Date32".to_owned(), Some("2020-02-29")),
        ("time '12:34:56.123456'", ": Time64(µs)".to_owned(), Some("12:34:56.123456")),
        (
            "timestamp '2020-01-01 00:00:00.123456'",
            ": Timestamp(µs)".to_owned(),
            Some("2020-01-01T00:00:00.123456"),
        ),
        (
            "timestamp_ns '2020-01-01 00:00:00.123456789'",
            ": Timestamp(ns)".to_owned(),
            Some("2020-01-01T00:00:00.123456789"),
        ),
        ("[1, NULL]", ": List(Int32, field: 'l')".to_owned(), Some("[1, ∅]")),
        ("{'a': 1}", ": Struct(\"a\": Int32)".to_owned(), Some("{a: 1}")),
        ("'550e8400-e29b-41d4-a716-446655440000'::uuid", " arrow.uuid: FixedSizeBinary(16)".to_owned(), None),
        ("'{\"a\": 1}'::json", " arrow.json: Utf8".to_owned(), Some("{\"a\": 1}")),
    ] {
        let sql = format!("select {sql} as x");
        let shown = described(&source, &sql).await.remove(0);
        let (kind, extension) = wanted.split_once(": ").map(|(e, k)| (k, e)).unwrap();
        assert_eq!(shown, format!("x: {kind}{extension}"), "{sql}");
        if let Some(value) = value {
            assert_eq!(shown_rows(&all(&source, &sql).await), [value], "{sql}");
        }
    }
}

#[tokio::test]
async fn postgresql_says_what_it_has() {
    let source = postgres();
    let numeric = " arrow.opaque{\"type_name\": \"numeric\", \"vendor_name\": \"PostgreSQL\"}";
    for (sql, kind, value) in [
        ("7::int8", "Int64".to_owned(), "7"),
        ("1.250::numeric(10,3)", format!("Utf8{numeric}"), "1.250"),
        ("timestamptz '2020-01-01 00:00:00+02'", "Timestamp(µs, \"UTC\")".to_owned(), "2019-12-31T22:00:00Z"),
        ("'{\"a\": 1}'::jsonb", "Utf8 arrow.json".to_owned(), "{\"a\": 1}"),
        ("array['a', null]", "List(Utf8, metadata: {\"POSTGRESQL:type\": \"text\"})".to_owned(), "[a, ∅]"),
    ] {
        let sql = format!("select {sql} as x");
        assert_eq!(described(&source, &sql).await, [format!("x: {kind}")], "{sql}");
        assert_eq!(shown_rows(&all(&source, &sql).await), [value], "{sql}");
    }
}

#[tokio::test]
async fn sqlite_is_described_by_its_first_rows_as_it_has_no_types() {
    let sql = "select 1 as a, 'x' as b, 1.5 as c, x'00ff' as d";
    assert_eq!(described(&sqlite(":memory:"), sql).await, ["a: Int64", "b: Utf8", "c: Float64", "d: Binary"]);
}

#[tokio::test]
async fn snowflake_and_flight_sql_have_their_types_too() {
    let sql = "select 1::number(38,0) as n, 1.25::number(10,2) as d, 'a' as t, '2020-01-01'::date as day";
    assert_eq!(
        described(&snowflake(), sql).await,
        ["N: Decimal128(38, 0)", "D: Decimal128(10, 2)", "T: Utf8", "DAY: Date32"]
    );
    let sql =
        "select cast(1 as bigint) as n, cast(1.25 as decimal(10,2)) as d, 'a' as t, date'2020-01-01' as day";
    assert_eq!(
        described(&flightsql(), sql).await,
        ["n: Int64", "d: Decimal128(10, 2)", "t: Utf8", "day: Date32"]
    );
}

#[tokio::test]
async fn what_is_null_and_what_is_empty_arrives_so() {
    let sql = "select * from (values (1, 'a'), (2, null), (null, '')) as t (n, s)";
    for source in [duckdb(""), postgres()] {
        let rows = all(&source, sql).await;
        assert_eq!(
            (shown_rows(&rows), nulls(&rows)),
            (vec!["1|a".into(), "2|∅".into(), "∅|".into()], vec![1, 1])
        );
    }
    let none = "select * from (values (1, 'a')) as t (n, s) where n > 1";
    for source in [duckdb(""), postgres(), flightsql()] {
        let rows = all(&source, none).await;
        assert_eq!(
            (rows.num_rows(), shown_schema(&rows.schema())),
            (0, vec!["n: Int32".into(), "s: Utf8".into()])
        );
    }
}

#[tokio::test]
async fn a_comment_or_semicolon_at_the_end_of_a_model_is_no_matter() {
    for source in [duckdb(""), postgres(), flightsql(), snowflake()] {
        let columns = source.describe(&model("select 1 as id, 2 as n -- the end")).await.unwrap();
        assert_eq!(columns.fields().len(), 2);
    }
    let columns = flightsql().describe(&model("select 1 as id, 2 as n;\n")).await.unwrap();
    assert_eq!(columns.fields().len(), 2);
}

#[tokio::test]
async fn what_a_library_hands_over_is_looked_at() {
    let source = sqlite(":memory:");
    let error = super::fixture::error(&source, "select cast(x'ff61' as text) as name").await;
    assert_eq!(error.message, "running the query: column name has text that is not UTF-8");
}

#[tokio::test]
async fn settings_and_options_of_duckdb_reach_it() {
    let lossy = duckdb(", settings: { arrow_lossless_conversion: false }");
    assert_eq!(described(&lossy, "select 1::hugeint as x").await, ["x: Decimal128(38, 0)"]);
    let sql = "select current_setting('threads') as t, current_setting('memory_limit') as m, \
               current_setting('TimeZone') as z, current_setting('default_null_order') as o";
    let told = duckdb(
        ", memory: 256MiB, settings: { TimeZone: Asia/Tokyo }, options: { default_null_order: nulls_first }",
    );
    assert_eq!(shown_rows(&all(&told, sql).await), ["2|256.0 MiB|Asia/Tokyo|NULLS_FIRST"]);
    // What is passed on counts more than a key of the block.
    let more = source(&format!(
        "{{ type: duckdb, driver: {}, threads: 2, options: {{ threads: 1 }} }}",
        super::fixture::library("duckdb")
    ));
    assert_eq!(shown_rows(&all(&more, "select current_setting('threads') as t").await), ["1"]);
}
