//! What others are told of a sync.

use crate::dbt::Owner;

/// What `hydrant dbt exposures` says of a sync besides what it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExposureSpec {
    /// Who answers for it.
    pub owner: Option<Owner>,
    /// When it runs, in the words of who configured it. Nothing is started by it.
    pub schedule: Option<String>,
}
