//! Any ADBC driver.

use super::{named_driver, passed_on};
use crate::{
    config::{AdbcSpec, DriverName, Warehouse, raw, reader::Reader, value::OneOf},
    source::Dialect,
};

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
    let account = database.get("username").map(|user| user.value.expose().to_owned());
    Some(AdbcSpec {
        warehouse: Warehouse::Other,
        driver,
        entrypoint,
        dialect: dialect?.0,
        database,
        connection: passed_on(raw.connection),
        statement: passed_on(raw.statement),
        settings: Default::default(),
        place: format!("driver {name}"),
        account,
    })
}
