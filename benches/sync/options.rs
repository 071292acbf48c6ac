//! What is typed.

use crate::{beside, model::Shape, peers::Tool, servers::Kind};
use clap::{Parser, ValueEnum};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

const ROWS: u64 = 10_000_000;
const ROUNDS: u32 = 3;
const ROWS_BESIDE: u64 = 2_000_000;
const ROWS_SMALL: u64 = 100_000;
const IDLE_SMALL: Duration = Duration::from_secs(1);
const CHANGED: [f64; 4] = [0.1, 1.0, 10.0, 50.0];
const CHANGED_SMALL: [f64; 2] = [1.0, 50.0];

/// Measures whole runs of hydrant beside what people would do without it.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// The databases that are written to.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Kind::Postgres])]
    pub(crate) target: Vec<Kind>,
    /// What the rows look like.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Shape::Standard])]
    pub(crate) shape: Vec<Shape>,
    /// Rows of the model [default: 10000000, beside the application 2000000, with --small 100000]
    #[arg(long)]
    rows: Option<u64>,
    /// How many percent of the rows change [default: 0.1,1,10,50]
    #[arg(long, value_delimiter = ',')]
    changed: Vec<f64>,
    /// The better of so many rounds counts; beside the application, what it waited in all of them [default: 3, with --small 1]
    #[arg(long)]
    rounds: Option<u32>,
    /// Settings of hydrant's sync beside the defaults, as its file has them: 'export: changes'
    #[arg(long, value_name = "SETTINGS", default_value = "", hide_default_value = true)]
    pub(crate) sync: String,
    /// Only these works [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Work>,
    /// Only these of the other tools [default: all that are installed]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) peers: Vec<Tool>,
    /// First load and no change with so many rows after each other, and nothing beside them: the curve of memory.
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["rows", "only"])]
    memory_curve: Vec<u64>,
    /// Everything with few rows, to see that it works.
    #[arg(long)]
    small: bool,
    /// Where the figures are written as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Tables as Markdown.
    #[arg(long)]
    pub(crate) markdown: bool,
    /// The folder, on a disk, that servers and files get a folder in [default: the system's temporary folder]
    #[arg(long)]
    folder: Option<PathBuf>,
    /// What cargo passes.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// Into an empty table.
    FirstLoad,
    /// A run that finds nothing new.
    NoChange,
    /// So many percent of the rows changed, end to end.
    Changed,
    /// The step that writes, alone, beside the same changes by hand.
    Apply,
    /// The other tools: a first load, and a merge of the model with one percent of its rows changed.
    Peers,
    /// One percent changed with an application beside it, by everybody.
    Beside,
}

impl Options {
    pub(crate) fn rows(&self) -> Vec<u64> {
        let usual = if self.small { ROWS_SMALL } else { ROWS };
        match self.memory_curve.as_slice() {
            [] => vec![self.rows.unwrap_or(usual)],
            curve => curve.to_vec(),
        }
    }

    /// Rows of the table that the application works on too.
    pub(crate) fn rows_beside(&self) -> u64 {
        self.rows.unwrap_or(if self.small { ROWS_SMALL } else { ROWS_BESIDE })
    }

    /// How long the application has the server for itself before.
    pub(crate) fn idle(&self) -> Duration {
        if self.small { IDLE_SMALL } else { beside::IDLE }
    }

    /// How many percent of the rows change. What changes nothing is a work of its own.
    pub(crate) fn changed(&self) -> Vec<f64> {
        let usual: &[f64] = if self.small { &CHANGED_SMALL } else { &CHANGED };
        let asked = if self.changed.is_empty() { usual } else { &self.changed };
        asked.iter().copied().filter(|percent| *percent > 0.0).collect()
    }

    pub(crate) fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.small { 1 } else { ROUNDS }).max(1)
    }

    pub(crate) fn wants(&self, work: Work) -> bool {
        if !self.memory_curve.is_empty() {
            return matches!(work, Work::FirstLoad | Work::NoChange);
        }
        self.only.is_empty() || self.only.contains(&work)
    }

    /// Whether any work is on the table with [`Self::rows`].
    pub(crate) fn wants_rows(&self) -> bool {
        [Work::FirstLoad, Work::NoChange, Work::Changed, Work::Apply, Work::Peers]
            .into_iter()
            .any(|work| self.wants(work))
    }

    /// Whether anything is measured beside hydrant: not where only its memory counts.
    pub(crate) fn compares(&self) -> bool {
        self.memory_curve.is_empty()
    }

    /// A folder that goes away at the end.
    pub(crate) fn folder(&self) -> TempDir {
        folder_in(&self.folder.clone().unwrap_or_else(std::env::temp_dir))
    }

    /// The same in memory, where the system has a place for that: the disk is the server's.
    pub(crate) fn folder_in_memory(&self) -> TempDir {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { folder_in(memory) } else { self.folder() }
    }
}

fn folder_in(parent: &Path) -> TempDir {
    let made = tempfile::Builder::new().prefix("hydrant-bench-").tempdir_in(parent);
    made.unwrap_or_else(|error| panic!("a folder in {}: {error}", parent.display()))
}
