//! What a dbt project has to say: which relation a model was built as, which models were built and passed their tests, and
//! which of them applications depend on.
//!
//! It is all read from the files that dbt leaves in its target folder; dbt itself is not called. Nothing here knows a sync,
//! a source or a run.

mod artifact;
mod exposures;
mod manifest;
mod reference;
mod relation;
mod results;
#[cfg(test)]
mod tests;
mod verdict;

pub use artifact::ArtifactError;
pub use exposures::{Exposure, Exposures, Owner};
pub use manifest::Manifest;
pub use reference::{NotAReference, Reference};
pub use relation::{Kind, Node, Unresolved};
pub use results::Results;
pub use verdict::{Invocations, Verdict};
