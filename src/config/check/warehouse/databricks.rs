//! Databricks SQL.

use super::{Options, driver, one_of};
use crate::{
    config::{AdbcSpec, DriverOptions, Warehouse, raw, reader::Reader},
    source::Dialect,
};
use std::ops::Range;

pub(in crate::config::check) fn databricks(
    raw: raw::Databricks,
    block: &Range<usize>,
    reader: &mut Reader<'_>,
) -> Option<AdbcSpec> {
    let mut options = Options::default();
    let ways = [("token", raw.token.place()), ("client_id", raw.client_id.place())];
    if !one_of(&ways, "one way to log in is enough: remove the other", reader) {
        return None;
    }
    let (id, secret) = (raw.client_id.place(), raw.client_secret.place());
    if id.is_some() != secret.is_some() {
        let at = id.or(secret).unwrap_or_default();
        let help = "a service principal has both".to_owned();
        reader.problem(&at, "`client_id` and `client_secret` belong together", help);
        return None;
    }
    let host = raw.host.given();
    if let Some(host) = &host
        && (host.value.text.contains("://") || host.value.text.contains('/'))
    {
        let help = "write it as in `dbc-a1b2345c-d6e7.cloud.databricks.com`".to_owned();
        reader.problem(&host.span, "`host` is a host's name alone", help);
        return None;
    }
    let host = host?.value.text;
    options.set("databricks.server_hostname", &*host);
    options.given("databricks.http_path", raw.http_path)?;
    options.given_secret("databricks.access_token", raw.token);
    options.given("databricks.oauth.client_id", raw.client_id);
    options.given_secret("databricks.oauth.client_secret", raw.client_secret);
    let catalog = options.given("databricks.catalog", raw.catalog);
    let schema = options.given("databricks.schema", raw.schema);
    let database = options.with(raw.options);
    let logs_in = ["databricks.access_token", "databricks.oauth.client_id", "uri"];
    if !logs_in.iter().any(|name| database.contains_key(*name)) {
        let help = "add `token`, or `client_id` and `client_secret`".to_owned();
        reader.problem(block, "the source does not say how to log in to Databricks", help);
        return None;
    }
    Some(AdbcSpec {
        warehouse: Warehouse::Databricks,
        driver: driver(raw.driver, &["databricks", "adbc_driver_databricks"], reader)?,
        entrypoint: None,
        dialect: Dialect::Databricks,
        database,
        connection: DriverOptions::default(),
        statement: DriverOptions::default(),
        settings: DriverOptions::default(),
        place: [Some(host), catalog, schema].into_iter().flatten().collect::<Vec<_>>().join(", "),
        account: None,
        unload: None,
    })
}
