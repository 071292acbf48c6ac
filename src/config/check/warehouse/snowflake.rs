//! Snowflake.

use super::{Options, driver, file, one_of, unload};
use crate::{
    config::{AdbcSpec, DriverOptions, Warehouse, raw, reader::Reader},
    secret::Secret,
    source::Dialect,
};
use std::ops::Range;

/// How many batches the driver may hold ready, instead of its own 200: each is some megabytes.
const BATCHES_AHEAD: u32 = 8;

/// How many parts of a result the driver fetches at the same time, instead of its own 10.
const PARTS_AT_ONCE: u32 = 4;

pub(in crate::config::check) fn snowflake(
    raw: raw::Snowflake,
    block: &Range<usize>,
    reader: &mut Reader<'_>,
) -> Option<AdbcSpec> {
    let mut options = Options::default();
    let ways = [
        ("password", raw.password.place()),
        ("private_key", raw.private_key.place()),
        ("private_key_path", raw.private_key_path.place()),
        ("token", raw.token.place()),
        ("oauth_token", raw.oauth_token.place()),
    ];
    if !one_of(&ways, "one way to log in is enough: remove the other", reader) {
        return None;
    }
    let [password, private_key, private_key_path, token, oauth_token] = ways.map(|(_, at)| at);
    let passphrase = raw.private_key_passphrase.place();
    if let Some(at) = &passphrase
        && private_key.is_none()
        && private_key_path.is_none()
    {
        let help = "give the key: `private_key_path: …`".to_owned();
        reader.problem(at, "`private_key_passphrase` is given, but no private key", help);
        return None;
    }
    if token.is_some() {
        options.set("adbc.snowflake.sql.auth_type", "auth_pat");
        options.given_secret("adbc.snowflake.sql.client_option.auth_token", raw.token);
    } else if oauth_token.is_some() {
        options.set("adbc.snowflake.sql.auth_type", "auth_oauth");
        options.given_secret("adbc.snowflake.sql.client_option.auth_token", raw.oauth_token);
    } else if private_key.is_some() || private_key_path.is_some() {
        options.set("adbc.snowflake.sql.auth_type", "auth_jwt");
        options.given_secret(
            "adbc.snowflake.sql.client_option.jwt_private_key_pkcs8_password",
            raw.private_key_passphrase,
        );
        let key = match raw.private_key_path.given() {
            Some(path) => {
                let (path, text) = file(&path, "the private key", reader)?;
                if text.contains("BEGIN RSA PRIVATE KEY") {
                    // The older form, which the driver takes from a file only.
                    options.set("adbc.snowflake.sql.client_option.jwt_private_key", path.to_string_lossy());
                    None
                } else {
                    Some(Secret::new(text))
                }
            }
            None => raw.private_key.given().map(|at| at.value.0),
        };
        if let Some(key) = key {
            let at = private_key.or(private_key_path).unwrap_or_default();
            if !key.expose().contains("-----BEGIN") {
                let help =
                    "it begins with `-----BEGIN PRIVATE KEY-----` or `-----BEGIN ENCRYPTED PRIVATE KEY-----`";
                reader.problem(&at, "this is no private key in PKCS #8 (PEM)", help.to_owned());
                return None;
            }
            if key.expose().contains("ENCRYPTED") && passphrase.is_none() {
                let help = "add `private_key_passphrase: \"${…}\"`".to_owned();
                reader.problem(&at, "the private key is encrypted", help);
                return None;
            }
            options.hide("adbc.snowflake.sql.client_option.jwt_private_key_pkcs8_value", key);
        }
    } else if password.is_some() {
        options.given_secret("password", raw.password);
    }
    let account = options.given("adbc.snowflake.sql.account", raw.account)?;
    let user = options.given("username", raw.user);
    options.given("adbc.snowflake.sql.warehouse", raw.warehouse);
    let database = options.given("adbc.snowflake.sql.db", raw.database);
    let schema = options.given("adbc.snowflake.sql.schema", raw.schema);
    options.given("adbc.snowflake.sql.role", raw.role);
    // Out of range of nanoseconds, years before 1678 or after 2262 would become other times.
    options.set("adbc.snowflake.sql.client_option.max_timestamp_precision", "nanoseconds_error_on_overflow");
    let database_options = options.with(raw.options);
    let is_told_how = database_options.contains_key("adbc.snowflake.sql.auth_type")
        || database_options.contains_key("password")
        || database_options.contains_key("uri");
    if !is_told_how {
        let help = "add `password`, `private_key_path`, `token` or `oauth_token`".to_owned();
        reader.problem(block, "the source does not say how to log in to Snowflake", help);
        return None;
    }
    if user.is_none() && oauth_token.is_none() && !database_options.contains_key("username") {
        let help = "add `user: …`".to_owned();
        reader.problem(block, "the source does not say which user logs in to Snowflake", help);
        return None;
    }
    let place = [Some(account), database, schema].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let unload = unload::snowflake(raw.unload, reader)?;
    Some(AdbcSpec {
        warehouse: Warehouse::Snowflake,
        driver: driver(raw.driver, &["snowflake", "adbc_driver_snowflake"], reader)?,
        entrypoint: None,
        dialect: Dialect::Snowflake,
        database: database_options,
        connection: DriverOptions::default(),
        statement: statement(),
        settings: DriverOptions::default(),
        place,
        account: user,
        unload,
    })
}

/// What keeps the driver's memory flat.
fn statement() -> DriverOptions {
    let mut options = Options::default();
    options.set("adbc.rpc.result_queue_size", BATCHES_AHEAD.to_string());
    options.set("adbc.snowflake.rpc.prefetch_concurrency", PARTS_AT_ONCE.to_string());
    options.0
}
