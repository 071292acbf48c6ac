//! Rows out of warehouses: `cargo bench --bench sources` (`-- duckdb` or `-- postgres` for one of them, `--rows 1000000` for fewer than
//! five million). It needs `eval "$(scripts/servers env)"`.
//!
//! A run without changes is measured whole and by its step `export`, in which rows arrive, are hashed and become Parquet in the
//! store. The baselines are what the warehouse itself needs to hand the same rows over, in the same minute.

// A bench prints what it measured.
#![allow(clippy::print_stdout)]

mod duckdb;
mod measured;
mod postgres;

use measured::{Measured, told};
use std::{path::Path, process::Command, time::Duration};

const ROWS: u64 = 5_000_000;
/// The better of so many is taken: whatever else the machine does only ever adds time.
const ROUNDS: usize = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after =
        |flag: &str| arguments.iter().position(|argument| argument == flag).map(|at| &arguments[at + 1]);
    if let Some(sql) = after("--duckdb-execute") {
        return duckdb::execute(sql);
    }
    if arguments.iter().any(|argument| argument == "--postgres-decode") {
        return postgres::decode();
    }
    let rows = after("--rows").map_or(ROWS, |rows| rows.parse().expect("--rows N"));
    let named = |name: &str| arguments.iter().any(|argument| argument == name);
    if named("duckdb") || !named("postgres") {
        duckdb::bench(rows);
    }
    if named("postgres") || !named("duckdb") {
        postgres::bench(rows);
    }
}

/// This program again, for a piece of work in a process of its own.
fn again(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(arguments);
    command
}

/// A run in this folder: all of it, and its step `export`.
fn run(folder: &Path) -> [Measured; 2] {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hydrant"));
    command.current_dir(folder).args(["run", "--output", "json"]);
    let (whole, words) = told(command);
    let report: serde_json::Value = serde_json::from_str(&words).expect("JSON");
    let seconds = report["syncs"][0]["seconds"]["export"].as_f64().expect("the step export");
    [whole, Measured { wall: Duration::from_secs_f64(seconds), ..whole }]
}

/// Shows what was measured against the first of it.
fn compare(rows: u64, all: &[(&str, Measured)]) {
    let baseline = all[0].1.wall.as_secs_f64();
    for (what, measured) in all {
        measured.show(what);
        println!("{:36} {:8.2} of the first", "", measured.wall.as_secs_f64() / baseline);
    }
    println!("{rows} rows × 10 columns\n");
}
