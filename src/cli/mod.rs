//! The command line: what a person types, and what a person sees. One file per subcommand; they print and decide nothing.

mod abandon;
mod adopt;
mod after_dbt;
mod check;
mod completions;
mod cursor;
mod dbt;
mod each;
mod exit;
mod findings;
mod gc;
mod init;
mod logging;
mod mended;
mod output;
mod plan;
mod progress;
mod rejects;
mod rollback;
mod run;
mod schema;
mod status;
mod unload;
mod verify;

pub use exit::Exit;

use crate::{
    clock::SystemClock,
    config::{self, Config},
    engine::{Env, Observer, RunError, Step},
    registry::Registry,
    store::LeaseTimes,
    sync::SyncSpec,
};
use clap::{Args, Parser, Subcommand};
use output::Output;
use std::{path::PathBuf, sync::Arc};
use tokio_util::sync::CancellationToken;

/// Keeps tables in an application's database equal to queries on the warehouse.
#[derive(Debug, Parser)]
#[command(name = "hydrant", version, max_term_width = 110, after_help = exit::HELP)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Global {
    /// The configuration.
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        env = "HYDRANT_CONFIG",
        default_value = "hydrant.yml"
    )]
    config: PathBuf,
    /// How results are printed on standard output.
    #[arg(short, long, global = true, value_name = "FORMAT", default_value = "text")]
    output: Output,
    /// More log lines on standard error; twice for the libraries' too.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a small configuration that runs, to start from.
    Init(init::Init),
    /// Check everything that can be known before anything runs: configuration, queries, tables, rights.
    Check(check::Check),
    /// Show what a run would do, and change nothing.
    Plan(plan::Plan),
    /// Bring tables to the present rows of their queries.
    Run(run::Run),
    /// Compare tables with what was written to them, and show what somebody else removed, changed or added.
    Verify(verify::Verify),
    /// Write rows again that somebody else removed or changed, and no others.
    Repair(verify::Repair),
    /// Take over a table that is there already, without writing a row of it.
    Adopt(adopt::Adopt),
    /// Show how fresh the tables are, and what went wrong last.
    Status(status::Status),
    /// Undo a run and all that came after it: bring the table back to what it held before.
    Rollback(rollback::Rollback),
    /// Give up a sealed run that cannot be finished; the next run repairs what it may have changed.
    Abandon(abandon::Abandon),
    /// Remove from the store what nothing needs any more; every run does that too.
    Gc(gc::Gc),
    /// Show the rows that the last run could not write, or send them once more.
    Rejects(rejects::Rejects),
    /// Tell a dbt project which of its models applications depend on.
    Dbt(dbt::Dbt),
    /// Print the JSON Schema of the configuration, for editors.
    Schema(schema::Schema),
    /// Print shell completions.
    Completions(completions::Completions),
}

/// Which syncs a command is about.
#[derive(Debug, Args)]
struct Syncs {
    /// Names of syncs; without any, all of them.
    #[arg(value_name = "SYNC")]
    names: Vec<String>,
    /// All syncs, said explicitly.
    #[arg(long, conflicts_with = "names")]
    all: bool,
}

/// Runs what was typed. `stop` asks running syncs to stop between two batches.
pub async fn execute(cli: Cli, stop: CancellationToken) -> Exit {
    let progress = progress::Progress::new();
    logging::start(cli.global.verbose, cli.global.output, &progress);
    let global = cli.global;
    let done = match cli.command {
        Command::Init(command) => command.execute(),
        Command::Schema(command) => command.execute(),
        Command::Completions(command) => command.execute(),
        Command::Dbt(command) => command.execute(&global),
        Command::Check(command) => command.execute(&global, stop, progress).await,
        Command::Plan(command) => command.execute(&global, stop, progress).await,
        Command::Run(command) => command.execute(&global, stop, progress).await,
        Command::Verify(command) => command.execute(&global, stop, progress).await,
        Command::Repair(command) => command.execute(&global, stop, progress).await,
        Command::Adopt(command) => command.execute(&global, stop, progress).await,
        Command::Status(command) => command.execute(&global).await,
        Command::Rollback(command) => command.execute(&global, stop, progress).await,
        Command::Abandon(command) => command.execute(&global, stop, progress).await,
        Command::Gc(command) => command.execute(&global, stop, progress).await,
        Command::Rejects(command) => command.execute(&global, stop, progress).await,
    };
    done.unwrap_or_else(|problem| problem.show(global.output))
}

/// What keeps a command from even starting.
enum Problem {
    Config(config::ConfigErrors),
    UnknownSync { name: String, hint: String },
    Other { message: String, advice: String, exit: Exit },
}

impl Problem {
    fn show(self, output: Output) -> Exit {
        match self {
            Self::Config(errors) => {
                match output {
                    Output::Text => anstream::eprint!("{}", errors.render(true)),
                    Output::Json => output::json(&serde_json::json!({ "errors": errors })),
                }
                Exit::Wrong
            }
            Self::UnknownSync { name, hint } => {
                output::error(output, &format!("there is no sync named {name:?}"), &hint);
                Exit::Usage
            }
            Self::Other { message, advice, exit } => {
                output::error(output, &message, &advice);
                exit
            }
        }
    }
}

impl Global {
    fn load(&self) -> Result<Config, Problem> {
        config::load(&self.config, &config::process_environment).map_err(Problem::Config)
    }
}

impl Syncs {
    fn choose<'a>(&self, config: &'a Config) -> Result<Vec<&'a SyncSpec>, Problem> {
        if self.names.is_empty() {
            return Ok(config.syncs.values().collect());
        }
        self.names.iter().map(|name| named(config, name)).collect()
    }
}

fn named<'a>(config: &'a Config, name: &str) -> Result<&'a SyncSpec, Problem> {
    config.syncs.get(name).ok_or_else(|| {
        let names: Vec<_> = config.syncs.keys().map(String::as_str).collect();
        Problem::UnknownSync {
            name: name.to_owned(),
            hint: format!("the configuration has: {}", names.join(", ")),
        }
    })
}

fn registry(config: &Config) -> Result<Registry, Problem> {
    Registry::new(config).map_err(|error| Problem::Other {
        message: error.to_string(),
        advice: "check the `store` of the configuration".to_owned(),
        exit: Exit::Wrong,
    })
}

/// Everything that a run of this sync may touch.
fn env(
    registry: &Registry,
    config: &Config,
    sync: &SyncSpec,
    stop: CancellationToken,
    observer: Arc<dyn Observer>,
) -> Result<Env, RunError> {
    let fail = |failure| RunError {
        sync: sync.name.clone(),
        run: None,
        step: Step::Start,
        failure: Box::new(failure),
    };
    Ok(Env {
        store: registry.store(&sync.name),
        source: registry.source(config, &sync.source).map_err(|error| fail(error.into()))?,
        target: registry.target(config, &sync.target).map_err(|error| fail(error.into()))?,
        clock: Arc::new(SystemClock),
        observer,
        stop,
        memory_bytes: registry.memory_bytes(),
        scratch: registry.scratch().to_owned(),
        lease_times: LeaseTimes::default(),
    })
}
