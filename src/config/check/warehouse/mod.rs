//! Warehouses behind ADBC drivers: each block becomes the options of its driver, in the driver's own names.
//!
//! The names were taken from the drivers' own documentation; `docs/sources` has a page for each.

mod adbc;
mod bigquery;
mod databricks;
mod duckdb;
mod flightsql;
mod redshift;
mod snowflake;
mod unload;

pub(super) use adbc::adbc;
pub(super) use bigquery::bigquery;
pub(super) use databricks::databricks;
pub(super) use duckdb::duckdb;
pub(super) use flightsql::flightsql;
pub(super) use redshift::redshift;
pub(super) use snowflake::snowflake;

use crate::{
    config::{
        DriverName, DriverOption, DriverOptions,
        driver_option::Passed,
        location,
        reader::{At, Field, Reader},
        value::{Hidden, Names, Text},
    },
    secret::Secret,
};
use std::{fs, path::PathBuf};

/// What the names of options have in them whose values must not be shown, even if they were written out in the file.
const SECRET_WORDS: &[&str] = &[
    "authorization",
    "credential",
    "header",
    "key",
    "passcode",
    "passphrase",
    "password",
    "pwd",
    "secret",
    "token",
    "uri",
    "url",
];

/// The options that a block becomes.
#[derive(Default)]
struct Options(DriverOptions);

impl Options {
    /// An option that may be shown.
    fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = DriverOption { value: Secret::new(value), is_secret: false };
        self.0.insert(name.to_owned(), value);
    }

    /// An option that must not be shown.
    fn hide(&mut self, name: &str, value: Secret) {
        self.0.insert(name.to_owned(), DriverOption { value, is_secret: true });
    }

    /// An option from a key, if it is given.
    fn given(&mut self, name: &str, key: Field<Text>) -> Option<String> {
        let text = key.given()?.value.text;
        self.set(name, &*text);
        Some(text)
    }

    /// A secret option from a key, if it is given.
    fn given_secret(&mut self, name: &str, key: Field<Hidden>) {
        if let Some(at) = key.given() {
            self.hide(name, at.value.0);
        }
    }

    /// With what is passed on as it is, which counts more.
    fn with(mut self, passed: Field<Names<Passed>>) -> DriverOptions {
        self.0.extend(passed_on(passed));
        self.0
    }
}

/// Options that are passed on as they are.
fn passed_on(passed: Field<Names<Passed>>) -> DriverOptions {
    let right = passed.given().into_iter().flat_map(|at| at.value.right());
    right
        .map(|(name, at)| {
            let mut option = at.value.0;
            let lower = name.value.to_lowercase();
            option.is_secret |= SECRET_WORDS.iter().any(|word| lower.contains(word));
            (name.value, option)
        })
        .collect()
}

/// Where a driver is: what the key `driver` says, or the names that it is usually found under.
fn driver(key: Field<Text>, usual: &[&str], reader: &mut Reader<'_>) -> Option<DriverName> {
    match key.optional()? {
        None => Some(DriverName::Names(usual.iter().map(|&name| name.to_owned()).collect())),
        Some(text) => named_driver(&text, reader),
    }
}

/// A path, if it looks like one; otherwise a name, also in the form that the libraries of most drivers have.
fn named_driver(text: &At<Text>, reader: &mut Reader<'_>) -> Option<DriverName> {
    let name = text.value.text.trim();
    let ends = [".so", ".dylib", ".dll", ".toml"].iter().any(|ending| name.ends_with(ending));
    if ends || name.contains(['/', '\\']) || name.contains(".so.") || name == "~" {
        return location::path(text, reader).map(DriverName::Path);
    }
    let mut names = vec![name.to_owned()];
    if !name.starts_with("adbc_driver_") {
        names.push(format!("adbc_driver_{name}"));
    }
    Some(DriverName::Names(names))
}

/// The text of a file that a key names.
fn file(key: &At<Text>, what: &str, reader: &mut Reader<'_>) -> Option<(PathBuf, String)> {
    let path = location::path(key, reader)?;
    match fs::read_to_string(&path) {
        Ok(text) => Some((path, text)),
        Err(error) => {
            let message = format!("cannot read {what} `{}`: {error}", key.value.typed);
            let help = "the path is relative to the folder of this file".to_owned();
            reader.problem(&key.span, message, help);
            None
        }
    }
}

/// Complains if more than one of these keys is given. Returns whether none or one is.
fn one_of(keys: &[(&str, Option<std::ops::Range<usize>>)], help: &str, reader: &mut Reader<'_>) -> bool {
    let given: Vec<_> = keys.iter().filter_map(|(name, at)| at.clone().map(|at| (*name, at))).collect();
    let [(first, _), (second, at), ..] = given.as_slice() else { return true };
    reader.problem(at, format!("`{first}` and `{second}` are both given"), help.to_owned());
    false
}
