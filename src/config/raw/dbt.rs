//! The dbt project that models are of, and what dbt is told of the syncs.

use super::*;

block! {
    /// The dbt project whose models syncs name as `ref('…')`.
    Dbt {
        /// The project's folder: the one with `dbt_project.yml`.
        project: Text,
        /// The folder that dbt writes `manifest.json` to; relative to the project.
        [default = "target"] target_path: Text,
        /// What `hydrant dbt exposures` says of syncs that do not say it themselves.
        [default] exposures: Exposure,
    }
}

block! {
    /// What `hydrant dbt exposures` says of a sync.
    Exposure {
        /// Who answers for it. dbt wants to know.
        [default] owner: Owner,
        /// When it runs, in your words. It is shown, and starts nothing.
        [default] schedule: Text,
    }
}

block! {
    /// Who answers for an exposure: a name, an address, or both.
    Owner {
        /// A person or a team.
        [default] name: Text,
        /// An address.
        [default] email: Text,
    }
}
