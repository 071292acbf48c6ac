//! What finds the changes between two days without any state: DuckDB, joining the two files.

use crate::{model::Shape, peers};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// DuckDB's program, if `scripts/peers` has installed it.
pub(crate) fn program() -> Option<PathBuf> {
    Some(peers::folder().join("duckdb/bin/duckdb")).filter(|program| program.exists())
}

/// Joins both files whole by key, counts the rows that differ in any column (the last line of what it prints), and writes the second
/// one again, as hydrant's export is.
pub(crate) fn compare(program: &Path, before: &Path, after: &Path, again: &Path, shape: Shape) -> Command {
    let same: Vec<String> = shape.key().iter().map(|name| format!("a.{name} = b.{name}")).collect();
    let other: Vec<String> =
        shape.columns().iter().map(|column| format!("a.{0} IS DISTINCT FROM b.{0}", column.name)).collect();
    let sql = format!(
        "COPY (SELECT * FROM '{after}') TO '{again}' (FORMAT parquet, COMPRESSION zstd);
         SELECT count(*) FROM '{before}' AS a FULL OUTER JOIN '{after}' AS b ON {} WHERE {};",
        same.join(" AND "),
        other.join(" OR "),
        before = before.display(),
        after = after.display(),
        again = again.display(),
    );
    let mut command = Command::new(program);
    command.args(["-list", "-noheader", "-c", &sql]);
    command
}
