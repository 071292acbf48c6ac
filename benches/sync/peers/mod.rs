//! Other tools that do the same work, each by the way that its own documentation calls the fast one. `scripts/peers` installs them.
//!
//! A peer is told what to do by its command line, as its users do it. Which of its options are used, and why, stands where
//! they are.

pub(crate) mod check;
mod dlt;
mod duckdb;
mod ingestr;
mod sling;

use crate::{
    model::Shape,
    servers::{Kind, Server},
};
use clap::ValueEnum;
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// What a peer shall do: to keep a table equal to a Parquet file.
pub(crate) struct Work<'a> {
    pub(crate) server: &'a Server,
    pub(crate) shape: Shape,
    pub(crate) parquet: &'a Path,
    pub(crate) table: &'a str,
    /// For what the peer keeps between runs. A table that was filled by others needs a new folder.
    pub(crate) folder: &'a Path,
}

/// One tool, and one way to use it.
pub(crate) trait Peer {
    /// Its name, the version that it says it has, and the way.
    fn name(&self) -> String;

    /// What it cannot do on such a server, and what it does to the table beside its work: as found by trying.
    fn cannot(&self, kind: Kind) -> &'static str;

    /// Whether a merge also deletes what is gone from the file.
    fn deletes(&self, kind: Kind) -> bool;

    /// The whole file into a table that is not there. None where it cannot, and where another way of the same tool does the same.
    fn full(&self, work: &Work<'_>) -> Option<Command>;

    /// The whole file into the table by its key, with whatever columns of the application's own the table has. None where it cannot.
    fn merge(&self, work: &Work<'_>) -> Option<Command>;
}

/// Where `scripts/peers` installs them.
pub(crate) fn folder() -> PathBuf {
    let cache = || env::var_os("XDG_CACHE_HOME").map_or_else(|| home().join(".cache"), PathBuf::from);
    env::var_os("HYDRANT_PEERS").map_or_else(|| cache().join("hydrant-test/peers"), PathBuf::from)
}

fn home() -> PathBuf {
    env::var_os("HOME").map(PathBuf::from).expect("HOME is set")
}

/// A tool, as `--peers` takes its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tool {
    Duckdb,
    Sling,
    Dlt,
    Ingestr,
}

impl Tool {
    /// The ways to use it; none where it is not installed in this folder.
    fn ways(self, folder: &Path) -> Vec<Box<dyn Peer>> {
        match self {
            Self::Duckdb => duckdb::ways(folder),
            Self::Sling => sling::ways(folder).into_iter().collect(),
            Self::Dlt => dlt::ways(folder),
            Self::Ingestr => ingestr::ways(folder).into_iter().collect(),
        }
    }
}

/// All ways of these tools, or, where none is named, of all that are installed. One that is named and is not there ends the bench:
/// whoever names it would miss it only in the table.
pub(crate) fn chosen(named: &[Tool]) -> Vec<Box<dyn Peer>> {
    let folder = folder();
    let wanted = |tool: &&Tool| named.is_empty() || named.contains(tool);
    let ways = |tool: &Tool| {
        let ways = tool.ways(&folder);
        assert!(
            named.is_empty() || !ways.is_empty(),
            "{tool:?} is not in {}, or not all that it needs: scripts/peers installs it, HYDRANT_PEERS names the folder",
            folder.display()
        );
        ways
    };
    Tool::value_variants().iter().filter(wanted).flat_map(ways).collect()
}

/// A program of a peer, if it is installed, with the version that it says it has.
struct Program {
    path: PathBuf,
    version: String,
    /// Where it, and what it starts, find their own things.
    home: PathBuf,
}

impl Program {
    fn of(folder: &Path, path: &str) -> Option<Self> {
        let path = folder.join(path);
        if !path.exists() {
            return None;
        }
        let mut program = Self { path, version: String::new(), home: folder.join("duckdb/home") };
        let told = crate::measured::told({
            let mut command = program.command();
            command.arg("--version");
            command
        });
        let numbers = told.split_whitespace().map(|word| word.trim_start_matches('v'));
        let version = numbers.into_iter().find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
        program.version =
            version.unwrap_or_else(|| panic!("{}: no version in {told}", program.path.display())).to_owned();
        Some(program)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        // Nobody's tool tells anybody that it was used here.
        command
            .env("HOME", &self.home)
            .env("SLING_DISABLE_TELEMETRY", "TRUE")
            .env("RUNTIME__DLTHUB_TELEMETRY", "false")
            .env("INGESTR_DISABLE_TELEMETRY", "true")
            .env("DO_NOT_TRACK", "1");
        command
    }
}

impl Work<'_> {
    /// The table with the schema or database that it is in.
    fn qualified(&self) -> String {
        let schema = match self.server.kind {
            Kind::Postgres => "public".to_owned(),
            Kind::Mysql | Kind::Mongodb => self.url().path().trim_start_matches('/').to_owned(),
        };
        format!("{schema}.{}", self.table)
    }

    fn url(&self) -> url::Url {
        self.server.url.parse().expect("our own URL")
    }

    fn parquet(&self) -> &str {
        self.parquet.to_str().expect("a path of our own")
    }
}
