//! What each block of a warehouse tells its driver, in the driver's own names.

use super::good;
use hydrant::{
    config::{AdbcSpec, DriverName, DriverOptions, SnowflakeAccess, SourceSpec, UnloadSpec, Warehouse},
    source::Dialect,
};
use std::path::Path;

fn spec(name: &str) -> AdbcSpec {
    match good("everything").sources.remove(name) {
        Some(SourceSpec::Adbc(spec)) => spec,
        other => panic!("{name} is {other:?}"),
    }
}

/// `name=value`, with `(hidden)` behind what must not be shown.
fn told(options: &DriverOptions) -> Vec<String> {
    let shown = options.iter().map(|(name, option)| {
        let hidden = if option.is_secret { " (hidden)" } else { "" };
        format!("{name}={}{hidden}", option.value.expose().replace('\n', " "))
    });
    shown.collect()
}

const FOLDER: &str = "tests/config/good/everything";

#[test]
fn duckdb() {
    let spec = spec("duck");
    assert_eq!((spec.warehouse, spec.dialect), (Warehouse::DuckDb, Dialect::DuckDb));
    assert_eq!(spec.driver, DriverName::Path("/opt/duckdb/libduckdb.so".into()));
    assert_eq!(spec.entrypoint.as_deref(), Some("duckdb_adbc_init"));
    assert_eq!(
        told(&spec.database),
        [
            "arrow_lossless_conversion=true",
            "default_null_order=nulls_first",
            "memory_limit=2147483648B",
            &format!("path={FOLDER}/warehouse.duckdb"),
            "threads=4",
        ]
    );
    assert_eq!(told(&spec.settings), ["TimeZone=Europe/Berlin"]);
    assert_eq!(spec.place, "warehouse.duckdb");
}

#[test]
fn snowflake() {
    let base = [
        "adbc.snowflake.sql.account=acme-main",
        "adbc.snowflake.sql.client_option.max_timestamp_precision=nanoseconds_error_on_overflow",
    ];
    let with = |more: &[&str]| {
        let mut all: Vec<String> = base.iter().chain(more).map(|text| (*text).to_owned()).collect();
        all.sort();
        all
    };
    let spec_with = spec("snow");
    assert_eq!(
        told(&spec_with.database),
        with(&[
            "adbc.snowflake.sql.client_option.app_name=hydrant",
            "adbc.snowflake.sql.db=ANALYTICS",
            "adbc.snowflake.sql.role=HYDRANT",
            "adbc.snowflake.sql.schema=MARTS",
            "adbc.snowflake.sql.warehouse=HYDRANT_WH",
            "password=hunter2-of-environment (hidden)",
            "username=hydrant",
        ])
    );
    assert_eq!(spec_with.driver, DriverName::Names(vec!["snowflake".into(), "adbc_driver_snowflake".into()]));
    assert_eq!(spec_with.place, "acme-main, ANALYTICS, MARTS");
    assert_eq!(
        told(&spec_with.statement),
        ["adbc.rpc.result_queue_size=8", "adbc.snowflake.rpc.prefetch_concurrency=4"]
    );
    let key = "-----BEGIN ENCRYPTED PRIVATE KEY----- not a key, but it begins like one -----END ENCRYPTED PRIVATE KEY----- ";
    assert_eq!(
        told(&spec("snow_with_key").database),
        with(&[
            "adbc.snowflake.sql.auth_type=auth_jwt",
            "adbc.snowflake.sql.client_option.jwt_private_key_pkcs8_password=hunter2-of-environment (hidden)",
            &format!("adbc.snowflake.sql.client_option.jwt_private_key_pkcs8_value={key} (hidden)"),
            "username=hydrant",
        ])
    );
    assert_eq!(
        told(&spec("snow_with_key_as_text").database),
        with(&[
            "adbc.snowflake.sql.auth_type=auth_jwt",
            "adbc.snowflake.sql.client_option.jwt_private_key_pkcs8_value=-----BEGIN PRIVATE KEY----- (hidden)",
            "username=hydrant",
        ])
    );
    let token = "adbc.snowflake.sql.client_option.auth_token=hunter2-of-environment (hidden)";
    assert_eq!(
        told(&spec("snow_with_token").database),
        with(&["adbc.snowflake.sql.auth_type=auth_pat", token, "username=hydrant"])
    );
    assert_eq!(
        told(&spec("snow_with_oauth").database),
        with(&["adbc.snowflake.sql.auth_type=auth_oauth", token])
    );
}

