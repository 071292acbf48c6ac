//! What a warehouse and its driver say of themselves.

use super::{
    error::Told,
    session::{Session, Sessions},
    worker::Cancel,
};
use crate::{
    config::{AdbcSpec, Warehouse},
    source::{About, Dialect, SourceError},
};
use adbc_core::{Connection, Statement, options::InfoCode};
use arrow::{
    array::{Array, AsArray, RecordBatch, RecordBatchReader},
    datatypes::UInt32Type,
    util::display::{ArrayFormatter, FormatOptions},
};
use std::collections::{HashMap, HashSet};

/// Connects, and asks.
pub(super) fn about(sessions: &Sessions, cancel: &Cancel) -> Result<About, SourceError> {
    let spec = sessions.spec();
    let mut session = sessions.connect()?;
    let info = info(&mut session);
    // Some say in words that they do not know.
    let is_known = |text: &&String| !text.is_empty() && *text != "unknown" && !text.starts_with('(');
    let name = |code: InfoCode| info.get(&u32::from(&code)).filter(is_known);
    let vendor = match name(InfoCode::VendorName).map(String::as_str) {
        Some("duckdb") => "DuckDB",
        Some(vendor) => vendor,
        None => spec.warehouse.name(),
    };
    let version = name(InfoCode::VendorVersion)
        // Snowflake's driver gives the version of a library of its own there.
        .filter(|_| spec.dialect != Dialect::Snowflake)
        .map(|version| format!(" {}", readable(vendor, version)));
    let driver = name(InfoCode::DriverName).map_or("its ADBC driver", String::as_str);
    let driver_version = name(InfoCode::DriverVersion).map(|version| format!(" {version}"));
    let product =
        format!("{vendor}{} by {driver}{}", version.unwrap_or_default(), driver_version.unwrap_or_default());
    let told = Told::of(sessions, "asking who we are");
    let asked = who(spec.dialect).and_then(|sql| ask(&mut session, sql, cancel, &told));
    let mut notes = notes(spec);
    let mut account = spec.account.clone();
    if let Some(found) = asked {
        let mut found = found.into_iter();
        account = found.next().flatten().or(account);
        for (what, value) in ["role", "warehouse"].into_iter().zip(found) {
            notes.push(match value {
                Some(value) => format!("queries run with the {what} {value}"),
                None => format!(
                    "the session has no {what}: name one in the configuration, or give the user a default"
                ),
            });
        }
    }
    Ok(About { product, place: spec.place.clone(), account, notes })
}

/// Whether the engine has no types of columns, so that the driver guesses them from values.
pub(super) fn guesses_types(session: &mut Session) -> bool {
    info(session).get(&u32::from(&InfoCode::VendorName)).is_some_and(|vendor| vendor == "SQLite")
}

/// What the driver knows by code. A driver that says nothing is no reason to fail.
fn info(session: &mut Session) -> HashMap<u32, String> {
    let codes =
        [InfoCode::VendorName, InfoCode::VendorVersion, InfoCode::DriverName, InfoCode::DriverVersion];
    let Ok(reader) = session.connection.get_info(Some(HashSet::from(codes))) else { return HashMap::new() };
    reader.map_while(Result::ok).flat_map(|batch| of_batch(&batch)).collect()
}

fn of_batch(batch: &RecordBatch) -> Vec<(u32, String)> {
    let names = batch.column_by_name("info_name").and_then(|column| column.as_primitive_opt::<UInt32Type>());
    let values = batch.column_by_name("info_value").and_then(|column| column.as_union_opt());
    let (Some(names), Some(values)) = (names, values) else { return Vec::new() };
    (0..batch.num_rows())
        .filter_map(|row| {
            let value = values.value(row);
            Some((names.value(row), value.as_string_opt::<i32>()?.value(0).to_owned()))
        })
        .collect()
}

/// A version as people write it: Postgres gives a number, 170002 for 17.2.
fn readable(vendor: &str, version: &str) -> String {
    match version.parse::<u32>() {
        Ok(number) if vendor == "PostgreSQL" && number >= 100_000 => {
            format!("{}.{}", number / 10_000, number % 10_000)
        }
        _ => version.to_owned(),
    }
}

/// A query for the account, and for the role and warehouse where there are such. None costs anything.
fn who(dialect: Dialect) -> Option<&'static str> {
    match dialect {
        Dialect::Snowflake => Some("SELECT CURRENT_USER(), CURRENT_ROLE(), CURRENT_WAREHOUSE()"),
        Dialect::Postgres | Dialect::Redshift => Some("SELECT current_user"),
        Dialect::BigQuery => Some("SELECT SESSION_USER()"),
        Dialect::Databricks => Some("SELECT current_user()"),
        Dialect::DataFusion | Dialect::DuckDb | Dialect::Standard => None,
    }
}

/// The first row of a query as texts. Who is not told goes on without.
fn ask(session: &mut Session, sql: &str, cancel: &Cancel, told: &Told<'_>) -> Option<Vec<Option<String>>> {
    let mut statement = session.statement(sql, cancel, told).ok()?;
    let mut reader: Box<dyn RecordBatchReader + Send> = statement.execute().ok()?;
    let batch = reader.find_map(|batch| batch.ok().filter(|batch| batch.num_rows() > 0))?;
    let options = FormatOptions::default();
    let text = |column: &dyn Array| {
        let shown = ArrayFormatter::try_new(column, &options).ok()?.value(0).try_to_string().ok()?;
        (column.is_valid(0) && !shown.is_empty()).then_some(shown)
    };
    Some(batch.columns().iter().map(|column| text(column.as_ref())).collect())
}

fn notes(spec: &AdbcSpec) -> Vec<String> {
    let note = match spec.warehouse {
        Warehouse::DuckDb if spec.database.contains_key("access_mode") => {
            "the file is opened for reading only, and only while a query runs; others can read it meanwhile, and none can \
             write to it"
        }
        Warehouse::DuckDb if spec.database.contains_key("path") => {
            "the file is opened for writing: while a query runs, no other process can open it"
        }
        Warehouse::DuckDb => "the database is in memory: queries read files, or nothing",
        _ => "hydrant needs the right to select from what the models read, and no other",
    };
    vec![note.to_owned()]
}
