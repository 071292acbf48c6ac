//! The JSON files that dbt leaves in its target folder.

use serde::de::DeserializeOwned;
use std::{
    fs::File,
    io::{BufReader, ErrorKind},
    path::Path,
};

/// Large projects have manifests of 100 MB: few reads, and little memory all the same.
const READ_BYTES: usize = 1 << 20;

/// A file of dbt's that cannot be relied on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactError {
    /// What is wrong, with the file's name.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// A kind of file.
pub(super) struct Artifact {
    /// As messages call it.
    pub(super) name: &'static str,
    /// As the address of its schema calls it.
    pub(super) schema: &'static str,
    /// The oldest and the newest version of its form whose fields are known.
    pub(super) versions: (u32, u32),
    /// The releases of dbt that write those.
    pub(super) releases: &'static str,
    /// The command that writes the file.
    pub(super) command: &'static str,
}

impl Artifact {
    /// Reads a file, as a stream: only what `T` has fields for is kept.
    pub(super) fn read<T: DeserializeOwned>(&self, file: &Path) -> Result<T, ArtifactError> {
        let Self { name, command, .. } = self;
        let shown = file.display();
        let opened = File::open(file).map_err(|error| match error.kind() {
            ErrorKind::NotFound => ArtifactError {
                message: format!("there is no {name} of dbt: {shown}"),
                help: format!("`{command}` writes it; is this the folder that dbt writes to?"),
            },
            _ => ArtifactError {
                message: format!("the {name} of dbt cannot be read: {shown}: {error}"),
                help: "hydrant needs to be allowed to read it".to_owned(),
            },
        })?;
        serde_json::from_reader(BufReader::with_capacity(READ_BYTES, opened)).map_err(|error| {
            let message = match error.classify() {
                serde_json::error::Category::Eof => format!("the {name} of dbt ends too early: {shown}"),
                serde_json::error::Category::Syntax => {
                    format!("the {name} of dbt is damaged: {shown}: {error}")
                }
                serde_json::error::Category::Data => format!("this is no {name} of dbt: {shown}: {error}"),
                serde_json::error::Category::Io => {
                    format!("the {name} of dbt cannot be read: {shown}: {error}")
                }
            };
            ArtifactError {
                message,
                help: format!("let dbt write it anew (`{command}`), and let it end first"),
            }
        })
    }

    /// An error if the file has a form whose fields may mean something else. `address` is what the file names as its schema.
    pub(super) fn known(&self, address: &str, file: &Path) -> Result<(), ArtifactError> {
        let Self { name, schema, versions: (oldest, newest), releases, command } = self;
        let found = address.rsplit_once(&format!("/{schema}/v")).and_then(|(_, rest)| {
            rest.trim_end_matches("/index.html").trim_end_matches(".json").parse::<u32>().ok()
        });
        let shown = file.display();
        match found {
            Some(version) if (*oldest..=*newest).contains(&version) => Ok(()),
            Some(version) => Err(ArtifactError {
                message: format!("the {name} of dbt has the form v{version}, which is not known: {shown}"),
                help: format!(
                    "known are v{oldest} to v{newest}, as {releases} write them: use one of those for `{command}`{}",
                    if version > *newest { ", or a newer hydrant" } else { "" }
                ),
            }),
            None => Err(ArtifactError {
                message: format!("this is no {name} of dbt: {shown}: it names `{address}` as its schema"),
                help: format!("name the {name} that `{command}` writes"),
            }),
        }
    }
}
