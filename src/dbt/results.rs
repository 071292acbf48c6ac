//! `run_results.json`: what one invocation of dbt did.

use super::artifact::{Artifact, ArtifactError};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

const RESULTS: Artifact = Artifact {
    name: "file of results",
    schema: "run-results",
    versions: (4, 6),
    releases: "dbt 1.6 to 1.11",
    command: "dbt build",
};

/// The commands that build models, of all that leave results: `dbt compile`, `docs` and `show` call a model a success as well.
const BUILDING: &[&str] = &["build", "run", "retry", "seed", "snapshot"];

/// The commands that run tests.
const TESTING: &[&str] = &["build", "test", "retry"];

/// What one invocation of dbt did.
#[derive(Clone, Debug)]
pub struct Results {
    /// The file that it was read from.
    pub file: PathBuf,
    /// The command: `build`, `run`, `test`, …
    pub command: String,
    /// The invocation's id.
    pub invocation: Option<String>,
    /// When it ended.
    pub generated_at: DateTime<Utc>,
    /// The flag by which it built models without all of their rows.
    pub(super) partial: Option<&'static str>,
    outcomes: BTreeMap<String, Outcome>,
}

/// What became of one node.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Outcome {
    unique_id: String,
    /// dbt's own word.
    pub(super) status: String,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    relation_name: Option<String>,
}

impl Results {
    /// Reads a file of results.
    ///
    /// # Errors
    ///
    /// The file is missing, damaged, something else, has a form that is not known, or does not say of which command it is.
    pub fn read(file: &Path) -> Result<Self, ArtifactError> {
        let raw: Raw = RESULTS.read(file)?;
        RESULTS.known(&raw.metadata.dbt_schema_version, file)?;
        let Some(command) = raw.args.which else {
            return Err(ArtifactError {
                message: format!(
                    "the results do not say of which command of dbt they are: {}",
                    file.display()
                ),
                help: "name the results of `dbt build`, `dbt run` or `dbt test`".to_owned(),
            });
        };
        let partial = match (raw.args.empty, raw.args.sample) {
            (Some(true), _) => Some("--empty"),
            (_, Some(_)) => Some("--sample"),
            _ => None,
        };
        let outcomes = raw.results.into_iter().map(|outcome| (outcome.unique_id.clone(), outcome)).collect();
        Ok(Self {
            file: file.to_owned(),
            command,
            invocation: raw.metadata.invocation_id,
            generated_at: raw.metadata.generated_at,
            partial,
            outcomes,
        })
    }

    /// What became of a node, whatever the command did with it.
    pub(super) fn of(&self, unique_id: &str) -> Option<&Outcome> {
        self.outcomes.get(unique_id)
    }

    /// Whether a success means that the node was built.
    pub(super) fn builds(&self) -> bool {
        BUILDING.contains(&self.command.as_str())
    }

    /// Whether it runs tests.
    pub(super) fn tests(&self) -> bool {
        TESTING.contains(&self.command.as_str())
    }
}

impl Outcome {
    /// The first line of what dbt has to say of it that says something.
    pub(super) fn message(&self) -> Option<&str> {
        let lines = self.message.as_deref()?.lines().map(str::trim).filter(|line| !line.is_empty());
        // The first one only repeats the node's name where more follow.
        let lines: Vec<&str> = lines.collect();
        lines.get(1).or(lines.first()).copied()
    }

    /// The relation that was built.
    pub(super) fn relation(&self) -> Option<&str> {
        self.relation_name.as_deref().filter(|relation| !relation.is_empty())
    }
}

#[derive(Deserialize)]
struct Raw {
    metadata: RawMetadata,
    results: Vec<Outcome>,
    args: RawArgs,
}

#[derive(Deserialize)]
struct RawMetadata {
    dbt_schema_version: String,
    generated_at: DateTime<Utc>,
    #[serde(default)]
    invocation_id: Option<String>,
}

#[derive(Deserialize)]
struct RawArgs {
    #[serde(default)]
    which: Option<String>,
    #[serde(default)]
    empty: Option<bool>,
    /// What the sample is by: a text, or an object.
    #[serde(default)]
    sample: Option<serde::de::IgnoredAny>,
}
