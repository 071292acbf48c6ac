//! Finding and loading a driver.

use super::error::{Told, first_sentence};
use crate::{
    config::{AdbcSpec, DriverName, Warehouse},
    source::{SourceError, SourceErrorKind},
};
use adbc_core::{
    LOAD_FLAG_DEFAULT,
    error::{Error, Result, Status},
    options::AdbcVersion,
};
use adbc_driver_manager::ManagedDriver;
use std::{env, path::PathBuf};

/// Loads the driver.
pub(super) fn load(spec: &AdbcSpec, told: &Told<'_>) -> std::result::Result<ManagedDriver, SourceError> {
    let entrypoint = spec.entrypoint.as_deref().map(str::as_bytes);
    match &spec.driver {
        DriverName::Path(path) => {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            if !path.exists() {
                let message = format!("there is no ADBC driver at {}; {}", path.display(), install(spec));
                return Err(missing(message));
            }
            newest(|version| {
                ManagedDriver::load_from_name(&path, entrypoint, version, LOAD_FLAG_DEFAULT, None)
            })
            .map_err(|error| not_loaded(spec, &path.display().to_string(), &error, told))
        }
        DriverName::Names(names) => {
            let mut found = Vec::new();
            for name in names {
                let loaded = newest(|version| {
                    ManagedDriver::load_from_name(name, entrypoint, version, LOAD_FLAG_DEFAULT, None)
                });
                match loaded {
                    Ok(driver) => return Ok(driver),
                    Err(error) if error.status == Status::NotFound => found.extend(unusable(&error)),
                    Err(error) => return Err(not_loaded(spec, name, &error, told)),
                }
            }
            Err(not_found(spec, names, &found))
        }
    }
}

/// With the newest version of ADBC that the driver knows.
fn newest(load: impl Fn(AdbcVersion) -> Result<ManagedDriver>) -> Result<ManagedDriver> {
    load(AdbcVersion::V110).or_else(|error| match error.status {
        Status::NotImplemented => load(AdbcVersion::V100),
        _ => Err(error),
    })
}

fn missing(message: String) -> SourceError {
    SourceError { kind: SourceErrorKind::Missing, message, position: None }
}

/// Why files that were found on the way could not be loaded.
fn unusable(error: &Error) -> Vec<String> {
    let trace = error.details.iter().flatten().find(|(key, _)| key == "adbc.drivermanager.driver_load_trace");
    let Some((_, trace)) = trace else { return Vec::new() };
    String::from_utf8_lossy(trace)
        .lines()
        .filter(|line| !line.contains("No such file") && !line.contains("Driver not found"))
        .map(reason)
        .filter(|line| !line.is_empty())
        .collect()
}

/// The loader's own words.
fn reason(line: &str) -> String {
    let line = line.strip_prefix("Internal: ").unwrap_or(line);
    let line = line.strip_prefix("InvalidArguments: ").unwrap_or(line);
    let line = line.strip_prefix("Error with dynamic library: ").unwrap_or(line);
    line.split(" (sqlstate:").next().unwrap_or(line).trim().to_owned()
}

fn not_found(spec: &AdbcSpec, names: &[String], unusable: &[String]) -> SourceError {
    let wanted =
        names.iter().map(|name| format!("{name}.toml or {}", library(name))).collect::<Vec<_>>().join(", ");
    let mut message =
        format!("the ADBC driver {} was not found: looked for {wanted} in {}", names[0], searched());
    for line in unusable {
        message.push_str("; found, but not usable: ");
        message.push_str(line);
    }
    missing(format!("{message}; {}", install(spec)))
}

/// The folders that the driver manager looks into.
fn searched() -> String {
    let mut places = Vec::new();
    match env::var_os("ADBC_DRIVER_PATH") {
        Some(paths) => places
            .extend(env::split_paths(&paths).map(|path| format!("{} (ADBC_DRIVER_PATH)", path.display()))),
        None => places.push("ADBC_DRIVER_PATH (not set)".to_owned()),
    }
    let shown = |path: PathBuf| match path.is_dir() {
        true => path.display().to_string(),
        false => format!("{} (not there)", path.display()),
    };
    let home = env::var_os("HOME").map(PathBuf::from);
    if cfg!(target_os = "macos") {
        places.extend(home.map(|home| shown(home.join("Library/Application Support/ADBC/Drivers"))));
        places.push(shown(PathBuf::from("/Library/Application Support/ADBC/Drivers")));
    } else {
        let config = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
        places.extend(
            config.or(home.map(|home| home.join(".config"))).map(|path| shown(path.join("adbc/drivers"))),
        );
        places.push(shown(PathBuf::from("/etc/adbc/drivers")));
    }
    places.push("the system's libraries".to_owned());
    places.join(", ")
}

fn library(name: &str) -> String {
    format!("{}{name}{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX)
}

/// A library is there, but it is none, or no driver, or one for another machine.
fn not_loaded(spec: &AdbcSpec, which: &str, error: &Error, told: &Told<'_>) -> SourceError {
    let said = told.clean(&reason(&error.message));
    let lower = said.to_lowercase();
    let entrypoint =
        ["undefined symbol", "symbol not found", "dlsym"].iter().any(|word| lower.contains(word));
    let message = if entrypoint {
        let tried = match &spec.entrypoint {
            Some(entrypoint) => format!("the entry point {entrypoint}"),
            None => "an entry point by the usual names".to_owned(),
        };
        format!(
            "the library {which} has no ADBC driver in it, or another entry point: {tried} was looked for ({said}); say \
             which with `entrypoint`, or check that this is the driver"
        )
    } else if lower.contains("elf class")
        || lower.contains("wrong architecture")
        || lower.contains("exec format")
    {
        format!(
            "the ADBC driver {which} is for another kind of machine than this one ({}-{}): {said}; {}",
            env::consts::OS,
            env::consts::ARCH,
            install(spec)
        )
    } else if lower.contains("elf header")
        || lower.contains("file too short")
        || lower.contains("not a mach-o")
    {
        format!("the ADBC driver {which} is no shared library: {said}; {}", install(spec))
    } else {
        format!("the ADBC driver {which} cannot be loaded: {}", first_sentence(&said))
    };
    missing(message)
}

/// How the driver is installed.
fn install(spec: &AdbcSpec) -> String {
    let by_wheel = |name: &str| {
        format!(
            "install it with `dbc install {name}`, with conda (libadbc-driver-{name}) or from the Python wheel \
             adbc-driver-{name}, or say where its library is with `driver: /path/to/libadbc_driver_{name}.so`"
        )
    };
    match spec.warehouse {
        Warehouse::DuckDb => {
            "install it with `dbc install duckdb`, or unpack libduckdb from DuckDB's release page and say \
                              where it is with `driver: /path/to/libduckdb.so`"
                .to_owned()
        }
        Warehouse::Snowflake => by_wheel("snowflake"),
        Warehouse::BigQuery => by_wheel("bigquery"),
        Warehouse::FlightSql => by_wheel("flightsql"),
        Warehouse::Databricks => "install it with `dbc install databricks`".to_owned(),
        Warehouse::Redshift => "install it with `dbc install redshift`".to_owned(),
        Warehouse::Other => {
            "install it (many drivers are there with `dbc install NAME`), or say where its library is: \
                             `driver: /path/to/library.so`"
                .to_owned()
        }
    }
}
