//! hydrant itself: the program that cargo built with this bench, in a folder of its own.

use crate::{
    measured::{Measured, at_low_priority, measured, on_one_core},
    model::Shape,
    products::TABLE,
    servers::{Kind, Server},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

pub(crate) struct Hydrant<'a> {
    server: &'a Server,
    folder: PathBuf,
}

/// What a run took, and what it says of itself.
pub(crate) struct Run {
    pub(crate) measured: Measured,
    /// Seconds of the step `apply`.
    pub(crate) apply_seconds: f64,
    /// Rows that it says to have inserted, updated and deleted.
    pub(crate) changed: u64,
}

impl<'a> Hydrant<'a> {
    /// A configuration with everything but these settings of the sync at its default, and an empty store, in a folder that is
    /// made anew.
    pub(crate) fn new(server: &'a Server, shape: Shape, settings: &str, folder: PathBuf) -> Self {
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("our own folder");
        }
        fs::create_dir_all(&folder).expect("a folder");
        let url = match server.kind {
            // Nobody spends time on TLS here.
            Kind::Mysql => format!("{}?ssl-mode=DISABLED", server.url),
            Kind::Postgres | Kind::Mongodb => server.url.clone(),
        };
        let comma = if settings.is_empty() { "" } else { ", " };
        let configuration = format!(
            "store: ./store\n\
             scratch: .\n\
             sources:\n  lake: {{ type: files, tables: {{ {TABLE}: day.parquet }} }}\n\
             targets:\n  app: {{ type: {}, url: \"{url}\" }}\n\
             syncs:\n  {TABLE}: {{ source: lake, model: SELECT * FROM {TABLE}, key: [{}], target: app, table: {TABLE}{comma}{settings} }}\n",
            server.kind.name(),
            shape.key().join(", ")
        );
        fs::write(folder.join("hydrant.yml"), configuration).expect("a configuration");
        Self { server, folder }
    }

    /// The warehouse's rows are those of this file from now on.
    pub(crate) fn day(&self, parquet: &Path) {
        let day = self.folder.join("day.parquet");
        // Not a rename over it, which does nothing where both are the same file already.
        if day.exists() {
            fs::remove_file(&day).expect("our own file");
        }
        fs::hard_link(parquet, day).expect("one disk");
    }

    /// The command of a run.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hydrant"));
        command.current_dir(&self.folder).args(["run", "--output", "json"]);
        command
    }

    /// A run, measured.
    pub(crate) fn run(&self) -> Run {
        Run::of(measured(self.command(), Some(self.server)))
    }

    /// The same, and the other processors are left to the server and the application.
    pub(crate) fn run_on_one_core(&self) -> Run {
        Run::of(measured(on_one_core(&self.command()), Some(self.server)))
    }

    /// The same, and the server and the application go first on this processor too.
    pub(crate) fn run_at_low_priority(&self) -> Run {
        Run::of(measured(on_one_core(&at_low_priority(&self.command())), Some(self.server)))
    }
}

impl Run {
    /// Reads the report that the run printed.
    pub(crate) fn of(measured: Measured) -> Self {
        let report: serde_json::Value = serde_json::from_str(&measured.output).expect("JSON of hydrant");
        let sync = &report["syncs"][0];
        let number = |name: &str| sync[name].as_u64().unwrap_or_else(|| panic!("a number {name}: {sync}"));
        assert_eq!(number("rejected"), 0, "{sync}");
        // Asked to build the table anew, it may have had to write in batches: the figures are of that then.
        if sync["way"]["rebuild"] == false {
            eprintln!("written in batches: {}", sync["way"]["because"]);
        }
        let changed = number("inserts") + number("updates") + number("deletes");
        let apply_seconds = sync["seconds"]["apply"].as_f64().unwrap_or(0.0);
        Self { measured, apply_seconds, changed }
    }
}
