//! `hydrant dbt`: what a dbt project gets to know of the syncs.

use super::{
    Exit, Global, Problem,
    output::{self, GOOD, Output, WARN},
};
use crate::{
    config::Config,
    dbt::{self, Exposure},
    sync::SyncSpec,
};
use clap::{Args, Subcommand};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The first line of a file that this command wrote, and may write again.
const HEADER: &str = "# Written by `hydrant dbt exposures`: what is changed here is lost when it runs again.";

#[derive(Debug, Args)]
pub(super) struct Dbt {
    #[command(subcommand)]
    command: DbtCommand,
}

#[derive(Debug, Subcommand)]
enum DbtCommand {
    /// Print an exposure for every sync of a dbt model, as a properties file for the dbt project.
    Exposures(Exposures),
}

#[derive(Debug, Args)]
struct Exposures {
    /// Write them to this file, which lies among the models of the project, instead of printing them.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

impl Dbt {
    pub(super) fn execute(self, global: &Global) -> Result<Exit, Problem> {
        let DbtCommand::Exposures(command) = self.command;
        command.execute(global)
    }
}

impl Exposures {
    fn execute(self, global: &Global) -> Result<Exit, Problem> {
        let config = global.load()?;
        let exposures = exposures(&config)?;
        let Some(file) = self.write else {
            match global.output {
                Output::Json => output::json(&exposures),
                Output::Text => anstream::print!("{}", text(&exposures)?),
            }
            return Ok(Exit::Done);
        };
        let written = write(&file, &text(&exposures)?)?;
        let count = exposures.names().count();
        match global.output {
            Output::Json => output::json(&serde_json::json!({
                "file": file, "written": written, "exposures": exposures.names().collect::<Vec<_>>(),
            })),
            Output::Text if written => {
                anstream::println!("{GOOD}wrote{GOOD:#} {}: {count} exposures", file.display());
            }
            Output::Text => anstream::println!("{} has the same {count} exposures already", file.display()),
        }
        Ok(Exit::Done)
    }
}

/// An exposure for every sync of a dbt model.
fn exposures(config: &Config) -> Result<dbt::Exposures, Problem> {
    let mut found = Vec::new();
    let mut without_owner = Vec::new();
    for sync in config.syncs.values() {
        let Some(node) = &sync.model.dbt else { continue };
        if node.is_private {
            anstream::eprintln!(
                "{WARN}{}: left out{WARN:#}, {} is private, and dbt lets nothing outside of its group depend on it",
                sync.name,
                node.unique_id
            );
            continue;
        }
        match &sync.exposure.owner {
            Some(owner) => found.push((sync, node.reference.as_str(), owner)),
            None => without_owner.push(sync.name.as_str()),
        }
    }
    if !without_owner.is_empty() {
        return Err(Problem::Other {
            message: format!(
                "dbt wants an owner for every exposure, and these syncs have none: {}",
                without_owner.join(", ")
            ),
            advice: "give all of them one by `dbt: { exposures: { owner: { name: … } } }`, or each its own by `exposure: { \
                     owner: { name: … } }` in the sync; `email` will do as well"
                .to_owned(),
            exit: Exit::Wrong,
        });
    }
    let of = |(sync, depends_on, owner)| exposure(config, sync, depends_on, owner);
    Ok(dbt::Exposures::of(&found.into_iter().map(of).collect::<Vec<_>>()))
}

fn exposure<'a>(
    config: &'a Config,
    sync: &'a SyncSpec,
    depends_on: &'a str,
    owner: &'a dbt::Owner,
) -> Exposure<'a> {
    Exposure {
        sync: &sync.name,
        depends_on,
        target: &sync.target,
        database: config.targets.get(&sync.target).map_or("", |target| target.kind()),
        table: &sync.table,
        mode: sync.mode,
        key: &sync.key,
        owner,
        schedule: sync.exposure.schedule.as_deref(),
    }
}

fn text(exposures: &dbt::Exposures) -> Result<String, Problem> {
    let yaml = exposures.yaml().map_err(|message| Problem::Other {
        message: format!("the exposures cannot be written as YAML: {message}"),
        advice: "report this".to_owned(),
        exit: Exit::Broken,
    })?;
    Ok(format!("{HEADER}\n{yaml}"))
}

/// Whether the file had to be written. A file of somebody else's is left alone.
fn write(file: &Path, text: &str) -> Result<bool, Problem> {
    match fs::read_to_string(file) {
        Ok(present) if present == text => return Ok(false),
        Ok(present) if present.starts_with(HEADER) => {}
        Ok(_) => {
            return Err(Problem::Other {
                message: format!("{} was not written by hydrant, and stays as it is", file.display()),
                advice:
                    "name a file of its own for the exposures: dbt reads every one in the folder of models"
                        .to_owned(),
                exit: Exit::Usage,
            });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unwritable(file, &error)),
    }
    fs::write(file, text).map_err(|error| unwritable(file, &error))?;
    Ok(true)
}

fn unwritable(file: &Path, error: &io::Error) -> Problem {
    Problem::Other {
        message: format!("{} cannot be written: {error}", file.display()),
        advice: "name a file in a folder that is there and can be written to".to_owned(),
        exit: Exit::Denied,
    }
}
