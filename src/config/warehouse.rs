//! Warehouses behind ADBC drivers, as the program relies on them.

use super::UnloadSpec;
use crate::{secret::Secret, source::Dialect};
use std::{collections::BTreeMap, path::PathBuf};

/// A warehouse behind an ADBC driver: which driver, and what it is told.
#[derive(Clone, Debug)]
pub struct AdbcSpec {
    /// Which block it was written as.
    pub warehouse: Warehouse,
    /// The driver.
    pub driver: DriverName,
    /// The function that the driver's library begins with; without it, the one that its name or manifest says.
    pub entrypoint: Option<String>,
    /// How its SQL is written.
    pub dialect: Dialect,
    /// Options of the database, in the driver's own names.
    pub database: DriverOptions,
    /// Options of each connection.
    pub connection: DriverOptions,
    /// Options of each statement.
    pub statement: DriverOptions,
    /// Settings of a session, for `SET`.
    pub settings: DriverOptions,
    /// Where it is, for people; without passwords.
    pub place: String,
    /// The account, where the configuration names one.
    pub account: Option<String>,
    /// How it writes into the store itself, if it was asked to.
    pub unload: Option<UnloadSpec>,
}

/// Options of a driver, by name.
pub type DriverOptions = BTreeMap<String, DriverOption>;

/// The value of an option of a driver.
#[derive(Clone, Debug)]
pub struct DriverOption {
    /// The value.
    pub value: Secret,
    /// Whether it must not be shown. What was written out in the configuration may be.
    pub is_secret: bool,
}

/// Which block of the configuration a warehouse was written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warehouse {
    /// DuckDB.
    DuckDb,
    /// Snowflake.
    Snowflake,
    /// Google BigQuery.
    BigQuery,
    /// Databricks SQL.
    Databricks,
    /// Amazon Redshift.
    Redshift,
    /// Arrow Flight SQL.
    FlightSql,
    /// Any other ADBC driver.
    Other,
}

/// How a driver is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DriverName {
    /// A library, or a manifest (`.toml`).
    Path(PathBuf),
    /// Names that the driver manager looks for, the first that is there counts: manifests and libraries, in
    /// `ADBC_DRIVER_PATH`, the user's and the system's folders.
    Names(Vec<String>),
}

impl Warehouse {
    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::DuckDb => "DuckDB",
            Self::Snowflake => "Snowflake",
            Self::BigQuery => "BigQuery",
            Self::Databricks => "Databricks",
            Self::Redshift => "Redshift",
            Self::FlightSql => "Flight SQL",
            Self::Other => "ADBC",
        }
    }
}