#[test]
fn bigquery() {
    let with_file = spec("big");
    assert_eq!(
        told(&with_file.database),
        [
            "adbc.bigquery.sql.auth.quota_project=acme",
            &format!("adbc.bigquery.sql.auth_credentials={FOLDER}/storage-key"),
            "adbc.bigquery.sql.auth_type=adbc.bigquery.sql.auth_type.json_credential_file",
            "adbc.bigquery.sql.dataset_id=marts",
            "adbc.bigquery.sql.location=EU",
            "adbc.bigquery.sql.project_id=acme-analytics",
        ]
    );
    assert_eq!(with_file.place, "acme-analytics.marts");
    assert_eq!(
        told(&spec("big_with_json").database),
        [
            "adbc.bigquery.sql.auth_credentials={ \"type\": \"service_account\" } (hidden)",
            "adbc.bigquery.sql.auth_type=adbc.bigquery.sql.auth_type.json_credential_string",
            "adbc.bigquery.sql.project_id=acme-analytics",
        ]
    );
}

#[test]
fn databricks() {
    let place = "databricks.server_hostname=dbc-a1b2345c-d6e7.cloud.databricks.com";
    assert_eq!(
        told(&spec("bricks").database),
        [
            "databricks.access_token=hunter2-of-environment (hidden)",
            "databricks.catalog=analytics",
            "databricks.download_thread_count=2",
            "databricks.http_path=/sql/1.0/warehouses/abc123",
            "databricks.schema=marts",
            place,
        ]
    );
    assert_eq!(
        told(&spec("bricks_with_principal").database),
        [
            "databricks.http_path=/sql/1.0/warehouses/abc123",
            "databricks.oauth.client_id=12345678-1234",
            "databricks.oauth.client_secret=hunter2-of-environment (hidden)",
            place,
        ]
    );
}

#[test]
fn redshift() {
    let with_password = spec("shift");
    assert_eq!(
        told(&with_password.database),
        [
            "redshift.sslmode=verify-full",
            "uri=redshift://hydrant:p%40ss%2Fhunter2-of-environment@acme.abc.eu-central-1.redshift.amazonaws.com:5440/analytics\
             ?aws_region=eu-central-1 (hidden)",
        ]
    );
    assert_eq!(with_password.place, "acme.abc.eu-central-1.redshift.amazonaws.com:5440/analytics");
    assert_eq!(
        told(&spec("shift_by_identity").database),
        ["uri=redshift:///analytics?cluster_type=redshift-iam&cluster_identifier=acme-main (hidden)"]
    );
    assert_eq!(
        told(&spec("shift_serverless").database),
        ["uri=redshift:///analytics?cluster_type=redshift-serverless&workgroup_name=acme (hidden)"]
    );
}

#[test]
fn flight_sql() {
    assert_eq!(
        told(&spec("flight").database),
        [
            "adbc.flight.sql.client_option.tls_root_certs=hunter2-of-file ",
            "adbc.flight.sql.rpc.call_header.x-tenant=acme (hidden)",
            "adbc.flight.sql.rpc.timeout_seconds.fetch=600",
            "password=hunter2-of-environment (hidden)",
            "uri=grpc+tls://flight.example:443",
            "username=hydrant",
        ]
    );
    assert_eq!(
        told(&spec("flight_with_token").database),
        [
            "adbc.flight.sql.authorization_header=Bearer hunter2-of-environment (hidden)",
            "uri=grpc://127.0.0.1:1"
        ]
    );
}

#[test]
fn any_driver() {
    let spec = spec("other");
    assert_eq!(spec.driver, DriverName::Path(Path::new(FOLDER).join("drivers/trino.toml")));
    assert_eq!(spec.entrypoint.as_deref(), Some("AdbcDriverTrinoInit"));
    assert_eq!((spec.warehouse, spec.dialect), (Warehouse::Other, Dialect::Standard));
    assert_eq!(
        told(&spec.database),
        ["uri=http://hydrant:hunter2-of-environment@trino.example (hidden)", "username=hydrant"]
    );
    assert_eq!(told(&spec.connection), ["adbc.connection.catalog=hive"]);
    assert_eq!(told(&spec.statement), ["trino.batch_rows=10000"]);
    assert_eq!((spec.place.as_str(), spec.account.as_deref()), ("trino.example", Some("hydrant")));
}

#[test]
fn unloading() {
    let snowflake = |access| Some(UnloadSpec::Snowflake(access));
    for (source, unload) in [
        ("duck", Some(UnloadSpec::DuckDb)),
        ("snow", snowflake(SnowflakeAccess::Integration("hydrant".into()))),
        ("snow_with_token", snowflake(SnowflakeAccess::Stage(r#"ops."Public".hydrant"#.into()))),
        ("snow_with_key", None),
        ("big", Some(UnloadSpec::BigQuery)),
        ("big_with_json", None),
        ("shift", Some(UnloadSpec::Redshift { iam_role: "arn:aws:iam::123456789012:role/hydrant".into() })),
        ("bricks", None),
        ("other", None),
    ] {
        assert_eq!(spec(source).unload, unload, "{source}");
    }
}
