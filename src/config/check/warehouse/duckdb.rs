//! DuckDB.

use super::{Options, driver, passed_on};
use crate::{
    config::{
        AdbcSpec, UnloadSpec, Warehouse, location, raw,
        reader::{Field, Reader},
        value::YesNo,
    },
    source::Dialect,
};

pub(in crate::config::check) fn duckdb(raw: raw::Duckdb, reader: &mut Reader<'_>) -> Option<AdbcSpec> {
    let mut options = Options::default();
    // Without it 128-bit integers that are too large arrive as other numbers, and times lose their zone.
    options.set("arrow_lossless_conversion", "true");
    let read_only_at = raw.read_only.place();
    let read_only = raw.read_only.or(YesNo(true))?.0;
    let place = match raw.path {
        Field::Bad => return None,
        Field::Given(text) if text.value.text != ":memory:" => {
            if text.value.text.starts_with("md:") || text.value.text.starts_with("motherduck:") {
                // A name of a service, not of a file; it knows by itself who may write.
                options.set("path", &*text.value.text);
            } else {
                let path = location::path(&text, reader)?;
                options.set("path", path.to_string_lossy());
                if read_only {
                    options.set("access_mode", "READ_ONLY");
                }
            }
            text.value.text
        }
        Field::Given(_) | Field::Absent => {
            if let Some(at) = read_only_at.filter(|_| read_only) {
                let help = "leave `read_only` away, or give the `path` of a file".to_owned();
                reader.problem(&at, "a database in memory cannot be opened for reading only", help);
                return None;
            }
            "memory".to_owned()
        }
    };
    if let Some(threads) = raw.threads.optional()? {
        options.set("threads", threads.value.0.to_string());
    }
    if let Some(memory) = raw.memory.optional()? {
        options.set("memory_limit", format!("{}B", memory.value.0));
    }
    let unload = raw.unload.or(YesNo(false))?.0.then_some(UnloadSpec::DuckDb);
    Some(AdbcSpec {
        warehouse: Warehouse::DuckDb,
        driver: driver(raw.driver, &["duckdb"], reader)?,
        entrypoint: Some("duckdb_adbc_init".to_owned()),
        dialect: Dialect::DuckDb,
        database: options.with(raw.options),
        connection: Default::default(),
        statement: Default::default(),
        settings: passed_on(raw.settings),
        place,
        account: None,
        unload,
    })
}
