//! Any ADBC driver.

use super::{named_driver, passed_on};
use crate::{
    config::{AdbcSpec, DriverName, Warehouse, raw, reader::Reader, value::OneOf},
    source::Dialect,
};
use url::Url;

pub(in crate::config::check) fn adbc(raw: raw::Adbc, reader: &mut Reader<'_>) -> Option<AdbcSpec> {
    let driver = raw.driver.given()?;
    let name = driver.value.typed.clone();
    let driver = named_driver(&driver, reader)?;
    let dialect = raw.dialect.or(OneOf(Dialect::Standard));
    let mut entrypoint = raw.entrypoint.given().map(|at| at.value.text);
    let file = match &driver {
        DriverName::Path(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
        DriverName::Names(names) => names.first().cloned(),
    };
    // Every other driver has its name in its entry point; a manifest that says otherwise counts more.
    if entrypoint.is_none() && file.is_some_and(|file| file.contains("duckdb")) {
        entrypoint = Some("duckdb_adbc_init".to_owned());
    }
    let database = passed_on(raw.options);
    let url = database.get("uri").and_then(|uri| Url::parse(uri.value.expose()).ok());
    let user = database.get("username").filter(|user| !user.is_secret);
    let account = user.map(|user| user.value.expose().to_owned());
    Some(AdbcSpec {
        warehouse: Warehouse::Other,
        driver,
        entrypoint,
        dialect: dialect?.0,
        database,
        connection: passed_on(raw.connection),
        statement: passed_on(raw.statement),
        settings: Default::default(),
        place: url.as_ref().and_then(place).unwrap_or_else(|| format!("driver {name}")),
        account,
        unload: None,
    })
}

/// Server and database of a URL, if it has a server. Not the user: in a mistyped URL the password is a part of it, and may
/// be one of the path.
fn place(url: &Url) -> Option<String> {
    let host = url.host_str().filter(|host| !host.is_empty() && !url.path().contains(['@', ':']))?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{host}{port}{}", url.path().trim_end_matches('/')))
}
