//! Arrow Flight SQL.

use super::{Options, driver, file, one_of, passed_on};
use crate::{
    config::{AdbcSpec, DriverOptions, Warehouse, raw, reader::Reader},
    secret::Secret,
    source::Dialect,
};

/// The schemes that the driver knows.
const SCHEMES: &[&str] = &["grpc://", "grpc+tcp://", "grpc+tls://", "grpc+unix://", "flightsql://"];

pub(in crate::config::check) fn flightsql(raw: raw::Flightsql, reader: &mut Reader<'_>) -> Option<AdbcSpec> {
    let ways = [("password", raw.password.place()), ("token", raw.token.place())];
    if !one_of(&ways, "one way to log in is enough: remove the other", reader) {
        return None;
    }
    let (user, password) = (raw.user.place(), raw.password.place());
    if user.is_some() != password.is_some() {
        let at = user.or(password).unwrap_or_default();
        let help = "give both, or a `token`".to_owned();
        reader.problem(&at, "`user` and `password` belong together", help);
        return None;
    }
    let url = raw.url.given()?;
    let Some(scheme) = SCHEMES.iter().find(|scheme| url.value.text.starts_with(**scheme)) else {
        let help = "write `grpc+tls://host:port`, or `grpc://host:port` without encryption".to_owned();
        reader.problem(&url.span, "this is no URL of a Flight SQL server", help);
        return None;
    };
    if url.value.text[scheme.len()..].contains('@') {
        reader.hide(&url.span);
        let help = "give them as `user` and `password`".to_owned();
        reader.problem(&url.span, "the URL holds a user or a password", help);
        return None;
    }
    let mut options = Options::default();
    options.set("uri", &*url.value.text);
    let user = options.given("username", raw.user);
    options.given_secret("password", raw.password);
    if let Some(token) = raw.token.optional()? {
        let header = format!("Bearer {}", token.value.0.expose());
        options.hide("adbc.flight.sql.authorization_header", Secret::new(header));
    }
    if let Some(ca) = raw.tls_ca.optional()? {
        if !["grpc+tls://", "flightsql://"].contains(scheme) {
            let help = "write `grpc+tls://…`".to_owned();
            reader.problem(&ca.span, "`tls_ca` is given, but the URL is one without encryption", help);
            return None;
        }
        let (_, certificates) = file(&ca, "the certificates", reader)?;
        options.set("adbc.flight.sql.client_option.tls_root_certs", certificates);
    }
    for (name, option) in passed_on(raw.headers) {
        let name = format!("adbc.flight.sql.rpc.call_header.{}", name.to_lowercase());
        options.hide(&name, option.value);
    }
    Some(AdbcSpec {
        warehouse: Warehouse::FlightSql,
        driver: driver(raw.driver, &["flightsql", "adbc_driver_flightsql"], reader)?,
        entrypoint: None,
        dialect: Dialect::Standard,
        database: options.with(raw.options),
        connection: DriverOptions::default(),
        statement: DriverOptions::default(),
        settings: DriverOptions::default(),
        place: url.value.text,
        account: user,
        unload: None,
    })
}
