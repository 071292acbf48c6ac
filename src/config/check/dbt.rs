//! The dbt project: where it is, what its models were built as, and what it is told of syncs.

use crate::{
    config::{
        DbtSpec, location, raw,
        reader::{At, Field, Reader},
        suggest::closest,
        value::Text,
    },
    dbt::{Manifest, Node, NotAReference, Owner, Reference, Unresolved},
    source::Model,
    sync::ExposureSpec,
};
use std::{cell::OnceCell, ops::Range, path::PathBuf};

/// The project, if there is one. Its manifest is read when the first model is looked up: it can be large, and a
/// configuration without such models does not need it.
pub(in crate::config) struct Project {
    /// The manifest, and where the configuration says so; none without a project.
    manifest_file: Option<(PathBuf, Range<usize>)>,
    /// Whether the block is wrong, which was complained about.
    is_bad: bool,
    exposures: Option<ExposureSpec>,
    manifest: OnceCell<Option<Manifest>>,
}

impl Project {
    pub(super) fn of(raw: Field<raw::Dbt>, reader: &mut Reader<'_>) -> Self {
        let mut project = Self {
            manifest_file: None,
            is_bad: false,
            exposures: Some(ExposureSpec::default()),
            manifest: OnceCell::new(),
        };
        let raw = match raw.optional() {
            Some(Some(at)) => at.value,
            Some(None) => return project,
            None => return Self { is_bad: true, ..project },
        };
        let folder = raw.project.given();
        let span = folder.as_ref().map(|at| at.span.clone());
        let folder = folder.and_then(|at| location::path(&at, reader));
        let target = raw.target_path.optional().map(|at| at.map_or("target".to_owned(), |at| at.value.text));
        project.exposures = exposure(raw.exposures, &ExposureSpec::default(), reader);
        project.manifest_file = match (folder, target, span) {
            (Some(folder), Some(target), Some(span)) => {
                Some((folder.join(target).join("manifest.json"), span))
            }
            _ => None,
        };
        project.is_bad = project.manifest_file.is_none();
        project
    }

    /// What the program relies on; `None` within if there is no project.
    pub(super) fn spec(self) -> Option<Option<DbtSpec>> {
        match (self.is_bad, self.manifest.into_inner()) {
            (true, _) | (_, Some(None)) => None,
            (false, manifest) => Some(
                self.manifest_file
                    .map(|(file, _)| DbtSpec { manifest_file: file, manifest: manifest.flatten() }),
            ),
        }
    }

    /// The model that a reference means; `None` within if the text is no reference.
    pub(in crate::config) fn model(&self, at: &At<Text>, reader: &mut Reader<'_>) -> Option<Option<Node>> {
        let Text { text, typed, .. } = &at.value;
        let typed = typed.trim();
        let reference = match Reference::parse(text)? {
            Ok(reference) => reference,
            Err(NotAReference(why)) => {
                let help = "write `ref('model')`, `ref('package', 'model')`, `ref('model', v=2)` or `source('name', 'table')`";
                reader.problem(&at.span, format!("`{typed}` names no model of dbt: {why}"), help.to_owned());
                return Some(None);
            }
        };
        if self.is_bad {
            return Some(None);
        }
        let Some((file, place)) = &self.manifest_file else {
            let message = format!(
                "`{typed}` is a model of dbt, and the configuration does not say where its project is"
            );
            let help = "add `dbt: { project: path/to/it }` at the top of the file: the folder with `dbt_project.yml`";
            reader.problem(&at.span, message, help.to_owned());
            return Some(None);
        };
        let manifest = self.manifest.get_or_init(|| {
            Manifest::read(file).map_err(|error| reader.problem(place, error.message, error.help)).ok()
        });
        let Some(manifest) = manifest else { return Some(None) };
        Some(match manifest.resolve(&reference) {
            Ok(node) => Some(node),
            Err(unresolved) => {
                let (message, help) = told(&unresolved, &reference, typed, at.value.is_foreign);
                reader.problem(&at.span, message, help);
                None
            }
        })
    }

