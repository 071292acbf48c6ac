//! What is run in each warehouse, word for word, and what is streamed instead.

use super::staging;
use crate::{
    config::SnowflakeAccess,
    source::unload::{Form, Receipt, Recipe, bigquery, duckdb, redshift, snowflake},
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use std::collections::HashMap;

fn schema(columns: &[(&str, DataType)]) -> Schema {
    Schema::new(columns.iter().map(|(name, of)| Field::new(*name, of.clone(), true)).collect::<Vec<_>>())
}

fn of_kind(name: &str, of: DataType, key: &str, kind: &str) -> Schema {
    let metadata = HashMap::from([(key.to_owned(), kind.to_owned())]);
    Schema::new(vec![Field::new(name, of, true).with_metadata(metadata)])
}

fn zoned(unit: TimeUnit) -> DataType {
    DataType::Timestamp(unit, Some("UTC".into()))
}

/// A model with everything that could end a statement early.
const MODEL: &str = "SELECT id, 'it''s; \\d+' AS \"Name\" -- all;\nFROM users; -- of them";

fn integration() -> SnowflakeAccess {
    SnowflakeAccess::Integration("hydrant".to_owned())
}

fn shown(recipe: &Recipe) -> String {
    recipe.statement.clone()
}

#[test]
fn duckdb_writes_the_model_as_it_is_into_a_folder() {
    let schema = schema(&[("id", DataType::Int64), ("Name", DataType::Utf8)]);
    let types = ["BIGINT".to_owned(), "VARCHAR".to_owned()];
    let into = staging("/srv/it's here", &[]);
    let recipe = duckdb::recipe(MODEL, &schema, &types, &into, None).unwrap();
    insta::assert_snapshot!(shown(&recipe), @r#"
    COPY (
    SELECT id, 'it''s; \d+' AS "Name" -- all;
    FROM users -- of them
    ) TO '/srv/it''s here/users/runs/00000017/unloaded/rows.parquet' (FORMAT parquet, COMPRESSION snappy)
    "#);
    assert!(recipe.keeps_order && recipe.before.is_empty());
    assert_eq!((recipe.forms, recipe.receipt), (vec![Form::AsIs; 2], Receipt::Column("Count")));
}

#[test]
fn duckdb_writes_as_text_what_its_files_would_round() {
    let schema = schema(&[
        ("id", DataType::FixedSizeBinary(16)),
        ("total", DataType::FixedSizeBinary(16)),
        ("big", DataType::FixedSizeBinary(16)),
        ("plain", DataType::Decimal128(38, 0)),
        ("word", DataType::Utf8),
    ]);
    let types = ["UUID", "HUGEINT", "UHUGEINT", "HUGEINT", "UUID"].map(str::to_owned);
    let recipe = duckdb::recipe("FROM t", &schema, &types, &staging("/srv", &[]), None).unwrap();
    insta::assert_snapshot!(shown(&recipe), @r#"
    COPY (
    SELECT "id", CAST("total" AS VARCHAR) AS "total", CAST("big" AS VARCHAR) AS "big", CAST("plain" AS DECIMAL(38, 0)) AS "plain", CAST("word" AS VARCHAR) AS "word"
    FROM (
    FROM t
    ) AS hydrant_model
    ) TO '/srv/users/runs/00000017/unloaded/rows.parquet' (FORMAT parquet, COMPRESSION snappy)
    "#);
    assert_eq!(recipe.forms, [Form::AsIs, Form::Int128Text, Form::UInt128Text, Form::AsIs, Form::AsIs]);
    assert!(!recipe.keeps_order, "around a model there is no promise");
}

#[test]
fn duckdb_gets_the_keys_of_the_store_in_a_statement_that_is_not_shown() {
    let options = [
        ("access_key_id", "AKIA7"),
        ("secret_access_key", "hunter'2"),
        ("session_token", "for an hour"),
        ("endpoint", "http://127.0.0.1:8333"),
        ("region", "eu-west-1"),
    ];
    let into = staging("s3://acme/prod", &options);
    let keys = into.address().unwrap().s3_keys().unwrap();
    let types = ["BIGINT".to_owned()];
    let schema = schema(&[("id", DataType::Int64)]);
    let recipe = duckdb::recipe("FROM t", &schema, &types, &into, Some(&keys)).unwrap();
    insta::assert_snapshot!(shown(&recipe), @"
    COPY (
    FROM t
    ) TO 's3://acme/prod/users/runs/00000017/unloaded/rows.parquet' (FORMAT parquet, COMPRESSION snappy)
    ");
    let before: Vec<_> = recipe.before.iter().map(|sql| sql.expose()).collect();
    assert_eq!(before[0], "LOAD httpfs");
    insta::assert_snapshot!(before[1], @"CREATE OR REPLACE TEMPORARY SECRET hydrant_store (TYPE s3, SCOPE 's3://acme/', KEY_ID 'AKIA7', SECRET 'hunter''2', SESSION_TOKEN 'for an hour', REGION 'eu-west-1', ENDPOINT '127.0.0.1:8333', URL_STYLE 'path', USE_SSL false)");
    assert!(!format!("{recipe:?}").contains("hunter"), "{recipe:?}");
    assert!(duckdb::needs(&into).is_some() && duckdb::needs(&staging("/srv", &[])).is_none());
}

#[test]
fn snowflake_gets_an_integration() {
    let schema = schema(&[
        ("ID", DataType::Decimal128(38, 0)),
        ("Name", DataType::Utf8),
        ("SCORE", DataType::Float64),
        ("AT", zoned(TimeUnit::Nanosecond)),
        ("LOCAL", DataType::Timestamp(TimeUnit::Microsecond, None)),
        ("OPENS", DataType::Time64(TimeUnit::Nanosecond)),
    ]);
    let recipe = snowflake::recipe(MODEL, &schema, &staging("s3://acme/prod", &[]), &integration()).unwrap();
    insta::assert_snapshot!(shown(&recipe), @r#"
    COPY INTO 's3://acme/prod/users/runs/00000017/unloaded/'
    FROM (SELECT "ID", "Name", CAST("SCORE" AS DOUBLE) AS "SCORE", DATE_PART(EPOCH_NANOSECOND, "AT") AS "AT", DATE_PART(EPOCH_MICROSECOND, "LOCAL") AS "LOCAL", DATEDIFF(NANOSECOND, '00:00:00'::TIME, "OPENS") AS "OPENS"
    FROM (
    SELECT id, 'it''s; \d+' AS "Name" -- all;
    FROM users -- of them
    ) AS hydrant_model)
    STORAGE_INTEGRATION = hydrant
    FILE_FORMAT = (TYPE = PARQUET COMPRESSION = SNAPPY)
    HEADER = TRUE
    MAX_FILE_SIZE = 268435456
    "#);
    assert_eq!(recipe.receipt, Receipt::Column("rows_unloaded"));
    assert_eq!(recipe.forms[2..], [Form::AsIs, Form::Count, Form::Count, Form::Count]);
    assert!(!recipe.keeps_order);
}

#[test]
fn snowflake_has_its_own_way_to_write_addresses() {
    let schema = schema(&[("ID", DataType::Decimal128(38, 0))]);
    let address = |address: &str, options: &[(&str, &str)]| {
        let recipe = snowflake::recipe("SELECT 1", &schema, &staging(address, options), &integration());
        recipe.map(|recipe| recipe.statement.lines().next().unwrap().to_owned())
    };
    assert_eq!(
        address("gs://acme/prod", &[]).unwrap(),
        "COPY INTO 'gcs://acme/prod/users/runs/00000017/unloaded/'"
    );
    let azure = "COPY INTO 'azure://acme.blob.core.windows.net/box/prod/users/runs/00000017/unloaded/'";
    assert_eq!(address("az://box/prod", &[("account_name", "acme")]).unwrap(), azure);
    assert_eq!(address("abfss://box@acme.dfs.core.windows.net/prod", &[]).unwrap(), azure);
    let refusal = address("/srv", &[]).unwrap_err();
    assert_eq!(
        refusal,
        "the store is a folder on this machine, and Snowflake unloads to s3://, gs:// or az://"
    );
}

#[test]
fn a_stage_of_snowflake_stands_for_the_stores_address() {
    let stage = SnowflakeAccess::Stage("ops.public.hydrant".to_owned());
    let schema = schema(&[("ID", DataType::Decimal128(38, 0))]);
    let recipe =
        snowflake::recipe("SELECT 1 AS ID", &schema, &staging("s3://acme/prod", &[]), &stage).unwrap();
    insta::assert_snapshot!(shown(&recipe), @r#"
    COPY INTO '@ops.public.hydrant/users/runs/00000017/unloaded/'
    FROM (SELECT "ID"
    FROM (
    SELECT 1 AS ID
    ) AS hydrant_model)
    FILE_FORMAT = (TYPE = PARQUET COMPRESSION = SNAPPY)
    HEADER = TRUE
    MAX_FILE_SIZE = 268435456
    "#);
}

#[test]
fn bigquery_exports() {
    let schema = schema(&[
        ("id", DataType::Int64),
        ("price", DataType::Decimal128(38, 9)),
        ("wide", DataType::Decimal256(76, 38)),
        ("at", zoned(TimeUnit::Microsecond)),
        ("local", DataType::Timestamp(TimeUnit::Microsecond, None)),
        ("opens", DataType::Time64(TimeUnit::Microsecond)),
    ]);
    let recipe = bigquery::recipe(MODEL, &schema, &staging("gs://acme/it's/prod", &[])).unwrap();
    insta::assert_snapshot!(shown(&recipe), @r#"
    EXPORT DATA OPTIONS (uri = 'gs://acme/it\'s/prod/users/runs/00000017/unloaded/*.parquet', format = 'PARQUET', compression = 'SNAPPY', overwrite = false)
    AS SELECT `id`, `price`, CAST(`wide` AS STRING) AS `wide`, UNIX_MICROS(`at`) AS `at`, UNIX_MICROS(TIMESTAMP(`local`, 'UTC')) AS `local`, TIME_DIFF(`opens`, TIME '00:00:00', MICROSECOND) AS `opens`
    FROM (
    SELECT id, 'it''s; \d+' AS "Name" -- all;
    FROM users -- of them
    ) AS hydrant_model
    "#);
    assert_eq!(recipe.receipt, Receipt::None);
    assert_eq!(recipe.forms[2..], [Form::DecimalText, Form::Count, Form::Count, Form::Count]);
}

#[test]
fn redshift_takes_the_query_as_a_text() {
    let schema = schema(&[
        ("id", DataType::Int64),
        ("Name", DataType::Utf8),
        ("at", zoned(TimeUnit::Microsecond)),
        ("local", DataType::Timestamp(TimeUnit::Microsecond, None)),
    ]);
    let role = "arn:aws:iam::123456789012:role/hydrant";
    let into = staging("s3://acme/prod", &[]);
    let recipe = redshift::recipe(MODEL, &schema, &into, role, Some("eu-west-1")).unwrap();
    insta::assert_snapshot!(shown(&recipe), @r#"
    UNLOAD ('SELECT "id", "Name", DATEDIFF(microsecond, TIMESTAMP ''1970-01-01 00:00:00'', "at" AT TIME ZONE ''UTC'') AS "at", DATEDIFF(microsecond, TIMESTAMP ''1970-01-01 00:00:00'', "local") AS "local"
    FROM (
    SELECT id, ''it''''s; \\d+'' AS "Name" -- all;
    FROM users -- of them
    ) AS hydrant_model')
    TO 's3://acme/prod/users/runs/00000017/unloaded/'
    IAM_ROLE 'arn:aws:iam::123456789012:role/hydrant'
    FORMAT AS PARQUET
    MANIFEST VERBOSE
    MAXFILESIZE 256 MB
    REGION 'eu-west-1'
    "#);
    assert_eq!(recipe.receipt, Receipt::Manifest("manifest"));
    let own = redshift::recipe("SELECT 1 AS id", &schema, &into, "default", None).unwrap();
    assert!(
        own.statement.contains("\nIAM_ROLE default\n") && !own.statement.contains("REGION"),
        "{}",
        own.statement
    );
}

#[test]
fn a_store_that_a_warehouse_cannot_write_to_is_a_reason_to_stream() {
    let one = schema(&[("id", DataType::Int64)]);
    let types = ["BIGINT".to_owned()];
    let duckdb =
        |address: &str| duckdb::recipe("FROM t", &one, &types, &staging(address, &[]), None).unwrap_err();
    assert_eq!(duckdb("gs://acme"), "the store is at gs://, and DuckDB unloads into a folder or to S3");
    assert_eq!(
        duckdb("s3://acme"),
        "DuckDB needs keys for S3, and the store has none in its options or the environment"
    );
    assert_eq!(duckdb("memory://"), "the store is in memory, and DuckDB unloads into a folder or to S3");
    let bigquery = bigquery::recipe("SELECT 1", &one, &staging("s3://acme", &[])).unwrap_err();
    assert_eq!(bigquery, "the store is at s3://, and BigQuery unloads to gs://");
    let redshift = redshift::recipe("SELECT 1", &one, &staging("/srv", &[]), "default", None).unwrap_err();
    assert_eq!(redshift, "the store is a folder on this machine, and Redshift unloads to s3://");
    let azure = snowflake::recipe("SELECT 1", &one, &staging("az://box", &[]), &integration());
    assert_eq!(azure.unwrap_err(), "Snowflake's address of the store needs the option account_name");
}

#[test]
fn a_type_that_files_do_not_hold_as_streams_do_is_a_reason_to_stream() {
    for (of_type, reason) in [
        (
            "INTERVAL",
            "the column c is of the type INTERVAL, and DuckDB's Parquet files hold INTERVAL as milliseconds",
        ),
        ("BIT", "the column c is of the type BIT, and DuckDB's Parquet files hold BIT as text"),
        (
            "STRUCT(n HUGEINT)[]",
            "the column c is of the type STRUCT(n HUGEINT)[], and DuckDB's Parquet files hold HUGEINT as 64-bit floats",
        ),
        (
            "TIME WITH TIME ZONE",
            "the column c is of the type TIME WITH TIME ZONE, and DuckDB's Parquet files hold TIME WITH TIME ZONE as times without their zone",
        ),
    ] {
        let schema = schema(&[("c", DataType::Binary)]);
        let refusal = duckdb::recipe("FROM t", &schema, &[of_type.to_owned()], &staging("/srv", &[]), None)
            .unwrap_err();
        assert_eq!(refusal, reason);
    }
    for (key, kind) in [("SNOWFLAKE_TYPE", "variant"), ("logicalType", "OBJECT"), ("DATA_TYPE", "GEOGRAPHY")]
    {
        let schema = of_kind("c", DataType::Utf8, key, kind);
        let refusal = snowflake::recipe("SELECT 1", &schema, &staging("s3://acme", &[]), &integration());
        let kind = kind.to_ascii_uppercase();
        assert_eq!(
            refusal.unwrap_err(),
            format!("the column c is of the type {kind}, which files hold otherwise")
        );
    }
    for (key, kind) in [("Type", "JSON"), ("ARROW:extension:name", "google:sqlType:geography")] {
        let schema = of_kind("c", DataType::Utf8, key, kind);
        assert!(bigquery::recipe("SELECT 1", &schema, &staging("gs://acme", &[])).is_err(), "{kind}");
    }
    let list = schema(&[("c", DataType::List(Field::new("item", DataType::Int64, true).into()))]);
    assert!(snowflake::recipe("SELECT 1", &list, &staging("s3://acme", &[]), &integration()).is_err());
    assert!(bigquery::recipe("SELECT 1", &list, &staging("gs://acme", &[])).is_err());
    assert!(redshift::recipe("SELECT 1", &list, &staging("s3://acme", &[]), "default", None).is_err());
}
