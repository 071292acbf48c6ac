//! From a reference to the relation that dbt has built for it.

use super::{
    manifest::{Entry, Manifest},
    reference::Reference,
};
use serde::Serialize;

/// What a node of dbt's is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A query that dbt builds a table or view of.
    Model,
    /// A CSV file that dbt loads.
    Seed,
    /// The history of a table, which dbt keeps.
    Snapshot,
    /// A table that dbt reads and does not build.
    Source,
}

impl Kind {
    /// By dbt's own word; `None` for what no reference can name.
    pub(super) fn of(word: &str) -> Option<Self> {
        match word {
            "model" => Some(Self::Model),
            "seed" => Some(Self::Seed),
            "snapshot" => Some(Self::Snapshot),
            "source" => Some(Self::Source),
            _ => None,
        }
    }

    /// As messages call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Seed => "seed",
            Self::Snapshot => "snapshot",
            Self::Source => "source",
        }
    }
}

/// A model of dbt's (or a seed, a snapshot, a table of a source) and the relation that it is built as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// The reference that it was found by, as dbt writes it.
    pub reference: String,
    /// dbt's own name for it: `model.shop.customers`.
    pub unique_id: String,
    /// What it is.
    pub kind: Kind,
    /// The relation, as dbt writes it into its SQL: with database, schema, alias and quotes as the project has them.
    pub relation: String,
    /// The file that it is made in, in its package.
    pub file: String,
    /// Whether dbt lets only its own group refer to it.
    #[serde(skip)]
    pub is_private: bool,
}

/// Why a reference names no relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// Nothing has this name. These are there: names of models, or of the tables of sources.
    Unknown(Vec<String>),
    /// It is switched off.
    Disabled,
    /// The model has no such version, but these; none at all if it is not versioned.
    Version(Vec<String>),
    /// Several packages have it: these.
    Ambiguous(Vec<String>),
    /// It is never built, by its materialization.
    NoRelation(String),
}

impl Manifest {
    /// The node that a reference means, as it would in the SQL of the project itself.
    ///
    /// # Errors
    ///
    /// There is none, more than one, or it is nowhere built.
    pub fn resolve(&self, reference: &Reference) -> Result<Node, Unresolved> {
        let entry = match reference {
            Reference::Ref { package, name, version } => {
                self.referred(package.as_deref(), name, version.as_deref())?
            }
            Reference::Source { source, table } => self.table(source, table)?,
        };
        let Some(relation) = entry.relation.clone() else {
            return Err(Unresolved::NoRelation(entry.materialized.clone()));
        };
        Ok(Node {
            reference: reference.to_string(),
            unique_id: entry.unique_id.clone(),
            kind: entry.kind,
            relation,
            file: entry.file.clone(),
            is_private: entry.is_private,
        })
    }

    fn referred(
        &self,
        package: Option<&str>,
        name: &str,
        version: Option<&str>,
    ) -> Result<&Entry, Unresolved> {
        let all = || self.entries.iter().filter(|entry| entry.kind != Kind::Source);
        let in_package = |entry: &&Entry| package.is_none_or(|package| entry.package == package);
        let named: Vec<&Entry> = all().filter(in_package).filter(|entry| entry.name == name).collect();
        if named.is_empty() {
            let is_it = |(of, disabled): &(String, String)| {
                disabled == name && package.is_none_or(|package| package == of)
            };
            if self.disabled.iter().any(is_it) {
                return Err(Unresolved::Disabled);
            }
            let mut known: Vec<String> = all().map(|entry| entry.name.clone()).collect();
            known.sort_unstable();
            known.dedup();
            return Err(Unresolved::Unknown(known));
        }
        self.version(&self.one_package(named)?, version)
    }

    /// Those of one package: the project's own count before those of others.
    fn one_package<'a>(&self, named: Vec<&'a Entry>) -> Result<Vec<&'a Entry>, Unresolved> {
        let mut packages: Vec<&str> = named.iter().map(|entry| entry.package.as_str()).collect();
        packages.sort_unstable();
        packages.dedup();
        let chosen = match (&packages[..], self.project.as_deref()) {
            (_, Some(project)) if packages.contains(&project) => project,
            ([one], _) => one,
            _ => return Err(Unresolved::Ambiguous(packages.into_iter().map(str::to_owned).collect())),
        };
        Ok(named.iter().copied().filter(|entry| entry.package == chosen).collect())
    }

    fn version<'a>(&self, named: &[&'a Entry], version: Option<&str>) -> Result<&'a Entry, Unresolved> {
        let wanted = |entry: &&&Entry| match version {
            Some(version) => entry.version.as_deref() == Some(version),
            None => entry.version == entry.latest_version,
        };
        named.iter().find(wanted).copied().ok_or_else(|| {
            Unresolved::Version(named.iter().filter_map(|entry| entry.version.clone()).collect())
        })
    }

    fn table(&self, source: &str, table: &str) -> Result<&Entry, Unresolved> {
        let all = || self.entries.iter().filter_map(|entry| Some((entry.source.as_deref()?, entry)));
        let named: Vec<&Entry> = all()
            .filter(|(of, entry)| *of == source && entry.name == table)
            .map(|(_, entry)| entry)
            .collect();
        if named.is_empty() {
            return Err(Unresolved::Unknown(
                all().map(|(of, entry)| format!("{of}.{}", entry.name)).collect(),
            ));
        }
        self.one_package(named)?.first().copied().ok_or_else(|| Unresolved::Unknown(Vec::new()))
    }
}
