//! What goes to standard output and standard error.

use crate::{engine::RunError, plural::plural};
use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::Value;

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// For people.
    Text,
    /// For programs: one JSON document, stable.
    Json,
}

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const WARN: Style = AnsiColor::Yellow.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();

/// A result for programs.
pub(super) fn json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => anstream::println!("{text}"),
        Err(error) => anstream::eprintln!("the result cannot be written as JSON: {error}"),
    }
}

/// An error, with what to do about it.
pub(super) fn error(output: Output, message: &str, advice: &str) {
    match output {
        Output::Text => {
            anstream::eprintln!("{BAD}error{BAD:#}: {message}");
            anstream::eprintln!("{DIM}  what to do: {advice}{DIM:#}");
        }
        Output::Json => json(&serde_json::json!({ "error": { "message": message, "advice": advice } })),
    }
}

/// A sync that failed, for people.
pub(super) fn failure(error: &RunError) {
    self::error(Output::Text, &error.to_string(), error.failure.advice());
}

/// What became of each sync, for programs.
pub(super) fn outcomes<T: Serialize>(outcomes: &[Result<T, RunError>]) {
    syncs(outcomes.iter().map(|outcome| match outcome {
        Ok(report) => serde_json::json!(report),
        Err(error) => failed(error),
    }));
}

/// A sync that failed, for programs.
pub(super) fn failed(error: &RunError) -> Value {
    serde_json::json!({
        "sync": error.sync,
        "run": error.run,
        "error": {
            "step": error.step,
            "kind": error.failure.kind(),
            "message": error.failure.to_string(),
            "advice": error.failure.advice(),
        },
    })
}

/// The document about all syncs, for programs.
pub(super) fn syncs(outcomes: impl Iterator<Item = Value>) {
    json(&serde_json::json!({ "syncs": outcomes.collect::<Vec<_>>() }));
}

/// A table without lines; all columns but the first `left` are numbers.
pub(super) fn table(header: &[&str], left: usize) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for column in table.column_iter_mut().skip(left) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A count with its thousands parted.
pub(super) fn count(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

/// A count with what is counted: "1 row", "2,000 rows".
pub(super) fn counted(number: u64, noun: &str) -> String {
    format!("{} {}", count(number), plural(number, noun))
}

/// A value on one line.
pub(super) fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
