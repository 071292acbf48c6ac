//! All changes of a run at once, by building the table anew.

use crate::{Batch, Result};
use async_trait::async_trait;

/// The changes of one run, in their order: deletes first, then rows.
#[async_trait]
pub trait Changes: Send {
    /// The next changes; `None` at the end.
    ///
    /// A key occurs at most once in all of them. Only the rows of the batches count: what is noted stands in the batch that
    /// [`Target::rebuild`](crate::Target::rebuild) is called with.
    ///
    /// # Errors
    ///
    /// Whoever supplies the changes cannot go on. The target undoes what it has done, and hands the error on.
    async fn next(&mut self) -> Result<Option<Batch>>;
}

/// Whether a table can be built anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuildable {
    /// What is in the way, each in one sentence without a full stop; none if nothing is.
    pub obstacles: Vec<String>,
    /// About how many rows the table has, the application's own included; 0 if that is not known.
    pub rows: u64,
}

impl Rebuildable {
    /// The answer of a target that builds no table anew.
    pub fn never(target: &str) -> Self {
        Self { obstacles: vec![format!("{target} does not build tables anew")], rows: 0 }
    }
}
