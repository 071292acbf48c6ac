//! `manifest.json`: the project as dbt understood it.
//!
//! A manifest holds every model's code several times over. Of all that only what is needed here is kept, and nothing else is
//! ever held in memory.

use super::{
    artifact::{Artifact, ArtifactError},
    relation::Kind,
};
use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use std::{
    fmt,
    marker::PhantomData,
    path::{Path, PathBuf},
};

pub(super) const MANIFEST: Artifact = Artifact {
    name: "manifest",
    schema: "manifest",
    versions: (10, 12),
    releases: "dbt 1.6 to 1.11",
    command: "dbt compile",
};

/// What is known of a dbt project.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The file that it was read from.
    pub file: PathBuf,
    /// The invocation of dbt that wrote it.
    pub invocation: Option<String>,
    /// When that was.
    pub generated_at: DateTime<Utc>,
    /// The name of the project itself, as opposed to the packages that it uses.
    pub(super) project: Option<String>,
    /// Everything that `ref` and `source` can name.
    pub(super) entries: Vec<Entry>,
    /// Models that are switched off, as package and name.
    pub(super) disabled: Vec<(String, String)>,
    pub(super) tests: Vec<Test>,
}

/// Something that `ref` or `source` can name.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) unique_id: String,
    pub(super) kind: Kind,
    pub(super) package: String,
    /// The name of the source that it is a table of.
    pub(super) source: Option<String>,
    pub(super) name: String,
    pub(super) version: Option<String>,
    pub(super) latest_version: Option<String>,
    pub(super) file: String,
    pub(super) relation: Option<String>,
    pub(super) materialized: String,
    pub(super) is_private: bool,
}

/// A test of the data or, as a unit test, of the code.
#[derive(Clone, Debug)]
pub(super) struct Test {
    pub(super) unique_id: String,
    pub(super) name: String,
    pub(super) is_unit: bool,
    /// The unique ids of what it looks at.
    pub(super) of: Vec<String>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    ///
    /// The file is missing, damaged, no manifest, or has a form that is not known.
    pub fn read(file: &Path) -> Result<Self, ArtifactError> {
        let raw: Raw = MANIFEST.read(file)?;
        MANIFEST.known(&raw.metadata.dbt_schema_version, file)?;
        let mut manifest = Self {
            file: file.to_owned(),
            invocation: raw.metadata.invocation_id,
            generated_at: raw.metadata.generated_at,
            project: raw.metadata.project_name,
            entries: Vec::new(),
            disabled: Vec::new(),
            tests: Vec::new(),
        };
        for node in raw.nodes.0.into_iter().chain(raw.sources.0) {
            manifest.take(node);
        }
        for unit_test in raw.unit_tests.0 {
            manifest.tests.push(unit_test.test(true));
        }
        let disabled = raw.disabled.0.into_iter().flatten();
        manifest.disabled = disabled
            .filter(|node| Kind::of(&node.resource_type).is_some())
            .map(|node| (node.package_name, node.name))
            .collect();
        Ok(manifest)
    }

    fn take(&mut self, node: RawNode) {
        match Kind::of(&node.resource_type) {
            Some(kind) => self.entries.push(Entry {
                kind,
                unique_id: node.unique_id,
                package: node.package_name,
                source: node.source_name,
                name: node.name,
                version: node.version.map(|version| version.0),
                latest_version: node.latest_version.map(|version| version.0),
                file: node.original_file_path,
                relation: node.relation_name.filter(|relation| !relation.is_empty()),
                materialized: node.config.materialized.unwrap_or_default(),
                is_private: node.access.as_deref() == Some("private"),
            }),
            None if node.resource_type == "test" => self.tests.push(node.test(false)),
            // Analyses and operations.
            None => {}
        }
    }
}

#[derive(Deserialize)]
struct Raw {
    metadata: RawMetadata,
    nodes: Values<RawNode>,
    #[serde(default)]
    sources: Values<RawNode>,
    #[serde(default)]
    unit_tests: Values<RawNode>,
    #[serde(default)]
    disabled: Values<Vec<RawNode>>,
}

#[derive(Deserialize)]
struct RawMetadata {
    dbt_schema_version: String,
    generated_at: DateTime<Utc>,
    #[serde(default)]
    invocation_id: Option<String>,
    #[serde(default)]
    project_name: Option<String>,
}

/// The fields of all kinds of nodes; which of them a node has depends on its kind.
#[derive(Deserialize)]
struct RawNode {
    unique_id: String,
    resource_type: String,
    package_name: String,
    name: String,
    #[serde(default)]
    source_name: Option<String>,
    #[serde(default)]
    version: Option<Version>,
    #[serde(default)]
    latest_version: Option<Version>,
    #[serde(default)]
    original_file_path: String,
    #[serde(default)]
    relation_name: Option<String>,
    #[serde(default)]
    access: Option<String>,
    #[serde(default)]
    attached_node: Option<String>,
    #[serde(default)]
    depends_on: RawDependsOn,
    #[serde(default)]
    config: RawConfig,
}

impl RawNode {
    fn test(self, is_unit: bool) -> Test {
        let of = self.depends_on.nodes.into_iter().chain(self.attached_node).collect();
        Test { unique_id: self.unique_id, name: self.name, is_unit, of }
    }
}

#[derive(Default, Deserialize)]
struct RawDependsOn {
    #[serde(default)]
    nodes: Vec<String>,
}

#[derive(Default, Deserialize)]
struct RawConfig {
    #[serde(default)]
    materialized: Option<String>,
}

/// A version as text; dbt writes numbers and texts.
struct Version(String);

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(serde_json::Number),
            Text(String),
        }
        Ok(Self(match Written::deserialize(deserializer)? {
            Written::Number(number) => number.to_string(),
            Written::Text(text) => text,
        }))
    }
}

/// The values of a map whose keys are in the values, too; nothing if it is null.
struct Values<T>(Vec<T>);

impl<T> Default for Values<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Values<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMap<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OfMap<T> {
            type Value = Values<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of nodes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut values = Vec::new();
                while map.next_key::<IgnoredAny>()?.is_some() {
                    values.push(map.next_value()?);
                }
                Ok(Values(values))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Values::default())
            }
        }

        deserializer.deserialize_any(OfMap(PhantomData))
    }
}