    /// What dbt is told of one sync.
    pub(super) fn exposure(
        &self,
        raw: Field<raw::Exposure>,
        model: Option<&Model>,
        reader: &mut Reader<'_>,
    ) -> Option<ExposureSpec> {
        if let (Some(place), Some(Model { dbt: None, .. })) = (raw.place(), model) {
            let help = "remove it, or name a model of dbt: `model: ref('…')`";
            reader.problem(&place, "`exposure` has no effect: the model is none of dbt's", help.to_owned());
            return None;
        }
        exposure(raw, self.exposures.as_ref()?, reader)
    }
}

/// What a reference that means nothing is told.
fn told(why: &Unresolved, reference: &Reference, typed: &str, is_foreign: bool) -> (String, String) {
    match why {
        Unresolved::Unknown(known) => {
            let names: Vec<&str> = known.iter().map(String::as_str).collect();
            let meant = match reference {
                Reference::Ref { name, .. } => closest(name, &names).map(|name| format!("ref('{name}')")),
                Reference::Source { source, table } => closest(&format!("{source}.{table}"), &names)
                    .and_then(|name| name.split_once('.'))
                    .map(|(source, table)| format!("source('{source}', '{table}')")),
            };
            let fresh = "what is new in the project is known after `dbt compile`";
            let help = match meant {
                // A guess would tell what was filled in.
                Some(meant) if !is_foreign => format!("did you mean `{meant}`? Else: {fresh}"),
                _ => fresh.to_owned(),
            };
            (format!("the dbt project has no `{typed}`"), help)
        }
        Unresolved::Disabled => (
            format!("`{typed}` is disabled in the dbt project"),
            "enable it there, or name another model".to_owned(),
        ),
        Unresolved::Version(versions) if versions.is_empty() => {
            (format!("`{typed}` names a version, and the model has none"), "leave the version out".to_owned())
        }
        Unresolved::Version(versions) => (
            format!("the model has no version as in `{typed}`"),
            format!("its versions are {}", versions.join(", ")),
        ),
        Unresolved::Ambiguous(packages) => (
            format!("several packages of the dbt project have `{typed}`"),
            format!("put the package before the name; they are {}", packages.join(", ")),
        ),
        Unresolved::NoRelation(materialized) if materialized == "ephemeral" => (
            format!("`{typed}` is ephemeral: dbt builds no table of it"),
            "materialize it as a table or a view, or name a model that selects from it".to_owned(),
        ),
        Unresolved::NoRelation(materialized) => (
            format!("the dbt project builds no table of `{typed}` (its materialization is `{materialized}`)"),
            "name a model that is built as a table or a view".to_owned(),
        ),
    }
}

/// What is said of a sync, and of all syncs where it is silent.
fn exposure(
    raw: Field<raw::Exposure>,
    default: &ExposureSpec,
    reader: &mut Reader<'_>,
) -> Option<ExposureSpec> {
    let Some(raw) = raw.optional()? else { return Some(default.clone()) };
    let owner = raw.value.owner.optional().and_then(|given| match given {
        None => Some(default.owner.clone()),
        Some(at) => owner(at, reader).map(Some),
    });
    let schedule = raw.value.schedule.optional();
    let schedule = schedule.map(|at| at.map(|at| at.value.text).or_else(|| default.schedule.clone()));
    Some(ExposureSpec { owner: owner?, schedule: schedule? })
}

fn owner(at: At<raw::Owner>, reader: &mut Reader<'_>) -> Option<Owner> {
    let (name, email) = (at.value.name.optional(), at.value.email.optional());
    let (name, email) = (name?.map(|at| at.value.text), email?.map(|at| at.value.text));
    if name.is_none() && email.is_none() {
        let help = "write `owner: { name: … }`, `owner: { email: … }` or both";
        reader.problem(&at.span, "the owner of an exposure has neither a name nor an email", help.to_owned());
        return None;
    }
    Some(Owner { name, email })
}
