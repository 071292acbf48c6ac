//! Google BigQuery.

use super::{Options, driver, one_of};
use crate::{
    config::{AdbcSpec, DriverOptions, UnloadSpec, Warehouse, location, raw, reader::Reader, value::YesNo},
    source::Dialect,
};

/// How many batches the driver may hold ready, instead of its own 200: each is some megabytes.
const BATCHES_AHEAD: u32 = 8;

/// How many streams of a result the driver reads at the same time, instead of its own 10.
const STREAMS_AT_ONCE: u32 = 4;

pub(in crate::config::check) fn bigquery(raw: raw::Bigquery, reader: &mut Reader<'_>) -> Option<AdbcSpec> {
    let mut options = Options::default();
    let ways = [
        ("credentials_file", raw.credentials_file.place()),
        ("credentials_json", raw.credentials_json.place()),
    ];
    if !one_of(&ways, "one is enough: remove the other", reader) {
        return None;
    }
    let project = options.given("adbc.bigquery.sql.project_id", raw.project)?;
    let dataset = options.given("adbc.bigquery.sql.dataset_id", raw.dataset);
    options.given("adbc.bigquery.sql.location", raw.location);
    if let Some(path) = raw.credentials_file.optional()? {
        let file = location::path(&path, reader)?;
        if !file.is_file() {
            let message = format!("there is no file `{}`", path.value.typed);
            let help = "the path is relative to the folder of this file".to_owned();
            reader.problem(&path.span, message, help);
            return None;
        }
        options.set("adbc.bigquery.sql.auth_type", "adbc.bigquery.sql.auth_type.json_credential_file");
        options.set("adbc.bigquery.sql.auth_credentials", file.to_string_lossy());
    } else if let Some(json) = raw.credentials_json.optional()? {
        if !json.value.0.expose().trim_start().starts_with('{') {
            let help = "give the content of the key's file; for the file itself there is `credentials_file`";
            reader.problem(&json.span, "`credentials_json` is no JSON", help.to_owned());
            return None;
        }
        options.set("adbc.bigquery.sql.auth_type", "adbc.bigquery.sql.auth_type.json_credential_string");
        options.hide("adbc.bigquery.sql.auth_credentials", json.value.0);
    }
    let place = dataset.map_or_else(|| project.clone(), |dataset| format!("{project}.{dataset}"));
    let unload = raw.unload.or(YesNo(false))?.0.then_some(UnloadSpec::BigQuery);
    Some(AdbcSpec {
        warehouse: Warehouse::BigQuery,
        driver: driver(raw.driver, &["bigquery", "adbc_driver_bigquery"], reader)?,
        entrypoint: None,
        dialect: Dialect::BigQuery,
        database: options.with(raw.options),
        connection: DriverOptions::default(),
        statement: statement(),
        settings: DriverOptions::default(),
        place,
        account: None,
        unload,
    })
}

/// What keeps the driver's memory flat.
fn statement() -> DriverOptions {
    let mut options = Options::default();
    options.set("adbc.bigquery.sql.query.result_buffer_size", BATCHES_AHEAD.to_string());
    options.set("adbc.bigquery.sql.query.prefetch_concurrency", STREAMS_AT_ONCE.to_string());
    options.0
}
