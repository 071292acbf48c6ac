//! The dbt project, as the program relies on it.

use crate::dbt::Manifest;
use std::path::PathBuf;

/// The dbt project whose models syncs name.
#[derive(Clone, Debug)]
pub struct DbtSpec {
    /// The manifest that dbt writes.
    pub manifest_file: PathBuf,
    /// What it held when the configuration was read; `None` if no sync names a model of dbt.
    pub manifest: Option<Manifest>,
}
